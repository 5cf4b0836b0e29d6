"""Capturing at boundaries: what is copied when, what is not copied, what disturbs it, and what it needs."""

from __future__ import annotations

import copy
import weakref
from typing import Any

import numpy as np
import pytest
import torch
from training.capture.scene import PLENTY, Scene, is_same

from colab_resume.checkpoints.encoding import Immutable
from colab_resume.errors import EncodingError
from colab_resume.training.capture.capture import Capture
from colab_resume.training.capture.live import LiveState
from colab_resume.training.capture.work import Work

ROUNDS = 5
"""After so many steps what keeps still has been seen to."""


class Training:
    """A net with a frozen half, and its optimizer."""

    def __init__(self, kind: Any = torch.optim.AdamW, **options: Any) -> None:
        torch.manual_seed(0)
        self.frozen = torch.nn.Linear(70, 70).requires_grad_(False)
        self.net = torch.nn.Linear(70, 30)
        self.optimizer = kind(self.net.parameters(), **options)
        self.scene = Scene(frozen=self.frozen, net=self.net, optimizer=self.optimizer)

    def step(self) -> None:
        """One, as people write it."""

        def closure() -> torch.Tensor:
            self.optimizer.zero_grad()
            loss = self.net(self.frozen(torch.ones(2, 70, device=self.net.weight.device))).square().mean()
            loss.backward()
            return loss

        loss = self.optimizer.step(closure)
        assert loss is not None
        self.optimizer.zero_grad()

    def boundary(self, *, step_follows: bool = True) -> Any:
        """A snapshot, and what it should hold."""
        self.scene.tracking.reach_boundary()
        truth = self.scene.truth()
        snapshot = self.scene.take(step_follows=step_follows)
        self.scene.tracking.leave_boundary(step_follows=step_follows)
        return snapshot, truth

    def round(self) -> bool:
        """A boundary and the next step; whether the snapshot held the boundary's state."""
        snapshot, truth = self.boundary()
        self.step()
        held = self.scene.held(snapshot)
        return held is not None and is_same(held, truth)

    def warm_up(self) -> None:
        """As long as it takes."""
        assert all(self.round() for _ in range(ROUNDS))
        self.scene.work.clear()

    def makes_late_copies(self) -> bool:
        """Whether there was a copy that waited for somebody to make it."""
        return self.scene.copy_one()


OPTIMIZERS = [
    (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9}),
    (torch.optim.AdamW, {"foreach": True}),
    (torch.optim.AdamW, {"fused": True}),
    (torch.optim.RMSprop, {}),
    (torch.optim.Adafactor, {}),
    (torch.optim.LBFGS, {"max_iter": 2}),
]


@pytest.mark.parametrize(("kind", "options"), OPTIMIZERS)
def test_the_step_waits_for_the_copies(kind: Any, options: Any) -> None:
    """What nobody has copied when the optimizer steps is copied then, and shows the boundary."""
    training = Training(kind, **options)
    training.warm_up()
    snapshot, truth = training.boundary()
    assert training.makes_late_copies()
    training.step()
    assert is_same(training.scene.held(snapshot), truth)


def test_a_closure_does_not_wait_for_the_copies() -> None:
    """Forward and backward pass run in it, before the optimizer changes anything: copies go on beside them."""
    training = Training()
    training.warm_up()
    snapshot, truth = training.boundary()
    late = []

    def closure() -> torch.Tensor:
        late.append(training.makes_late_copies())
        return training.net(torch.ones(2, 70)).square().mean()

    training.optimizer.step(closure)
    assert late == [True]
    assert is_same(training.scene.held(snapshot), truth)


def test_nothing_waits_where_everything_is_copied() -> None:
    """A step that finds all copies made goes on at once."""
    training = Training()
    training.warm_up()
    snapshot, truth = training.boundary()
    training.scene.copy_all()
    training.step()
    assert is_same(training.scene.held(snapshot), truth)


