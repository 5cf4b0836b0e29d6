"""Loops that have the next batch in their hands before they have trained on the last one, and who must say so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from run.conftest import Place
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import colab_resume
from colab_resume.errors import StateMismatch, UsageError

Step = Callable[[Any], None]
Loop = Callable[[colab_resume.Run, DataLoader[Any], Step], None]


def _boundary_after_the_draw(run: colab_resume.Run, loader: DataLoader[Any], step: Step) -> None:
    batches = iter(run.batches(loader, ahead=True))
    batch = next(batches, None)
    while batch is not None:
        step(batch)
        batch = next(batches, None)
        run.boundary()


def _draw_first_then_step(run: colab_resume.Run, loader: DataLoader[Any], step: Step) -> None:
    batches = iter(run.batches(loader, ahead=True))
    batch = next(batches, None)
    while batch is not None:
        following = next(batches, None)
        step(batch)
        run.boundary()
        batch = following


def _endless(run: colab_resume.Run, loader: DataLoader[Any], **options: Any) -> Iterator[Any]:
    while True:
        yield from run.batches(loader, **options)


def _endless_with_boundaries(run: colab_resume.Run, loader: DataLoader[Any], step: Step) -> None:
    batches = _endless(run, loader, ahead=True)
    batch = next(batches)
    while run.status().step < 14:
        following = next(batches)
        step(batch)
        run.boundary()
        batch = following


def _steps_over_an_endless_pass(run: colab_resume.Run, loader: DataLoader[Any], step: Step) -> None:
    batches = _endless(run, loader, ahead=True)
    batch = next(batches)
    for _ in run.steps(14):
        step(batch)
        batch = next(batches)


def _steps_over_two_endless_passes(run: colab_resume.Run, loader: DataLoader[Any], step: Step) -> None:
    left, right = _endless(run, loader, ahead=True), _endless(run, loader, ahead=True)
    one, two = next(left), next(right)
    for _ in run.steps(14):
        ahead = next(left), next(right)
        step([one[0] + two[0]])
        one, two = ahead


class Prefetcher:
    """Holds the next batch, as one does to copy it to the GPU while the last one is trained on."""

    def __init__(self, batches: Any) -> None:
        self._batches = iter(batches)
        self._next = next(self._batches, None)

    def __iter__(self) -> Iterator[Any]:
        while self._next is not None:
            batch, self._next = self._next, next(self._batches, None)
            yield batch


def _prefetched_epochs(run: colab_resume.Run, loader: DataLoader[Any], step: Step) -> None:
    for _ in run.epochs(3):
        for batch in Prefetcher(run.batches(loader, ahead=True)):
            step(batch)


def _prefetched_passes(run: colab_resume.Run, loader: DataLoader[Any], step: Step) -> None:
    for _ in range(3):
        for batch in Prefetcher(run.batches(loader, ahead=True)):
            step(batch)


LOOPS: list[Loop] = [
    _boundary_after_the_draw,
    _draw_first_then_step,
    _endless_with_boundaries,
    _steps_over_an_endless_pass,
    _steps_over_two_endless_passes,
    _prefetched_epochs,
    _prefetched_passes,
]


class _Stop(Exception):
    pass


def _train(place: Place, loop: Loop, *, stop: int = -1) -> list[Any]:
    """The weights, and step and loss of each record."""
    torch.manual_seed(0)
    net = nn.Linear(2, 1)
    opt = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9)
    loader = DataLoader(TensorDataset(torch.randn(10, 2)), 2, shuffle=True)
    run = place.setup()
    run.track(net=net, opt=opt)
    begun = 0

    def step(batch: Any) -> None:
        nonlocal begun
        run._saving.writer.wait(None)
        if begun == stop:
            raise _Stop
        begun += 1
        opt.zero_grad()
        loss = (net(batch[0]) - torch.rand(1)).square().mean()
        loss.backward()
        opt.step()
        run.log(loss=loss)

    try:
        loop(run, loader, step)
    except _Stop:
        return []
    run.finish()
    return [net.weight.tolist(), [(record.step, record.values["loss"]) for record in run.history()]]


@pytest.mark.slow
@pytest.mark.parametrize("loop", LOOPS, ids=lambda loop: loop.__name__.strip("_"))
@pytest.mark.parametrize("stops", [(0, 1, 1), (2, 0, 2), (4, 1), (5, 5), (9, 3)], ids=str)
def test_a_loop_that_draws_ahead_goes_on_with_the_batch_it_had_in_its_hands(
    place: Place, loop: Loop, stops: tuple[int, ...]
) -> None:
    """No batch is left out and none comes twice, wherever it was interrupted; each record has its step."""
    for stop in stops:
        _train(place, loop, stop=stop)
    found = _train(place, loop)
    restored = place.runs[-1].status().restored
    place.move("elsewhere")
    assert found == _train(place, loop)
    assert [step for step, _ in found[1]] == list(range(1, len(found[1]) + 1))
    assert restored


def _silent(loop: Loop) -> Loop:
    """The same loop, which does not say what it does."""

    class Run:
        def __init__(self, run: colab_resume.Run) -> None:
            self._run = run

        def __getattr__(self, name: str) -> Any:
            return getattr(self._run, name)

        def batches(self, loader: Any, *, ahead: bool) -> Any:
            return self._run.batches(loader)

    return lambda run, loader, step: loop(Run(run), loader, step)  # type: ignore[arg-type]


@pytest.mark.parametrize("loop", LOOPS, ids=lambda loop: loop.__name__.strip("_"))
def test_a_loop_that_does_not_say_that_it_draws_ahead_is_refused_in_its_first_steps(place: Place, loop: Loop) -> None:
    """Before anything is lost, with the words to say; what was saved until then leads to no other training."""
    for _ in range(2):
        with pytest.raises(UsageError, match=r"again|inside|first|second") as caught:
            _train(place, _silent(loop))
        assert "ahead=True" in str(caught.value)
    if loop is _boundary_after_the_draw:  # its first draws were counted as steps before it said anything
        with pytest.raises(StateMismatch, match="another name"):
            _train(place, loop)
        return
    found = _train(place, loop)
    place.move("elsewhere")
    assert found == _train(place, loop)


def test_a_first_step_that_was_left_out_on_purpose_can_be_said_to_be_that(place: Place) -> None:
    """A batch that is skipped looks like one that is in hand; `ahead=False` says which it is."""
    net = nn.Linear(1, 1)

    def session(**options: Any) -> None:
        run = place.setup()
        run.track(net=net, opt=torch.optim.SGD(net.parameters(), 0.1))
        for batch in run.batches([1, 2, 3], **options):
            if batch == 1:
                continue

    with pytest.raises(UsageError, match="nothing that is tracked has changed"):
        session()
    session(ahead=False)


def test_a_first_step_that_amp_leaves_out_is_a_step(place: Place) -> None:
    """The scaler lowers its scale then, and nothing else changes."""
    net = nn.Linear(1, 1)
    opt = torch.optim.SGD(net.parameters(), 0.1)
    scaler = torch.amp.GradScaler("cpu")
    run = place.setup()
    run.track(net=net, opt=opt, scaler=scaler)
    for _ in run.batches([1, 2]):
        scaler.scale(net(torch.full((1, 1), torch.inf)).sum()).backward()
        scaler.step(opt)
        scaler.update()
        opt.zero_grad()
    assert scaler.get_scale() < 65536


def test_a_step_that_changes_parameters_by_hand_is_a_step(place: Place) -> None:
    """Through `.data`, which torch does not count as a change, and with no gradient left."""
    net = nn.Linear(2, 1)
    run = place.setup()
    run.track(net=net)
    for x in run.batches([torch.ones(1, 2)] * 3):
        net(x).sum().backward()
        for parameter in net.parameters():
            assert parameter.grad is not None
            parameter.data.add_(parameter.grad, alpha=-0.1)
            parameter.grad = None


def test_a_pass_around_steps_is_not_one_that_is_drawn_ahead(place: Place) -> None:
    """Several steps on each batch: the loop over batches makes the boundaries, and is not refused."""

    def session(stop: int) -> list[Any]:
        run = place.setup()
        for batch in run.batches([1, 2, 3]):
            for step in run.steps(2, name="inner"):
                run._saving.writer.wait(None)
                if run.status().step == stop:
                    return []
                run.log(batch=batch, step=step)
        return [record.values for record in run.history()]

    session(1)
    found = session(-1)
    place.move("elsewhere")
    assert found == session(-1)
    assert len(found) == 6


def test_several_draws_in_a_step_of_ones_own_are_refused(place: Place) -> None:
    """Each draw would be taken for a step until the first boundary; `run.steps` is the loop for that."""
    run = place.setup()
    batches = iter(run.batches([1, 2, 3]))
    next(batches), next(batches)
    with pytest.raises(UsageError, match=r"several times before the first run.boundary"):
        run.boundary()
