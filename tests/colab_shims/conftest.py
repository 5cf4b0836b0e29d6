"""A home of its own for each test, and a `google.colab` for those that ask for one."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from colab_shims import google_colab as package
from drivefs.fixtures import needs_fuse, new_drive_fs

from colab_resume.colab import asking

__all__ = ["needs_fuse", "new_drive_fs"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's, which nothing of the real one gets into."""
    home = tmp_path / "home"
    home.mkdir()
    for name in ("COLAB_RESUME_CREDENTIALS", "GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT"):
        # Set first, so that what the test sets is taken back.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    return home


@pytest.fixture(autouse=True)
def prompts() -> Iterator[None]:
    """Whoever asks in a test asks no longer after it."""
    yield
    asking.use(asking.Prompts())


@pytest.fixture
def google_colab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The behaviour of a `google.colab` that can be imported as long as the test runs."""
    monkeypatch.syspath_prepend(str(package.write(tmp_path / "colab")))
    yield importlib.import_module("google.colab.behaviour")
    for name in [name for name in sys.modules if name.startswith("google.colab")]:
        del sys.modules[name]
    google: Any = sys.modules["google"]
    del google.colab
