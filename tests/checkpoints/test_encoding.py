"""A state comes back from JSON and bytes as it was: every bit, type, stride and shared object."""

from __future__ import annotations

import enum
import json
import random
import struct
import sys
import threading
import warnings
import weakref
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from exactness import STORED, picture, round_trip, store
from hypothesis import example, given
from hypothesis import strategies as st

from colab_resume.checkpoints.encoding import Immutable, decode, encode
from colab_resume.errors import EncodingError, StateMismatch

pytestmark = pytest.mark.filterwarnings("ignore:ComplexHalf support is experimental:UserWarning")

DTYPES = sorted({d for d in vars(torch).values() if isinstance(d, torch.dtype)}, key=str)
QUANTIZED = [dtype for dtype in DTYPES if str(dtype).startswith(("torch.qint", "torch.quint"))]


class Colour(enum.Enum):
    """Its values are of several kinds."""

    RED = 1
    GREEN = "green"
    BLUE = (0, 0, 1.5)


class Level(enum.IntEnum):
    """Its members are integers, too."""

    LOW = 1
    HIGH = 2


class Right(enum.Flag):
    """Its members can be combined."""

    READ = enum.auto()
    WRITE = enum.auto()


Point = namedtuple("Point", "x y")


def assert_exact(state: dict[str, Any]) -> Any:
    before = picture(state)
    found = round_trip(state)
    assert picture(found) == before
    assert picture(state) == before
    return found


def random_bytes(n: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, n, dtype=np.uint8))


def filled(dtype: torch.dtype, *shape: int) -> torch.Tensor:
    """A tensor of random bytes; for torch.bool of 0 and 1, as torch itself makes a 1 of any other byte in a copy."""
    flat = random_bytes(int(np.prod(shape)) * dtype.itemsize)
    if dtype is torch.bool:
        flat &= 1
    return torch.empty(0, dtype=dtype).set_(flat.untyped_storage(), 0, shape)


# Plain values

texts = st.text(st.characters(codec=None, exclude_categories=())) | st.sampled_from(["$", "", "\ud83d\ude00", "\ud83d"])
floats = st.integers(0, 2**64 - 1).map(lambda bits: struct.unpack(">d", bits.to_bytes(8, "big"))[0])
hashables = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.builds(lambda digits, sign: sign * 10**digits, st.sampled_from([30, 5000]), st.sampled_from([1, -1]))
    | floats
    | texts
    | st.binary(max_size=20)
    | st.builds(complex, floats, floats)
    | st.sampled_from([2**53, 2**53 - 1, -(2**53), *Colour, *Level, Right.READ | Right.WRITE])
    | st.sampled_from([Path("a/b"), PurePosixPath("/x"), PureWindowsPath("c:\\y"), torch.bfloat16, torch.Size([2, 3])])
    | st.sampled_from(
        [torch.device("cpu"), torch.device("cuda:1"), np.float32(1.5), np.str_("é"), np.datetime64("2026")]
    ),
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3),
    max_leaves=6,
)
values = st.recursive(
    hashables | st.binary(max_size=20).map(bytearray),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(texts, inner, max_size=4)
        | st.dictionaries(hashables, inner, max_size=3)
        | st.dictionaries(hashables, inner, max_size=3).map(OrderedDict)
        | st.dictionaries(hashables, inner, max_size=3).map(lambda items: defaultdict(list, items))
        | st.dictionaries(hashables, inner, max_size=3).map(Counter)
        | st.sets(hashables, max_size=3)
        | st.builds(deque, st.lists(inner, max_size=3), st.sampled_from([None, 3, 7]))
    ),
    max_leaves=20,
)


@given(st.dictionaries(texts, values, max_size=5))
@example({"minus zero": -0.0, "digits": 10**5000, "pair": "\ud83d" + "\ude00", "$": {"$": "ref", "to": 0}})
def test_every_plain_value_comes_back_exactly(state: dict[str, Any]) -> None:
    """Any nesting of plain values comes back with the same types, bits and order."""
    assert_exact(state)


@given(floats)
def test_every_float_keeps_its_64_bits(value: float) -> None:
    """NaN payloads, infinities, subnormals and the sign of zero survive."""
    assert struct.pack(">d", round_trip({"x": value})["x"]) == struct.pack(">d", value)


def test_plain_state_is_plain_json() -> None:
    """What JSON can say is said in JSON, so that a person can read it."""
    state = {"epoch": 3, "loss": 0.25, "names": ["a", None], "deep": {"on": True}}
    assert encode(state).tree == state


