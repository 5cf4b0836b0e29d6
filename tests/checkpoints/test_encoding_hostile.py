"""A tree from a shared folder may be anything: reading it ends in a state, or in a clear error, and takes no memory."""

from __future__ import annotations

import copy
import json
import sys
import tracemalloc
from collections import OrderedDict, defaultdict, deque
from enum import Enum, Flag
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from exactness import STORED, picture, store
from hypothesis import example, given, settings
from hypothesis import strategies as st

from colab_resume.checkpoints.encoding import decode
from colab_resume.errors import DamagedCheckpoint, StateMismatch

pytestmark = pytest.mark.filterwarnings("ignore:ComplexHalf support is experimental:UserWarning")


class Colour(Enum):
    """Some members."""

    RED = 1


class Right(Flag):
    """Some more."""

    READ = 1


SPECS = [("U8", (32,)), ("F32", (2, 3)), ("I64", (0, 3)), ("U8", (0,))]


def read(index: int) -> torch.Tensor:
    dtype, shape = SPECS[index]
    return torch.zeros(shape, dtype=STORED[dtype])


def load(node: Any) -> Any:
    return decode({"x": node}, SPECS, read)["x"]


def tensor(**fields: Any) -> dict[str, Any]:
    """A good node of a span, changed."""
    return {"$": "tensor", "piece": 0, "offset": 0, "dtype": "float32", "shape": [2, 3]} | fields


def dense(**fields: Any) -> dict[str, Any]:
    """A good node of a tensor that is a piece by itself, changed."""
    return {"$": "tensor", "piece": 1, "dtype": "float32", "shape": [2, 3]} | fields


def array(**fields: Any) -> dict[str, Any]:
    """A good node of an array, changed."""
    return {"$": "array", "piece": 0, "offset": 0, "dtype": ">f4", "shape": [2, 3]} | fields


def scalar(**fields: Any) -> dict[str, Any]:
    return {"$": "scalar", "dtype": "<f4", "hex": "00000000"} | fields


def fields(*entries: Any, itemsize: Any = 8, **more: Any) -> dict[str, Any]:
    return array(shape=[1], dtype={"fields": list(entries), "itemsize": itemsize} | more)


def without(node: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in node.items() if key != name}


def deep(kind: str | None, depth: int) -> Any:
    node: Any = 0
    for _ in range(depth):
        node = [node] if kind is None else {"$": kind, "items": [node]}
    return node


def deep_dtype(depth: int) -> Any:
    described: Any = "|u1"
    for _ in range(depth):
        described = {"element": described, "shape": [1]}
    return {"fields": [["a", described, 0]], "itemsize": 1}


HUGE = 10**12
NOT_WHOLE = (-1, True, 1.0, "1", None, [], {}, 2**63, 2**100)

GOOD = [
    tensor(),
    tensor(offset=8),
    tensor(shape=[HUGE, 3], stride=[0, 1]),
    tensor(dtype="uint8", shape=[32]),
    tensor(dtype="complex128", shape=[2]),
    dense(),
    dense(stride=[1, 2]),
    dense(requires_grad=True, parameter=True),
    dense(piece=2, dtype="int64", shape=[0, 3], stride=[2**62, 2**62]),
    array(),
    array(shape=[HUGE, 8], strides=[0, 4]),
    array(shape=[8], strides=[-4], offset=28),
    array(piece=3, shape=[0, 4]),
    fields(["a", "|u1", 7], ["b", "<f4", 0]),
    scalar(),
]

