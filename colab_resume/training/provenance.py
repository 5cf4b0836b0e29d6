"""Under what conditions a checkpoint was made, and which of them have changed: what bit-exactness depends on."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from .. import __version__

__all__ = ["changes", "gpu_name", "provenance", "versions"]


def versions() -> dict[str, str]:
    """The versions of what takes part in a training."""
    return {
        "colab_resume": __version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
    }


def gpu_name() -> str:
    """What the first GPU calls itself; empty if there is none."""
    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else ""


def provenance() -> dict[str, Any]:
    """JSON: versions, devices, and the switches that decide which kernels run."""
    gpus = [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())]
    return {
        "versions": versions(),
        "machine": platform.machine(),
        "gpus": gpus,
        "cpu threads": torch.get_num_threads(),
        "deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
        "cudnn benchmark": bool(torch.backends.cudnn.benchmark),
        "cudnn deterministic": bool(torch.backends.cudnn.deterministic),
        "float32 matmul precision": torch.get_float32_matmul_precision(),
    }


def changes(before: Any, now: Mapping[str, Any]) -> list[str]:
    """What is another now, a line each: with such a change the numbers may differ in their last bits."""
    if not isinstance(before, Mapping):
        return ["nothing is known about how the checkpoint was made"]
    lines = []
    for key, value in now.items():
        old = before.get(key)
        if key == "versions" and isinstance(old, Mapping):
            lines += [f"{name} {old.get(name)} -> {new}" for name, new in value.items() if old.get(name) != new]
        elif old != value:
            lines.append(f"{key} {old or 'none'} -> {value or 'none'}")
    return lines
