"""The stand-in for torchvision's operators does what they do, and only where they are missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from detection.zygote import SHIM, environment, why_no_torchvision

__all__: list[str] = []

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("detection")]

SUPPRESS = """
import torch
from torchvision.ops import nms

boxes = torch.tensor([
    [0., 0., 10., 10.],  # overlaps the best one by more than half
    [1., 0., 11., 10.],  # the best one
    [7., 0., 17., 10.],  # overlaps both, by less
    [40., 0., 50., 10.],  # stands alone, and has no score to speak of
    [5., 5., 5., 5.],  # has no area
])
assert nms(boxes, torch.tensor([0.8, 0.9, 0.7, 0.1, 0.2]), 0.5).tolist() == [1, 2, 4, 3]
assert nms(boxes[:2], torch.tensor([0.8, 0.9]), 0.9).tolist() == [1, 0]
assert nms(torch.empty(0, 4), torch.empty(0), 0.5).tolist() == []
"""

WITH_OPERATORS = """
def _has_ops():
    return True


def _assert_has_ops():
    assert _has_ops()
"""

UNTOUCHED = """
import torch
from torchvision import extension

extension._has_ops = lambda: False
try:
    extension._assert_has_ops()
except AssertionError:
    assert not hasattr(torch.ops.torchvision, "nms")
else:
    raise AssertionError("a torchvision that has its operators was changed")
"""


def run(program: str, *folders: Path) -> None:
    """In a new Python with these folders on its path."""
    env = {**environment(), **({"PYTHONPATH": os.pathsep.join(map(str, folders))} if folders else {})}
    subprocess.run([sys.executable, "-c", program], env=env, check=True, timeout=60)


def test_the_best_boxes_are_kept() -> None:
    """Best first; a box goes if it overlaps a kept one by more than the threshold, and not if it only touches it."""
    if (reason := why_no_torchvision()) is not None:
        pytest.skip(reason)
    run(SUPPRESS)


def test_a_torchvision_with_operators_is_left_alone(tmp_path: Path) -> None:
    """As it is beside a CUDA build of torch."""
    package = tmp_path / "torchvision"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "extension.py").write_text(WITH_OPERATORS)
    run(UNTOUCHED, SHIM, tmp_path)


def test_a_python_without_torchvision_starts_as_always() -> None:
    """The shim imports nothing by itself."""
    run("import sys; assert not {'torch', 'torchvision'} & set(sys.modules)", SHIM)