BAD = [
    # Kinds of nodes
    {"$": "pickle"},
    {"$": None},
    {"$": ["list"]},
    {"$": "list"},
    {"$": "list", "items": {}},
    {"$": "list", "items": "ab"},
    {"$": "tuple", "items": None},
    {"$": "", "items": []},
    float("nan"),
    float("inf"),
    # Scalars
    *({"$": "int", "hex": text} for text in ("", "12", "0x", "0X1", "0x1_0", " 0x1", "0xg", "--0x1", "0x١", 5, None)),
    {"$": "int"},
    *({"$": "float", "bits": bits} for bits in ("", "7ff0", "7FF0000000000000", "0" * 15 + "g", "0" * 17, 1, None)),
    *({"$": "str", "base64": text} for text in ("%", "YQ=", "é", "/w==", 3, None)),
    {"$": "complex", "real": 1, "imag": 0.0},
    {"$": "complex", "real": 1.0},
    {"$": "complex", "real": float("nan"), "imag": 0.0},
    {"$": "path", "type": "posix"},
    {"$": "path", "type": "other", "value": "a"},
    {"$": "path", "type": "path", "value": {"$": "int", "hex": "0x1"}},
    *({"$": "dtype", "name": name} for name in ("load", "", "torch.float32", "__class__", None, ["float32"])),
    *({"$": "device", "name": name} for name in ("", "disk", "cuda:300", "cuda:-1", "cpu:x", "a\0b", None, 3)),
    *({"$": "size", "items": items} for items in ([1.0], [True], ["1"], [2**63], [[]], {}, None)),
    {"$": "size", "items": [{"$": "int", "hex": "0x10000000000000000"}]},
    # Containers
    {"$": "dict", "items": [[1, 2], [1, 3]]},
    {"$": "dict", "items": [[1, 2], [True, 3]]},
    {"$": "dict", "items": [[[], 2]]},
    {"$": "dict", "items": [[{"$": "tuple", "items": [[]]}, 2]]},
    *({"$": "dict", "items": [pair]} for pair in ([1], [1, 2, 3], "ab", {"a": 1}, None)),
    {"$": "odict", "items": [[{}, 1]]},
    {"$": "odict", "items": [], "metadata": {"$": "no"}},
    *({"$": "defaultdict", "factory": name, "items": []} for name in ("eval", "type", "", 0, ["list"], {})),
    {"$": "set", "items": [1, 1]},
    {"$": "set", "items": [1, True]},
    {"$": "set", "items": [[]]},
    {"$": "frozenset", "items": [{"$": "bytearray", "base64": ""}]},
    *({"$": "deque", "maxlen": length, "items": [1, 2]} for length in (1, -1, True, "3", 2.0, 2**63)),
    # References
    {"$": "ref"},
    {"$": "ref", "to": 0},
    {"$": "ref", "to": None},
    {"$": "list", "id": 0, "items": [{"$": "ref", "to": 0}]},
    [{"$": "ref", "to": 0}, {"$": "list", "id": 0, "items": []}],
    [{"$": "list", "id": 0, "items": []}, {"$": "list", "id": 0, "items": []}],
    *({"$": "list", "id": number, "items": []} for number in (-1, True, 1.0, "0", None, [])),
    # Depth
    deep(None, 101),
    deep("tuple", 101),
    deep("list", 400),
    # Byte strings
    {"$": "bytes"},
    {"$": "bytes", "base64": "="},
    {"$": "bytes", "piece": 1, "length": 24},
    {"$": "bytes", "piece": 4, "length": 32},
    *({"$": kind, "piece": 0, "length": value} for kind in ("bytes", "bytearray") for value in (*NOT_WHOLE, 31, 33)),
    {"$": "bytearray", "piece": -1, "length": 32},
    [{"$": "bytes", "piece": 0, "length": 32}, {"$": "bytes", "piece": 0, "length": 31}],
    [{"$": "bytearray", "piece": 0, "length": 32}, {"$": "bytearray", "piece": 0, "length": 32}],
    # Tensors
    *(without(tensor(), name) for name in ("piece", "dtype", "shape")),
    *(tensor(piece=value) for value in (*NOT_WHOLE, 4, 1, 2)),
    *(tensor(offset=value) for value in (*NOT_WHOLE, 1, 9, 12, 2**40)),
    *(tensor(shape=value) for value in (3, None, [HUGE], [3, 3], [[2], 3], [2**40, 2**40], [1] * 65, {}, "23")),
    *(tensor(shape=[value]) for value in NOT_WHOLE),
    *(tensor(stride=value) for value in ([1], [3, 1, 1], [6, 1], [2**62, 1], "31", 3, {"0": 1})),
    *(tensor(stride=[3, value]) for value in NOT_WHOLE),
    tensor(shape=[2**62, 2**62], stride=[0, 0]),
    tensor(shape=[0, 2**62, 2**62], stride=[0, 0, 0]),
    tensor(shape=[0], offset=36),
    *(tensor(dtype=name) for name in ("qint8", "load", "float", "torch.float32", "", None, 3, ["float32"])),
    *(tensor(device=name) for name in ("cuda", "cuda:", "cuda:-1", "cuda:9999", "meta", "cpu", "cuda:1\n", None, 0)),
    *(tensor(requires_grad=value) for value in (1, "true", None)),
    tensor(dtype="int32", requires_grad=True),
    tensor(dtype="bool", requires_grad=True, parameter=True),
    tensor(parameter=1),
    dense(piece=0),
    dense(piece=0, dtype="uint8", shape=[31]),
    dense(dtype="int32"),
    dense(dtype="complex64", shape=[3]),
    dense(shape=[3, 2]),
    dense(shape=[6]),
    dense(shape=[2, 3, 1]),
    dense(shape=[HUGE]),
    dense(stride=[4, 1]),
    dense(stride=[1, 1]),
    dense(stride=[0, 0]),
    dense(offset=0),
    dense(offset=None),
    [dense(), dense(stride=[1, 2])],
    [tensor(), dense(piece=0, dtype="uint8", shape=[32])],
    [dense(piece=0, dtype="uint8", shape=[32]), tensor(offset=0)],
    # Arrays
    *(without(array(), name) for name in ("piece", "dtype", "shape")),
    *(array(piece=value) for value in (*NOT_WHOLE, 4, 1, 2)),
    *(array(offset=value) for value in (*NOT_WHOLE, 9, 33)),
    *(array(shape=value) for value in (3, None, [HUGE], [3, 3], [-1], [True], [1] * 65, [2**40, 2**40], "23")),
    *(array(strides=value) for value in ([1], [12, 4, 4], [-12, 4], [12, 2**62], [12, -(2**63)], [12, True], "ab")),
    array(shape=[2**62, 2**62], strides=[0, 0]),
    array(shape=[9], strides=[-4], offset=28),
    array(shape=[0], offset=33),
    *(array(dtype=text) for text in ("O", "|O8", "T", "|T16", "f4", "<f4,O", "(3,)<f4", "", "<f3", "<U9999999999")),
    *(
        array(dtype=text)
        for text in ("<M8[xx]", "<M8[s,O]", "object", "float32", "<f4\n", "|V-1", None, 3, [], ["<f4"])
    ),
    array(dtype={}),
    array(dtype={"element": "<f4", "shape": [2]}),
    array(dtype={"element": "|O8", "shape": [2]}),
    fields(["a", "|O8", 0]),
    fields(["a", "|u1", 0], ["a", "|u1", 1]),
    fields(["a", "<f4", 5]),
    fields(["a", "<f4", -1]),
    fields(["a", "<f4", True]),
    fields(["a", "<f4"]),
    fields(["a", "<f4", 0, "title"]),
    fields([1, "<f4", 0]),
    fields("a<0"),
    fields(["a", {"element": "<f4", "shape": [2**31]}, 0]),
    fields(["a", {"element": "<f4", "shape": [-1]}, 0]),
    *(fields(["a", "|u1", 0], itemsize=value) for value in (*NOT_WHOLE, 0, 2**31, 33)),
    fields(["a", "|u1", 1], ["b", "<f4", 2], aligned=True),
    fields(["a", "|u1", 1], aligned=1),
    array(shape=[1], dtype=deep_dtype(200)),
    # numpy scalars
    *(scalar(hex=text) for text in ("", "00", "0" * 10, "0000000g", None, 0)),
    *(scalar(dtype=value) for value in ("|O8", "O", "<U1", "|S4", None, {"element": "|u1", "shape": [4]})),
    scalar(dtype="U", hex="ff"),
    # Enums
    {"$": "enum"},
    {"$": "enum", "type": None, "value": 1},
    {"$": "enum", "type": f"{__name__}:Colour", "value": {"$": "no"}},
    # What no JSON text holds
    (1, 2),
    b"bytes",
    {1: 2},
]


