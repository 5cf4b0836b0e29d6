"""What every test may count on: the same examples on every CI run, and no part of the machine missing unseen."""

from __future__ import annotations

import functools
import gc
import os
import shutil
import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Stand-ins for Drive and for buckets, whatever waits for them, frameworks, and lives that end: most of these tests are
# short, all together are not.
_SLOW_TOGETHER = (
    "checking/test_in_place.py",
    "checking/test_mistakes.py",
    "checkpoints/test_power_cut.py",
    "checkpoints/test_recycling.py",
    "cli/test_remotes.py",
    "drive_server",
    "drivefs",
    "folders",
    "frameworks",
    "kills",
    "matrix",
    "reliability",
    "remotes/drive_api",
    "remotes/test_drive_mount.py",
    "remotes/test_filesystem.py",
    "run/test_drawn_ahead.py",
    "run/test_exact.py",
    "run/test_logs.py",
    "test_readme.py",
    "training/capture",
)

IN_CI = os.environ.get("CI") == "true"

# How fast an example runs says nothing on a shared machine, so no example fails for being slow.
settings.register_profile(
    "colab_resume", deadline=None, derandomize=IN_CI, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("quick", settings.get_profile("colab_resume"), max_examples=20)
settings.load_profile("colab_resume")


@functools.cache
def why_no_mounts() -> str | None:
    """Why this process cannot mount, or None; being root in a container is not enough."""
    if os.geteuid() != 0:
        return "needs root"
    probe = subprocess.run(["unshare", "--mount", "true"], capture_output=True, text=True, check=False)
    return None if probe.returncode == 0 else f"needs the right to mount ({probe.stderr.strip()})"


@functools.cache
def why_no_gpu() -> str | None:
    """Why CUDA cannot be used, or None."""
    import torch

    return None if torch.cuda.is_available() else "needs an NVIDIA GPU"


@functools.cache
def why_no_browser() -> str | None:
    """Why there is no browser to look with, or None."""
    return None if shutil.which("chromium") else "needs Chromium (apt-get install chromium)"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what is slow together."""
    here = Path(__file__).parent
    for item in items:
        name = item.path.relative_to(here).as_posix() if item.path.is_relative_to(here) else ""
        if name.startswith(_SLOW_TOGETHER):
            item.add_marker(pytest.mark.slow)


def pytest_collection_finish() -> None:
    """What was made until now, packages above all, is there to stay: neither Python's collector nor whoever asks it
    what there is has to go through it again and again."""
    gc.collect()
    gc.freeze()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what is marked `root`, `gpu` or `browser` where the machine does not offer it."""
    for mark, why_not in (("root", why_no_mounts), ("gpu", why_no_gpu), ("browser", why_no_browser)):
        if item.get_closest_marker(mark) is not None and (reason := why_not()) is not None:
            pytest.skip(reason)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where CI=true a skipped test is a failed one, so that nothing goes green by not running; a GPU may be missing."""
    report = yield
    expected = hasattr(report, "wasxfail") or item.get_closest_marker("gpu") is not None
    if IN_CI and report.skipped and not expected:
        report.outcome = "failed"
        report.longrepr = f"CI=true, so nothing may be skipped: {reason_of(report)}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a whole module that skips itself."""
    report = yield
    if IN_CI and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"CI=true, so nothing may be skipped: {reason_of(report)}"
    return report


def reason_of(report: pytest.TestReport | pytest.CollectReport) -> str:
    """The reason of a skip, which pytest keeps as (file, line, reason)."""
    return report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
