"""A photo puts back, in place, every kind of thing that a step can change, and says what has changed."""

from __future__ import annotations

import logging
import random
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from colab_resume.checking import Report
from colab_resume.checking.fingerprint import fingerprint
from colab_resume.checking.photo import Photo, look
from colab_resume.checking.reach import Owner, Root
from colab_resume.errors import UsageError


class Slotted:
    __slots__ = ("n", "other")

    def __init__(self) -> None:
        self.n = 1


class Pickled(dict[str, int]):
    """A dict that lets nobody write to it."""

    def __setitem__(self, key: str, value: int) -> None:
        raise TypeError("read-only")


def roots(thing: Any) -> list[Root]:
    return [Root("x", thing, Owner("x", thing))]


def _with_grad() -> nn.Parameter:
    weight = nn.Parameter(torch.ones(3))
    weight.grad = torch.ones(3)
    return weight


def _sparse() -> torch.Tensor:
    return torch.sparse_coo_tensor([[0, 2]], [1.0, 2.0], (3,), check_invariants=True)


def _grow(sparse: torch.Tensor) -> None:
    sparse.add_(torch.sparse_coo_tensor([[1]], [5.0], (3,), check_invariants=True))


def _set(name: str, value: Any) -> Callable[[Any], None]:
    return lambda thing: setattr(thing, name, value)


CHANGES: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "tensor": (lambda: torch.zeros(3), lambda x: x.add_(1)),
    "one number": (lambda: torch.tensor(1), lambda x: x.add_(1)),
    "NaN": (lambda: torch.tensor([float("nan"), -0.0]), lambda x: x.zero_()),
    "transposed": (lambda: torch.zeros(2, 3).t(), lambda x: x.add_(1)),
    "conjugate": (lambda: torch.ones(2, dtype=torch.complex64).conj(), lambda x: x.add_(1j)),
    "one-byte floats": (lambda: torch.zeros(3).to(torch.float8_e4m3fn), lambda x: x.view(torch.uint8).fill_(9)),
    "other memory": (lambda: nn.Parameter(torch.zeros(3)), lambda x: setattr(x, "data", torch.ones(3))),
    "other dtype": (lambda: nn.Parameter(torch.zeros(3)), lambda x: setattr(x, "data", x.data.double())),
    "other shape": (lambda: torch.zeros(3), lambda x: setattr(x, "data", torch.ones(5))),
    "gradient made": (lambda: nn.Parameter(torch.ones(3)), lambda x: x.sum().backward()),
    "gradient added": (_with_grad, lambda x: x.sum().backward()),
    "gradient dropped": (_with_grad, _set("grad", None)),
    "frozen": (_with_grad, lambda x: x.requires_grad_(False)),
    "made part of a graph": (lambda: torch.ones(3), lambda x: x.mul_(nn.Parameter(torch.ones(3)))),
    "sparse": (_sparse, lambda x: x._values().mul_(2)),
    "sparse that grew": (_sparse, _grow),
    "array": (lambda: np.zeros(3), lambda x: x.__iadd__(1)),
    "array of objects": (lambda: np.array([{}, None], dtype=object), lambda x: x.__setitem__(1, 3)),
    "list": (lambda: [1, [2]], lambda x: (x.append(3), x[1].clear())),
    "dict": (lambda: {"a": 1, "b": {}}, lambda x: (x.pop("a"), x["b"].update(c=1))),
    "ordered": (lambda: OrderedDict(a=1, b=2), lambda x: x.move_to_end("a")),
    "default": (lambda: defaultdict(list), lambda x: x["a"].append(1)),
    "counts": (lambda: Counter("aab"), lambda x: x.update("b")),
    "guarded dict": (lambda: Pickled(a=1), lambda x: dict.update(x, a=2)),
    "set": (lambda: {1, 2}, lambda x: x.add(3)),
    "deque": (lambda: deque([1, 2], maxlen=2), lambda x: x.append(3)),
    "bytes": (lambda: bytearray(b"ab"), lambda x: x.append(1)),
    "attributes": (lambda: SimpleNamespace(n=1, gone=2), lambda x: (delattr(x, "gone"), setattr(x, "new", 3))),
    "slots": (Slotted, lambda x: (delattr(x, "n"), setattr(x, "other", 3))),
    "torch generator": (lambda: torch.Generator().manual_seed(1), lambda x: torch.rand(1, generator=x)),
    "numpy generator": (lambda: np.random.default_rng(1), lambda x: x.random()),
    "legacy generator": (lambda: np.random.RandomState(1), lambda x: x.rand()),
    "python generator": (lambda: random.Random(1), lambda x: x.gauss(0, 1)),
    "module": (lambda: nn.BatchNorm1d(2), lambda x: (x(torch.rand(4, 2)), x.eval(), setattr(x, "momentum", 0.5))),
    "submodule replaced": (lambda: nn.Sequential(nn.Linear(2, 2)), lambda x: x.__setitem__(0, nn.Linear(2, 2))),
    "inside a tuple": (lambda: (1, [2]), lambda x: x[1].append(3)),
}


def seen(thing: Any) -> Any:
    """A picture of a thing that does not use what is tested, but for the bits of its tensors and arrays."""
    if isinstance(thing, torch.Tensor):
        traits = thing.dtype, thing.shape, thing.layout, thing.requires_grad, thing.is_leaf, thing.data_ptr
        grad = seen(thing.grad) if thing.is_leaf and thing.grad is not None else None
        return fingerprint(thing), traits[:-1], grad
    if isinstance(thing, dict):
        return [(key, seen(value)) for key, value in thing.items()]
    if isinstance(thing, (list, tuple, deque)) or (isinstance(thing, np.ndarray) and thing.dtype.hasobject):
        return [seen(one) for one in thing]
    if isinstance(thing, Slotted):
        return getattr(thing, "n", None), getattr(thing, "other", None)
    if isinstance(thing, (SimpleNamespace, nn.Module)):
        return seen(vars(thing))
    return fingerprint(thing)


