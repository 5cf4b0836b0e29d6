"""docs/format.md against the code: a reader written from the page alone gets, bit for bit, what a training saved."""

from __future__ import annotations

import ast
import base64
import enum
import json
import re
import shutil
import struct
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from independent_reader import Tree, newest
from run_folders import flip, forge, manifests, newest_pack
from torch import nn

import colab_resume
from colab_resume.checkpoints.encoding import decoder, encode, scalars
from colab_resume.checkpoints.encoding.layout import STORED_DTYPES, TENSOR_DTYPES
from colab_resume.checkpoints.manifest import Facts, Manifest, TensorRef
from colab_resume.checkpoints.names import checkpoint_name
from colab_resume.checkpoints.pack import PackInfo
from colab_resume.checkpoints.pack_file import verify_pack
from colab_resume.checkpoints.parts import Part
from colab_resume.errors import DamagedCheckpoint
from colab_resume.folders.sets import File, FileSet
from colab_resume.sessions.identity import SessionRecord
from colab_resume.training.journal import Mark, history
from colab_resume.training.position import Frame, Position

pytestmark = pytest.mark.filterwarnings("ignore:ComplexHalf support is experimental:UserWarning")

HERE = Path(__file__).parent
PAGE = (HERE.parent / "docs" / "format.md").read_text("utf-8")
KINDS = scalars.READERS.keys() | decoder._KINDS.keys()
SAME_SIZE = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
RECORD = np.dtype([("a", "<f4"), ("b", "<i2", (2,)), ("c", "<U3")], align=True)


class Phase(enum.Enum):
    """An enum that a state may hold."""

    WARM = ("warm", 1)


@dataclass(frozen=True)
class Trained:
    """A run as it lies on its remote, and the live state it ended with."""

    run: Path
    live: dict[str, Any]


def everything() -> dict[str, Any]:
    """A value of every kind, and memory in every way in which it can be kept."""
    base, raw = torch.arange(24, dtype=torch.float32), np.arange(12, dtype="<i4")
    shared, tied, nan = [1, "two"], torch.randn(3), struct.unpack(">d", b"\xff\xf8\0\0\0\0\0\1")[0]
    elements = (torch.arange(16) % 2).to(torch.uint8)
    return {
        "plain": [None, True, -7, 0.1, -0.0, 1e300, "grün \U0001f600", {"a": {"b": []}}],
        "numbers": [2**53, -(2**70), float("inf"), nan, complex(-0.0, nan)],
        "texts": ["\ud800", {"\ud800": 1}, b"short", b"long" * 400, bytearray(b"x"), bytearray(2000)],
        "containers": [(1, (2, [])), {1, 2}, frozenset("x"), deque([1, 2], 3), deque(), {"$": 1, (1, None): 2}],
        "dicts": [OrderedDict(a=1), Counter(a=2), defaultdict(list, {"k": [1]}), defaultdict(None)],
        "names": [PurePosixPath("/a"), PureWindowsPath("c:\\b"), Path("c"), Phase.WARM, torch.device("cuda", 1)],
        "torch": [torch.bfloat16, torch.Size([2, 2**60]), nn.Parameter(torch.ones(2)), torch.tensor(3)],
        "scalars": [
            np.float32(0.1),
            np.str_("\ud800a"),
            np.bytes_(b"a\0"),
            np.ones(1, RECORD)[0],
            np.datetime64(9, "s"),
        ],
        "dtypes": [elements.view(dtype) for dtype in TENSOR_DTYPES.values()],
        "views": [base, base[4:20:2], base.view(4, 6).t(), base[:6].expand(2, 6), base.view(torch.int32)[3:]],
        "dense": [torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last), torch.randn(3, 2).t()],
        "arrays": [raw, raw[::-3], raw.reshape(3, 4).T, np.zeros((2, 2), RECORD), np.ones(2, ">f8"), np.array("x")],
        "empty": [torch.empty(0, 3), np.empty((2, 0)), torch.empty(4, 2)[:, 2:], np.empty(0, np.dtype([]))],
        "shared": [shared, shared, {"again": shared}, tied, tied, tied.view(3), tied.numpy()],
        "equal": [torch.full((4,), 5.0), torch.full((4,), 5.0)],
    }


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A real run through the public interface: a model, its optimizer, and everything else as plain values."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("format")
    run = colab_resume.setup("r", store=folder / "vm", remote=folder / "drive", every=1)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4).bfloat16())
    opt = torch.optim.Adam(model[0].parameters(), 0.1)
    run.track(model=model, opt=opt)
    values = run.state(n=0, **everything())
    for _ in run.steps(3):
        opt.zero_grad()
        model[0](torch.randn(5, 3)).square().sum().backward()
        opt.step()
        values.n += 1
        run.log(loss=float("nan"), n=values.n)
        run.flush()
    run.finish()
    live = {"model": model.state_dict(), "opt": opt.state_dict(), "run.state": vars(values)}
    return Trained(folder / "drive" / "r", live)


