"""Both distributions, built once, as for a release: the sdist from a copy of the project, the wheel from the sdist."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.egg-info", ".*", "build", "dist")


@dataclass(frozen=True)
class Distributions:
    """What was built, and all that the builds have said."""

    sdist: Path
    wheel: Path
    said: str


@pytest.fixture(scope="session")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Distributions:
    made = tmp_path_factory.mktemp("distributions")
    # From a copy: a build leaves files beside what it builds from.
    copy = shutil.copytree(PROJECT, made / "project", ignore=_LEFT_OUT)
    said = _build("sdist", copy, made)
    (sdist,) = made.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(made, filter="data")
    said += _build("wheel", made / sdist.name.removesuffix(".tar.gz"), made)
    (wheel,) = made.glob("*.whl")
    return Distributions(sdist, wheel, said)


@pytest.fixture(scope="session")
def wheel(distributions: Distributions) -> Path:
    return distributions.wheel


def _build(kind: str, source: Path, into: Path) -> str:
    """What it said, with every warning shown, of which Python is silent about most."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    hook = f"from setuptools.build_meta import build_{kind} as build; build({str(into)!r})"
    command = [sys.executable, "-W", "always", "-c", hook]
    done = subprocess.run(command, cwd=source, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr
