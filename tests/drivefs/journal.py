"""What Drive is told besides file contents, in order: new folders, renames, deletions. It survives SIGKILL."""

from __future__ import annotations

import json
from pathlib import Path

from drivefs.account import Account

__all__ = ["Journal"]


class Journal:
    def __init__(self, path: Path, account: Account) -> None:
        self._path = path
        self._account = account

    def add(self, verb: str, *names: str) -> None:
        """`verb` is a method of the account."""
        with self._path.open("a") as stream:
            stream.write(json.dumps([verb, *names]) + "\n")

    def is_empty(self) -> bool:
        return not self._path.exists()

    def tell_all(self) -> None:
        """Do to Drive what was noted, and forget each change once it is done."""
        if self.is_empty():
            return
        lines = self._path.read_text().splitlines(keepends=True)
        for number, line in enumerate(lines, 1):
            verb, *names = json.loads(line)
            getattr(self._account, verb)(*names)
            self._path.write_text("".join(lines[number:]))
        self._path.unlink()
