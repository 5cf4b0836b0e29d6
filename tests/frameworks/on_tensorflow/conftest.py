"""Lives on TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from frameworks.stems import Stem, Story, planted, told

__all__: list[str] = []


@pytest.fixture(scope="session")
def stem(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stem]:
    """Started once."""
    log = tmp_path_factory.mktemp("tensorflow") / "stem.log"
    with planted("tensorflow", log, TF_CPP_MIN_LOG_LEVEL="3", KERAS_BACKEND="tensorflow") as stem:
        yield stem


@pytest.fixture
def story(stem: Stem) -> Iterator[Story]:
    with told(stem) as story:
        yield story
