"""Capturing from a GPU: on a stream of its own, into pinned memory, with nothing taken on the device."""

from __future__ import annotations

import pytest
import torch
from training.capture.test_capture import Training, is_same

pytestmark = [pytest.mark.gpu, pytest.mark.slow]


@pytest.fixture
def training() -> Training:
    """One whose tensors keep still until the step, and are known to."""
    with torch.device("cuda"):
        made = Training()
    made.warm_up()
    return made


def test_the_stream_waits_and_the_cpu_does_not(training: Training) -> None:
    """The step is queued while copies are under way, and the snapshot shows the boundary."""
    for _ in range(20):
        snapshot, truth = training.boundary()
        torch.cuda._sleep(50_000_000)
        training.step()
        held = training.scene.held(snapshot)
        assert is_same(held, truth)


def test_nothing_is_taken_on_the_device(training: Training) -> None:
    """But for a handful of samples."""
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    snapshot = training.scene.take()
    assert training.scene.held(snapshot) is not None
    assert torch.cuda.max_memory_allocated() - before < 100_000


def test_an_edit_before_the_step_is_noticed(training: Training) -> None:
    """It may have come before the copy was made, so nothing is taken for granted."""
    snapshot, _ = training.boundary()
    with torch.no_grad():
        training.net.weight.mul_(2)
    training.step()
    assert training.scene.held(snapshot) is None
