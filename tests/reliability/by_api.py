"""Drive by its API: the server that stands in for it, and clients whose waits are the server's clock."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drive_server.server import DriveServer
from reliability.training import VM

from colab_resume.checkpoints.manifest import Manifest
from colab_resume.remotes import Remote
from colab_resume.remotes.drive_api import DriveAPI
from colab_resume.testing import ManualClock

__all__ = ["APIPlace"]

_FOLDER = "runs/here"
_CHUNK = 256 << 10


@dataclass(frozen=True)
class APISizes:
    """The large one is sent in an upload session, in several chunks."""

    frozen: int = 20_000
    large: int = 1_200_000
    small: int = 10_000


class APIPlace:
    """A run's folder on a server."""

    def __init__(self, server: DriveServer, clock: ManualClock, copies: Path) -> None:
        self.server = server
        self.clock = clock
        self.sizes = APISizes()
        self.made: dict[str, list[bytes]] = {}
        self.best: Manifest | None = None
        self.vms: list[VM] = []
        self._tokens: set[str] = set()
        self._copies = copies

    def remote(self, disk: Path) -> Remote:
        return DriveAPI(
            _FOLDER,
            credentials=self._credentials(),
            root_url=self.server.url,
            sessions=disk / "sessions under way",
            chunk=_CHUNK,
            wait=self.clock.wait,
            clock=self.clock,
        )

    def truth(self) -> Path:
        """As links to the server's own files: a reader of folders can look at them."""
        account = self.server.account
        top = Path(tempfile.mkdtemp(dir=self._copies))
        names = [item.name for item in account.files.values() if item.is_folder]
        assert len(names) == len(set(names)), f"a folder twice: {names}"
        for run in account.find(f"{_FOLDER}/run"):
            for folder in account.children(run.id):
                if not folder.is_folder:
                    continue
                (top / folder.name).mkdir()
                for item in account.children(folder.id):
                    assert not (top / folder.name / item.name).is_symlink(), f"{folder.name}/{item.name} is there twice"
                    assert item.blob is not None
                    (top / folder.name / item.name).symlink_to(item.blob.path)
        assert not account.trash, "something is in the trash"
        return top

    def secrets(self) -> set[str]:
        ids = {found[1] for line in self.server.log if (found := re.search(r"upload_id=([\w-]+)", line.path))}
        return self._tokens | ids | {self.server.refresh_token}

    def _credentials(self) -> Any:
        from google.oauth2.credentials import Credentials

        token = self.server.new_token()
        self._tokens.add(token)
        return Credentials(
            token,
            refresh_token=self.server.refresh_token,
            token_uri=self.server.token_uri,
            client_id="client",
            client_secret="a secret of the client",
        )
