"""On a GPU: bit for bit after SIGKILL, with CUDA's generators, AMP, deterministic kernels, and every kind of AdamW."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from gpu.training import OPTIMIZERS, PRECISIONS
from vm import KILLED

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

_TESTS = Path(__file__).parents[1]


def _live(**life: Any) -> tuple[int, Any]:
    """One process: its exit status, and its result if it came to one."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(_TESTS.parent), str(_TESTS)]),
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # cuBLAS is deterministic only with a workspace of a fixed size
    }
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "gpu.training",
            json.dumps({key: str(v) if isinstance(v, Path) else v for key, v in life.items()}),
        ],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in (0, KILLED):
        pytest.fail(done.stdout + done.stderr)
    return done.returncode, json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else None


def _survive(folder: Path, deaths: list[int], **kind: Any) -> Any:
    for life, step in enumerate(deaths):
        status, _ = _live(store=folder / f"vm{life}", remote=folder / "drive", dies_at=step, workers=life % 3, **kind)
        assert status == KILLED
    _, result = _live(store=folder / "last", remote=folder / "drive", **kind)
    return result


@pytest.mark.gpu
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_training_on_a_gpu_that_dies_goes_on_bit_for_bit(tmp_path: Path, precision: str) -> None:
    """Dropout draws on the GPU, the scaler leaves steps out, workers come and go."""
    kind = {"precision": precision, "optimizer": "foreach"}
    _, expected = _live(store=tmp_path / "store", remote=tmp_path / "never killed", **kind)
    assert _survive(tmp_path, [1, 4, 9], **kind) == expected


@pytest.mark.gpu
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_kind_of_adamw_goes_on_bit_for_bit(tmp_path: Path, optimizer: str) -> None:
    """Fused and capturable ones keep their step counters on the GPU."""
    kind = {"precision": "float32", "optimizer": optimizer}
    _, expected = _live(store=tmp_path / "store", remote=tmp_path / "never killed", **kind)
    assert _survive(tmp_path, [5], **kind) == expected


@pytest.mark.gpu
def test_augmentation_on_the_gpu_goes_on_bit_for_bit(tmp_path: Path) -> None:
    """The next batch is made before the boundary, and its draws are its own."""
    kind = {"precision": "float32", "optimizer": "foreach", "augments_on_gpu": True}
    _, expected = _live(store=tmp_path / "store", remote=tmp_path / "never killed", **kind)
    assert _survive(tmp_path, [3, 6], **kind) == expected


def test_the_same_program_goes_on_bit_for_bit_without_a_gpu(tmp_path: Path) -> None:
    """So that what is to be run on a GPU is known to run."""
    kind = {"precision": "bfloat16", "optimizer": "fused", "device": "cpu"}
    _, expected = _live(store=tmp_path / "store", remote=tmp_path / "never killed", **kind)
    assert _survive(tmp_path, [4], **kind) == expected
