"""What TensorBoard shows of a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["points"]


def points(folder: Path) -> dict[str, Any]:
    """By folder and tag all points as TensorBoard's own reader finds them, also those it would hide; times left out."""
    found: dict[str, Any] = {}
    for inner in sorted({file.parent for file in folder.rglob("*tfevents*")}):
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        sizes = {"scalars": 0, "tensors": 0}
        reader = EventAccumulator(str(inner), sizes, purge_orphaned_data=False)
        reader.Reload()
        tags = reader.Tags()
        for tag in tags["scalars"]:
            shown = sorted([event.step, repr(event.value)] for event in reader.Scalars(tag))
            found[f"{inner.relative_to(folder)} {tag}"] = shown
        for tag in tags["tensors"]:
            values = [[event.step, repr(_values(event.tensor_proto))] for event in reader.Tensors(tag)]
            found[f"{inner.relative_to(folder)} {tag}"] = sorted(values)
    return found


def _values(tensor: Any) -> Any:
    from tensorboard.util.tensor_util import make_ndarray

    return make_ndarray(tensor).tolist()
