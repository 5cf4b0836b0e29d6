"""The benchmarks run; what they measure is not judged here, for no number is the same on two machines."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent


@pytest.mark.slow
def test_a_quick_look_writes_a_page_and_the_same_numbers_as_json(tmp_path: Path) -> None:
    """`python -m benchmarks --quick --only ... --out DIR` leaves both files there, each with every row."""
    command = [sys.executable, "-m", "benchmarks", "--quick", "--only", "boundary", "--out", str(tmp_path)]
    subprocess.run(command, cwd=PROJECT, check=True)
    results = json.loads((tmp_path / "results.json").read_text("utf-8"))
    page = (tmp_path / "benchmarks.md").read_text("utf-8")
    rows = results["sections"].pop("boundary")
    assert rows
    assert not results["sections"]
    for row in rows:
        assert row["name"] in page
        assert row["group"] in page
        assert all(sample["low"] <= sample["median"] <= sample["high"] for sample in row["values"].values())
