"""How a test looks at a mounted Drive, or at the cloud behind it."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["ask", "listed", "state"]


def ask(path: Path, attribute: str) -> str:
    """What an attribute says, asked as on Colab."""
    return os.getxattr(path, f"user.drive.{attribute}").decode()


def state(path: Path) -> tuple[bool, str]:
    """Whether the id is a local one, and what `uncommitted` says."""
    return ask(path, "id").startswith("local-"), ask(path, "uncommitted")


def listed(folder: Path) -> list[str]:
    """The names in a folder."""
    return sorted(path.name for path in folder.iterdir())
