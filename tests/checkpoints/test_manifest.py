"""The manifest: gives back what was put in, and refuses whatever else it is given."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from checkpoints.drafts import PACK, SESSION, manifest, sealed
from hypothesis import given
from hypothesis import strategies as st

from colab_resume.checkpoints.manifest import MANIFEST_LIMIT, Manifest, TensorRef
from colab_resume.checkpoints.names import checkpoint_name, pack_name
from colab_resume.checkpoints.pack import PackInfo
from colab_resume.errors import CheckpointError, DamagedCheckpoint, EncodingError, UsageError

NAME = f"0000000007-{SESSION}"
BODY = manifest().to_bytes()[77:].decode()
"""What the checksum of that manifest covers."""

plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
trees = st.recursive(plain, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)
objects = st.dictionaries(st.text(), trees, max_size=4)
digests = st.text("0123456789abcdef", min_size=32, max_size=32)


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    """Manifests of any content."""
    step = draw(st.integers(0, 10**10 - 1))
    own = pack_name(checkpoint_name(step, SESSION), draw(st.integers(0, 999_999)))
    shapes = st.lists(st.integers(0, 9), max_size=3).map(tuple)
    keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda key: key != "__metadata__")
    refs = st.builds(TensorRef, st.sampled_from([own, PACK]), keys, st.just("F64"), shapes, digests)
    tensors = draw(st.lists(refs, max_size=4).map(tuple))
    sizes = st.integers(50_000, 2**60)
    packs = {ref.pack: PackInfo(draw(sizes), draw(digests)) for ref in tensors}
    return Manifest(
        step=step,
        session=SESSION,
        generation=draw(st.integers(0, 2**60)),
        parent=draw(st.none() | st.just(NAME)),
        created=draw(st.floats(0, 1e12)),
        tags=draw(st.lists(st.text()).map(tuple)),
        metrics=draw(st.dictionaries(st.text(), st.floats())),
        state=draw(objects),
        position=draw(objects),
        journal=draw(objects),
        provenance=draw(objects),
        tensors=tensors,
        packs=packs,
    )


def exactly(value: Manifest) -> str:
    """Every member, with NaN and the sign of zero told apart; a text, because NaN is not equal to itself."""
    metrics = {name: number.hex() for name, number in value.metrics.items()}
    return repr([metrics, *(getattr(value, name) for name in Manifest.__dataclass_fields__ if name != "metrics")])


@given(manifests())
def test_what_is_written_comes_back(written: Manifest) -> None:
    """Every member comes back bit for bit, whatever it holds, and is written again as the same bytes."""
    data = written.to_bytes()
    read = Manifest.from_bytes(data, written.name)
    assert exactly(read) == exactly(written)
    assert read.to_bytes() == data


def test_the_bytes_are_strict_json_that_begins_with_its_checksum() -> None:
    """The first member is the sha256 of all bytes after its comma, the second the format; all is JSON of any reader."""

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    data = manifest(metrics={"loss": math.nan, "gain": -math.inf}).to_bytes()
    assert data.startswith(b'{"sha256":"' + hashlib.sha256(data[77:]).hexdigest().encode() + b'","format":1,')
    assert json.loads(data, parse_constant=refuse)["metrics"] == {"loss": "nan", "gain": "-inf"}


def test_the_name_says_step_and_session() -> None:
    """A checkpoint is called by its step, in ten digits, its session, and a serial number if there are several."""
    assert manifest(7).name == checkpoint_name(7, SESSION) == "0000000007-k3f9a2"
    assert pack_name("0000001240-k3f9a2", 0) == "0000001240-k3f9a2-0.safetensors"
    assert manifest(7, serial=1).name == checkpoint_name(7, SESSION, 1) == "0000000007-k3f9a2.1"
    assert pack_name("0000001240-k3f9a2.1", 12) == "0000001240-k3f9a2.1-12.safetensors"


@pytest.mark.parametrize("session", ["", "K3F9A2", "k3f9a", "k3f9a22", "../..a", "k3f9a2\n", "k3f9aé"])
def test_a_session_that_is_no_name_is_refused(session: str) -> None:
    """Only six characters of a-z and 0-9 name a session, so that none can lead out of a folder."""
    with pytest.raises(UsageError):
        checkpoint_name(1, session)


def test_a_flipped_bit_is_noticed() -> None:
    """One wrong bit in any byte is DamagedCheckpoint."""
    right = manifest(metrics={"loss": 0.5}, tags=("best",)).to_bytes()
    for place in range(len(right)):
        for bit in (place % 8, 5):
            wrong = right[:place] + bytes([right[place] ^ 1 << bit]) + right[place + 1 :]
            with pytest.raises(DamagedCheckpoint):
                Manifest.from_bytes(wrong, NAME)


def test_a_torn_manifest_is_noticed() -> None:
    """A manifest that ends anywhere before its end, or goes on after it, is DamagedCheckpoint."""
    right = manifest().to_bytes()
    for end in range(len(right)):
        with pytest.raises(DamagedCheckpoint):
            Manifest.from_bytes(right[:end], NAME)
    with pytest.raises(DamagedCheckpoint, match="checksum"):
        Manifest.from_bytes(right + b" ", NAME)


def test_a_manifest_under_another_name_is_refused() -> None:
    """A file that was renamed or copied is not taken for another checkpoint."""
    with pytest.raises(DamagedCheckpoint, match="it is that of 0000000007-k3f9a2"):
        Manifest.from_bytes(manifest().to_bytes(), "0000000008-k3f9a2")


def test_a_newer_format_is_not_called_damaged() -> None:
    """A manifest of a later version says to upgrade; it must never be set aside as damaged."""
    with pytest.raises(CheckpointError, match="newer colab_resume") as caught:
        Manifest.from_bytes(sealed({"format": 2, "what": "ever"}), NAME)
    assert not isinstance(caught.value, DamagedCheckpoint)
    assert "Upgrade" in caught.value.hint


def test_a_huge_manifest_is_refused_before_it_is_parsed() -> None:
    """More than the limit is not even looked at."""
    with pytest.raises(DamagedCheckpoint, match=f"it has {MANIFEST_LIMIT + 1} bytes"):
        Manifest.from_bytes(bytes(MANIFEST_LIMIT + 1), NAME)


def test_a_member_of_a_later_writer_is_ignored() -> None:
    """What format 1 does not name may be added without locking older readers out."""
    document = json.loads(manifest().to_bytes()) | {"colour": "blue"}
    del document["sha256"]
    assert Manifest.from_bytes(sealed(document), NAME) == manifest()


def changed(*path: str | int, to: Any) -> Callable[[dict[str, Any]], object]:
    """A change of one place in a document."""

    def change(document: dict[str, Any]) -> None:
        *parents, last = path
        place: Any = document
        for step in parents:
            place = place[step]
        place[last] = to

    return change


HUGE = 10**4000
WRONG_VALUES: dict[tuple[str | int, ...], list[Any]] = {
    ("step",): [-1, 7.0, True, None, "7", HUGE, 10**10],
    ("serial",): [-1, 1.0, True, None, "1", HUGE, 10**6],
    ("generation",): [-1, 1.0, True, None, 2**63, HUGE],
    ("session",): ["../../", "k3f9a2\n", 7, None, ["k"]],
    ("parent",): ["", "../0", 7, f"{NAME}\n", [NAME]],
    ("created",): [-1.0, "now", True, None, HUGE],
    ("tags",): ["best", [1], {}, None],
    ("metrics",): [[], None, {"a": "1"}, {"a": True}, {"a": HUGE}, {"a": {}}],
    ("state",): [[], None, 1, "state"],
    ("position",): [[], None],
    ("journal",): [[], None],
    ("provenance",): [[], None],
    ("tensors",): [[], {}, None, [1], [{}], [[]]],
    ("tensors", 0, "pack"): ["../x.safetensors", "/etc/passwd", f"../packs/{PACK}", f"{PACK}\n", "", 7, None, [PACK]],
    ("tensors", 0, "key"): ["", "__metadata__", 7, None, "\ud800"],
    ("tensors", 0, "dtype"): ["OBJECT", "", 7, None, ["F32"]],
    ("tensors", 0, "shape"): [
        [-1],
        [2.0],
        [True],
        ["2"],
        [HUGE],
        [2**62] * 2,
        [2**62, 0, HUGE],
        [1] * 65,
        6,
        None,
        "2",
    ],
    ("tensors", 0, "digest"): ["", "0" * 31, "G" * 32, 7, None],
    ("packs",): [[], None, {}, {PACK: 1}, {PACK: {}}],
    ("packs", PACK, "size"): [-1, 0, 7, 23, 200.0, True, None, HUGE],
    ("packs", PACK, "digest"): ["", "0" * 31, "0" * 33, "G" * 32, f"{'0' * 32}\n", 7, None],
    ("format",): [0, -1, 1.0, True, "1", None],
}
HOSTILE: dict[str, Callable[[dict[str, Any]], object]] = {
    **{f"{path} {to!r:.20}": changed(*path, to=to) for path, wrong in WRONG_VALUES.items() for to in wrong},
    "pack not listed": lambda document: document.update(packs={f"{NAME}-1.safetensors": document["packs"][PACK]}),
    "pack too many": lambda document: document["packs"].update({f"{NAME}-1.safetensors": document["packs"][PACK]}),
    "pack that leads out": lambda document: document["packs"].update({"../../x": document["packs"][PACK]}),
    "format last": lambda document: document.update(format=document.pop("format")),
}


@pytest.mark.parametrize("member", ["format", *Manifest.__dataclass_fields__])
def test_a_manifest_that_lacks_a_member_is_refused(member: str) -> None:
    """Every member must be there, also those that have a default where a manifest is built."""
    document = json.loads(manifest().to_bytes())
    del document["sha256"], document[member]
    with pytest.raises(DamagedCheckpoint):
        Manifest.from_bytes(sealed(document), NAME)


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_manifest_with_a_right_checksum_is_refused(change: Callable[[dict[str, Any]], object]) -> None:
    """A manifest that means what cannot be is DamagedCheckpoint, even if its checksum is right."""
    document = json.loads(manifest().to_bytes())
    del document["sha256"]
    assert Manifest.from_bytes(sealed(document), NAME) == manifest()
    change(document)
    with pytest.raises(DamagedCheckpoint):
        Manifest.from_bytes(sealed(document), NAME)


def spelled(state: str) -> bytes:
    """A manifest in which the state is spelled just so."""
    return sealed("{" + BODY.replace(json.dumps(manifest().state, separators=(",", ":")), state))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ('{"a": 1, "a": 1}', "twice"),
        ('{"b": [{"a": 1, "a": 1}]}', "twice"),
        ('{"a": NaN}', "NaN"),
        ('{"a": -Infinity}', "-Infinity"),
        ('{"a": 1e999}', "out of range"),
        (f'{{"a": {"9" * 5000}}}', "5000 digits"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a": ' * 100_000, "nested too deeply"),
        ('{"a": 1,}', "property name|trailing comma"),  # so in Python 3.13
        ('{"a": "\t"}', "control character"),
        ("{} // all of it", "delimiter"),
    ],
)
def test_what_is_not_strict_json_is_refused(value: str, reason: str) -> None:
    """Repeated keys, NaN, overflow, endless integers and bottomless nesting are refused wherever they are."""
    assert Manifest.from_bytes(spelled('{"a": 1}'), NAME).state == {"a": 1}
    with pytest.raises(DamagedCheckpoint, match=reason):
        Manifest.from_bytes(spelled(value), NAME)


def test_a_repeated_member_is_refused() -> None:
    """A second checksum, step or format does not replace the first."""
    for again in ('"sha256":"0"', '"step":7', '"format":1'):
        with pytest.raises(DamagedCheckpoint, match="twice"):
            Manifest.from_bytes(sealed("{" + BODY.removesuffix("}") + "," + again + "}"), NAME)


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_only_utf_8_is_read(encoding: str) -> None:
    """Bytes in another encoding are refused, not guessed."""
    body = ('{"format":1,"state":{"name":"é"}}').removeprefix("{").encode(encoding)
    data = b'{"sha256":"%s",' % hashlib.sha256(body).hexdigest().encode() + body
    with pytest.raises(DamagedCheckpoint):
        Manifest.from_bytes(data, NAME)


def deep(levels: int) -> list[Any]:
    """A list in a list in a list."""
    tree: list[Any] = []
    for _ in range(levels):
        tree = [tree]
    return tree


@pytest.mark.parametrize(
    "state",
    [
        {"a": math.nan},
        {"a": math.inf},
        {"a": object()},
        {"a": b"bytes"},
        {1: "one", "1": "one"},
        {"a": HUGE * HUGE},
        {"a": deep(100_000)},
        {"a": "x" * MANIFEST_LIMIT},
    ],
    ids=["nan", "inf", "object", "bytes", "same key", "endless integer", "deep", "too much"],
)
def test_what_could_not_be_read_is_not_written(state: Any) -> None:
    """State that would not come back fails when it is saved, not when it is needed."""
    with pytest.raises(EncodingError):
        manifest(state=state).to_bytes()


@pytest.mark.parametrize(
    "member",
    [
        {"step": -1},
        {"step": True},
        {"session": "x"},
        {"generation": -1},
        {"parent": "x"},
        {"created": math.nan},
        {"created": math.inf},
        {"tags": (1,)},
        {"metrics": {"loss": "low"}},
        {"state": []},
        {"packs": {}},
        {"tensors": ()},
    ],
)
def test_a_manifest_that_cannot_be_is_not_made(member: dict[str, Any]) -> None:
    """The same is refused where a manifest is built as where one is read."""
    with pytest.raises(UsageError):
        manifest(**member)