@pytest.mark.parametrize("sign", [1, -1])
def test_integers_stay_plain_as_long_as_every_reader_keeps_them(sign: int) -> None:
    """Readers that count in floats are exact below 2**53, so from there on an integer is written as text."""
    tree: Any = encode({"in": sign * (2**53 - 1), "out": sign * 2**53}).tree
    assert tree["in"] == sign * (2**53 - 1)
    assert tree["out"] == {"$": "int", "hex": hex(sign * 2**53)}


@pytest.mark.parametrize("factory", [None, dict, list, set, int, float, str, bool, tuple])
def test_a_defaultdict_goes_on_making_its_defaults(factory: Callable[[], Any] | None) -> None:
    """The factory of a defaultdict comes back."""
    found = assert_exact({"d": defaultdict(factory, {1: 2})})["d"]
    assert factory is None or found["new"] == factory()


def test_sets_are_the_same_json_in_every_order() -> None:
    """Two equal sets with another history have the same tree."""
    one, other = {0, 8}, {8, 0}
    assert list(one) != list(other)
    assert encode({"s": one}).tree == encode({"s": other}).tree
    tree: Any = encode({"s": {(b, a) for a in "xyz" for b in "abc"}}).tree
    assert tree["s"]["items"] == sorted(tree["s"]["items"], key=json.dumps)


@pytest.mark.parametrize("size", [0, 1023, 1024, 5000])
@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_byte_strings_of_any_length_come_back(kind: type, size: int) -> None:
    """Short byte strings lie in the tree, long ones in a piece of their own."""
    data = kind(random_bytes(size).numpy().tobytes())
    state = {"a": data, "b": [data]}
    assert_exact(state)
    assert [(piece.dtype, piece.shape) for piece in encode(state).pieces] == [("U8", (size,))] * (size >= 1024)


def test_a_bytearray_can_grow_after_it_was_encoded() -> None:
    """Encoding holds no export of a bytearray, which would make it raise in the user's code."""
    data = bytearray(4096)
    encoded = encode({"a": data})
    data += b"more"
    assert encoded.pieces[0].nbytes == 4096


# Identity


def test_a_shared_container_comes_back_shared() -> None:
    """Every mutable container that is reachable twice is one object again."""
    for shared in (
        [1],
        {"a": 1},
        {1: 2},
        OrderedDict(a=1),
        defaultdict(int),
        Counter(a=2),
        {1},
        deque([1]),
        bytearray(b"x"),
        [],
        {},
    ):
        found = assert_exact({"a": shared, "b": (shared, [shared])})
        assert found["a"] is found["b"][0] is found["b"][1][0]


def test_a_set_may_hold_what_is_shared() -> None:
    """What is defined inside of a set and named again, there or elsewhere, is found in whatever order a set has."""
    shared = torch.ones(2)
    found = round_trip({"pairs": {(shared, 1), (shared, 2), (shared, 3)}, "alone": {shared}, "x": shared})
    assert {(id(tensor), n) for tensor, n in found["pairs"]} == {(id(found["x"]), n) for n in (1, 2, 3)}
    assert found["alone"] == {found["x"]}


def test_equal_containers_stay_apart() -> None:
    """Two equal lists are not made one."""
    found = assert_exact({"a": [1], "b": [1]})
    assert found["a"] is not found["b"]


def test_a_shared_container_holds_shared_containers() -> None:
    """Sharing inside of what is shared is kept, too."""
    inner = [torch.ones(2)]
    outer = {"i": inner, "j": (inner,)}
    assert_exact({"a": outer, "b": [outer, inner], "c": inner[0]})


@pytest.mark.parametrize("make", [list, dict, deque, OrderedDict])
def test_a_container_that_contains_itself_is_refused(make: Callable[[], Any]) -> None:
    """A cycle is named and not followed."""
    loop = make()
    if hasattr(loop, "append"):
        loop.append({"x": loop})
    else:
        loop[0] = {"x": loop}
    with pytest.raises(EncodingError, match=r"^a\['l'\]\[0\]\['x'\] contains itself"):
        encode({"a": {"l": loop}})


def test_a_state_that_contains_itself_is_refused() -> None:
    """The outermost dict is no exception."""
    state: dict[str, Any] = {}
    state["me"] = [state]
    with pytest.raises(EncodingError, match=r"^me\[0\] contains itself"):
        encode(state)


def nested(depth: int) -> dict[str, Any]:
    value: Any = 2**70
    for _ in range(depth - 1):
        value = (value,)
    return {"a": value}


