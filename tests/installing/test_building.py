"""What is uploaded for a release is whole, well-formed, typed, and holds nothing that nobody needs."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from .conftest import PROJECT, Distributions

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("wheel")]

PACKAGE = PROJECT / "colab_resume"


def sources() -> set[str]:
    """Every file of the package, by its name in an archive."""
    files = (path for path in PACKAGE.rglob("*") if path.suffix != ".pyc" and path.is_file())
    return {path.relative_to(PROJECT).as_posix() for path in files}


def test_building_warns_of_nothing(distributions: Distributions) -> None:
    """No deprecated field, no pattern that finds no file, no licence in two places."""
    assert [
        line for line in distributions.said.splitlines() if "warn" in line.lower() or "deprec" in line.lower()
    ] == []


def test_the_index_would_take_them(distributions: Distributions) -> None:
    """Their metadata is whole, and the README can be shown."""
    files = [str(distributions.sdist), str(distributions.wheel)]
    command = [sys.executable, "-m", "twine", "--no-color", "check", "--strict", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("PASSED") == 2


def test_the_wheel_holds_the_package_and_no_more(wheel: Path) -> None:
    """Every module and the mark that it is typed; the licence; no test, no picture, nothing compiled."""
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        about = {name.partition(".dist-info/")[2] for name in archive.namelist()} - {""}
    assert names == sources()
    assert "colab_resume/py.typed" in names
    files = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE", "top_level.txt"}
    assert about == files


def test_the_sdist_holds_what_a_wheel_is_built_from(distributions: Distributions) -> None:
    """The package, its metadata, README and licence; tests only if all of them could be run, so none."""
    with tarfile.open(distributions.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames() if archive.getmember(name).isfile()}
    others = {name for name in names - sources() if not name.startswith("colab_resume.egg-info/")}
    assert sources() <= names
    assert others == {"LICENSE", "MANIFEST.in", "PKG-INFO", "README.md", "pyproject.toml", "setup.cfg"}


def test_a_typed_program_is_checked_against_the_installed_package(wheel: Path, tmp_path: Path) -> None:
    """By `mypy --strict`, with nothing else installed; what it complains of is what it should."""
    venv.create(tmp_path / "venv", with_pip=False, symlinks=True)
    site = Path(sysconfig.get_path("purelib", "venv", vars={"base": str(tmp_path / "venv")}))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    program = shutil.copy(Path(__file__).with_name("typed_program.py"), tmp_path / "program.py")
    python = str(tmp_path / "venv" / "bin" / "python")
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--python-executable",
        python,
        "--config-file=",
        "--cache-dir=/dev/null",
        program.name,
    ]
    done = subprocess.run(command, cwd=tmp_path, env={"PATH": ""}, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("Success: no issues found in 1 source file\n", 0), done.stderr
