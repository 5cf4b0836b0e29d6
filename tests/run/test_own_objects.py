"""Objects of the user's own that have no way to give their state are tracked by their attributes."""

from __future__ import annotations

import copy
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import pytest
import torch
from run.conftest import Place
from run.scenes import STOPS, Scene, assert_goes_on
from torch import nn

from colab_resume.checkpoints.encoding import decode, encode
from colab_resume.errors import EncodingError, StateMismatch, UsageError
from colab_resume.training.objects.plain import same
from colab_resume.training.tracking import Tracking

__all__: list[str] = []


class Small(Scene):
    """A net, its optimizer, and `thing`, which is tracked as it is."""

    thing: Any

    def __init__(self) -> None:
        self.net = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 1))
        self.opt = torch.optim.AdamW(self.net.parameters(), 0.05)

    def objects(self) -> dict[str, Any]:
        return {"net": self.net, "opt": self.opt}

    def starts(self, run: Any) -> None:
        run.track(thing=self.thing)


class EarlyStopping:
    """As many people copy it."""

    def __init__(self, patience: int = 2, trace: Callable[[str], None] = print) -> None:
        self.patience, self.trace, self.counter = patience, trace, 0
        self.best: float | None = None
        self.weights: dict[str, torch.Tensor] = {}

    def __call__(self, loss: float, net: nn.Module) -> None:
        if self.best is None or loss < self.best:
            self.best, self.counter, self.weights = loss, 0, copy.deepcopy(net.state_dict())
        else:
            self.counter += 1
            if self.counter > self.patience:
                net.load_state_dict(self.weights)
                self.counter = 0


class Stopping(Small):
    def __init__(self) -> None:
        super().__init__()
        self.thing = EarlyStopping()

    def step(self, x: torch.Tensor) -> float:
        loss = super().step(x)
        self.thing(loss, self.net)
        return loss + self.thing.counter


class Transition(NamedTuple):
    state: torch.Tensor
    reward: float


class ReplayMemory:
    def __init__(self, most: int) -> None:
        self.memory: deque[Transition] = deque(maxlen=most)

    def sample(self, count: int) -> list[Transition]:
        return random.sample(self.memory, min(count, len(self.memory)))


class Remembering(Small):
    """Named tuples of tensors in a deque, and a variable that holds the same deque."""

    def __init__(self) -> None:
        super().__init__()
        random.seed(1)
        self.thing = ReplayMemory(5)
        self.same = self.thing.memory

    def loss(self, x: torch.Tensor) -> torch.Tensor:
        assert self.thing.memory is self.same
        self.same.append(Transition(torch.rand(3), random.random()))
        again = torch.stack([one.state * one.reward for one in self.thing.sample(3)])
        found: torch.Tensor = self.net(torch.cat([x, again])).square().mean()
        return found


class Step(NamedTuple):
    state: torch.Tensor
    action: int
    following: torch.Tensor | None
    seen: np.ndarray[Any, Any]


class RememberingMuch(Small):
    """More than stay as they are; the state that follows is the state of the next one."""

    def __init__(self) -> None:
        super().__init__()
        random.seed(1)
        self.thing: Any = ReplayMemory(70)
        self.thing.at = torch.zeros(3)

    def starts(self, run: Any) -> None:
        super().starts(run)
        for _ in range(80):
            self.remember()

    def remember(self) -> None:
        last = len(self.thing.memory) % 7 == 0
        following = torch.rand(3)
        seen = np.array([random.random()] * 2)
        self.thing.memory.append(Step(self.thing.at, random.randrange(2), None if last else following, seen))
        self.thing.at = following

    def loss(self, x: torch.Tensor) -> torch.Tensor:
        memory: Any = self.thing.memory
        for _ in range(5):
            self.remember()
        shared = sum(one.following is other.state for one, other in pairwise(memory))
        again = torch.stack([one.state * one.action + float(one.seen.sum()) for one in self.thing.sample(3)])
        found: torch.Tensor = self.net(torch.cat([x, again])).square().mean() + shared / 100
        return found


