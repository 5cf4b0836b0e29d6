"""A process that has TensorFlow imported and has done nothing with it: `python -m frameworks.on_tensorflow.stem`.

Importing takes seconds, so lives are forked from here; TensorFlow starts its threads in its first operation, which is
in them. Reads a line of JSON for each life, `[scene, life]`, and answers with `[exit status, what the scene returned]`.
"""

from __future__ import annotations

import json
import os
import sys
import warnings

__all__: list[str] = []

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from frameworks.on_tensorflow import (
        folders,
        scenes,  # chooses the back end of Keras
    )
    from frameworks.on_tensorflow.life import Life
from vm import live

SCENES = scenes.SCENES | folders.SCENES


def _main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        scene, life = json.loads(line)
        print(json.dumps(live(lambda: SCENES[scene](Life(**life)))), file=answers, flush=True)  # noqa: B023


if __name__ == "__main__":
    _main()