def test_nesting_is_limited_alike_both_ways() -> None:
    """What can be stored can be read: both sides stop at the same depth."""
    assert_exact(nested(100))
    with pytest.raises(EncodingError, match="nested more than 100 deep"):
        encode(nested(101))


# Enums


def test_enums_come_back_as_members() -> None:
    """A member is the very member again, also of a flag's combination."""
    state = {"a": Colour.BLUE, "b": Level.HIGH, "c": Right.READ | Right.WRITE, "d": {Colour.RED: 1}}
    assert assert_exact(state)["a"] is Colour.BLUE


def test_an_enum_that_is_not_there_is_named_and_not_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """A class that the session has not made is a mismatch, unless the caller makes its members."""
    module = ModuleType("passing_module")
    passing = enum.Enum("Passing", {"A": 7}, module="passing_module")
    module.Passing = passing  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "passing_module", module)
    stored = store({"x": passing(7)})
    assert stored.load()["x"] is passing(7)
    monkeypatch.delitem(sys.modules, "passing_module")
    with pytest.raises(StateMismatch, match="passing_module:Passing is not defined in this session"):
        stored.load()
    assert stored.load(enums=lambda name, value: (name, value)) == {"x": ("passing_module:Passing", 7)}


def test_an_enum_that_lost_its_member_is_a_mismatch() -> None:
    """A value that is no member any more is not guessed."""
    stored = store({"x": Colour.GREEN})
    changed = type(stored)(stored.text.replace("green", "teal"), [], [])
    with pytest.raises(StateMismatch, match="no member with the stored value 'teal'"):
        changed.load()


# Tensors


@pytest.mark.parametrize("dtype", [dtype for dtype in DTYPES if dtype not in QUANTIZED], ids=str)
def test_every_dtype_keeps_every_bit(dtype: torch.dtype) -> None:
    """Random bytes of every dtype survive, in every form a tensor can take."""
    whole = filled(dtype, 4, 5, 2)
    assert_exact({"x": whole})
    assert_exact({"x": whole.transpose(0, 2)})
    assert_exact({"x": whole[1:3, ::2]})
    assert_exact({"x": filled(dtype)})
    assert_exact({"x": filled(dtype, 0, 3), "y": filled(dtype, 3, 0).t(), "z": whole[:0], "w": whole[2]})


@pytest.mark.parametrize("dtype", STORED.values(), ids=str)
def test_a_tensor_is_stored_under_its_own_dtype_and_shape(dtype: torch.dtype) -> None:
    """What safetensors can name is a plain tensor in the file, even in channels_last."""
    for tensor in (filled(dtype, 2, 3), filled(dtype), filled(dtype, 0, 3), filled(dtype, 2, 3, 4).permute(2, 0, 1)):
        (piece,) = encode({"x": tensor}).pieces
        assert (STORED[piece.dtype], piece.shape, piece.key) == (dtype, tuple(tensor.shape), "x")
        assert piece.source.data_ptr() == tensor.data_ptr()


@pytest.mark.parametrize("dtype", QUANTIZED, ids=str)
@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor:UserWarning")
def test_quantized_tensors_are_refused(dtype: torch.dtype) -> None:
    """A dtype with scales beside its bytes is refused with its name."""
    with pytest.raises(EncodingError, match=f"x is a tensor of {dtype}"):
        encode({"x": torch.empty(4, dtype=dtype)})