@pytest.fixture
def run(trained: Trained, tmp_path: Path) -> Path:
    """A copy of the run's folder, to do anything to."""
    return Path(shutil.copytree(trained.run, tmp_path / "r"))


def as_array(tensor: torch.Tensor) -> np.ndarray[Any, Any]:
    """The tensor's own memory as numpy sees it; as unsigned integers where numpy has no such dtype."""
    raw, size = tensor.detach(), tensor.element_size()
    # Packages such as ml_dtypes tell numpy of further names, which torch's arrays do not know of.
    known = np.sctypeDict.get(str(tensor.dtype).removeprefix("torch."))
    if known is not None and np.dtype(known).isbuiltin == 1:
        return raw.numpy()
    return raw.view(SAME_SIZE[size]).numpy().view(f"<u{size}")


def simple(value: Any) -> Any:
    """What the reader is to give for this value."""
    match value:
        case torch.Size():
            return tuple(value)
        case torch.Tensor():
            return as_array(value)
        case OrderedDict() | Counter() | defaultdict():
            return named_dict(value)
        case dict():
            return {simple(key): simple(item) for key, item in value.items()}
        case deque():
            return "deque", value.maxlen, [simple(item) for item in value]
        case list() | tuple() | set() | frozenset():
            return type(value)(simple(item) for item in value)
        case enum.Enum():
            return "enum", f"{type(value).__module__}:{type(value).__qualname__}", simple(value.value)
        case PurePath():
            return "path", {PurePosixPath: "posix", PureWindowsPath: "windows"}.get(type(value), "path"), str(value)
        case torch.dtype():
            return "dtype", str(value).removeprefix("torch.")
        case torch.device():
            return "device", str(value)
    return value


def named_dict(value: dict[Any, Any]) -> tuple[Any, ...]:
    items = [[simple(key), simple(item)] for key, item in value.items()]
    match value:
        case defaultdict():
            return "defaultdict", getattr(value.default_factory, "__name__", None), items
        case Counter():
            return "counter", items
    return "odict", items, *(simple(item) for item in vars(value).values())


def bits(value: Any) -> Any:
    """A value that is equal to another one exactly if both are the same to the bit."""
    match value:
        case np.ndarray() | np.generic():
            return type(value), value.dtype, value.shape, value.tobytes()
        case float():
            return float, struct.pack(">d", value)
        case complex():
            return complex, struct.pack(">dd", value.real, value.imag)
        case dict():
            return dict, [(bits(key), bits(item)) for key, item in value.items()]
        case list() | tuple():
            return type(value), [bits(item) for item in value]
        case set() | frozenset():
            return type(value), sorted(repr(bits(item)) for item in value)
    return type(value), value