@dataclass(slots=True)
class Node:
    """Of a tree whose nodes know their parent."""

    value: float
    parent: Node | None = None
    children: dict[int, Node] = field(default_factory=dict)
    visits: int = 0


class Tree:
    def __init__(self) -> None:
        self.root = Node(0.0)
        self.at = self.root

    def walk(self, loss: float) -> float:
        self.at.visits += 1
        self.at.value += loss
        turn = self.at.visits % 3
        if turn == 2 and self.at.parent is not None:
            self.at = self.at.parent
        else:
            self.at = self.at.children.setdefault(turn, Node(loss, self.at))
        return self.at.value + self.root.visits


class Searching(Small):
    def __init__(self) -> None:
        super().__init__()
        self.thing = Tree()

    def step(self, x: torch.Tensor) -> float:
        loss = super().step(x) + self.thing.walk(0.5)
        assert self.thing.root.children.get(1, Node(0.0, self.thing.root)).parent is self.thing.root
        return loss


class Noise:
    """Generators of each kind, and arrays that are changed in place."""

    def __init__(self) -> None:
        self.numpys, self.pythons = np.random.default_rng(1), random.Random(2)
        self.uniform = np.random.default_rng(5).random
        self.mine = self.scale
        self.others = [torch.Generator().manual_seed(3), np.random.RandomState(4)]
        self.x = np.zeros(3, np.float32)

    def scale(self) -> float:
        return float(self.x.sum())

    def draw(self) -> torch.Tensor:
        self.x *= 0.5 + self.uniform() / 2 + self.mine() / 100
        self.x += self.numpys.normal(size=3).astype(np.float32) * self.others[1].rand()
        return torch.from_numpy(self.x) + torch.rand(3, generator=self.others[0]) * self.pythons.random()


