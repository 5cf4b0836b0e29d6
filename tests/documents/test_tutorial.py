"""The tutorial, done as a reader does it: its file written, its commands given to a shell, one after the other."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from documents.pages import DOCS, blocks, lacking


@pytest.mark.slow
def test_the_tutorial_leads_where_it_says(tmp_path: Path) -> None:
    """What it shows comes out, and the training that was killed ends with the bits of the one that was not."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    here = {**os.environ, "PATH": path, "HOME": str(tmp_path / "home"), "OMP_NUM_THREADS": "1"}
    # Other tests may run this machine out of memory meanwhile, and that would be told instead.
    (tmp_path / "memory.events").write_text("oom_kill 0\n")
    here["CGROUP_MEMORY_EVENTS"] = str(tmp_path / "memory.events")
    out, ends = "", []
    for block in blocks((DOCS / "tutorial.md").read_text("utf-8")):
        if block.title:
            (tmp_path / block.title).write_text(block.text, "utf-8")
        elif block.kind == "console":
            out = ""
            for line in block.text.splitlines():
                done = _shell(line.removeprefix("$ "), tmp_path, here)
                assert done.returncode == (128 + 9 if "DIES_AT" in line else 0), done.stderr
                out += done.stdout
            ends += re.findall(r"^weights (.*)$", out, re.MULTILINE)
        elif block.kind == "text" and "run.track(" not in block.text:
            assert lacking(block.text, out) == [], out
    assert len(ends) == 2
    assert ends[0] == ends[1]


def _shell(line: str, where: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = ["bash", "-c", f"{line}\nexit $?"]
    return subprocess.run(command, cwd=where, env=environment, capture_output=True, text=True, check=False)
