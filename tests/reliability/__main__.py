"""Write docs/reliability.md anew: `PYTHONPATH=tests python -m reliability --write`; without it, show what it says."""

from __future__ import annotations

import sys

from reliability.table import DOCUMENT, page

__all__: list[str] = []

if sys.argv[1:] == ["--write"]:
    DOCUMENT.write_text(page())
else:
    sys.stdout.write(page())
