"""A store for each test that asks for one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from checkpoints.drafts import SESSION

from colab_resume.checkpoints.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store with small packs."""
    opened = Store(tmp_path / "run", session=SESSION, pack_bytes=10_000)
    yield opened
    opened.close()
