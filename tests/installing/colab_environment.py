"""A virtual environment in which exactly the packages of a Colab VM seem to be installed: their names and versions.

`colab-pip-freeze.txt` is what `pip freeze` says there. Nothing of the packages is needed for pip to decide what an
install would change.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["ColabEnvironment", "packages"]

FREEZE = Path(__file__).with_name("colab-pip-freeze.txt")
# Where a line names a file or a repository, the version is in the file's name, or nowhere.
_IN_ADDRESS = re.compile(r"[-_](\d+(?:\.\d+)+)[-.]")


def packages(freeze: Path = FREEZE) -> Iterator[tuple[str, str]]:
    """Name and version of each line."""
    for line in freeze.read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, sign, version = line.partition("==")
        if sign:
            yield name, version
            continue
        name, sign, address = line.partition(" @ ")
        if not sign:
            raise ValueError(f"neither a version nor an address: {line}")
        found = _IN_ADDRESS.search(address.rsplit("/", maxsplit=1)[-1])
        yield name, found[1] if found else "0.0.1"


class ColabEnvironment:
    """Made below `folder`; pip is that of the interpreter that runs the tests, asked on behalf of this one."""

    def __init__(self, folder: Path) -> None:
        self._python = folder / "bin" / "python"
        venv.create(folder, with_pip=False, symlinks=True)
        site = Path(sysconfig.get_path("purelib", "venv", vars={"base": str(folder)}))
        for name, version in packages():
            info = site / f"{re.sub('[-_.]+', '_', name)}-{version}.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
            (info / "INSTALLER").write_text("pip\n")
            (info / "RECORD").touch()

    def pip(self, *arguments: str) -> str:
        """What pip answers; an error of its own if it fails."""
        command = [
            sys.executable,
            "-m",
            "pip",
            "--python",
            str(self._python),
            "--disable-pip-version-check",
            *arguments,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise AssertionError(done.stderr)
        return done.stdout

    def would_install(self, *requirements: str) -> dict[str, str]:
        """Name and version of all that `pip install` would put there. There is no index to get anything else from."""
        answer = self.pip("install", "--dry-run", "--quiet", "--no-index", "--report", "-", *requirements)
        report: dict[str, Any] = json.loads(answer)
        return {one["metadata"]["name"]: one["metadata"]["version"] for one in report["install"]}