@pytest.mark.parametrize("node", GOOD, ids=lambda node: json.dumps(node)[:80])
def test_the_nodes_that_are_changed_here_are_good(node: Any) -> None:
    """Without the change each of them decodes, so it is the change that is refused."""
    load(node)


@pytest.mark.parametrize("node", BAD, ids=lambda node: type(node).__name__)
def test_a_malformed_node_is_damage(node: Any) -> None:
    """Every field of every kind of node is held against its type and range; the error is always the same one."""
    with pytest.raises(DamagedCheckpoint, match="the state tree is damaged"):
        load(node)


def test_endless_nesting_is_damage_and_exhausts_no_stack() -> None:
    """Fifty thousand levels are refused like a hundred and one."""
    for node in (deep(None, 50_000), deep("tuple", 50_000), array(shape=[1], dtype=deep_dtype(50_000))):
        with pytest.raises(DamagedCheckpoint, match="nested"):
            load(node)


@pytest.mark.parametrize("tree", [None, [], 3, "x", {"$": "list", "items": []}, {"$": "odict", "items": []}])
def test_a_tree_that_is_no_state_is_damage(tree: Any) -> None:
    """The outermost value has to be a dict."""
    with pytest.raises(DamagedCheckpoint):
        decode(tree, SPECS, read)


