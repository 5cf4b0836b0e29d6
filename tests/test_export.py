"""Export: every kind of value a state may hold, and states that want to do harm."""

from __future__ import annotations

import resource
import signal
from collections import OrderedDict, defaultdict, deque
from datetime import timedelta
from enum import Enum, IntEnum
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np
import pytest
import torch
from run_folders import forge, manifests
from safetensors.torch import load_file

from colab_resume.checkpoints.manifest import Manifest
from colab_resume.checkpoints.store import Store
from colab_resume.errors import ColabResumeError, DamagedCheckpoint, EncodingError, StoreError, UsageError
from colab_resume.export import Export, Exported
from colab_resume.training.capture.capture import Capture
from colab_resume.training.capture.live import LiveState


class Colour(Enum):
    """An enum."""

    RED = (1, "red")


class Level(IntEnum):
    """An enum that is a number, too."""

    HIGH = 3


@pytest.fixture
def store(tmp_path: Path) -> Any:
    """An empty store."""
    store = Store(tmp_path / "run", session="aaaaaa")
    yield store
    store.close()


def saved(store: Store, **parts: Any) -> Manifest:
    """A checkpoint with these parts."""
    snapshot = Capture().take(LiveState.of(name, "values", value) for name, value in parts.items())
    facts: Any = {"position": {}, "journal": {}, "provenance": {}, "parent": None}
    return store.commit(slabs=snapshot.slabs(), step=1, generation=1, created=1.0, state=snapshot.state, **facts)


def write(store: Store, manifest: Manifest, out: Path, *parts: str) -> Exported:
    """Export into a new file."""
    return Export(out, parts=parts).write(manifest, store.pack_path, [].append)


def as_torch(store: Store, tmp_path: Path, **parts: Any) -> Any:
    """What torch.load without any trust gives after an export."""
    write(store, saved(store, **parts), tmp_path / "out.pt")
    return torch.load(tmp_path / "out.pt", weights_only=True)


PLAIN = [
    (deque([1, 2], maxlen=5), [1, 2]),
    (defaultdict(int, a=1), {"a": 1}),
    (frozenset({1, 2}), {1, 2}),
    ({1, 2}, {1, 2}),
    ((1, [None, True, "ü", b"x", bytearray(b"y"), 2j]), (1, [None, True, "ü", b"x", bytearray(b"y"), 2j])),
    (Path("a/b"), "a/b"),
    (PureWindowsPath("c:/d"), "c:\\d"),
    (Colour.RED, (1, "red")),
    (Level.HIGH, 3),
    (np.float64(0.1), 0.1),
    (np.int8(-3), -3),
    (np.bool_(True), True),
    (np.str_("ü"), "ü"),
    (np.array(["a", "bc"]), ["a", "bc"]),
    ({Colour.RED: 1, (1, 2): 2, np.int64(4): 3}, {(1, "red"): 1, (1, 2): 2, 4: 3}),
    (2**100, 2**100),
    (torch.Size([2, 3]), torch.Size([2, 3])),
    (torch.bfloat16, torch.bfloat16),
    (torch.device("cpu"), torch.device("cpu")),
]


@pytest.mark.parametrize(("value", "plain"), PLAIN, ids=lambda value: type(value).__name__)
def test_every_value_has_a_plain_form(store: Store, tmp_path: Path, value: Any, plain: Any) -> None:
    """torch.load(weights_only=True) gives the plain form of what was tracked, of exactly its type."""
    found = as_torch(store, tmp_path, v={"x": value})["v"]["x"]
    assert found == plain
    assert type(found) is type(plain)


