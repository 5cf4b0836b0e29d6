"""What Weights & Biases keeps of runs on this machine."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["told"]

_HEAD, _BLOCK = 7, 1 << 15
_WHOLE, _LAST = 1, 4
_OF_TIME = ("runtime", "per_second", "timestamp")


def told(folder: Path) -> list[dict[str, Any]]:
    """All that was logged to the newest run in this folder, in order; times left out. The run is over then."""
    import wandb
    from wandb.proto.wandb_internal_pb2 import Record

    wandb.finish()
    wandb.teardown()  # only when its process is over, everything is written down
    newest = max(folder.rglob("run-*.wandb"), key=lambda path: path.parent.name)
    records = map(Record.FromString, _contents(newest.read_bytes()))
    logged = (record.history.item for record in records if record.WhichOneof("record_type") == "history")
    lines = ({"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in items} for items in logged)
    return [{name: line[name] for name in sorted(line) if not any(part in name for part in _OF_TIME)} for line in lines]


def _contents(file: bytes) -> Iterator[bytes]:
    """The records of a log of LevelDB, each in one piece or more; it has a header of its own."""
    place, content = _HEAD, b""
    while place + _HEAD <= len(file):
        left = _BLOCK - place % _BLOCK
        if left < _HEAD:
            place += left
            continue
        _, size, kind = struct.unpack_from("<IHB", file, place)
        place += _HEAD + size
        content += file[place - size : place]
        if kind in (_WHOLE, _LAST):
            yield content
            content = b""
