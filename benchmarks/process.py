"""A module of the benchmarks as a process of its own, which prints what it has found as JSON in its last line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

__all__ = ["answer_of"]

_PROJECT = Path(__file__).parent.parent


def answer_of(module: str, *arguments: object, environment: Mapping[str, str] = MappingProxyType({})) -> Any:
    """What it found; `RuntimeError` with its last words if it failed. `environment` comes on top of this process's."""
    command = [sys.executable, "-m", f"benchmarks.{module}", *map(str, arguments)]
    env = {**os.environ, **environment}
    done = subprocess.run(command, cwd=_PROJECT, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with status {done.returncode}:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])
