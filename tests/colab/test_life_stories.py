"""A training lives through whatever chance does to it, and ends bit for bit like one that nothing has happened to.

There are a few stories, always the same, each known by its seed. For a long soak by hand set COLAB_RESUME_STORIES to a
larger number; one that fails prints what it did.
"""

from __future__ import annotations

import os
from typing import Any

import pytest

from colab.desk import Desk
from colab.stories import Story

__all__: list[str] = []

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.xdist_group("machine")]

_STORIES = int(os.environ.get("COLAB_RESUME_STORIES", "6"))


@pytest.mark.parametrize("seed", range(_STORIES))
def test_every_story_ends_as_if_nothing_had_happened(desk: Desk, undisturbed: dict[str, Any], seed: int) -> None:
    """Bit for bit, each event told as what it was, and nothing left over."""
    story = Story(desk, seed)
    story.tell()
    assert story.result == undisturbed, "\n".join(story.said)