def test_tensors_stay_as_they_are(store: Store, tmp_path: Path) -> None:
    """Types, strides, views, gradients' flags and module metadata survive; arrays become tensors."""
    base = torch.arange(12.0).reshape(3, 4)
    state = OrderedDict(
        base=base,
        view=base.t(),
        half=torch.ones(2, dtype=torch.bfloat16),
        eighth=torch.ones(2).to(torch.float8_e4m3fn),
        phase=torch.tensor([1 + 2j]),
        trained=torch.nn.Parameter(torch.ones(1)),
        array=np.arange(3, dtype=">i4"),
        words=np.array([1, 2], dtype="u2"),
    )
    state._metadata = OrderedDict([("", {"version": 2})])  # type: ignore[attr-defined]
    found = as_torch(store, tmp_path, m=state)["m"]
    assert found._metadata == {"": {"version": 2}}
    for name in ("base", "view", "half", "phase", "trained"):
        assert torch.equal(found[name], state[name])  # type: ignore[arg-type]
        assert found[name].dtype == state[name].dtype
    assert found["view"].stride() == (1, 4)
    assert found["view"].data_ptr() == found["base"].data_ptr()
    assert type(found["trained"]) is torch.nn.Parameter
    assert found["eighth"].view(torch.uint8).tolist() == state["eighth"].view(torch.uint8).tolist()  # type: ignore[attr-defined]
    assert found["array"].tolist() == [0, 1, 2]
    assert found["words"].dtype == torch.uint16


@pytest.mark.parametrize(
    ("value", "place"),
    [
        (np.datetime64("2026-01-01"), "v['x'] is a numpy datetime64[D]"),
        (np.zeros(2, dtype=[("a", "i4")]), "v['x'] is a numpy"),
        ([{"y": np.longdouble(1)}], "v['x'][0]['y'] is a numpy"),
        ({frozenset({1}): 1}, "a key of v['x'] is a builtins.frozenset"),
        ({Level.HIGH: 1, (Colour.RED,): 2, Path("a"): 3, "a": 4}, "v['x'] would have the same key twice"),
    ],
)
def test_what_has_no_plain_form_is_refused(store: Store, tmp_path: Path, value: Any, place: str) -> None:
    """One error with the path of the value; no file appears."""
    manifest = saved(store, v={"x": value})
    with pytest.raises(EncodingError) as error:
        write(store, manifest, tmp_path / "out.pt")
    assert place in error.value.what
    assert "\n" not in error.value.what
    assert not (tmp_path / "out.pt").exists()


def test_safetensors_holds_the_tensors_and_counts_the_rest(store: Store, tmp_path: Path) -> None:
    """Nested names are dotted, 0-dimensional, empty and non-contiguous tensors are right, arrays are there too."""
    state = {
        "a": [torch.tensor(1.5), {"b": torch.zeros(0, 3)}],
        "t": torch.arange(6).reshape(2, 3).t(),
        "n": np.arange(2, dtype=">f4"),
        "u": np.arange(2, dtype="u4"),
        "lr": 0.1,
        "names": ["x", b"y"],
    }
    manifest = saved(store, one=state, two={"w": torch.ones(2, dtype=torch.float8_e5m2)})
    done = write(store, manifest, tmp_path / "all.safetensors")
    found = load_file(tmp_path / "all.safetensors")
    assert set(found) == {"one.a.0", "one.a.1.b", "one.t", "one.n", "two.w"}
    assert found["one.a.0"].shape == ()
    assert found["one.a.1.b"].shape == (0, 3)
    assert found["one.t"].tolist() == [[0, 3], [1, 4], [2, 5]]
    assert found["one.n"].tolist() == [0.0, 1.0]
    assert done.left_out == {"one": 4}
    assert done.size == (tmp_path / "all.safetensors").stat().st_size
    write(store, manifest, tmp_path / "one.safetensors", "one")
    assert "a.0" in load_file(tmp_path / "one.safetensors")


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({"a": torch.zeros(1, dtype=torch.complex64)}, "v.a is complex64, which a safetensors file cannot hold"),
        ({"a.b": torch.zeros(1), "a": {"b": torch.ones(1)}}, "two tensors would be called 'v.a.b'"),
        ({"a": 1}, "there is no tensor in v"),
    ],
)
def test_safetensors_says_what_it_cannot_hold(store: Store, tmp_path: Path, state: Any, reason: str) -> None:
    """No tensor is lost silently, and no file appears."""
    manifest = saved(store, v=state, other={"w": 1})
    parts = ("v",) if "no tensor" in reason else ()
    with pytest.raises(ColabResumeError) as error:
        write(store, manifest, tmp_path / "out.safetensors", *parts)
    assert reason in error.value.what
    assert not (tmp_path / "out.safetensors").exists()


