"""What people put around the loops: it counts as it would have counted without a restart, or it is refused."""

from __future__ import annotations

import gc
import itertools
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
import torch
from run.conftest import Counter, Place
from tqdm import tqdm

import colab_resume
from colab_resume.errors import UsageError
from colab_resume.training import around

Turns = Iterable[tuple[Any, ...]]
"""What comes out of a loop's head, turn by turn."""

DATA = [10, 11, 12, 13, 14]
LISTS = [[10], [11], [12], [13], [14]]
LOADER = torch.utils.data.DataLoader(torch.arange(5), batch_size=1)


@pytest.fixture(autouse=True)
def young() -> Iterator[None]:
    """What was made just now is looked for among the young; a full collection would make it old. One may come at any
    allocation, and often does where all that was there before is frozen."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


class HandsOn:
    """An iterator in python, such as prefetchers are."""

    def __init__(self, loader: Iterable[Any]) -> None:
        self.items = iter(loader)

    def __iter__(self) -> HandsOn:
        return self

    def __next__(self) -> Any:
        return next(self.items)


def hands_on(loader: Iterable[Any]) -> Iterator[Any]:
    yield from loader


def _in_epochs(run: colab_resume.Run, head: Callable[[], Turns]) -> Iterator[tuple[Any, ...]]:
    for epoch in run.epochs(3):
        for turn in head():
            yield (epoch, *turn)


def _bar(items: Iterable[Any], **options: Any) -> Any:
    return tqdm(items, disable=True, **options)


def _of_fabric(loader: Iterable[Any]) -> Iterator[Any]:
    """A generator of a wrapper, which code of a package is."""
    scope: dict[str, Any] = {"__name__": "lightning.fabric.wrappers"}
    exec("def wrapped(loader):\n  for item in loader:\n    yield item\n", scope)
    found: Iterator[Any] = scope["wrapped"](loader)
    return found


RIGHT: dict[str, Callable[[colab_resume.Run], Turns]] = {
    "enumerate": lambda run: enumerate(run.batches(DATA)),
    "from one on": lambda run: enumerate(run.batches(DATA), 1),
    "of a loader": lambda run: ((i, int(x)) for i, x in enumerate(run.batches(LOADER))),
    "a one-shot": lambda run: enumerate(run.batches(iter(DATA))),
    "twice": lambda run: ((i, j, x) for i, (j, x) in enumerate(enumerate(run.batches(DATA), start=100))),
    "around a bar": lambda run: enumerate(_bar(run.batches(DATA))),
    "around a wrapper": lambda run: enumerate(_of_fabric(run.batches(DATA))),
    "in a bar": lambda run: _bar(enumerate(run.batches(DATA)), total=5),
    "around a bar's insides": lambda run: enumerate(run.batches(_bar(DATA))),
    "two passes": lambda run: enumerate(zip(run.batches(DATA), run.batches(DATA[::-1]), strict=True)),
    "with a bar in the second": lambda run: enumerate(zip(run.batches(DATA), _bar(run.batches(DATA)), strict=True)),
    "mapped": lambda run: enumerate(map(str, run.batches(DATA))),
    "mapped over two": lambda run: enumerate(map(max, run.batches(DATA), run.batches(DATA))),
    "the same for ever": lambda run: zip(run.batches(DATA), itertools.repeat("x"), strict=False),
    "filtered": lambda run: zip(filter(None, run.batches(DATA)), strict=True),
    "one after the other": lambda run: zip(itertools.chain(run.batches(DATA), run.batches(DATA)), strict=True),
}


def _counted(run: colab_resume.Run) -> Turns:
    return ((i, epoch, j, x) for i, epoch in enumerate(run.epochs(3)) for j, x in enumerate(run.batches(DATA)))


def _stepped(run: colab_resume.Run) -> Turns:
    stream = iter(run.batches(itertools.cycle(DATA)))
    return ((i, step, next(stream)) for i, step in enumerate(run.steps(14)))


def _taken_in_steps(run: colab_resume.Run) -> Turns:
    """What is around a pass for one step only counts from its beginning, for it begins in that step."""
    stream = iter(run.batches(itertools.cycle(DATA)))
    return ((step, *itertools.islice(stream, 2), *enumerate(zip("ab", stream, strict=False))) for step in run.steps(9))


WHOLE: dict[str, Callable[[colab_resume.Run], Turns]] = {
    **{name: lambda run, head=head: _in_epochs(run, lambda: head(run)) for name, head in RIGHT.items()},
    "without epochs": lambda run: enumerate(run.batches(range(13))),
    "epochs": _counted,
    "steps": _stepped,
    "in a step": _taken_in_steps,
    "of a whole training": lambda run: zip(hands_on(_in_epochs(run, lambda: run.batches(LISTS))), strict=True),
}


def _train(place: Place, turns: Callable[[colab_resume.Run], Turns], *, stop: int = -1) -> list[Any]:
    run, counter = place.setup(), Counter()
    run.track(counter=counter)
    for turn in turns(run):
        run._saving.writer.wait(None)
        if run.status().step == stop:
            return []
        counter.n += 1
        run.log(n=counter.n, turn=str(turn))
    return [record.values for record in run.history()]


@pytest.mark.slow
@pytest.mark.parametrize("name", WHOLE)
def test_what_is_around_a_loop_counts_as_if_there_had_been_no_restart(place: Place, name: str) -> None:
    for stop in (2, 5, 8):
        assert _train(place, WHOLE[name], stop=stop) == []
    found = _train(place, WHOLE[name])
    place.move("elsewhere")
    assert found == _train(place, WHOLE[name])


LATER = DATA[::-1]

WRONG: dict[str, tuple[str, Callable[[colab_resume.Run], Turns]]] = {
    "no more than three": ("islice", lambda run: zip(itertools.islice(run.batches(DATA), 3), strict=True)),
    "counted and no more than three": ("islice", lambda run: enumerate(itertools.islice(run.batches(DATA), 3))),
    "over and over": ("cycle", lambda run: enumerate(itertools.cycle(run.batches(DATA)))),
    "sums": ("accumulate", lambda run: zip(itertools.accumulate(run.batches(DATA)), strict=True)),
    "neighbours": ("pairwise", lambda run: itertools.pairwise(run.batches(DATA))),
    "beside a list": ("zip", lambda run: zip(run.batches(DATA), LATER, strict=True)),
    "beside a range": ("zip", lambda run: zip(range(5), run.batches(DATA), strict=True)),
    "beside a count": ("zip", lambda run: enumerate(zip(run.batches(DATA), itertools.count(), strict=False))),
    "beside a loader": ("zip", lambda run: zip(run.batches(DATA), LOADER, strict=True)),
    "beside a generator": ("zip", lambda run: zip(run.batches(DATA), hands_on(LATER), strict=True)),
    "mapped beside a list": ("map", lambda run: zip(map(max, run.batches(DATA), LATER), strict=True)),
    "as long as any": ("zip_longest", lambda run: itertools.zip_longest(run.batches(DATA), LATER)),
    "some of it": ("enumerate", lambda run: enumerate(filter(None, run.batches(DATA)))),
    "one after the other": ("enumerate", lambda run: enumerate(itertools.chain(run.batches(DATA), run.batches(DATA)))),
    "a generator function": ("enumerate", lambda run: enumerate(hands_on(run.batches(DATA)))),
    "an iterator": ("enumerate", lambda run: enumerate(HandsOn(run.batches(DATA)))),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_would_count_wrong_is_refused_at_the_first_turn(place: Place, name: str) -> None:
    kind, head = WRONG[name]
    run = place.setup()
    with pytest.raises(UsageError, match=f"^{kind} around run.batches"):
        next(_in_epochs(run, lambda: head(run)))


@pytest.mark.slow
@pytest.mark.parametrize("name", WRONG)
def test_what_was_not_seen_at_the_first_turn_is_refused_after_a_restart(place: Place, name: str) -> None:
    """It was made long before its first turn, so that it looked like one of the many things in a process."""
    kind, head = WRONG[name]

    def made_before(run: colab_resume.Run) -> Turns:
        made = head(run)
        gc.collect()
        return made

    def turns(run: colab_resume.Run) -> Turns:
        return _in_epochs(run, lambda: made_before(run))

    assert _train(place, turns, stop=2) == []
    with pytest.raises(UsageError, match=f"^{kind} around run.batches"):
        _train(place, turns)


def test_epochs_and_steps_are_no_better(place: Place) -> None:
    run = place.setup()
    with pytest.raises(UsageError, match=r"^zip around run.epochs"):
        next(zip(run.epochs(3), [0.1, 0.01, 0.001], strict=True))
    with pytest.raises(UsageError, match=r"^enumerate around run.epochs"):
        next(enumerate(_in_epochs(run, lambda: run.batches(LISTS))))
    with pytest.raises(UsageError, match=r"^zip around run.steps"):
        next(zip(run.steps(5), DATA, strict=True))


def test_a_python_that_keeps_its_counts_elsewhere_is_refused_and_left_alone(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _train(place, WHOLE["enumerate"], stop=2) == []
    monkeypatch.setattr(around, "_can_be_set", lambda: False)
    with pytest.raises(UsageError, match=r"^enumerate around the loop counts from its beginning"):
        _train(place, WHOLE["enumerate"])


def test_a_count_that_is_beyond_a_machine_word_is_refused() -> None:
    far = enumerate("abc", 2**70)
    with pytest.raises(UsageError, match=r"^enumerate around the loop"):
        around.lead_on([far], 3)
    assert next(far) == (2**70, "a")


def test_other_counts_in_the_process_are_left_alone(place: Place) -> None:
    assert _train(place, WHOLE["enumerate"], stop=3) == []
    others = [enumerate("abc"), enumerate(hands_on("abc")), enumerate(x for x in "abc")]
    assert next(others[1]) == (0, "a")
    _train(place, WHOLE["enumerate"])
    assert [next(other) for other in others] == [(0, "a"), (1, "b"), (0, "a")]


def test_looking_around_disturbs_no_other_thread(place: Place) -> None:
    """A tuple that another thread is making may be held by nobody else, or Python raises SystemError there."""
    over = threading.Event()
    errors: list[SystemError] = []

    def make_tuples() -> None:
        while not over.is_set():
            try:
                tuple(number for number in range(200))
            except SystemError as error:
                errors.append(error)

    threads = [threading.Thread(target=make_tuples) for _ in range(2)]
    usual = sys.getswitchinterval()
    try:
        sys.setswitchinterval(1e-5)
        for thread in threads:
            thread.start()
        for _ in range(2):
            run = place.setup(every=None)
            for epoch in run.epochs(8):
                for x in run.batches(DATA):
                    if (epoch, x) == (2, DATA[1]):
                        run.save()
                    elif (epoch, x) == (4, DATA[3]):
                        break
    finally:
        over.set()
        sys.setswitchinterval(usual)
        for thread in threads:
            thread.join()
    assert errors == []
