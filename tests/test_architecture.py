"""The architecture test: the tree obeys the tables of architecture.py, and each rule is shown to fail."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from architecture import (
    LIGHT,
    MEDIAN_LINES,
    MOST_LINES,
    NETWORK,
    PACKAGE,
    Module,
    complaints,
    complaints_about_tree,
    modules_of,
    within,
)

PROJECT = Path(__file__).parent.parent


def test_the_package_is_built_as_the_tables_say() -> None:
    """Direction, doors, no pickle, and the shape of every module hold over the whole tree."""
    found = complaints_about_tree(PROJECT / PACKAGE)
    assert not found, "\n" + "\n".join(found)


HEAD = '"""A module."""\n\nfrom __future__ import annotations\n\n'
NAMES = "__all__: list[str] = []\n"


@pytest.mark.parametrize(
    ("path", "body", "complaint"),
    [
        ("status.py", "from .run import Run\n", "which is not below it"),
        ("status.py", "def f():\n    from .run import Run\n", "which is not below it"),
        ("status.py", "if TYPE_CHECKING:\n    from .run import Run\n", "which is not below it"),
        ("status.py", "from colab_resume import run\n", "which is not below it"),
        ("status.py", "from . import setup\n", "which is not below it"),
        ("run.py", "import colab_resume\n", "which is not below it"),
        ("remotes/folder.py", "from ..checkpoints import store\n", "which is not below it"),
        ("remotes/deep/folder.py", "from ...checkpoints import store\n", "which is not below it"),
        ("status.py", 'importlib.import_module("colab_resume.run")\n', "which is not below it"),
        ("testing.py", "from .status import Status\n", "which is not below it"),
        ("run.py", "from .testing import MemoryRemote\n", "which is not below it"),
        ("__init__.py", "def f():\n    from .mirror import Mirror\n", "which is not below it"),
        ("__init__.py", "from .run import Run\n", "inside __getattr__"),
        ("surprise.py", "", "add a row to STATIONS"),
        ("remotes/utils.py", "", "the layout lacks a noun"),
        ("run.py", "import google.colab.drive\n", "whose doors are colab;"),
        ("run.py", "from google import colab\n", "whose doors are colab;"),
        ("run.py", "def f():\n    import fsspec\n", "whose doors are remotes.filesystem;"),
        ("status.py", "import torch.nn as nn\n", "whose doors are"),
        ("demo/trial.py", "import torch\n", "only inside a function"),
        (
            "demo/trial.py",
            "try:\n    import torch\nexcept ImportError:\n    torch = None\n",
            "only inside a function",
        ),
        ("demo.py", "from torch import nn\n", "only inside a function"),
        ("training/cadence.py", "from threading import Thread\n", "whose doors are"),
        ("remotes/folder.py", "import requests\n", "has no door"),
        ("run.py", "import pickle\n", "can run what it reads"),
        ("run.py", "def f():\n    from dill import loads\n", "can run what it reads"),
        ("training/journal.py", "from torch.serialization import load\n", "can run what it reads"),
        ("training/journal.py", "from torch import load\n", "can run what it reads"),
        ("training/journal.py", "import torch as t\nt.load(p, weights_only=True)\n", "torch.load, which pickles"),
        ("training/journal.py", "import torch.nn\ntorch.save(x, p)\n", "torch.save, which pickles"),
        ("training/journal.py", "import torch\ntorch.hub.load(p)\n", "torch.hub, which pickles"),
        ("training/journal.py", "import numpy\nnumpy.load(p, allow_pickle=True)\n", "can run what it reads"),
        ("run.py", "eval(text)\n", "runs a string"),
        ("run.py", "import builtins\nbuiltins.exec(text)\n", "runs a string"),
        ("run.py", "x = 0\n" * MOST_LINES, "lines; fewer than"),
    ],
)
def test_a_bad_module_is_complained_about(path: str, body: str, complaint: str) -> None:
    """Each rule can fail: a small module that breaks it is named, with the one right reason."""
    found = complaints(Module(path, HEAD + NAMES + body))
    assert len(found) == 1
    assert found[0].startswith(f"{PACKAGE}/{path}:")
    assert complaint in found[0]


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        (NAMES, "no docstring"),
        (HEAD, "no __all__"),
        (HEAD + "__all__ = sorted(globals())\n", "no __all__"),
        (HEAD + '__all__ = ["b", "a"]\n', "__all__ is not sorted"),
    ],
)
def test_a_shapeless_module_is_complained_about(source: str, complaint: str) -> None:
    """A docstring and a sorted `__all__` are looked for."""
    (found,) = complaints(Module("status.py", source))
    assert complaint in found


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("run.py", "from .status import Status\nfrom . import errors, mirror\n"),
        ("mirror.py", "import threading\n"),
        ("demo/training.py", "import colab_resume\nimport torch\n"),
        (
            "remotes/folder.py",
            "from . import Entry\nfrom ..errors import RemoteRefused\nfrom colab_resume.durable import write\n",
        ),
        ("demo/trial.py", "def f():\n    import torch\n"),
        ("checkpoints/retention.py", "if TYPE_CHECKING:\n    import torch\n"),
        ("__init__.py", "def __getattr__(name):\n    from .checkpoints.retention import Keep\n"),
        ("testing.py", "from .remotes import Entry\nfrom .errors import RemoteUnavailable\n"),
        ("export.py", "def f():\n    import torch\n    torch.save(x, p)\n"),
        ("training/tracking.py", "import numpy\nnumpy.load(p, allow_pickle=False)\nmodel.eval()\nre.compile(p)\n"),
        ("sessions/history.py", "from .. import __version__\n"),
    ],
)
def test_a_good_module_is_left_alone(path: str, body: str) -> None:
    """The rules forbid no more than they say."""
    assert complaints(Module(path, HEAD + NAMES + body)) == []


@pytest.mark.slow
def test_one_bad_line_in_the_real_tree_is_found(tmp_path: Path) -> None:
    """The walk reaches the files: a copy of the package with one more import is complained about, at that line."""
    package = Path(shutil.copytree(PROJECT / PACKAGE, tmp_path / PACKAGE))
    before = complaints_about_tree(package)
    with (package / "errors.py").open("a") as stream:
        stream.write("import pickle\n")
    line = len((package / "errors.py").read_text().splitlines())
    new = [complaint for complaint in complaints_about_tree(package) if complaint not in before]
    assert new == [f"{PACKAGE}/errors.py:{line}: imports pickle, which can run what it reads"]


def test_many_long_modules_are_complained_about(tmp_path: Path) -> None:
    """A module may be long now and then; most may not."""
    for name in ("errors", "status", "durable"):
        (tmp_path / f"{name}.py").write_text(HEAD + NAMES + "x = 0\n" * MEDIAN_LINES)
    (found,) = complaints_about_tree(tmp_path)
    assert "median" in found


def brought_in_by(*names: str) -> list[set[str]]:
    """What a fresh interpreter has imported newly after each of these imports."""
    probe = (
        "import importlib, json, sys\n"
        "before = set(sys.modules)\n"
        "for name in json.load(sys.stdin):\n"
        "    importlib.import_module(name)\n"
        "    print(json.dumps(sorted(set(sys.modules) - before)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe],
        input=json.dumps(names),
        cwd=PROJECT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return [set(json.loads(line)) for line in done.stdout.splitlines()]


def test_importing_the_package_is_light() -> None:
    """`import colab_resume` brings in no other distribution (torch, numpy, google, IPython, ...) and no network."""
    (new,) = brought_in_by(PACKAGE)
    assert {name.split(".")[0] for name in new} - sys.stdlib_module_names == {PACKAGE}
    assert not new & NETWORK


def test_what_must_answer_at_once_goes_without_torch() -> None:
    """The command line, the formats, the remotes and the sessions import no torch, not even through others."""
    names = [
        f"{PACKAGE}.{module.name}"
        for module in modules_of(PROJECT / PACKAGE)
        if any(within(module.name, light) for light in LIGHT)
    ]
    guilty = [name for name, new in zip(names, brought_in_by(*names), strict=True) if "torch" in new]
    assert not guilty, f"torch is there after importing {guilty[0]}"
