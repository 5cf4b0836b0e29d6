"""Where are we: found out by looking, never by importing."""

from __future__ import annotations

from pathlib import Path

__all__ = ["is_drive", "is_hosted_colab", "local_disk"]

_MARKER = Path("/var/colab/hostname")
"""The file that Colab's own code tests (googlecolab/colabtools, google/colab/drive.py)."""
_DRIVE = (Path("/content/drive"), Path("/content/gdrive"))


def is_hosted_colab(marker: Path = _MARKER) -> bool:
    """Whether this is a Colab VM."""
    return marker.exists()


def is_drive(path: Path) -> bool:
    """Whether this path lies where Drive gets mounted."""
    return any(path.absolute().is_relative_to(place) for place in _DRIVE)


def local_disk() -> Path:
    """The folder for stores on this machine's own disk."""
    return Path("/content/.colab_resume") if is_hosted_colab() else Path.home() / ".colab_resume"