def views() -> dict[str, Any]:
    base = filled(torch.float32, 6, 8)
    image = filled(torch.float32, 2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    number = filled(torch.complex64, 3)
    odd = torch.frombuffer(bytearray(random_bytes(41).numpy().tobytes()), dtype=torch.float32, offset=1)
    return {
        "channels_last": {"x": image},
        "channels_last_of_one_channel": {"x": filled(torch.float32, 2, 1, 4, 5).to(memory_format=torch.channels_last)},
        "transposed": {"x": base.t()},
        "transposed_complex": {"x": filled(torch.complex64, 3, 4).t()},
        "expanded": {"x": base[:, :1].expand(6, 1000)},
        "scalar_expanded": {"x": torch.tensor(1.5).expand(10, 10)},
        "sliced": {"x": base[1:5:2, 3:6]},
        "base_and_views": {"x": base[2], "base": base, "y": base.t()[3:5], "z": base.view(torch.int32)},
        "apart_in_one_storage": {"x": base[0], "y": base[5]},
        "overlapping_windows": {"x": base.view(-1).unfold(0, 5, 2)},
        "other_dtypes": {"bytes": base.view(torch.uint8)[1, 3:9], "x": base.view(torch.float64)[1:2], "z": base[1, 1:]},
        "tied_as_objects": {"x": base, "y": [base, base.detach(), base[:]]},
        "tied_in_channels_last": {"x": image, "y": image.detach(), "z": image},
        "complex_and_its_parts": {"y": number, "z": number.real, "w": number.imag},
        "empty_of_something": {"x": base[:, :0], "y": base, "z": base[6:]},
        "unaligned": {"x": odd, "y": odd[3:5]},
        "unaligned_alone": {"x": odd[2:]},
        "odd_bytes_before_floats": {"bytes": base.view(torch.uint8)[0, 3:9], "x": base[1]},
        "odd_bytes_before_unaligned_floats": {"bytes": odd.view(torch.uint8)[3:9], "x": odd[4:]},
        "parameters": {"x": torch.nn.Parameter(base), "y": torch.nn.Parameter(base.long(), requires_grad=False)},
        "trained": {"x": base.clone().requires_grad_(), "y": base.clone().requires_grad_().view(-1)},
        "leaf_in_half_a_storage": {"x": base[3:].detach().requires_grad_(), "y": base},
        "strange_strides": {"x": torch.empty_strided((1, 3, 1), (2**40, 1, 7)).fill_(2)},
    }


@pytest.mark.parametrize("name", views())
def test_views_share_memory_with_their_strides(name: str) -> None:
    """Tensors over common memory come back over common memory, each with its dtype, shape, stride and distance."""
    if name == "trained":
        found = round_trip(views()[name])
        assert found["x"].requires_grad
        assert not found["y"].requires_grad
    else:
        assert_exact(views()[name])


def test_lazily_conjugated_and_negated_tensors_are_stored_as_what_they_mean() -> None:
    """torch defers conjugation and negation by a bit on the tensor; the file holds the numbers."""
    number = torch.tensor([1 + 2j, 3 - 4j]).expand(2, 2)
    found = round_trip({"x": number, "y": number.conj(), "z": number.conj().imag, "w": number.t().conj()})
    assert found["y"].tolist() == number.conj().tolist()
    assert found["z"].tolist() == number.conj().imag.tolist()
    assert found["w"].tolist() == number.t().conj().tolist()
    assert not any(tensor.is_conj() or tensor.is_neg() for tensor in found.values())


def test_a_write_through_one_view_is_seen_by_the_others() -> None:
    """Sharing is real: it is memory, not equal content."""
    base = torch.zeros(4, 4)
    found = round_trip({"row": base[1], "base": base, "same": base})
    found["row"].fill_(7)
    assert found["base"][1].tolist() == [7] * 4
    assert found["same"] is found["base"]


def test_tied_weights_are_stored_once() -> None:
    """Equal views of one storage make one piece, a part of it makes a span no longer than needed."""
    weight = torch.nn.Parameter(torch.randn(10, 10))
    (piece,) = encode({"m": {"a.weight": weight, "b.weight": weight, "c": weight.detach()}}).pieces
    assert (piece.key, piece.dtype, piece.shape) == ("m.a.weight", "F32", (10, 10))
    (span,) = encode({"a": weight.detach()[2, 3:5], "b": weight.detach()[3, :1]}).pieces
    assert (span.dtype, span.shape) == ("U8", (4 * 8,))


def test_a_small_slice_does_not_store_the_whole() -> None:
    """Of a large buffer only what is seen is stored, whether it is seen by torch or by numpy."""
    big, array = torch.zeros(10_000), np.zeros(10_000)
    pieces = encode({"a": big[5:8], "b": array[5:8], "c": array[::-1][7:9], "d": big[:0]}).pieces
    assert sum(piece.nbytes for piece in pieces) < 16_000 * 8
    assert [piece.nbytes for piece in encode({"a": big[5:8]}).pieces] == [12]
    assert [piece.nbytes for piece in encode({"b": array[5:8]}).pieces] == [24]
    assert [piece.nbytes for piece in encode({"c": array[::-1][7:9]}).pieces] == [16]


def test_views_of_one_owner_stay_in_one_memory() -> None:
    """Views that do not touch share a piece, too, if they are of one storage or of one base."""
    tensor, array = torch.zeros(6, 8), np.zeros((6, 8))
    state = {"a": tensor[0], "b": tensor[5], "c": array[0], "d": array[1:][4]}
    assert [piece.key for piece in encode(state).pieces] == ["a", "c"]
    found = round_trip(state)
    assert found["a"].untyped_storage().data_ptr() == found["b"].untyped_storage().data_ptr()


def test_a_piece_keeps_its_memory_alive() -> None:
    """The source of a piece is still there when the state that it came from is gone."""
    array, tensor = np.full((5, 5), 7.0)[:, ::2], torch.full((5, 5), 7.0)[:, ::2]
    watched = weakref.ref(array)
    pieces = encode({"a": array, "t": tensor}).pieces
    del array, tensor
    assert watched() is not None
    assert pieces[1].source.view(torch.float32).tolist() == [7.0] * 25


def test_pieces_are_live_and_decoded_memory_is_fresh() -> None:
    """Encoding copies no tensor, and what is decoded belongs to nobody else."""
    tensor, array = torch.zeros(3), np.zeros((2, 2), order="F")
    encoded = encode({"t": tensor, "a": array, "v": tensor[1:]})
    tensor += 1
    array += 1
    assert bytes(encoded.pieces[0].source) == torch.ones(3).numpy().tobytes()
    assert bytes(encoded.pieces[1].source) == np.ones(4).tobytes()
    stored = store({"t": tensor})
    one, other = stored.load()["t"], stored.load()["t"]
    one += 1
    assert other.tolist() == [1, 1, 1]


def test_a_dense_source_shows_in_its_version_that_the_tensor_changed() -> None:
    """A piece's source counts the same versions as the tensor itself, so that a change between two looks is noticed."""
    parameter = torch.nn.Parameter(torch.zeros(3))
    (piece,) = encode({"p": parameter}).pieces
    before = piece.source._version
    with torch.no_grad():
        parameter.add_(1)
    assert piece.source._version == before + 1


def test_the_default_device_and_the_mode_do_not_matter() -> None:
    """A default device or inference mode in the user's session changes nothing."""
    state = {"t": torch.arange(4.0), "b": bytes(2000), "v": torch.arange(6).view(2, 3).t(), "a": np.arange(3)}
    with torch.device("meta"):
        found = round_trip(state)
    assert picture(found) == picture(state)
    with torch.inference_mode():
        assert_exact({"t": torch.arange(4.0), "v": torch.arange(9.0)[3:5]})


def test_piece_names_are_unique_readable_and_safe_for_safetensors() -> None:
    """Names collide, are empty, reserved, surrogates or endless in somebody's state; pieces have good ones anyway."""
    t = [torch.tensor(float(i)) for i in range(9)]
    state = {"a": {"b": t[0], 0: t[1]}, "a.b": t[2], "a.0": t[3], "": t[4], "__metadata__": t[5], "\ud800": t[6]}
    keys = [piece.key for piece in encode(state | {"x" * 999: t[7], "o": {(1, 2): t[8]}}).pieces]
    assert keys == ["a.b", "a.0", "a.b#2", "a.0#2", "#2", "__metadata__#2", "?", "x" * 200, "o.<tuple>"]


@pytest.mark.gpu
def test_a_gpu_tensor_goes_back_to_its_gpu() -> None:
    """Tensors and views return to their device with shared memory; with devices=False they stay on the CPU."""
    base = torch.randn(4, 6, device="cuda")
    state = {"x": base, "y": base[1], "z": torch.randn(3, device="cuda"), "c": torch.ones(2)}
    assert_exact(state)
    assert all(tensor.device.type == "cpu" for tensor in round_trip(state, devices=False).values())


def test_a_tensor_of_an_absent_gpu_comes_back_on_the_cpu() -> None:
    """A device that this machine does not have is no reason to lose the tensor."""
    stored = store({"x": torch.ones(2)})
    moved = type(stored)(stored.text.replace('"shape"', '"device": "cuda:77", "shape"'), stored.specs, stored.contents)
    assert "cuda:77" in moved.text
    assert picture(moved.load()) == picture({"x": torch.ones(2)})


# numpy


def arrays() -> dict[str, Any]:
    base = np.arange(48.0).reshape(6, 8)
    record = np.dtype([("a", "<i2"), ("b", ">f8", (2, 3)), ("c", [("d", "S3"), ("e", "U2")])])
    padded = np.dtype({"names": ["x", "y"], "formats": ["u1", "<f4"], "offsets": [7, 2], "itemsize": 12})
    aligned = np.dtype([("a", "u1"), ("b", "f8")], align=True)
    read_only = np.frombuffer(random_bytes(64).numpy().tobytes(), np.float32)
    torch_memory = torch.arange(20.0)
    kinds = ["?", "b", "B", "h", "H", "i", "I", "l", "L", "e", "f", "d", "g", "F", "D", "G", "S5", "U3", "V7", "M8[us]"]
    kinds += ["m8[25s]", ">i4", ">f2", ">U2", "M8", ">c16"]
    return {
        **{f"dtype_{kind}": {"x": np.ones((3, 2), kind)} for kind in kinds},
        **{f"empty_{kind}": {"x": np.ones((0, 2), kind), "y": np.ones((2, 0), kind)} for kind in ("f", ">i4", "S5")},
        **{f"scalar_array_{kind}": {"x": np.ones((), kind)} for kind in ("f", "S5", ">i4")},
        "fortran": {"x": np.asfortranarray(base)},
        "reversed": {"x": base[::-1, ::-2]},
        "reversed_with_its_base": {"x": base[::-1], "y": base, "z": base[2:4]},
        "apart_in_one_base": {"x": base[0], "y": base[5]},
        "broadcast": {"x": np.broadcast_to(np.arange(3), (4, 3))},
        "structured": {"x": np.zeros(3, record)},
        "padded": {"x": np.zeros(3, padded), "y": np.zeros(2, aligned)},
        "field_of_structured": {"x": np.zeros(3, padded)["y"]},
        "no_fields": {"x": np.zeros(3, [])},
        "read_only": {"x": read_only, "y": read_only[2:3]},
        "other_dtypes": {"x": base.view("u1")[1, 3:9], "y": base.view(np.int64)[1]},
        "unaligned": {"x": np.zeros(41, "u1")[1:].view("f8")},
        "same_object": {"x": base, "y": [base, base.view()]},
        "datetimes": {"x": np.array(["2026-11-20", "NaT"], "M8[D]")},
        "of_a_tensor": {"x": torch_memory.numpy(), "y": torch_memory, "z": torch_memory[3:9].numpy()},
        "tensor_of_an_array": {"x": base, "y": torch.from_numpy(base), "z": torch.from_numpy(base[2:])},
        "tensors_of_slices": {"x": torch.from_numpy(base[:4]), "y": torch.from_numpy(base[2:])},
        "strange_strides": {"x": np.lib.stride_tricks.as_strided(base, (1, 3), (2**40, 16))},
        "windows": {"x": np.lib.stride_tricks.sliding_window_view(np.arange(10), 3)},
    }


@pytest.mark.parametrize("name", arrays())
def test_arrays_come_back_with_dtype_strides_and_sharing(name: str) -> None:
    """Every kind of array survives, its byte order and its strides too, and arrays over one base share one again."""
    found = assert_exact(arrays()[name])
    assert all(array.flags.writeable for array in found.values() if isinstance(array, np.ndarray))


@pytest.mark.parametrize("kind", ["?", "i1", "i2", "i4", "i8", "u1", "f2", "f4", "f8"])
def test_a_plain_array_is_stored_under_its_own_dtype_and_shape(kind: str) -> None:
    """What safetensors can name is a plain tensor in the file."""
    for shape in ((2, 3), (), (0, 3), (3, 0)):
        (piece,) = encode({"x": np.zeros(shape, kind)}).pieces
        assert (STORED[piece.dtype].itemsize, piece.shape) == (np.dtype(kind).itemsize, shape)


@pytest.mark.parametrize(
    "value",
    [
        *(np.dtype(kind).type(1) for kind in "?bBhHiIlLefdgFDG"),
        np.float32(np.nan),
        np.float64(-0.0),
        np.datetime64("2026-11-20T01", "25s"),
        np.datetime64("NaT", "s"),
        np.timedelta64(3, "ms"),
        np.str_("é\ud800"),
        np.str_(""),
        np.bytes_(b"a\0b"),
        np.void(b"abc"),
        np.array([(1, 2.5)], dtype=[("a", "u1"), ("b", ">f4")])[0],
    ],
    ids=repr,
)
def test_numpy_scalars_come_back_with_type_and_bits(value: np.generic) -> None:
    """A numpy scalar stays one, of the same dtype."""
    found = round_trip({"x": value})["x"]
    assert (type(found), found.dtype, found.tobytes()) == (type(value), value.dtype, value.tobytes())


# What is refused


class Anything:
    """Some object."""


class Sub(torch.Tensor):
    """Some tensor that may hold more than a tensor."""


class IntSub(int):
    """Some integer."""


def local_enum() -> Any:
    class Hidden(enum.Enum):
        A = 1

    return Hidden.A


def freed() -> torch.Tensor:
    tensor = torch.ones(4)
    tensor.untyped_storage().resize_(0)
    return tensor


def marked() -> OrderedDict[str, int]:
    found: Any = OrderedDict(a=1)
    found.mark = 1
    return found


def nested_tensor() -> torch.Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (threading.Lock, "is a _thread.lock, which cannot be stored"),
        (Anything, "Anything, which cannot be stored"),
        (lambda: len, "is a builtin_function_or_method"),
        (lambda: Point(1, 2), "Point, which cannot be stored"),
        (lambda: IntSub(3), "IntSub"),
        (lambda: range(3), "is a range"),
        (local_enum, "is defined inside a function"),
        (marked, r"is an OrderedDict with attributes \(mark\)"),
        (lambda: defaultdict(lambda: 0), "factory that cannot be stored"),
        (lambda: torch.ones(2).as_subclass(Sub), "Sub, which"),
        (torch.nn.UninitializedParameter, "UninitializedParameter"),
        (lambda: torch.ones(2, 2).to_sparse(), "is a sparse tensor"),
        (nested_tensor, "is a nested tensor"),
        (lambda: torch.ones(2, device="meta"), "is a tensor without memory"),
        (freed, "whose memory was freed"),
        (lambda: np.array([{}, None]), "has the numpy dtype object"),
        (lambda: np.zeros(2, [("a", "O")]), "which cannot be stored"),
        (lambda: np.array(["a"], np.dtypes.StringDType()), "which cannot be stored"),
        (lambda: np.zeros(2, [(("title", "a"), "u1")]), "which cannot be stored"),
        (lambda: np.zeros(2, np.dtype((np.record, [("a", "u1")]))), "which cannot be stored"),
        (lambda: np.ma.array([1]), "MaskedArray"),
        (lambda: np.zeros(2, [("a", "u1")]).view(np.recarray), "recarray"),
    ],
)
def test_what_cannot_be_kept_exactly_is_refused_with_its_path(make: Callable[[], Any], reason: str) -> None:
    """Values outside the list, and subclasses of what is in it, are refused: the text names the path and a way out."""
    with pytest.raises(EncodingError, match=rf"^opt\['state'\]\[0\]\['lock'\] .*{reason}") as caught:
        encode({"opt": {"state": [{"lock": make()}]}})
    assert caught.value.hint


