"""The command line: choose what to measure, see how far it is, get a page and a JSON file."""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tqdm.auto import tqdm

from .machine import describe
from .report import Results
from .sections import SECTIONS
from .settings import FULL, QUICK, Settings

__all__ = ["main"]

_EPILOG = """\
examples:
  python -m benchmarks                           everything, with 500 MB, in about six minutes;
                                                 writes docs/benchmarks.md and benchmarks/results.json
  python -m benchmarks --quick                   a look, with 50 MB, in about twenty seconds; shows the tables only
  python -m benchmarks --only saving             one section, at full size
  python -m benchmarks --quick --only boundary --out DIR
                                                 ... and writes DIR/benchmarks.md and DIR/results.json

It works in the folder for temporary files (TMPDIR), which should be on a disk and needs 6 GB, or 1 GB with --quick.
"""
_PROJECT = Path(__file__).parent.parent


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, show the tables, write them."""
    options = _parse(arguments)
    chosen = [name for name in SECTIONS if name in (options.only or SECTIONS)]
    results = measure(QUICK if options.quick else FULL, chosen)
    page = results.to_markdown()
    print(page, end="")
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        _write(results, page_path=options.out / "benchmarks.md", json_path=options.out / "results.json")
    elif not (options.quick or options.only):
        _write(results, page_path=_PROJECT / "docs/benchmarks.md", json_path=_PROJECT / "benchmarks/results.json")


def measure(settings: Settings, chosen: Sequence[str]) -> Results:
    """Run these sections in a folder of their own."""
    load = os.getloadavg()[0]
    total = sum(SECTIONS[name].count(settings) for name in chosen)
    found = {}
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder, tqdm(total=total, unit="part") as bar:
        for name in chosen:
            bar.set_description(name)
            found[name] = SECTIONS[name].measure(settings, Path(folder, name), bar.update)
        machine = describe(Path(folder))
    date = datetime.now(UTC).date().isoformat()
    return Results(date=date, machine=machine, load=load, settings=settings, sections=found)


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
    return parser.parse_args(arguments)


def _write(results: Results, *, page_path: Path, json_path: Path) -> None:
    page_path.parent.mkdir(exist_ok=True)
    page_path.write_text(results.to_markdown(), "utf-8")
    json_path.write_text(results.to_json(), "utf-8")


if __name__ == "__main__":
    main()
