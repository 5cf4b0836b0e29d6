"""Whatever is handed to `run.attach`, it is known by its class, or said that it is not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import colab_resume
from colab_resume.errors import UsageError


def test_what_no_framework_owns_is_refused_with_what_to_do_instead(tmp_path: Path) -> None:
    run = colab_resume.setup("attached", store=tmp_path, remote=tmp_path / "remote")
    with pytest.raises(UsageError, match="nothing whose training a run could follow") as told:
        run.attach(object())
    run.finish()
    assert "run.epochs" in told.value.hint


def test_no_framework_is_imported_before_its_trainer_is_handed_over() -> None:
    code = "import sys, colab_resume.run; print(sorted({'transformers', 'accelerate'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
