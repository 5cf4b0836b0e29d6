"""A check leaves the training exactly where it was, whatever the step does, and however the check ends."""

from __future__ import annotations

import multiprocessing
import random
import weakref
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader
from trainings import Points

from colab_resume.checking import check
from colab_resume.checking.fingerprint import fingerprint

from .conftest import Notebook, checked, tracked

EVERYTHING = """
from collections import deque
ema = torch.optim.swa_utils.AveragedModel(net)
sched = torch.optim.lr_scheduler.StepLR(opt, 1, 0.7)
stem = nn.BatchNorm1d(2)
noise, rng = torch.Generator().manual_seed(3), np.random.default_rng(4)
legacy, dice = np.random.RandomState(5), random.Random(6)
words = nn.Embedding(9, 2, sparse=True)
words_opt = torch.optim.SparseAdam(words.parameters())
center, table = torch.zeros(2), np.zeros(3)
hidden = torch.zeros(2)
counter, history, seen, recent, sums = 0, [], set(), deque(maxlen=2), {"n": 0}
def train_step(batch):
    SHARED counter, hidden
    counter += 1
    history.append(counter)
    seen.add(counter)
    recent.append(counter)
    sums["n"] += counter
    sums[counter] = "new"
    train_step.calls = counter
    center.mul_(0.9).add_(batch[0].mean(0))
    table[counter % 3] += 1
    batch[0].add_(1)
    x = stem(batch[0]) + torch.randn(2, generator=noise) + float(rng.random()) + words(torch.tensor(counter % 9))
    x = x + torch.randn(2) + random.random() + np.random.rand() + legacy.rand() + dice.random()
    hidden = (hidden.detach() + x.mean(0)).tanh()
    words_opt.zero_grad()
    loss = learn((x + hidden).float(), batch[1], scale=1 / counter)
    words_opt.step()
    sched.step()
    ema.update_parameters(net)
    net.eval()
    net[1].momentum = 0.1 / counter
    net[0].weight.requires_grad_(counter % 2 == 0)
    opt.param_groups[0]["weight_decay"] = counter / 100
    return loss.item()
"""

WATCHED = (
    "net opt ema sched stem noise rng legacy dice words words_opt center table hidden counter history seen recent sums"
)


def picture(cells: dict[str, Any]) -> dict[str, str]:
    """All that the step changes, bit by bit."""
    values = {name: cells[name] for name in WATCHED.split()}
    modules = [values[name] for name in ("net", "stem", "words", "ema")]
    beside = [
        [(part.training, getattr(part, "momentum", None)) for module in modules for part in module.modules()],
        [(one.requires_grad, one.grad) for module in modules for one in module.parameters()],
        vars(cells["train_step"]),
    ]
    states = {name: one.state_dict() if hasattr(one, "state_dict") else one for name, one in values.items()}
    return {name: fingerprint(one) for name, one in states.items()} | {"beside": fingerprint(beside)}


def trained(cells: dict[str, Any], steps: int = 4) -> list[Any]:
    """The training itself: what it gives, and what the generators would give next."""
    losses = [cells["train_step"](batch) for batch in list(cells["loader"])[:steps]]
    return [losses, picture(cells), [random.random(), np.random.rand(), torch.rand(1).item()]]


@pytest.fixture
def notebook() -> Notebook:
    """Variables of the module: what the test looks at must be what the step assigns to."""
    return Notebook("global")


@pytest.mark.parametrize("names", ["net opt sched", "net opt ema sched stem noise rng words words_opt"])
@pytest.mark.parametrize("already", [0, 2])
def test_a_training_goes_on_as_if_there_had_been_no_check(notebook: Notebook, names: str, already: int) -> None:
    """Losses, weights, optimizer, averages, gradients, counters and all generators are the same to the bit."""
    plain = notebook.run(EVERYTHING)
    trained(plain, already)
    expected = trained(plain)
    with_check = notebook.run(EVERYTHING)
    trained(with_check, already)
    before = picture(with_check)
    checked(with_check, names)
    assert picture(with_check) == before
    assert trained(with_check) == expected


def test_everything_is_still_the_same_object(notebook: Notebook) -> None:
    """Whoever holds a parameter, a gradient, a state or a list holds the living one."""
    cells = notebook.run(EVERYTHING)
    trained(cells)
    held = {name: cells[name] for name in WATCHED.split()}
    parameters = [(one, one.data_ptr(), one.grad) for one in cells["net"].parameters()]
    states = [*cells["opt"].state.items()]
    groups = cells["opt"].param_groups
    checked(cells, "net opt sched")
    assert all(cells[name] is one for name, one in held.items())
    for (one, address, grad), now in zip(parameters, cells["net"].parameters(), strict=True):
        assert now is one
        assert now.data_ptr() == address
        assert now.grad is grad
    assert all(cells["opt"].state[one] is state for one, state in states)
    assert cells["opt"].param_groups is groups