@pytest.mark.parametrize("found", [torch.zeros(6), torch.zeros(2, 3, dtype=torch.int32), torch.zeros(2, 3, 1)])
def test_a_piece_that_is_not_what_was_listed_is_damage(found: torch.Tensor) -> None:
    """Nobody relies on the reader to hold a piece against the manifest."""
    with pytest.raises(DamagedCheckpoint, match="piece 1 is not what the manifest lists"):
        decode({"x": dense()}, SPECS, lambda _: found)


@pytest.mark.parametrize("spec", [("F31", (2, 3)), ("F32", (-1,)), ("F32", (True,)), ("F32", "23"), ("U8", (6,))])
def test_a_list_of_pieces_that_lies_is_damage(spec: Any) -> None:
    """What the manifest says of a piece is not believed either."""
    with pytest.raises(DamagedCheckpoint):
        decode({"x": dense(piece=0)}, [spec], lambda _: torch.zeros(2, 3))


def test_a_small_tree_cannot_ask_for_much_memory() -> None:
    """A thousand nodes over one piece cost about what the piece costs, and a huge shape costs nothing at all."""
    n = 1 << 24
    piece = torch.zeros(n, dtype=torch.uint8)
    span = {"piece": 0, "offset": 0}
    wide = {"$": "tensor", **span, "dtype": "uint8", "shape": [10**10, n], "stride": [0, 1]}
    tall = {"$": "array", **span, "dtype": "|V5", "shape": [HUGE, 9], "strides": [0, 5]}
    for node in ({"$": "bytes", "piece": 0, "length": n}, wide, tall):
        tracemalloc.start()
        before = torch_bytes()
        found = decode({"x": [node] * 1000}, [("U8", (n,))], lambda _: piece)
        assert tracemalloc.get_traced_memory()[1] + torch_bytes() - before < 3 * n
        tracemalloc.stop()
        assert len(found["x"]) == 1000
    with pytest.raises(DamagedCheckpoint):
        decode({"x": wide | {"shape": [HUGE], "stride": [1]}}, [("U8", (n,))], lambda _: piece)


def torch_bytes() -> int:
    """The process's resident memory, as torch's allocations are invisible to tracemalloc."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_no_module_is_imported_and_no_hook_is_run_to_find_an_enum(monkeypatch: pytest.MonkeyPatch) -> None:
    """An enum's name leads through the dicts of modules and classes that are there, and through nothing else."""
    module = ModuleType("with_hooks")
    asked: list[str] = []
    module.__getattr__ = asked.append  # type: ignore[method-assign]
    monkeypatch.setitem(sys.modules, "with_hooks", module)
    assert "this_module_is_absent" not in sys.modules
    names = [
        "with_hooks:Lazy",
        "this_module_is_absent:A",
        "antigravity:fly",
        "builtins:int",
        "os:system",
        "os:path.join",
    ]
    names += ["enum:Enum", "", ":", "sys:modules", f"{__name__}:Colour.RED", f"{__name__}:Colour.__class__", "os.path:"]
    for name in names:
        with pytest.raises(StateMismatch):
            load({"$": "enum", "type": name, "value": 1})
    assert not asked
    assert "antigravity" not in sys.modules


@pytest.mark.parametrize("value", [2, -1, 2**70, "READ", None, [], {"$": "int", "hex": "0x" + "f" * 99}])
@pytest.mark.parametrize("name", ["Colour", "Right"])
def test_an_enum_takes_only_values_of_its_members(name: str, value: Any) -> None:
    """Whatever the stored value is, it ends in a member or a mismatch."""
    try:
        found = load({"$": "enum", "type": f"{__name__}:{name}", "value": value})
    except StateMismatch:
        return
    assert isinstance(found, Right)


