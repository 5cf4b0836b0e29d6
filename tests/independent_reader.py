"""A reader of checkpoints that was written from docs/format.md alone: it shares no code with the package.

`newest(run)` is the newest checkpoint of a run's folder that proves whole, as nested Python with numpy arrays. What
numpy lacks comes as unsigned integers (bfloat16 as uint16), what plain Python lacks as a tuple of a node's members.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xxhash

__all__ = ["Tree", "newest"]
STORED = {"BOOL": "|b1", "U8": "|u1", "I8": "|i1", "I16": "<i2", "I32": "<i4", "I64": "<i8", "F16": "<f2"}
STORED |= {"BF16": "<u2", "F32": "<f4", "F64": "<f8", "F8_E4M3": "|u1", "F8_E5M2": "|u1"}
NUMPYS_OWN = {name for name, kind in np.sctypeDict.items() if np.dtype(kind).isbuiltin == 1}  # others may add some
AS_INTEGERS = {"bfloat16": "<u2", "bits16": "<u2", "complex32": "<u4"}  # what else numpy lacks takes one byte
CONTAINERS = {"dict": dict, "list": list, "tuple": tuple, "size": tuple, "set": set, "frozenset": frozenset}
AS_TUPLES = ("odict", "counter", "defaultdict", "deque", "path", "enum", "dtype", "device")
MEMBERS = ("$", "type", "name", "value", "factory", "maxlen", "items", "metadata")


def newest(run: Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, str]]:
    """The manifest, the state by parts, and why each newer checkpoint was not taken."""
    found, skipped, bad = [], {}, (AssertionError, ValueError, KeyError, TypeError, IndexError, OSError)
    for path in (run / "checkpoints").glob("*.json"):
        try:
            found.append((path.stem, manifest(path)))
        except bad as error:
            skipped[path.stem] = repr(error)
    rank = ("generation", "step", "serial", "created")
    for name, document in sorted(found, key=lambda one: [one[1][by] for by in rank] + [one[0]], reverse=True):
        try:
            return document, state(run, document), skipped
        except bad as error:
            skipped[name] = repr(error)
    raise ValueError(f"no checkpoint can be used: {skipped}")


def manifest(path: Path) -> dict[str, Any]:
    assert path.stat().st_size <= 64 << 20, "it is too large"
    data = path.read_bytes()
    assert data[:77] == b'{"sha256":"%s",' % hashlib.sha256(data[77:]).hexdigest().encode(), "another checksum"
    document: dict[str, Any] = strict(data)
    assert repr([*document.items()][1]) == "('format', 1)", "it is not of format 1"
    serial = f".{document['serial']}" if document["serial"] else ""
    assert path.stem == f"{document['step']:010d}-{document['session']}{serial}", "its name is another"
    return document


def strict(data: bytes) -> Any:
    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(pairs)) == len(pairs), "a name twice in one object"
        return dict(pairs)

    found = json.loads(data.decode("utf-8"), object_pairs_hook=members)
    json.dumps(found, allow_nan=False)  # raises if there was NaN, Infinity, or a number that became one
    return found


def pack(path: Path, info: dict[str, Any]) -> dict[str, tuple[str, list[int], bytes]]:
    start = 8 + int.from_bytes((data := path.read_bytes())[:8], "little")
    header, tensors, end = strict(data[8:start]), {}, start
    header.pop("__metadata__", None)
    for key, entry in sorted(header.items(), key=lambda one: one[1]["data_offsets"]):
        begin, end = end, end + np.dtype(STORED[entry["dtype"]]).itemsize * int(np.prod(entry["shape"], dtype=object))
        assert entry["data_offsets"] == [begin - start, end - start], f"{key} is not where it should be"
        tensors[key] = (entry["dtype"], entry["shape"], data[begin:end])
    digests = b"".join(xxhash.xxh3_128_digest(content) for _, _, content in tensors.values())
    found = (end, len(data), xxhash.xxh3_128_hexdigest(data[:start] + digests))
    assert found == (info["size"], info["size"], info["digest"]), f"{path.name} is damaged"
    return tensors


def state(run: Path, document: dict[str, Any]) -> dict[str, Any]:
    files = {path.name: path for path in (run / "packs").iterdir()}  # a name from a manifest never becomes a path
    packs = {name: pack(files[name], info) for name, info in document["packs"].items()}
    found = [packs[ref["pack"]][ref["key"]] for ref in document["tensors"]]
    assert [one[:2] for one in found] == [(ref["dtype"], ref["shape"]) for ref in document["tensors"]]
    pieces = [(dtype, shape, bytearray(content)) for dtype, shape, content in found]
    parts = {name: (part["first"], part["first"] + part["count"], part) for name, part in document["state"].items()}
    assert all(0 <= first <= end <= len(pieces) for first, end, _ in parts.values()), "tensors that are not there"
    return {name: Tree(pieces[i:j], {}).value(part["tree"])[name] for name, (i, j, part) in parts.items()}


class Tree(NamedTuple):
    """One part's `pieces` (values that name the same one share its memory), and the nodes `known` by their id."""

    pieces: list[tuple[str, list[int], bytearray]]
    known: dict[int, Any]

    def value(self, node: Any) -> Any:
        if not isinstance(node, dict):
            return [self.value(item) for item in node] if isinstance(node, list) else node
        if "$" not in node:
            return {key: self.value(item) for key, item in node.items()}
        make = CONTAINERS.get(node["$"])
        found = make(self.value(node["items"])) if make else KINDS[node["$"]](self, node)
        return self.known.setdefault(node["id"], found) if "id" in node else found

    def content(self, node: Any) -> bytes:
        return bytes(self.pieces[node["piece"]][2]) if "piece" in node else base64.b64decode(node["base64"])

    def scalar(self, node: Any) -> Any:
        raw, dtype = bytes.fromhex(node["hex"]), node["dtype"]
        if dtype in ("U", "S"):
            return np.bytes_(raw) if dtype == "S" else np.str_(raw.decode("utf-8", "surrogatepass"))
        return np.ndarray((), element(dtype), bytearray(raw))[()]

    def memory(self, node: Any) -> Any:
        (stored, shape, block), name = self.pieces[node["piece"]], node["dtype"]
        torch = AS_INTEGERS.get(str(name), name if str(name) in NUMPYS_OWN else "|u1")
        dtype = np.dtype(torch) if node["$"] == "tensor" else element(name)
        if "offset" not in node:
            assert (np.dtype(STORED[stored]), shape) == (dtype, node["shape"]), "a piece that is not the value"
            return np.ndarray(shape, dtype, block)
        assert (stored, len(shape)) == ("U8", 1), "a view of what is no row of bytes"
        strides = [step * dtype.itemsize for step in node["stride"]] if "stride" in node else node.get("strides")
        return np.ndarray(node["shape"], dtype, block, node["offset"], strides)


