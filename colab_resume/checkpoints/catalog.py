"""What lies on a remote, seen as checkpoints: the manifests that can be read, those that cannot, and the packs.

A checkpoint counts as present only if its manifest is sound and every pack it names is listed with its right size.
"""

from __future__ import annotations

from io import BytesIO

from ..errors import CheckpointError, DamagedCheckpoint, NotThere, StoreError
from ..remotes import Entry, Remote
from .collector import at_rest
from .manifest import MANIFEST_LIMIT, Manifest
from .names import NAME, PACK
from .run_folder import check_run_file

__all__ = ["Catalog", "read_manifest"]

_SUFFIX = ".json"


class Catalog:
    """A view of one run's folder; `refresh` brings it up to date and reads each manifest once."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote
        self.is_named = False
        """Whether a sound `run.json` is there."""
        self.manifests: dict[str, Manifest] = {}
        self.unreadable: dict[str, CheckpointError] = {}
        self.packs: dict[str, Entry] = {}

    @at_rest()
    def refresh(self) -> None:
        """List the folder and read what is new in it; names of another form (`desktop.ini`, copies) are not ours.

        Raises what the remote raises, and `CheckpointError` for a folder of a later format; the view is then the old
        one. Manifests are listed before packs, so that one that is just being sent is seen whole or not at all.
        """
        self.is_named = self._check_run_file()
        listed = {_base(e.name).removesuffix(_SUFFIX): e for e in self._remote.list("checkpoints")}
        packs = {_base(entry.name): entry for entry in self._remote.list("packs")}
        manifests = {name: manifest for name, manifest in self.manifests.items() if name in listed}
        unreadable: dict[str, CheckpointError] = {}
        for name in listed.keys() - manifests.keys():
            if not NAME.fullmatch(name) or not listed[name].name.endswith(_SUFFIX):
                continue
            try:
                manifests[name] = read_manifest(self._remote, listed[name], name)
            except CheckpointError as error:
                unreadable[name] = error
        self.manifests, self.unreadable = manifests, unreadable
        self.packs = {name: entry for name, entry in packs.items() if PACK.fullmatch(name)}

    def _check_run_file(self) -> bool:
        if not any(entry.name == "run.json" for entry in self._remote.list("")):
            return False
        sink = BytesIO()
        self._remote.get("run.json", sink)
        try:
            check_run_file(sink.getvalue(), "run.json on the remote")
        except StoreError:
            return False  # torn when a VM died: it holds nothing that is not known, and is written anew
        return True

    def missing(self, manifest: Manifest) -> list[str]:
        """The packs of this checkpoint that are not there, or not with the size they were written with."""
        return [
            name
            for name, info in manifest.packs.items()
            if name not in self.packs or self.packs[name].size != info.size
        ]

    def complete(self) -> dict[str, Manifest]:
        """The checkpoints that are present, by name."""
        return {name: manifest for name, manifest in self.manifests.items() if not self.missing(manifest)}


def read_manifest(remote: Remote, entry: Entry, name: str) -> Manifest:
    """The manifest of this checkpoint, which lies there as `entry`; CheckpointError if it is not what was written.

    What comes wrongly is asked for once more: the way here may be to blame.
    """
    if entry.size > MANIFEST_LIMIT:
        raise DamagedCheckpoint(
            f"the manifest of {name} has {entry.size} bytes, more than any real one", hint="use an older checkpoint"
        )
    try:
        return Manifest.from_bytes(_content(remote, entry.name), name)
    except DamagedCheckpoint:
        return Manifest.from_bytes(_content(remote, entry.name), name)


def _content(remote: Remote, name: str) -> bytes:
    sink = BytesIO()
    try:
        remote.get(name, sink)
    except NotThere as error:
        raise DamagedCheckpoint(f"{name} cannot be read: {error.what}", hint=error.hint) from error
    return sink.getvalue()


def _base(name: str) -> str:
    return name.rpartition("/")[2]