def test_nothing_is_late_before_a_pause() -> None:
    """Where no step follows, the user's code may do anything: all is copied at the boundary."""
    training = Training()
    training.warm_up()
    snapshot, truth = training.boundary(step_follows=False)
    assert not training.makes_late_copies()
    with torch.no_grad():
        training.net.weight.data.zero_()
    assert is_same(training.scene.held(snapshot), truth)


class Doubling(torch.optim.Optimizer):
    """One that nobody knows."""

    def __init__(self, parameters: Any, lr: float = 0.1) -> None:
        super().__init__(parameters, {"lr": lr})

    def step(self, closure: Any = None) -> Any:
        with torch.enable_grad():
            loss = closure()
        with torch.no_grad():
            for parameter in self.param_groups[0]["params"]:
                self.state[parameter].setdefault("count", torch.zeros(3)).add_(1)
                parameter.mul_(2)
        return loss


def test_what_an_unknown_optimizer_owns_is_copied_at_once() -> None:
    """Nobody knows what else it does, and when."""
    training = Training(Doubling)
    training.warm_up()
    snapshot, truth = training.boundary()
    with torch.no_grad():
        training.net.weight.data.zero_()
        training.optimizer.state[training.net.weight]["count"].zero_()
    assert is_same(training.scene.held(snapshot), truth)


def test_code_that_edits_weights_before_the_step_is_found_out_at_first() -> None:
    """Even one number, and through `.data`: the first steps are compared in full."""
    training = Training()

    def round_with_an_edit() -> bool:
        snapshot, truth = training.boundary()
        with torch.no_grad():
            training.net.weight.data[3, 3] += 1
        training.step()
        return is_same(training.scene.held(snapshot), truth)

    assert all(round_with_an_edit() for _ in range(6))
    assert not training.scene.capture.notice


EDITS = {
    "counted": lambda weight: weight[3, 3].add_(1),
    "all of it, through .data": lambda weight: weight.data.mul_(0.5),
    "clipped through .data": lambda weight: weight.data.clamp_(-0.01, 0.01),
}


@pytest.mark.parametrize("edit", EDITS)
def test_a_disturbed_snapshot_is_void_and_the_next_one_is_not(edit: str) -> None:
    """It is noticed, said, and from then on copied at the boundary."""
    training = Training()
    training.warm_up()
    for turn in range(3):
        snapshot, truth = training.boundary()
        with torch.no_grad():
            EDITS[edit](training.net.weight)
        held = training.scene.held(snapshot)
        assert held is None if turn == 0 else is_same(held, truth)
        training.step()
    assert training.scene.capture.notice.startswith("net.weight changed")


def test_an_edit_after_the_copies_disturbs_nothing() -> None:
    """The snapshot is what it was."""
    training = Training()
    training.warm_up()
    snapshot, truth = training.boundary()
    training.scene.copy_all()
    with torch.no_grad():
        training.net.weight.mul_(2)
    assert is_same(training.scene.held(snapshot), truth)


def test_a_step_that_comes_by_no_hook_is_noticed() -> None:
    """As in a captured graph: then nothing was waited for, and what it changed is copied at once from then on."""
    training = Training()
    training.warm_up()
    training.scene.tracking.before_step = lambda: None
    snapshot, _ = training.boundary()
    training.step()
    assert training.scene.held(snapshot) is None
    snapshot, truth = training.boundary()
    training.step()
    assert is_same(training.scene.held(snapshot), truth)


def test_what_has_not_changed_is_not_copied() -> None:
    """A frozen part is recognised where it lies, and only referenced."""
    training = Training()
    training.warm_up()
    snapshot, _ = training.boundary()
    training.step()
    training.scene.copy_all()
    slabs = {slab.key: slab for slab in snapshot.slabs()}
    assert slabs["frozen.weight"].data is None
    assert slabs["net.weight"].data is not None