def test_the_text_of_a_refusal() -> None:
    """The whole message, as a person reads it."""
    with pytest.raises(EncodingError) as caught:
        encode({"opt": {"state": {0: {"lock": threading.Lock()}}}})
    assert caught.value.what == "opt['state'][0]['lock'] is a _thread.lock, which cannot be stored"


def test_keys_are_refused_like_values() -> None:
    """A key that cannot be stored is named, and a key of the state itself has to be text."""
    with pytest.raises(EncodingError, match=r"^a\[<Anything>\] is a .*Anything, which"):
        encode({"a": {Anything(): 1}})
    with pytest.raises(EncodingError, match="the state has the key 3, which is no text"):
        encode({3: 1})  # type: ignore[dict-item]


def test_memory_that_torch_cannot_address_is_refused() -> None:
    """Two tensors over the same bytes at a distance that no storage can have are not silently torn apart."""
    data = np.zeros(33, np.uint8)
    state = {"a": torch.from_numpy(data[:16].view(np.float64)), "b": torch.from_numpy(data[1:9].view(np.float64))}
    with pytest.raises(EncodingError, match="b shares memory with another value at an odd offset"):
        encode(state)


# The real things


class Net(torch.nn.Module):
    """Convolution in channels_last, running statistics, and an embedding that is also the last layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 3, padding=1)
        self.norm = torch.nn.BatchNorm2d(4)
        self.embed = torch.nn.Embedding(4, 4)
        self.out = torch.nn.Linear(4, 4, bias=False)
        self.out.weight = self.embed.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.norm(self.conv(x)).mean((2, 3)) + self.embed.weight.sum(0))


def trained(make: Callable[[Any], torch.optim.Optimizer]) -> tuple[Net, torch.optim.Optimizer]:
    net = Net().to(memory_format=torch.channels_last)
    optimizer = make(net.parameters())
    for _ in range(3):
        optimizer.zero_grad()
        net(torch.randn(2, 3, 4, 4)).square().sum().backward()
        optimizer.step()
    return net, optimizer


@pytest.mark.parametrize(
    "make",
    [
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
        lambda p: torch.optim.AdamW([{"params": list(p)[:2], "lr": 0.5}, {"params": []}], amsgrad=True),
        lambda p: torch.optim.AdamW(p, lr=torch.tensor(0.01), foreach=False),
        lambda p: torch.optim.RMSprop(p, centered=True),
    ],
    ids=["sgd", "adamw_groups", "adamw_tensor_lr", "rmsprop"],
)
def test_a_training_comes_back_bit_for_bit(make: Callable[[Any], torch.optim.Optimizer]) -> None:
    """Module with statistics and tied weights, optimizer and schedulers: all states, as torch hands them out."""
    net, optimizer = trained(make)
    schedulers = [
        torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10),
        torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer),
        torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, 9, cycle_momentum=False),
    ]
    state = {
        "net": net.state_dict(),
        "optimizer": optimizer.state_dict(),
        "schedulers": [scheduler.state_dict() for scheduler in schedulers],
        "live": list(net.parameters()),
    }
    found = assert_exact(state)
    assert found["net"]._metadata == state["net"]._metadata
    fresh = Net().to(memory_format=torch.channels_last)
    fresh.load_state_dict(found["net"])
    assert picture(dict(fresh.state_dict())) == picture(dict(net.state_dict()))


def test_random_states_go_on_where_they_were() -> None:
    """The states of Python's, numpy's and torch's generators come back, and give the same numbers."""
    generator = np.random.default_rng(5)
    generator.integers(3)
    state = {
        "python": random.getstate(),
        "numpy": np.random.get_state(),
        "dict": np.random.get_state(legacy=False),
        "generator": generator.bit_generator.state,
        "torch": torch.get_rng_state(),
    }
    found = assert_exact(state)
    expected = (random.random(), np.random.rand(3).tolist(), torch.rand(3).tolist(), generator.integers(10**9))
    random.setstate(found["python"])
    np.random.set_state(found["numpy"])
    torch.set_rng_state(found["torch"])
    generator.bit_generator.state = found["generator"]
    again = (random.random(), np.random.rand(3).tolist(), torch.rand(3).tolist(), generator.integers(10**9))
    assert again == expected


