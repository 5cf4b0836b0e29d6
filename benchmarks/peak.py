"""The most memory that a process has while it saves, printed as JSON; run as a process of its own, for one way.

What a process has freed it does not always give back, so two ways in one process could not be told apart.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from .memory_limit import Group
from .training import Training
from .turns import Loop, opened
from .ways import WAYS

__all__ = ["main"]

_SAVES = 3
_STEPS = 3


def main() -> None:
    """Measure one way."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peak")
    parser.add_argument("way", choices=list(WAYS))
    parser.add_argument("megabytes", type=int)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--group", type=Path, help="a control group to enter")
    parser.add_argument("--room", type=float, default=1.0, help="what the group leaves free, in parts of the state")
    options = parser.parse_args()
    group = None if options.group is None else Group(options.group)
    if group is not None:
        group.enter()
    torch.set_num_threads(1)
    training = Training.of_megabytes(options.megabytes)
    for _ in range(_STEPS):
        training.step()
    _forget_peak()
    training.step()
    usual = _peak()
    if group is not None:
        # What a step takes and gives back again, its gradients first of all, is the training's.
        group.limit(group.used() + usual - _bytes("VmRSS:") + int(options.room * training.nbytes))
    with opened(WAYS[options.way], training, options.folder) as saver:
        loop = Loop(saver, training)
        _forget_peak()
        for _ in range(_SAVES):
            loop.saved(_STEPS)
        above = _peak() - usual
    print(json.dumps({"state": training.nbytes, "above": above}))


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5", "ascii")


def _peak() -> int:
    return _bytes("VmHWM:")


def _bytes(what: str) -> int:
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what)) << 10


if __name__ == "__main__":
    main()
