"""As on Colab: nothing is told to the client but a key file, and it asks www.googleapis.com, over TLS."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from drive_server import faults
from drive_server.faults import Fault
from drive_server.server import DriveServer
from drive_server.tls_proxy import TlsProxy
from remotes.drive_api.clients import FOLDER, only_file

__all__: list[str] = []

CODE = f"""
import sys
from io import BytesIO
from pathlib import Path
from colab_resume.remotes import BytesSource
from colab_resume.remotes.drive_api import DriveAPI

data = bytes(range(256)) * 12_000
remote = DriveAPI({FOLDER!r}, credentials=Path(sys.argv[1]), sessions=Path(sys.argv[2]), chunk=1 << 20)
remote.put("packs/big", BytesSource(data))
sink = BytesIO()
remote.get("packs/big", sink)
assert sink.getvalue() == data
remote.put("packs/small", BytesSource(b"x"))
remote.delete("packs/big")
assert [entry.name for entry in remote.list("packs")] == ["packs/small"]
"""


def test_it_works_without_any_setting(tmp_path: Path) -> None:
    """Tokens, uploads, downloads, lists; also when a connection is lost, and none of our own warnings is silenced."""
    with DriveServer() as server, TlsProxy(server.url, tmp_path) as proxy:
        key = {**server.service_account(), "token_uri": "https://oauth2.googleapis.com/token"}
        (tmp_path / "key.json").write_text(json.dumps(key))
        server.faults.add(Fault("resumable.put", faults.CloseAmid(300_000), skip=1))
        environment = {**os.environ, **proxy.environment}
        command = [sys.executable, "-W", "error", "-c", CODE, str(tmp_path / "key.json"), str(tmp_path / "kept")]
        subprocess.run(command, env=environment, check=True, timeout=60)
        assert only_file(server, "packs/small").size == 1
        assert server.faults.pending == []
        assert server.violations == []