def test_an_edit_that_torch_does_not_count_is_saved_all_the_same() -> None:
    """One number of a frozen part, through `.data`: it is read, not believed."""
    training = Training()
    training.warm_up()
    training.frozen.weight.data[1, 1] += 1
    assert training.round()


def test_what_begins_to_change_is_copied_at_once() -> None:
    """Nothing is lost by its having kept still until now."""
    training = Training()
    training.warm_up()
    for _ in range(3):
        with torch.no_grad():
            training.frozen.weight.add_(1)
            training.frozen.bias.add_(1)
        snapshot, truth = training.boundary()
        with torch.no_grad():
            training.frozen.weight.add_(1)
            training.frozen.bias.add_(1)
        training.step()
        assert is_same(training.scene.held(snapshot), truth)


def test_what_could_not_be_saved_is_copied_again() -> None:
    """Only what is stored can be referenced."""
    training = Training()
    training.warm_up()
    snapshot, _ = training.boundary()
    training.scene.copy_all()
    assert snapshot.slabs() is not None
    training.scene.capture.forget()
    training.scene.stored.clear()
    training.step()
    assert training.round()


def test_the_memory_is_that_of_the_state() -> None:
    """And the same for every snapshot."""
    training = Training()
    training.warm_up()
    held = training.scene.capture.nbytes
    for _ in range(5):
        assert training.round()
    assert training.scene.capture.nbytes == held
    big = _capture(PLENTY)
    big.take([LiveState.of("state", "values", [torch.zeros(1 << 20) for _ in range(10)])])
    assert 10 << 22 <= big.nbytes <= 1.05 * (10 << 22)


GIGABYTE = 1 << 30


def _to_nobody(work: Work) -> None:
    """Whoever waits makes all copies alone."""


def _capture(room: int) -> Capture:
    return Capture(room=lambda: room, hand_on=_to_nobody)


def test_the_last_gigabyte_is_left_to_others() -> None:
    """What would need some of it is written from where it is, and the training waits."""
    value = [
        torch.arange(3 << 20),
        torch.zeros(7, 3).T,
        torch.randn(3, 300, 40, 31).to(memory_format=torch.channels_last),
    ]
    state = LiveState.of("state", "values", value)
    assert not _capture(GIGABYTE + (30 << 20)).take([state]).holds_training
    capture = _capture(GIGABYTE + (20 << 20))
    snapshot = capture.take([state])
    assert snapshot.holds_training
    assert capture.nbytes == 0
    expected = _capture(PLENTY).take([state]).slabs()
    found = snapshot.slabs()
    assert expected is not None
    assert found is not None
    for one, other in zip(expected, found, strict=True):
        assert (one.digest, one.key) == (other.digest, other.key)
        assert b"".join(one.views()) == b"".join(bytes(view) for view in other.views())


def test_memory_is_given_back_when_it_becomes_scarce() -> None:
    """Before the system has to kill somebody."""
    left = [PLENTY]
    capture = Capture(room=lambda: left[0], hand_on=_to_nobody)
    state = LiveState.of("state", "values", torch.zeros(1 << 20))
    left[0] = PLENTY
    assert capture.take([state]).slabs()
    left[0] = GIGABYTE // 4
    assert capture.take([state]).slabs()
    assert capture.take([state]).holds_training
    assert capture.nbytes == 0
    left[0] = PLENTY
    assert not capture.take([state]).holds_training