class Fuse:
    """Raises at one of its calls. A step holds it weakly, so that a check does not find it and put it back."""

    def __init__(self, error: BaseException, at: int) -> None:
        self.error, self.left = error, at

    def burn(self) -> None:
        self.left -= 1
        if not self.left:
            raise self.error


@pytest.mark.parametrize("at", [1, 3, 5, 8, 12])
@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_a_step_that_raises_leaves_nothing_behind(notebook: Notebook, error: BaseException, at: int) -> None:
    """Whichever run it happens in, the training is put back, and the user sees the error itself."""
    cells = notebook.run(EVERYTHING)
    before = picture(cells)
    fuse = Fuse(error, at)
    step, held = cells["train_step"], weakref.ref(fuse)

    def train_step(batch: Any) -> Any:
        result = step(batch)
        held().burn()
        return result

    with pytest.raises(type(error)) as caught:
        checked({**cells, "train_step": train_step}, "net opt sched")
    assert caught.value is error
    assert picture(cells) == before


def test_variables_that_the_step_makes_are_gone_again(notebook: Notebook) -> None:
    """A name that was not there before the check is not there after it."""
    cells = notebook.run("""
        def train_step(batch):
            global made
            made = learn(*batch)
            net.made = 1
            return made
        """)
    checked(cells, "net opt")
    assert "made" not in cells
    assert not hasattr(cells["net"], "made")


def test_batches_are_the_same_in_each_run(notebook: Notebook) -> None:
    """A step may write into its batch; the next run gets it as it was drawn."""
    step = """
        def train_step(batch):
            batch[0].mul_(2)
            return learn(*batch)
        """
    assert not notebook.check("net opt", step).rows


@pytest.mark.parametrize("persistent", [False, True])
def test_no_worker_of_the_loader_is_left(notebook: Notebook, persistent: bool) -> None:
    """The batches of a check are drawn by workers of its own, and they end with it."""
    loader = DataLoader(Points(), 8, num_workers=2, persistent_workers=persistent)
    notebook.check("net opt", "def train_step(batch): return learn(*batch)", loader=loader)
    assert not multiprocessing.active_children()


def test_what_a_data_set_notes_while_it_is_drawn_from_is_put_back(notebook: Notebook) -> None:
    """The batches of a check leave no trace in the data set either."""
    cells = notebook.run("""
        class Counted(Points):
            def __init__(self):
                super().__init__()
                self.calls, self.known, self.rng = 0, {}, np.random.default_rng(1)
            def __getitem__(self, index):
                self.calls += 1
                self.known[index] = self.rng.random()
                return super().__getitem__(index)
        loader = DataLoader(Counted(), 8)
        def train_step(batch):
            return learn(*batch)
        """)
    data = cells["loader"].dataset
    before = fingerprint([data.calls, data.known, data.rng])
    checked(cells, "net opt")
    assert fingerprint([data.calls, data.known, data.rng]) == before


def test_the_modes_of_torch_are_as_they_were(notebook: Notebook) -> None:
    """Deterministic algorithms are asked for only while one step runs."""
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    notebook.check("net opt", "def train_step(batch): return learn(*batch)")
    after = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    assert after == before


def test_what_the_run_knows_about_an_optimizer_is_not_forgotten(notebook: Notebook) -> None:
    """That gradients need not be saved was seen over some steps; a check is no reason to see it again."""
    cells = notebook.run("def train_step(batch): return learn(*batch)")
    tracking = tracked(cells, "net opt")
    for batch in list(cells["loader"])[:3]:
        cells["train_step"](batch)
        tracking.reach_boundary()
        tracking.leave_boundary(step_follows=True)
    before = fingerprint([state for _, _, state in tracking.states()])
    check(tracking, cells["train_step"], cells["loader"])
    assert fingerprint([state for _, _, state in tracking.states()]) == before


def test_a_state_that_only_its_owner_can_reach_is_put_back(notebook: Notebook) -> None:
    """The tensors that a tracked object shows as its state are put back, wherever they lie."""

    class Far:
        def __init__(self, place: weakref.ref[Any]) -> None:
            self.place = place

        def state_dict(self) -> dict[str, Any]:
            return {"scale": self.place().scale}

        def load_state_dict(self, state: dict[str, Any]) -> None:
            del state

    class Home:
        scale = torch.ones(2)

    home = Home()
    cells = notebook.run("def train_step(batch): return learn(*batch)")
    checked({**cells, "far": Far(weakref.ref(home))}, "net opt far")
    assert home.scale.tolist() == [1, 1]