@pytest.mark.parametrize("name", CHANGES)
def test_it_is_put_back_in_place(name: str) -> None:
    """The same object has the same contents again."""
    make, change = CHANGES[name]
    thing = make()
    before = seen(thing)
    photo = Photo(roots(thing))
    change(thing)
    assert seen(thing) != before
    photo.put_back()
    assert seen(thing) == before


@pytest.mark.parametrize("name", sorted(CHANGES.keys() - {"ordered"}))
def test_it_is_seen_to_have_changed(name: str) -> None:
    """A look at it is another one afterwards; only the order of a dict is no state."""
    make, change = CHANGES[name]
    thing = make()
    before = look(roots(thing))
    assert not before.changed(look(roots(thing)))
    change(thing)
    assert before.changed(look(roots(thing)))


def test_views_still_look_at_the_same_memory() -> None:
    """What others hold of a tensor's memory is not cut off, even if the tensor was given another one."""
    tensor = torch.zeros(4)
    view = tensor[1:3]
    photo = Photo(roots([tensor, view]))
    tensor.data = torch.ones(4)
    photo.put_back()
    tensor[1] = 5
    assert view.tolist() == [5, 0]


def test_a_graph_that_is_still_to_be_used_can_be_used() -> None:
    """Putting back is no change in the eyes of autograd."""
    weight = nn.Parameter(torch.ones(2))
    loss = (weight * weight).sum()
    photo = Photo(roots(weight))
    with torch.no_grad():
        weight.data.add_(1)
    photo.put_back()
    loss.backward()
    assert weight.grad.tolist() == [2, 2]


def test_the_global_generators_are_put_back() -> None:
    """What the training draws next is what it would have drawn."""
    photo = Photo([])
    first = random.random(), np.random.rand(), torch.rand(1).item()
    photo.put_back()
    assert (random.random(), np.random.rand(), torch.rand(1).item()) == first


def test_one_thing_can_be_left_as_it_is_now() -> None:
    """Everything else is put back; so it can be found out what this one thing does."""
    thing = SimpleNamespace(a=1, b=[1])
    photo = Photo(roots(thing))
    thing.a, thing.new = 2, 3
    thing.b.append(2)
    photo.put_back(leave=["x.b", "x.new"])
    assert vars(thing) == {"a": 1, "b": [1, 2], "new": 3}


def test_a_thing_is_named_by_the_shortest_way_to_it() -> None:
    """A parameter belongs to the module that is known by name, and not to the optimizer that refers to it."""
    net = nn.Linear(2, 2)
    opt = torch.optim.SGD(net.parameters(), 0.1)
    both = [Root("opt", opt, Owner("opt", opt, "opt")), Root("net", net, Owner("net", net))]
    before = look(both)
    net.weight.data.add_(1)
    assert list(before.changed(look(both))) == ["net"]


def test_variables_of_the_same_name_in_two_modules_are_two() -> None:
    """Each file has its own globals; a change in either is seen."""
    modules = [ModuleType(name) for name in ("first", "second")]
    for module in modules:
        exec("n = 1\ndef f():\n    return n", vars(module))
    functions = [module.f for module in modules]
    before = look(roots(functions))
    modules[1].n = 2
    assert list(before.changed(look(roots(functions)))) == ["second.n"]


def test_modules_of_the_users_own_are_looked_into(monkeypatch: pytest.MonkeyPatch) -> None:
    """`settings.rate` in a step is a variable of the file settings.py."""
    settings = ModuleType("settings")
    settings.rate, settings.unused = 1, 1
    monkeypatch.setitem(sys.modules, "settings", settings)
    notebook = ModuleType("notebook")
    exec("import settings\ndef f():\n    return settings.rate", vars(notebook))
    before, photo = look(roots(notebook.f)), Photo(roots(notebook.f))
    settings.rate = settings.unused = 2
    assert list(before.changed(look(roots(notebook.f)))) == ["settings.rate"]
    photo.put_back()
    assert (settings.rate, settings.unused) == (1, 2)


@pytest.mark.parametrize(
    "thing", [random, np, torch, nn.Linear, print, logging.root, Report((), 1, ()), torch.nn.functional.relu]
)
def test_libraries_are_not_looked_into(thing: Any) -> None:
    """What is not the user's, a run itself included, is neither kept nor changed."""
    assert not look(roots(thing)).spots


def test_what_is_reached_in_a_circle_is_reached_once() -> None:
    """Objects may refer to each other as they like."""
    one, other = SimpleNamespace(n=1), [1]
    one.other = other
    other.append(one)  # type: ignore[arg-type]
    photo = Photo(roots(one))
    one.n = 2
    other.clear()
    photo.put_back()
    assert one.n == 1
    assert other == [1, one]


def test_what_does_not_fit_into_memory_is_refused_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check must not be what brings the machine down; it says how much it would need."""
    monkeypatch.setattr(Path, "read_text", lambda *_: "MemTotal: 9 kB\nMemAvailable:    100 kB\n")
    with pytest.raises(UsageError, match=r"4\.0 MB, and 102\.4 kB are free"):
        Photo(roots(torch.zeros(1_000_000)))
