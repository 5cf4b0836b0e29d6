"""Files that a framework has written and still needs, as a part of a checkpoint: their bytes, as one tensor each.

Bytes that were stored before are not stored again. What they mean nobody here asks: nothing of them is opened.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ..errors import DamagedCheckpoint
from ..training.objects.logs import leads_out

__all__ = ["inside", "mapped", "put"]


def mapped(file: Path) -> torch.Tensor:
    """The bytes of a file that is not empty. Mapped, not read: memory for it can be taken back at any time."""
    return torch.from_numpy(np.memmap(file, np.uint8, "c"))


def put(file: Path, content: torch.Tensor) -> None:
    """Make this file, unless it is there with these very bytes."""
    if file.is_file() and file.stat().st_size == content.numel() and torch.equal(mapped(file), content):
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    file.write_bytes(content.numpy().data)


def inside(folder: Path, name: str) -> Path:
    """The file of this name in the folder; `DamagedCheckpoint` if the name leads out of it."""
    for line in leads_out([name]):
        raise DamagedCheckpoint(line, hint="use an older checkpoint")
    return folder / name
