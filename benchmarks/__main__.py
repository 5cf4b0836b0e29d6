"""The command line: choose what to measure, see how far it is, get a page and a JSON file."""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from tqdm.auto import tqdm

from .findings import Findings
from .machine import describe
from .report import Results
from .sections import SECTIONS
from .settings import FULL, QUICK, Settings

__all__ = ["main"]

_EPILOG = """\
examples:
  python -m benchmarks                           everything, with up to 1500 MB, in about 40 minutes;
                                                 writes docs/benchmarks.md, pictures and benchmarks/results.json
  python -m benchmarks --quick                   a look, with 50 MB, in two or three minutes; shows the tables only
  python -m benchmarks --only stall              one section, at full size
  python -m benchmarks --only stall --update     ... and in docs/benchmarks.md, beside the others as they are
  python -m benchmarks --quick --only boundary --out DIR
                                                 ... and writes DIR/benchmarks.md, pictures and DIR/results.json

It works in the folder for temporary files (TMPDIR), which should be on a disk and needs 20 GB, or 2 GB with --quick.
Anchors that are not installed are left out, and the page says so; `make bench` installs them.
"""
_PROJECT = Path(__file__).parent.parent
_PAGE, _DATA = _PROJECT / "docs/benchmarks.md", _PROJECT / "benchmarks/results.json"
_BAR = "{desc} |{bar}| {elapsed} so far, about {remaining} left"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, write the tables after each section, so that none is lost if a later one fails, and show them."""
    options = _parse(arguments)
    chosen = [name for name in SECTIONS if name in (options.only or SECTIONS)]
    results = None
    for results in measure(QUICK if options.quick else FULL, chosen):
        if options.out is not None:
            options.out.mkdir(parents=True, exist_ok=True)
            results.write(page=options.out / "benchmarks.md", data=options.out / "results.json")
        elif options.update:
            before = Results.from_json(_DATA.read_text("utf-8"))
            before.with_newer(results).write(page=_PAGE, data=_DATA)
        elif not (options.quick or options.only):
            results.write(page=_PAGE, data=_DATA)
    if results is not None:
        print(results.to_markdown(), end="")


def measure(settings: Settings, chosen: Sequence[str]) -> Iterator[Results]:
    """Run these sections in a folder of their own; what has been found so far, after each."""
    load, date = os.getloadavg()[0], datetime.now(UTC).date().isoformat()
    total = sum(SECTIONS[name].count(settings) * SECTIONS[name].weight for name in chosen)
    found: dict[str, Findings] = {}
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder, tqdm(total=total, bar_format=_BAR) as bar:
        for number, name in enumerate(chosen, 1):
            bar.set_description(f"{name} ({number} of {len(chosen)})")
            tick = partial(bar.update, SECTIONS[name].weight)
            found[name] = SECTIONS[name].measure(settings, Path(folder, name), tick)
            yield Results(date=date, machine=describe(Path(folder)), load=load, settings=settings, sections=dict(found))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="What saving and restoring cost, against what people do otherwise.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="a small state and few rounds, to see that it works")
    parser.add_argument("--only", action="append", choices=list(SECTIONS), help="measure this section; may be repeated")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write the page and the JSON file into this folder")
    parser.add_argument("--update", action="store_true", help="put these sections into the page that there is")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