class Values:
    """A state of arrays that are made anew in each step, as those of JAX are."""

    def __init__(self) -> None:
        self.arrays = [np.zeros(shape) for shape in (3, (), 100_000, (300, 300), 0)]

    def step(self) -> None:
        """The old arrays stay as they are, with whoever holds them."""
        self.arrays = [np.asarray(array + 1.0) for array in self.arrays]

    def state_dict(self) -> dict[str, Any]:
        return {"arrays": [Immutable(array) for array in self.arrays]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        raise NotImplementedError


def test_no_step_waits_for_copies_of_what_is_immutable() -> None:
    """And whether a step follows makes no difference."""
    values = Values()
    scene = Scene(values=values)
    for turn in range(4):
        truth = {"values": {"arrays": values.arrays}}
        snapshot = scene.take(step_follows=bool(turn % 2))
        scene.capture.settle()
        values.step()
        assert scene.copy_one()
        held = scene.held(snapshot)
        assert held is not None
        assert is_same({"values": held["values"]}, truth)


def test_what_is_immutable_is_let_go_once_it_is_copied() -> None:
    """Its memory belongs to the framework, which could write to it again."""
    values = Values()
    scene = Scene(values=values)
    snapshot = scene.take()
    gone = [weakref.ref(array) for array in values.arrays if array.size]
    values.step()
    assert not any(one() is None for one in gone)
    scene.copy_all()
    assert all(one() is None for one in gone)
    assert snapshot.slabs() is not None


def test_the_copies_for_one_snapshot_are_made_before_the_next_is_taken() -> None:
    """They go to the same memory."""
    values = Values()
    scene = Scene(values=values)
    scene.take()
    values.step()
    snapshot = scene.take()
    for work in reversed(scene.work):
        work.finish()
    held = scene.held(snapshot)
    assert held is not None
    assert is_same(held["values"], {"arrays": values.arrays})


def test_the_tree_of_what_nobody_changes_is_made_where_nobody_waits() -> None:
    """At the boundary it is not even asked for; the slabs that belong to it are its own."""
    made = []

    def settled() -> Any:
        made.append(True)
        return {"words": torch.arange(700), "held": [torch.arange(3), 1.5]}

    scene = Scene()
    states = [LiveState("first", "rng", settled, is_settled=True), LiveState.of("last", "values", [torch.ones(2)])]
    snapshot = scene.capture.take(states)
    assert not made
    held = scene.held(snapshot)
    assert held is not None
    assert is_same(held, {"first": settled(), "last": [torch.ones(2)]})
    scene.capture.close()


@pytest.mark.parametrize(
    ("values", "change"),
    [
        ({"best": 0.5, "name": "a"}, lambda values: values.update(best=1.5, more=1)),
        ({"losses": [0.5]}, lambda values: values["losses"].append(1.5)),
        ({"deep": {"losses": (1, [0.5])}}, lambda values: values["deep"]["losses"][1].clear()),
        ({"mean": torch.zeros(2)}, lambda values: values["mean"].add_(1)),
        ({"mean": np.zeros(2)}, lambda values: values["mean"].fill(1)),
        ({"bytes": bytearray(b"abc")}, lambda values: values["bytes"].extend(b"d")),
    ],
)
def test_values_are_those_of_the_boundary(values: dict[str, Any], change: Any) -> None:
    """Whenever their tree is made: a state that an object gives may be the very one that it goes on with."""
    expected = copy.deepcopy(values)
    scene = Scene(live=(lambda: values, values.update))
    snapshot = scene.take()
    change(values)
    held = scene.held(snapshot)
    assert held is not None
    assert is_same(held["live"], expected)


def test_what_cannot_be_stored_is_refused_at_the_boundary_or_told_by_the_snapshot() -> None:
    """The training goes on either way; what is settled was taken before."""
    scene = Scene()
    with pytest.raises(EncodingError, match="live"):
        scene.capture.take([LiveState.of("live", "values", [object()])])
    snapshot = scene.capture.take([LiveState.of("live", "values", [object()], is_settled=True)])
    with pytest.raises(EncodingError, match="live"):
        snapshot.slabs()


def test_work_is_done_once_and_by_whoever_comes() -> None:
    """And its end is told after the last look."""
    seen: list[int] = []
    work = Work([lambda n=n: seen.append(n) for n in range(5)], at_last=lambda: seen.append(99))  # type: ignore[misc]
    work.do_one()
    work.finish()
    work.wait()
    assert seen == [0, 1, 2, 3, 4, 99]


def test_a_copy_that_fails_fails_the_snapshot() -> None:
    """Whoever waits for it is told."""

    def fail() -> None:
        raise MemoryError("none left")

    work = Work([fail, lambda: None], at_last=lambda: None)
    work.finish()
    assert isinstance(work.error, MemoryError)


def test_ctrl_c_in_a_copy_ends_the_work_all_the_same() -> None:
    """It reaches the training, nobody waits for ever, and the snapshot is known to be incomplete."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    work = Work([interrupt, lambda: None], at_last=lambda: None)
    with pytest.raises(KeyboardInterrupt):
        work.finish()
    work.finish()
    assert isinstance(work.error, RuntimeError)


class Named(torch.nn.Linear):
    """With a list, which may change while it stays the same list."""

    def __init__(self) -> None:
        super().__init__(1100, 1100)
        self.names = ["a"]


def test_large_tensors_are_copied_in_parts_and_late() -> None:
    """Also where the form of the state has to be found out anew each time."""
    training = Training()
    training.net, training.frozen = Named(), torch.nn.Linear(1100, 1100).requires_grad_(False)
    training.optimizer = torch.optim.SGD(training.net.parameters(), lr=0.1)
    training.scene = Scene(net=training.net, frozen=training.frozen, optimizer=training.optimizer)

    def step() -> None:
        training.net.weight.grad = torch.ones(1100, 1100)
        training.optimizer.step()
        training.optimizer.zero_grad()

    for turn in range(9):
        snapshot, truth = training.boundary()
        assert training.makes_late_copies() or turn < 1
        step()
        assert is_same(training.scene.held(snapshot), truth)
        training.net.names.append("b")
        if turn > 6:
            with torch.no_grad():
                training.frozen.weight[5, 5] += 1


def test_what_was_changed_back_after_its_copy_was_made_is_noticed() -> None:
    """The copy shows what stood there for a moment; the tensor itself is again as it was."""
    training = Training()
    training.net, training.frozen = torch.nn.Linear(300, 300), torch.nn.Linear(70, 300).requires_grad_(False)
    training.optimizer = torch.optim.SGD(training.net.parameters(), lr=0.1, momentum=0.9)
    training.scene = Scene(net=training.net, optimizer=training.optimizer)
    training.warm_up()
    snapshot, _ = training.boundary()
    weight = training.net.weight.data
    kept = weight.clone()
    weight.add_(1)
    assert training.scene.copy_one()
    weight.copy_(kept)
    assert training.scene.copy_one(), "the copy of the weight was the last one: nothing is shown"
    training.step()
    assert training.scene.held(snapshot) is None
    assert training.round()


def test_a_module_may_give_a_buffer_another_size_in_forward() -> None:
    """As the observers of torch.ao.quantization do; torch refuses it for memory that numpy has looked at."""

    class Observer(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(3))
            self.register_buffer("scale", torch.ones(1))
            self.scale: torch.Tensor

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if len(self.scale) == 1:
                self.scale.resize_(300).fill_(2.0)
            return x * self.weight

    net = Observer()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    scene = Scene(net=net, optimizer=optimizer)
    for turn in range(2 * ROUNDS):
        truth, snapshot = scene.truth(), scene.take()
        held = scene.held(snapshot)
        assert held is not None
        assert is_same(held, truth)
        if turn >= ROUNDS:
            net(torch.ones(3)).sum().backward()
        optimizer.step()


def test_what_is_read_beside_the_training_keeps_its_memory() -> None:
    training = Training()
    training.warm_up()
    training.boundary()
    for late in (training.net.weight, training.frozen.weight):
        with pytest.raises(RuntimeError, match="not resizable"):
            late.data.resize_(1 << 20)
