"""What TensorFlow alone can read: the state of an iterator or a table, as the files of a checkpoint of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

__all__ = ["read", "written"]


def written(thing: Any) -> dict[str, Any]:
    """The files of a checkpoint of this alone, by their endings."""
    with tempfile.TemporaryDirectory(prefix="colab-resume-") as folder:
        prefix = Path(folder, "state")
        tf.train.Checkpoint(thing=thing).write(str(prefix))
        files = sorted(prefix.parent.iterdir())
        return {file.name.removeprefix("state"): np.fromfile(file, np.uint8) for file in files}


def read(thing: Any, files: Mapping[str, Any]) -> None:
    """Put back what `written` gave; TensorFlow's own error if it does not fit."""
    with tempfile.TemporaryDirectory(prefix="colab-resume-") as folder:
        prefix = Path(folder, "state")
        for ending, data in files.items():
            Path(folder, f"state{Path(ending).name}").write_bytes(data.tobytes())
        tf.train.Checkpoint(thing=thing).read(str(prefix)).assert_consumed()