class Drawing(Small):
    def __init__(self) -> None:
        super().__init__()
        self.thing = Noise()

    def loss(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.net(x + self.thing.draw()).square().mean()
        return found


class Teacher:
    """Holds what is tracked by itself, what does not change, and numbers of its own."""

    def __init__(self, net: nn.Module, opt: Any) -> None:
        self.net, self.opt, self.criterion = net, opt, nn.MSELoss()
        self.parameters = list(net.parameters())
        self.shadow = [one.detach().clone() for one in self.parameters]
        self.data = torch.utils.data.DataLoader([torch.ones(3)])
        self.steps, self.rate = 0, 0.05

    def teach(self, x: torch.Tensor) -> float:
        for group in self.opt.param_groups:
            group["lr"] = self.rate
        self.opt.zero_grad()
        loss = self.criterion(self.net(x + torch.randn(3)), x.sum(1, keepdim=True) + self.shadow[0].mean())
        loss.backward()
        self.opt.step()
        self.steps += 1
        self.rate *= 0.9
        for mine, theirs in zip(self.shadow, self.parameters, strict=True):
            mine.lerp_(theirs.detach(), 0.5)
        return loss.item()  # type: ignore[no-any-return]


class Teaching(Small):
    def __init__(self) -> None:
        super().__init__()
        self.thing = Teacher(self.net, self.opt)

    def step(self, x: torch.Tensor) -> float:
        return self.thing.teach(x) + self.thing.steps


class Playing(Small):
    """Steps in the middle of an episode, which ends when it wants; nobody has given a seed after the first."""

    def __init__(self) -> None:
        super().__init__()
        self.thing = gymnasium.make("CartPole-v1", max_episode_steps=4)

    def starts(self, run: Any) -> None:
        super().starts(run)
        seen, _ = self.thing.reset(seed=5)
        self.thing.action_space.seed(6)
        self.values = run.state(seen=seen)

    def loss(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(3):
            self.values.seen, _, ended, cut, _ = self.thing.step(self.thing.action_space.sample())
            if ended or cut:
                self.values.seen, _ = self.thing.reset()
        found: torch.Tensor = self.net(x + torch.from_numpy(self.values.seen[:3])).square().mean()
        return found


class PlayingInMany(Playing):
    def __init__(self) -> None:
        super().__init__()
        make = [lambda: gymnasium.wrappers.NormalizeObservation(gymnasium.make("Pendulum-v1"))] * 2
        self.thing = gymnasium.vector.SyncVectorEnv(make)

    def loss(self, x: torch.Tensor) -> torch.Tensor:
        self.values.seen, *_ = self.thing.step(self.thing.action_space.sample())
        found: torch.Tensor = self.net(x + torch.from_numpy(self.values.seen[1]).float()).square().mean()
        return found


SCENES = [Stopping, Remembering, RememberingMuch, Searching, Drawing, Teaching, Playing, PlayingInMany]


@pytest.mark.slow
@pytest.mark.parametrize("stops", STOPS.values(), ids=STOPS)
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_an_object_of_ones_own_goes_on(place: Place, scene: type[Scene], stops: tuple[int, ...]) -> None:
    """Wherever it dies, the end is that of a training that was never interrupted, bit for bit."""
    assert_goes_on(place, scene, stops)


def _stored(items: Any) -> tuple[Any, int]:
    """What comes back of items that a bag got after it was tracked, and how many pieces a checkpoint has of them."""
    bag, tracking = Bag(items=None), Tracking()
    tracking.add({"bag": bag})
    bag.items = items
    _, (name, kind, state) = tracking.states()
    encoded = encode({"bag": state})
    specs = [(piece.dtype, piece.shape) for piece in encoded.pieces]
    held = decode(encoded.tree, specs, lambda number: encoded.pieces[number].source.clone())
    other, again = Bag(items=None), Tracking()
    again.add({"bag": other})
    again.apply(_Saved({name: kind}, held), ["bag"], final=True)
    return other.items, len(encoded.pieces)


MANY: dict[str, Callable[[int], Any]] = {
    "tuples of tensors": lambda n: (torch.full((2,), n), n, torch.ones(1) * n),
    "named tuples": lambda n: Transition(torch.ones(2) * n, float(n)),
    "with arrays": lambda n: (np.ones(2) * n, np.float32(n)),
    "with nothing in some": lambda n: (None if n % 3 else torch.ones(1) * n, "a text"),
    "with nothing in all": lambda n: (None, torch.ones(1) * n),
    "tensors alone": lambda n: torch.ones(2, 2) * n,
    "arrays alone": lambda n: np.ones(2, dtype=">i4") * n,
    "two in one pool": lambda n: (torch.ones(2) * n, torch.zeros(2)),
}
FEW: dict[str, Callable[[int], Any]] = {
    "of different shapes": lambda n: (torch.ones(1 + n % 2),),
    "of different kinds": lambda n: (torch.ones(1) if n % 2 else torch.ones(1, dtype=torch.int64),),
    "of different lengths": lambda n: (torch.ones(1),) * (1 + n % 2),
    "numbers": lambda n: (n, n / 2),
    "that ask for gradients": lambda _: torch.ones(1, requires_grad=True),
    "with lists": lambda n: ([torch.ones(1) * n], n),
}


@pytest.mark.parametrize("kind", [*MANY, *FEW])
def test_many_that_are_alike_are_few_pieces(kind: str) -> None:
    """And the same again, each in memory of its own; what is not alike is kept as ever."""
    make = {**MANY, **FEW}[kind]
    for items in ([make(n) for n in range(90)], deque((make(n) for n in range(90)), 80)):
        found, pieces = _stored(items)
        assert type(found) is type(items)
        assert getattr(found, "maxlen", None) == getattr(items, "maxlen", None)
        assert [type(one) for one in found] == [type(one) for one in items]
        assert same([*map(_bare, found)], [*map(_bare, items)])
        assert (pieces <= 4) is (kind in MANY or kind == "numbers")
        if isinstance(found[0], torch.Tensor):
            found[0].data.add_(1)
            assert same(found[1], items[1])


def _bare(row: Any) -> Any:
    return list(row) if isinstance(row, tuple) else row


def test_what_is_one_tensor_in_two_rows_is_one_again() -> None:
    states = [torch.ones(1) * n for n in range(100)]
    found, _ = _stored(list(pairwise(states)))
    assert all(one[1] is other[0] for one, other in pairwise(found))


class Bag:
    """Whatever is put into it."""

    def __init__(self, **things: Any) -> None:
        self.__dict__.update(things)


def _restart(place: Place, before: Bag, after: Bag, **others: Any) -> Bag:
    """One session that trains with `before`, which `change` changes, and another one with `after`."""
    run = place.setup()
    run.track(bag=before, **others)
    for _ in run.steps(1):
        before.change(before)
    run.finish()
    run = place.setup()
    run.track(bag=after, **others)
    for _ in run.steps(1):
        raise AssertionError("the step is done")
    return after


def test_what_a_constructor_is_told_anew_is_not_overridden(place: Place) -> None:
    def change(bag: Bag) -> None:
        bag.left -= 1

    after = _restart(place, Bag(patience=3, left=3, change=change), Bag(patience=9, left=9, change=change))
    assert (after.patience, after.left) == (9, 2)


def test_what_is_one_thing_is_one_thing_again(place: Place) -> None:
    """A list under two names, an array and a view by another variable, an object that holds itself."""

    def change(bag: Bag) -> None:
        bag.one.append(1)
        bag.array += 1
        bag.me = bag
        bag.two = bag.inner = Bag(n=5)
        bag.pair[0].n = bag.kept.n = 7
        bag.table["x"] = [bag.pair]

    inner = Bag(n=1)
    pairs: dict[str, Any] = {"pair": (Bag(n=1), 2), "table": {}, "kept": Bag(n=1)}
    kept = pairs["kept"]
    after = Bag(one=[0], array=np.zeros(2), me=None, two=None, inner=inner, change=change, **pairs)
    after.other, seen, listed = after.one, after.array, after.one
    pairs = {"pair": (Bag(n=1), 2), "table": {}, "kept": Bag(n=1)}
    before = Bag(one=[0], array=np.zeros(2), me=None, two=None, inner=Bag(n=1), change=change, **pairs)
    before.other = before.one
    _restart(place, before, after)
    assert after.one is after.other is listed
    assert listed == [0, 1]
    assert after.array is seen
    assert seen.tolist() == [1, 1]
    assert after.me is after
    assert after.two is after.inner
    assert after.inner.n == 5
    assert after.pair[0].n == 7
    assert after.table["x"][0][0] is after.pair[0]
    assert after.kept is kept
    assert kept.n == 7


def test_what_was_added_later_is_gone_where_it_was_not_there_yet(place: Place) -> None:
    """A cell is interrupted and runs again: the training goes back to a boundary, in the same process."""
    run, bag = place.setup(), Bag(n=0)
    run.track(bag=bag)

    def train() -> None:
        for step in run.steps(3):
            run._saving.writer.wait(None)
            assert (step, hasattr(bag, "later")) == (bag.n, False)
            bag.n += 1
            if step == 1:
                bag.later = "here"
                raise ZeroDivisionError

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            train()


def test_a_module_that_nobody_tracks_is_not_lost_in_silence(place: Place) -> None:
    run = place.setup()
    with pytest.raises(EncodingError, match=r"bag.net is a torch.nn.modules.linear.Linear") as told:
        run.track(bag=Bag(net=nn.Linear(1, 1)))
    assert "track it as well" in str(told.value)
    net = nn.Linear(1, 1)
    run.track(bag=Bag(net=net, layers=[net]), net=net)


def test_what_cannot_be_kept_is_refused_by_its_place(place: Place) -> None:
    class Local:
        pass

    run = place.setup()
    for things, where in (
        ({"spaces": [SimpleNamespace(n=1)]}, r"bag.spaces\[0\] is of a class that could not be found again"),
        ({"pairs": [(1, print)]}, r"bag.pairs\[0\] holds things that change beside others"),
        ({"locals": [Local()]}, r"bag.locals\[0\] is of a class that could not be found again"),
        ({"items": iter([1])}, r"bag.items is a builtins.list_iterator"),
        ({"table": {Local(): 1}}, r"bag.table"),
        ({"next": Noise().draw}, r"bag.next.__self__ is a .*Noise"),
    ):
        with pytest.raises(EncodingError, match=where):
            run.track(bag=Bag(**things))


def test_what_cannot_be_kept_later_does_not_stop_the_training(place: Place) -> None:
    """It is a problem of the checkpoints, and said; and over when the thing is gone."""
    run, bag = place.setup(), Bag(rng=random.Random(1), n=0)
    run.track(bag=bag)
    for epoch in run.epochs(4):
        bag.thing = iter([1]) if epoch in (1, 2) else None
        for _ in run.batches([1, 2]):
            run._saving.writer.wait(None)
            bag.n += bag.rng.random()
        if epoch == 1:
            run._saving.writer.wait(None)
            assert any("bag.thing is a builtins.list_iterator" in one for one in run.status().problems)
    run.finish()
    assert run.status().problems == ()


def test_another_class_in_the_same_place_is_told() -> None:
    tracking = Tracking()
    tracking.add({"bag": Bag(inner=Bag(n=1))})
    _, (name, kind, state) = tracking.states()
    other = Tracking()
    other.add({"bag": Bag(inner=Noise())})
    with pytest.raises(StateMismatch, match=r"bag.inner is a .*Bag in the checkpoint, a .*Noise now"):
        other.apply(_Saved({name: kind}, {name: state}), ["bag"])
    gone = {"class": kind, "path": "bag", "values": {"x": [{"colab_resume tuple": "__main__.Gone"}]}}
    with pytest.raises(StateMismatch, match=r"bag holds a __main__.Gone in the checkpoint, which is not defined now"):
        tracking.apply(_Saved({name: kind}, {name: {**state, "objects": [gone]}}), ["bag"])
    for kind_of_row in ("collections.OrderedDict", f"{__name__}.Stopping", f"{__name__}.MANY"):
        row = {**gone, "values": {"x": [{"colab_resume tuple": kind_of_row, "colab_resume items": []}]}}
        with pytest.raises(StateMismatch, match="which is not defined now"):
            tracking.apply(_Saved({name: kind}, {name: {**state, "objects": [row]}}), ["bag"])
    wrong = {"class": kind, "path": "bag", "values": {"x": [{"colab_resume object": 7}]}}
    for broken in ([], {"objects": []}, {"objects": [{"class": 3}], "generators": {}}, {**state, "objects": [wrong]}):
        with pytest.raises(StateMismatch, match="not the state of an object"):
            tracking.apply(_Saved({name: kind}, {name: broken}), ["bag"])


@dataclass
class _Saved:
    all_kinds: dict[str, str]
    parts: dict[str, Any]

    def kinds(self) -> dict[str, str]:
        return self.all_kinds

    def part(self, name: str, *, again: bool = False) -> Any:
        return self.parts[name]


def test_a_list_or_a_dict_of_objects_is_tracked_one_by_one(place: Place) -> None:
    def objects(scale: float) -> dict[str, Any]:
        nets = [nn.Linear(1, 1), nn.Linear(1, 1)]
        for net in nets:
            nn.init.constant_(net.weight, scale)
        return {
            "nets": nets,
            "opts": {name: torch.optim.Adam(net.parameters()) for name, net in zip("ab", nets, strict=True)},
        }

    run, first = place.setup(), objects(1.0)
    run.track(**first, rngs=(random.Random(1), np.random.default_rng(2)))
    assert {"nets_0", "nets_1", "opts_a", "opts_b", "rngs_0", "rngs_1"} < set(run._course.tracking.names())
    for _ in run.steps(1):
        for net, opt in zip(first["nets"], first["opts"].values(), strict=True):
            net(torch.ones(1)).sum().backward()
            opt.step()
    run.finish()
    run, again = place.setup(), objects(7.0)
    run.track(**again)
    assert [net.weight.item() for net in again["nets"]] == [net.weight.item() for net in first["nets"]]
    with pytest.raises(UsageError, match="two tracked objects would be called nets_0"):
        run.track(nets=[Bag()], nets_0=Bag())
    with pytest.raises(UsageError, match=r"builtins.list, which has no way"):
        run.track(numbers=[1, 2])