def arrays(value: Any) -> Iterator[np.ndarray[Any, Any]]:
    """Those inside a value, in order."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, dict | list | tuple):
        for item in value.values() if isinstance(value, dict) else value:
            yield from arrays(item)


def overlaps(value: Any) -> list[tuple[int, int, int]]:
    """Which arrays inside a value look at common memory, and how far their starts are apart."""
    spans = [(np.lib.array_utils.byte_bounds(one), one.ctypes.data) for one in arrays(value) if one.nbytes]
    return [
        (i, j, there - here)
        for i, ((low, high), here) in enumerate(spans)
        for j, ((other_low, other_high), there) in enumerate(spans[:i])
        if max(low, other_low) < min(high, other_high)
    ]


def test_a_reader_written_from_the_page_gets_what_was_saved(trained: Trained) -> None:
    """A model, an optimizer and values of every kind: all types, all bits, and which of them share memory."""
    document, state, skipped = newest(trained.run)
    assert (document["step"], skipped) == (3, {})
    found = {"model": state["model"], "opt": state["opt"]["optimizer"], "run.state": state["run.state"]}
    expected = simple(trained.live)
    for name in expected["run.state"]:
        assert bits(found["run.state"][name]) == bits(expected["run.state"][name]), name
    assert bits(found) == bits(expected)
    assert overlaps(found["run.state"]) == overlaps(expected["run.state"])
    one, two, three, *_ = state["run.state"]["shared"]
    assert one is two is three["again"]
    assert state["run.rng"].keys() == {"python", "numpy", "torch"}


texts = st.text(st.characters(codec=None, exclude_categories=()), max_size=5) | st.sampled_from(["$", "id"])
numbers = st.integers() | st.floats() | st.complex_numbers() | st.booleans() | st.none()
keys = st.recursive(numbers | texts | st.binary(), lambda inner: st.lists(inner, max_size=3).map(tuple), max_leaves=4)
values: st.SearchStrategy[Any] = st.recursive(
    keys | st.binary(max_size=3).map(bytearray) | st.builds(torch.arange, st.integers(0, 9)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.builds(deque, st.lists(inner, max_size=3), st.sampled_from([None, 3]))
        | st.dictionaries(keys, inner, max_size=3)
        | st.dictionaries(keys, inner, max_size=3).map(OrderedDict)
        | st.lists(inner, max_size=1).map(lambda items: (items, items))
    ),
    max_leaves=12,
)


@settings(max_examples=50)
@given(st.dictionaries(texts, values, max_size=4))
def test_any_state_is_read_as_it_was(state: dict[str, Any]) -> None:
    """Whatever values are put together, the page says what their tree means."""
    encoded = encode(state)
    pieces = [(one.dtype, [*one.shape], bytearray(as_array(one.source).tobytes())) for one in encoded.pieces]
    assert bits(Tree(pieces, {}).value(json.loads(json.dumps(encoded.tree)))) == bits(simple(state))


def rows(first: str) -> dict[str, set[str]]:
    """Of the page's table with this heading: the names that a row is about, and the words of the next column."""
    (table,) = (part for part in PAGE.split("\n\n") if part.startswith(f"| {first} |"))
    cells = [line.split(" | ") for line in table.splitlines()[2:]]
    return {name: set(re.findall(r"\w+", row[1])) for row in cells for name in re.findall(r"`([^`]+)`", row[0])}


def nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Every tagged node of a state tree."""
    if isinstance(tree, dict | list):
        if isinstance(tree, dict) and "$" in tree:
            yield tree
        for item in tree.values() if isinstance(tree, dict) else tree:
            yield from nodes(item)


def test_every_kind_of_node_is_on_the_page(trained: Trained) -> None:
    """The table has the kinds that the code reads, no others, and every member that a node of such a kind was given."""
    table = rows("`$`")
    assert table.keys() == KINDS
    seen = {kind: set[str]() for kind in KINDS}
    for node in nodes(manifests(trained.run)[-1].state):
        seen[node["$"]] |= node.keys() - {"$", "id"}
    assert all(seen.values())
    for kind, members in seen.items():
        assert members <= table[kind]


def test_every_member_is_on_the_page() -> None:
    """The table has the members of a manifest, no others; the text names those of everything else that is written."""
    assert rows("member").keys() == {field.name for field in fields(Manifest)}
    assert Facts.__annotations__.keys() <= rows("member").keys()
    text = re.sub(r"^```.*?^```$", "", PAGE, flags=re.MULTILINE | re.DOTALL)
    named = {word for span in re.findall(r"`([^`]+)`", text) for word in re.findall(r"\w+", span)}
    for described in (TensorRef, PackInfo, Part, Mark, Position, Frame, SessionRecord, File, FileSet):
        assert {field.name for field in fields(described)} - {"tensors", "name"} <= named
    assert named >= STORED_DTYPES.keys()
    stored = set(STORED_DTYPES.values())
    assert named >= {name for name, dtype in TENSOR_DTYPES.items() if dtype not in stored and dtype.itemsize > 1}


def example(language: str) -> bytes:
    """What stands in the page's block of this language."""
    (block,) = re.findall(rf"^```{language}\n(.*?)\n```$", PAGE, re.MULTILINE | re.DOTALL)
    return str(block).encode()


@pytest.fixture
def printed(tmp_path: Path) -> Path:
    """The page's example as a run's folder."""
    (name,) = re.findall(r"^`checkpoints/(.*)\.json`", PAGE, re.MULTILINE)
    for folder in ("checkpoints", "packs", "journal"):
        (tmp_path / "e" / folder).mkdir(parents=True)
    (tmp_path / f"e/checkpoints/{name}.json").write_bytes(example("json"))
    (tmp_path / f"e/packs/{name}-0.safetensors").write_bytes(base64.b64decode(example("base64")))
    (tmp_path / "e/journal/k3f9a2.jsonl").write_bytes(example("jsonl") + b"\n")
    return tmp_path / "e"


