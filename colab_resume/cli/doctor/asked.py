"""The process that looks at what may hang: one question comes on stdin, each finding goes out as a line of JSON."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict

from .afar import QUESTIONS, Asked
from .findings import whatever_happens

__all__: list[str] = []


def _main() -> None:
    # What a library prints is no finding.
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    question, told = json.load(sys.stdin)
    asked = Asked(**told)
    for finding in whatever_happens(question, lambda: QUESTIONS[question](asked)):
        answer.write(f"{json.dumps(asdict(finding))}\n")
        answer.flush()
    # Libraries' threads that still wait for an answer would be waited for.
    os._exit(0)


if __name__ == "__main__":
    _main()
