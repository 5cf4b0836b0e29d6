"""A desk for each test, and one warm process for all of them. Tests that ask for it are `root` and share `machine`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from colab.desk import Desk
from colab.lesson import CELL, STEPS, TOLD
from colab.memory import why_no_limit
from colab.zygote import Zygote

__all__ = ["desk", "desk_zygote", "needs_memory_limit", "undisturbed"]


@pytest.fixture(scope="session")
def desk_zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    """It takes two seconds to warm up."""
    zygote = Zygote(tmp_path_factory.mktemp("zygote") / "log")
    yield zygote
    zygote.close()


@pytest.fixture
def desk(needs_fuse: None, desk_zygote: Zygote, tmp_path: Path) -> Iterator[Desk]:
    """A Google account with an empty Drive, and no VM yet."""
    with Desk(tmp_path / "desk", zygote=desk_zygote) as made:
        yield made


@pytest.fixture(scope="session")
def needs_memory_limit() -> None:
    """Skips where a VM cannot run out of memory but by taking this machine's."""
    if (reason := why_no_limit()) is not None:
        pytest.skip(reason)


@pytest.fixture(scope="session")
def undisturbed(needs_fuse: None, desk_zygote: Zygote, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The result of a training that nothing has happened to, on a VM of its own."""
    with Desk(tmp_path_factory.mktemp("undisturbed"), zygote=desk_zygote) as desk:
        vm = desk.boot()
        vm.open().run(CELL.format(plan={}, setup='run = colab_resume.setup("undisturbed", drive=False)'))
        result: dict[str, Any] = json.loads(vm.path(TOLD).read_text().splitlines()[-1])["result"]
    assert len(result["history"]) > STEPS
    return result
