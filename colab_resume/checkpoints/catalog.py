"""What lies on a remote, seen as checkpoints: the manifests that can be read, those that cannot, and the packs.

A checkpoint counts as present only if its manifest is sound and every pack it names is listed with its right size.
"""

from __future__ import annotations

from io import BytesIO

from ..errors import CheckpointError, DamagedCheckpoint
from ..remotes import Entry, Remote
from .manifest import MANIFEST_LIMIT, Manifest

__all__ = ["Catalog"]

_SUFFIX = ".json"


class Catalog:
    """A view of one run's folder; `refresh` brings it up to date and reads each manifest once."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote
        self.manifests: dict[str, Manifest] = {}
        self.unreadable: dict[str, CheckpointError] = {}
        self.packs: dict[str, Entry] = {}

    def refresh(self) -> None:
        """List the folder and read what is new in it. Raises what the remote raises; the view is then the old one."""
        packs = {_base(entry.name): entry for entry in self._remote.list("packs")}
        listed = {_base(e.name).removesuffix(_SUFFIX): e for e in self._remote.list("checkpoints")}
        manifests = {name: manifest for name, manifest in self.manifests.items() if name in listed}
        unreadable: dict[str, CheckpointError] = {}
        for name in listed.keys() - manifests.keys():
            try:
                manifests[name] = self._read(name, listed[name])
            except CheckpointError as error:
                unreadable[name] = error
        self.manifests, self.unreadable, self.packs = manifests, unreadable, packs

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

    def _read(self, name: str, entry: Entry) -> Manifest:
        if entry.size > MANIFEST_LIMIT:
            raise DamagedCheckpoint(
                f"the manifest of {name} has {entry.size} bytes, more than any real one", hint="use an older checkpoint"
            )
        sink = BytesIO()
        self._remote.get(entry.name, sink)
        return Manifest.from_bytes(sink.getvalue(), name)


def _base(name: str) -> str:
    return name.rpartition("/")[2]
