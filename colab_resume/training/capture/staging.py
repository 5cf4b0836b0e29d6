"""The memory that snapshots are taken into: page-aligned, taken from the system once, used again for each snapshot.

Aligned, so that a disk can write straight from it; huge pages where there are any, because touching new memory in small
ones takes five times as long as the copy itself; and empty in forked DataLoader workers, whose existence would make
each page that is written here be copied first.
"""

from __future__ import annotations

import mmap
import sys
from contextlib import suppress
from typing import Any

import numpy as np
import torch

__all__ = ["PAGE", "Staging", "rounded"]

PAGE = 4096

# Python does not name it. Not MADV_DONTFORK: a worker that frees what it does not have unmaps whatever has come to lie
# at that address there. https://man7.org/linux/man-pages/man2/madvise.2.html
_WIPE_ON_FORK = 18 if sys.platform == "linux" else None


def rounded(nbytes: int) -> int:
    """The next multiple of a page."""
    return -(-nbytes // PAGE) * PAGE


class Staging:
    """One area. What was looked at through it is void once it has grown."""

    def __init__(self) -> None:
        self._memory = np.empty(0, np.uint8)
        self._pinned = False
        self.edition = 0
        """Another one whenever the memory is."""

    @property
    def nbytes(self) -> int:
        """How much there is."""
        return self._memory.nbytes

    def reserve(self, nbytes: int, *, pinned: bool) -> None:
        """See to it that there are so many bytes; `MemoryError` if the system has none.

        `pinned`: a GPU shall write to it; if the driver refuses that, copies wait for each other but are as right.
        """
        if nbytes > self.nbytes:
            self.release()
            self._memory = np.frombuffer(_mapped(rounded(nbytes)), np.uint8)
            self.edition += 1
        if pinned and not self._pinned and self.nbytes:
            self._pinned = int(_cudart().cudaHostRegister(self._address, self.nbytes, 0)) == 0

    def release(self) -> None:
        """Give the memory back."""
        if self._pinned:
            _cudart().cudaHostUnregister(self._address)
        self._memory, self._pinned = np.empty(0, np.uint8), False

    def view(self, start: int, nbytes: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """A stretch of it."""
        return self._memory[start : start + nbytes]

    @property
    def _address(self) -> int:
        return int(self._memory.ctypes.data)


def _mapped(nbytes: int) -> mmap.mmap:
    try:
        memory = mmap.mmap(-1, nbytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError as error:
        raise MemoryError(f"no {nbytes} bytes of memory: {error}") from error
    for advice in (getattr(mmap, "MADV_HUGEPAGE", None), _WIPE_ON_FORK):
        if advice is not None:
            with suppress(OSError):  # a system that does not take it is slower there, and nothing else
                memory.madvise(advice)
    return memory


def _cudart() -> Any:
    return torch.cuda.cudart()
