"""Checkpoints to test with: small, and each a little different from the one before."""

from __future__ import annotations

import hashlib
import json
import resource
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from colab_resume.checkpoints.digest import digest_of
from colab_resume.checkpoints.header import ITEM_SIZES
from colab_resume.checkpoints.manifest import Facts, Manifest, TensorRef
from colab_resume.checkpoints.pack import PackInfo, Slab
from colab_resume.checkpoints.store import Store

SESSION = "k3f9a2"
PACK = f"0000000007-{SESSION}-0.safetensors"


def facts(step: int, *, parent: str | None = None, **changed: Any) -> Facts:
    """What a checkpoint at `step` says about itself, where nothing else matters."""
    usual = Facts(
        step=step,
        generation=1,
        parent=parent,
        created=1000.0 + step,
        state={"model": {"weight": {"tensor": 0}}},
        position={"epoch": 0, "batch": step},
        journal={"lines": step},
        provenance={"python": "3.11"},
    )
    usual.update(changed)  # type: ignore[typeddict-item]
    return usual


def manifest(step: int = 7, **changed: Any) -> Manifest:
    """A manifest without a store; its pack is nowhere."""
    tensors = (TensorRef(PACK, "weight", "F32", (2, 3), "0" * 32),)
    packs = {PACK: PackInfo(200, "0" * 32)}
    files = {"session": SESSION, "tensors": tensors, "packs": packs}
    return Manifest(**{**facts(step), **files, **changed})


def sealed(document: Mapping[str, Any] | str) -> bytes:
    """The bytes of a manifest with any content, and with a right checksum."""
    text = document if isinstance(document, str) else json.dumps(document)
    body = text.removeprefix("{").encode()
    return b'{"sha256":"%s",' % hashlib.sha256(body).hexdigest().encode() + body


def tensor(key: str, dtype: str, shape: tuple[int, ...], data: bytes) -> Slab:
    """A tensor of these bytes."""
    return Slab(key, dtype, shape, data, digest_of(data))


def raw(slab: Slab) -> bytes:
    """The bytes of a tensor."""
    return b"".join(view.tobytes() for view in slab.views())


def slab(key: str, fill: int, size: int = 1000, dtype: str = "U8") -> Slab:
    """A tensor whose bytes are all `fill`."""
    return tensor(key, dtype, (size // ITEM_SIZES[dtype],), bytes([fill % 256]) * size)


def commit(store: Store, step: int, *slabs: Slab, parent: str | None = None, **changed: Any) -> Manifest:
    """A committed checkpoint, with one tensor that is like no other unless some are given."""
    own = slabs or (tensor("weight", "I64", (1,), step.to_bytes(8, "little")),)
    return store.commit(slabs=own, **facts(step, parent=parent, **changed))


def files(store: Store) -> set[str]:
    """The names of all files of a store that belong to checkpoints, finished or not."""
    found = {path.name for folder in (store.checkpoints, store.packs) for path in folder.iterdir()}
    return {name for name in found if not name.startswith("spare-")}


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """The disk refuses to make any file larger than this."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def sent(tmp_path: Path) -> tuple[Manifest, bytes, dict[str, bytes]]:
    """A checkpoint of another machine: its manifest, the manifest's bytes, and its packs."""
    other = Store(tmp_path / "other", session="oooooo")
    written = commit(other, 5, slab("a", 1))
    packs = {name: other.pack_path(name).read_bytes() for name in written.packs}
    other.close()
    return written, written.to_bytes(), packs