def hostile(store: Store, tree: Any) -> Manifest:
    """A checkpoint whose part `v` has this tree."""
    manifest = saved(store, v={"w": torch.ones(1)})
    path = store.manifest_path(manifest.name)
    forge(path, lambda document: document["state"]["v"].update(tree=tree))
    return manifests(store.root)[-1]


def test_a_tree_that_doubles_without_end_ends(store: Store, tmp_path: Path) -> None:
    """A tree of a few nodes that stands for 2**60 values is refused, or written with its sharing, in no time."""
    node: Any = {"$": "list", "id": 0, "items": [{"$": "tensor", "dtype": "float32", "shape": [1], "piece": 0}]}
    levels = [node]
    for number in range(1, 61):
        items = [{"$": "ref", "to": number - 1}] * 2
        levels.append({"$": "list", "id": number, "items": items})
    manifest = hostile(store, {"v": levels})
    with pytest.raises(EncodingError, match="more than"):
        write(store, manifest, tmp_path / "out.safetensors")
    write(store, manifest, tmp_path / "out.pt")
    assert (tmp_path / "out.pt").stat().st_size < 100_000


def test_a_state_that_is_deeper_than_the_stack_is_no_crash(store: Store, tmp_path: Path) -> None:
    """References can nest a state deeper than any tree: a .pt file keeps them, for names it is too deep."""
    levels: list[Any] = [{"$": "list", "id": 0, "items": []}]
    levels += [{"$": "list", "id": n, "items": [{"$": "ref", "to": n - 1}]} for n in range(1, 1_300)]
    manifest = hostile(store, {"v": levels})
    with pytest.raises(EncodingError, match="nests them deeper"):
        write(store, manifest, tmp_path / "out.safetensors")
    write(store, manifest, tmp_path / "out.pt")
    assert len(torch.load(tmp_path / "out.pt", weights_only=True)["v"]) == 1_300


@pytest.mark.parametrize(
    "tree", [{"w": 1}, {"v": {"$": "boom"}}, {"$": "dict", "items": [], "v": 1}, {"v": {"$": "ref"}}]
)
def test_a_wrong_tree_is_damage(store: Store, tmp_path: Path, tree: Any) -> None:
    """Whatever a manifest with a right checksum says, the error is ours."""
    manifest = hostile(store, tree)
    with pytest.raises(DamagedCheckpoint):
        write(store, manifest, tmp_path / "out.pt")


@pytest.mark.parametrize("name", ["out.pt", "out.safetensors"])
def test_a_full_disk_is_a_store_error_and_leaves_nothing(store: Store, tmp_path: Path, name: str) -> None:
    """The disk refuses in mid-write: the error says so, and no half of a file stays."""
    manifest = saved(store, v={"w": torch.randn(100_000)})
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
        with pytest.raises(StoreError, match="The disk refused"):
            write(store, manifest, tmp_path / name)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_progress_counts_every_byte_that_is_proved(store: Store, tmp_path: Path) -> None:
    """The bytes told are those announced: the tensors of the chosen parts."""
    manifest = saved(store, v={"w": torch.randn(1000)})
    task = Export(tmp_path / "out.pt", parts=("v",))
    told: list[int] = []
    task.write(manifest, store.pack_path, told.append)
    assert sum(told) == task.size(manifest) == 4000


def test_a_target_that_cannot_be_is_refused_at_once(tmp_path: Path) -> None:
    """Before any byte is read: a wrong ending, no folder, a folder, a file that is there."""
    (tmp_path / "there.pt").touch()
    (tmp_path / "folder.pt").mkdir()
    for name in ("model", "model.zip", "no/model.pt", "folder.pt", "there.pt"):
        with pytest.raises(UsageError):
            Export(tmp_path / name)
    Export(tmp_path / "there.pt", overwrite=True)


def test_timedelta_is_no_surprise() -> None:
    """numpy's own time types have Python forms that torch.load refuses, hence the refusal above."""
    assert isinstance(np.timedelta64(1, "s").tolist(), timedelta)
