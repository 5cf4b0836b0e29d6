"""Where are we: found out by looking, never by importing."""

from __future__ import annotations

from pathlib import Path

__all__ = ["is_hosted_colab", "local_disk"]

_MARKER = Path("/var/colab/hostname")
"""The file that Colab's own code tests (googlecolab/colabtools, google/colab/drive.py)."""


def is_hosted_colab(marker: Path = _MARKER) -> bool:
    """Whether this is a Colab VM."""
    return marker.exists()


def local_disk() -> Path:
    """The folder for stores on this machine's own disk."""
    return Path("/content/.colab_resume") if is_hosted_colab() else Path.home() / ".colab_resume"