# The memory of what is read


def read_as(piece: torch.Tensor) -> torch.Tensor:
    """What a state with one tensor of 64 floats becomes, whose piece comes like this."""
    tree = {"x": {"$": "tensor", "dtype": "float32", "shape": [64], "piece": 0}}
    found: torch.Tensor = decode(tree, [("F32", (64,))], lambda _: piece)["x"]
    return found


def test_a_piece_becomes_the_value_without_a_copy() -> None:
    """It is memory of its own, and is given away."""
    piece = torch.arange(64.0)
    assert read_as(piece).data_ptr() == piece.data_ptr()


@pytest.mark.parametrize(("size", "begin"), [(512, 64), (260, 1), (257, 1), (512, 0)])
def test_a_piece_that_is_not_all_of_its_memory_or_lies_askew_is_copied(size: int, begin: int) -> None:
    """A value holds no memory but its own, and lies where torch would have laid it."""
    memory = bytearray(size)
    memory[begin : begin + 256] = np.arange(64, dtype="<f4").tobytes()
    piece = torch.frombuffer(memory, dtype=torch.uint8, count=256, offset=begin).view(torch.float32)
    found = read_as(piece)
    assert torch.equal(found, torch.arange(64.0))
    assert found.data_ptr() % 64 == 0
    assert found.untyped_storage().nbytes() == 256


def test_a_piece_that_is_a_part_of_a_tensor_is_copied() -> None:
    """Its storage is somebody else's."""
    whole = torch.arange(128.0)
    found = read_as(whole[64:])
    assert torch.equal(found, whole[64:])
    assert found.untyped_storage().nbytes() == 256


# What nobody writes to


def test_what_is_immutable_is_stored_as_what_it_holds() -> None:
    """The tree says nothing of it."""
    array, tensor = np.arange(6.0).reshape(2, 3).T, filled(torch.bfloat16, 5)
    plain = encode({"a": array, "t": tensor})
    held = encode({"a": Immutable(array), "t": Immutable(tensor)})
    assert held.tree == plain.tree
    assert [piece.immutable for piece in (*plain.pieces, *held.pieces)] == [False, False, True, True]


def test_memory_that_somebody_else_may_write_to_is_not_immutable() -> None:
    """Whatever one of those says who look at it."""
    array = np.arange(6.0)
    found = encode({"held": Immutable(array), "view": array[2:], "other": Immutable(np.zeros(3))})
    assert [piece.immutable for piece in found.pieces] == [False, True]
