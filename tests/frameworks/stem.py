"""A process that has a framework imported and has done nothing with it: `python -m frameworks.stem PACKAGE`.

Importing takes seconds, so lives are forked from here; TensorFlow and JAX start their threads in their first operation,
which is in them. Reads a line of JSON for each life, `[scene, life]`, and answers with `[exit status, what the scene
returned]`. The scenes are those of the package's module `scenes`.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import warnings

from vm import live

__all__: list[str] = []


def _main() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scenes = importlib.import_module(f"{sys.argv[1]}.scenes")
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        scene, life = json.loads(line)
        print(json.dumps(live(lambda: scenes.tell(scene, **life))), file=answers, flush=True)  # noqa: B023


if __name__ == "__main__":
    _main()
