"""What the user has chosen on this machine, kept for the next start in a small JSON file: paths, and nothing secret."""

from __future__ import annotations

import json
from pathlib import Path
from typing import BinaryIO

from ..durable import as_store_error, make_folder, write_durably

__all__ = ["Choices"]

_FILE = "choices.json"


class Choices:
    """Texts by name, below `folder`. A file that cannot be read has nothing to say, so the user is asked again."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = Path.home() / ".colab_resume" if folder is None else folder
        self._path = self.folder / _FILE

    def get(self, name: str) -> str | None:
        """What was chosen, if something was."""
        return self._all().get(name)

    def keep(self, name: str, value: str) -> None:
        """From now on this is chosen; `StoreError` if the disk refuses."""
        content = json.dumps(self._all() | {name: value}, indent=1, sort_keys=True).encode("ascii")

        def write(sink: BinaryIO) -> None:
            sink.write(content)

        with as_store_error(self._path):
            make_folder(self._path.parent)
        write_durably(self._path, write)

    def _all(self) -> dict[str, str]:
        try:
            found = json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            return {}
        if not isinstance(found, dict):
            return {}
        return {name: value for name, value in found.items() if isinstance(value, str)}