def test_the_example_is_a_checkpoint(printed: Path) -> None:
    """The package and the reader take it as it is printed, and so does the journal's mark."""
    (manifest,) = manifests(printed)
    for pack, info in manifest.packs.items():
        verify_pack(printed / "packs" / pack, info)
    found = history(printed / "journal", Mark.from_json(manifest.journal))
    assert ([record.step for record in found.records], found.flaws) == ([1, 2], ())
    _, state, _ = newest(printed)
    ((key, weight),) = state["model"][1]
    assert (key, weight.shape, weight.dtype) == ("weight", (1, 2), np.float32)
    assert state["run.state"] == {"best": float("inf")}


def test_a_flipped_bit_is_noticed_wherever_it_is(printed: Path) -> None:
    """There is no byte in a manifest or in a pack that could change unseen."""
    for folder in ("checkpoints", "packs"):
        (path,) = (printed / folder).iterdir()
        for place in range(path.stat().st_size):
            flip(path, place)
            with pytest.raises(ValueError, match="no checkpoint can be used"):
                newest(printed)
            flip(path, place)
    newest(printed)


def test_a_damaged_checkpoint_is_named_and_an_older_one_is_read(run: Path) -> None:
    """The reader takes the newest that does not need the damaged pack, as a restart does."""
    pack, guilty, good = newest_pack(run)
    flip(pack)
    document, _, skipped = newest(run)
    assert document["step"] == good.step
    assert 0 < len(skipped) <= len(guilty)
    assert all(pack.name in reason for reason in skipped.values())


def restored(run: Path) -> str:
    """The checkpoint that a restart goes on from, as its session's record says."""
    colab_resume.setup(run.name, store=run.parent).finish()
    records = [SessionRecord.from_bytes(path.read_bytes()) for path in (run / "sessions").iterdir()]
    return str(max(records, key=lambda record: record.started).restored)


def rename(document: dict[str, Any]) -> None:
    document["step"] += 1


def add_members(document: dict[str, Any]) -> None:
    inner = (document["tensors"][0], *document["packs"].values(), *document["state"].values(), document["position"])
    for one in (document, *inner, *nodes(document["state"])):
        one["later"] = {"than": 1}


@pytest.mark.parametrize(
    ("change", "taken"),
    [
        (add_members, True),
        (lambda document: document.update(serial=document["serial"] + 1), False),
        (rename, False),
        (lambda document: document.update(format=True), False),
        (lambda document: document.update(generation=0), False),
        (lambda document: document.pop("packs"), False),
    ],
)
def test_a_changed_manifest_is_judged_alike(run: Path, change: Callable[[dict[str, Any]], None], taken: bool) -> None:
    """Unknown members are ignored, another format, name, order or place is not: by the reader as by the package."""
    newest_name = manifests(run)[-1].name
    forge(run / "checkpoints" / f"{newest_name}.json", change)
    document, _, _ = newest(run)
    found = restored(run)
    assert found == checkpoint_name(document["step"], document["session"], document["serial"])
    assert (found == newest_name) is taken


@pytest.mark.parametrize(
    "node",
    [
        {"$": "surprise"},
        {"$": "ref", "to": 999},
        {"$": "bytes", "piece": 9999, "length": 1},
        {"$": "tensor", "piece": 0, "dtype": "float32", "shape": [7777]},
        {"$": "array", "piece": 0, "dtype": "|O", "shape": [1]},
        {"$": "dict", "items": [[[], 1]]},
        {"$": "bytes", "base64": "a"},
    ],
    ids=str,
)
def test_a_node_that_means_nothing_is_damage(run: Path, node: dict[str, Any]) -> None:
    """Neither the package nor the reader makes something up for it."""
    name = manifests(run)[-1].name
    path = run / "checkpoints" / f"{name}.json"
    forge(path, lambda document: document["state"]["run.state"]["tree"]["run.state"].update(n=node))
    assert name in newest(run)[2]
    again = colab_resume.setup(run.name, store=run.parent)
    with pytest.raises(DamagedCheckpoint):
        again.state(n=0)
    again.finish()


def test_reading_takes_a_page_and_a_small_program() -> None:
    """The page has at most 160 lines; the reader fewer than 150, and imports nothing that knows the format."""
    assert len(PAGE.splitlines()) <= 160
    source = (HERE / "independent_reader.py").read_text("utf-8")
    assert len(source.splitlines()) < 150
    imports = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {node.module if isinstance(node, ast.ImportFrom) else node.names[0].name for node in imports}
    assert names == {"__future__", "base64", "hashlib", "json", "numpy", "pathlib", "typing", "xxhash"}