def everything() -> dict[str, Any]:
    base = torch.arange(12.0).view(3, 4)
    record = np.zeros(2, [("a", "<i2"), ("b", ">f8", (2,))])
    shared = [1, {"k": (2, 3)}]
    ordered: Any = OrderedDict(a=torch.ones(2, dtype=torch.bfloat16))
    ordered._metadata = {"": {"version": 1}}
    return {
        "plain": [None, True, 1.5, "text", 2**70, float("nan"), -0.0, "\ud800", 1j, Path("a")],
        "shared": (shared, shared),
        "kinds": [
            {1: 2},
            defaultdict(list, a=[]),
            deque([1], 4),
            {1, 2},
            frozenset({"x"}),
            bytearray(b"x"),
            bytes(2000),
        ],
        "torch": [base, base.t(), base[1], base.view(torch.int32), torch.nn.Parameter(torch.ones(2, 2)), torch.int8],
        "exotic": [torch.zeros(3, dtype=torch.complex64), torch.zeros(0, 2), torch.Size([2]), torch.device("cpu")],
        "numpy": [np.arange(6.0).reshape(2, 3).T, np.ones(3, ">i4"), record, np.float32(2), np.arange(5)[::-1]],
        "enum": [Colour.RED, Right.READ],
        "state": ordered,
    }


VALID = store(everything())
TREE = json.loads(VALID.text)


def spots(node: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a tree."""
    keys = list(node) if isinstance(node, dict) else list(range(len(node))) if isinstance(node, list) else []
    return [spot for key in keys for spot in ((node, key), *spots(node[key]))]


SPOTS = len(spots(TREE))
JUNK = st.one_of(
    st.sampled_from(
        [None, True, False, 0, 1, -1, 2, 3, 7, 8, 31, 2**31, 2**62, 2**63 - 1, 2**63, 2**64, -(2**63), 0.5]
    ),
    st.sampled_from(["", "$", "tensor", "ref", "list", "U8", "float32", "complex128", "uint8", "|O8", "<f8", "0x1"]),
    st.sampled_from([[], {}, [0], [[0]], {"$": "ref", "to": 0}, {"$": "tuple", "items": []}, {"$": "tensor"}]),
    st.integers(),
    st.text(max_size=4),
)
MUTATIONS = st.lists(
    st.tuples(st.integers(0, SPOTS - 1), st.sampled_from(["set", "remove", "copy"]), JUNK, st.integers(0, SPOTS - 1)),
    min_size=1,
    max_size=4,
)


def test_the_tree_that_is_mutated_is_valid() -> None:
    """Without mutations it decodes to what was stored."""
    assert picture(VALID.load()) == picture(everything())


@settings(max_examples=1500)
@given(MUTATIONS)
@example([(0, "remove", None, 0)])
def test_a_mutated_tree_decodes_or_is_refused(mutations: list[tuple[int, str, Any, int]]) -> None:
    """Any change to a valid tree ends in some state, in DamagedCheckpoint or in StateMismatch; and in nothing else."""
    tree = copy.deepcopy(TREE)
    for number, action, junk, other in mutations:
        places = spots(tree)
        if not places:
            break
        container, key = places[number % len(places)]
        if action == "remove":
            del container[key]
        elif action == "copy":
            source, name = places[other % len(places)]
            container[key] = copy.deepcopy(source[name])
        else:
            container[key] = copy.deepcopy(junk)
    try:
        found = decode(json.loads(json.dumps(tree)), VALID.specs, VALID.read)
    except (DamagedCheckpoint, StateMismatch):
        return
    touch(found)


def touch(value: Any) -> None:
    """Read the ends of everything: memory out of bounds would show here."""
    if isinstance(value, dict):
        for item in (*value.keys(), *value.values()):
            touch(item)
    elif isinstance(value, list | tuple | set | frozenset | deque):
        for item in value:
            touch(item)
    elif isinstance(value, torch.Tensor) and value.numel():
        for index in (0, -1):
            value.detach()[(index,) * value.dim()].clone()
    elif isinstance(value, np.ndarray) and value.size:
        for index in (0, -1):
            value[(index,) * value.ndim].tobytes()


@pytest.mark.parametrize("number", range(len(VALID.specs)))
@pytest.mark.parametrize("shape", [(), (1,), (3,), (0, 5)])
def test_a_piece_that_is_too_small_is_damage(number: int, shape: tuple[int, ...]) -> None:
    """If the listed pieces do not fit the tree, it is noticed before memory is looked at."""
    specs = list(VALID.specs)
    if shape == specs[number][1]:
        shape = (2,)
    specs[number] = (specs[number][0], shape)
    with pytest.raises(DamagedCheckpoint):
        decode(TREE, specs, lambda index: torch.zeros(specs[index][1], dtype=STORED[specs[index][0]]))