def element(text: Any) -> Any:
    if isinstance(text, str):
        assert "O" not in text, "numpy objects"
        return np.dtype(text)
    if "element" in text:
        return np.dtype((element(text["element"]), tuple(text["shape"])))
    fields = [(name, element(inner), offset) for name, inner, offset in text["fields"]]
    columns: Any = {key: [one[n] for one in fields] for n, key in enumerate(("names", "formats", "offsets"))}
    return np.dtype(columns | {"itemsize": text["itemsize"]}, align=text.get("aligned", False))


KINDS: Any = {
    "ref": lambda tree, node: tree.known[node["to"]],
    **dict.fromkeys(AS_TUPLES, lambda tree, node: tuple(tree.value(node[name]) for name in MEMBERS if name in node)),
    **dict.fromkeys(("tensor", "array"), Tree.memory),
    "scalar": Tree.scalar,
    "bytes": Tree.content,
    "bytearray": lambda tree, node: bytearray(tree.content(node)),
    "str": lambda tree, node: tree.content(node).decode("utf-8", "surrogatepass"),
    "int": lambda _, node: int(node["hex"], 16),
    "float": lambda _, node: np.frombuffer(bytes.fromhex(node["bits"]), ">f8")[0].item(),
    "complex": lambda tree, node: complex(tree.value(node["real"]), tree.value(node["imag"])),
}
