"""Trainings that are killed in processes of their own, forked from one that has the library imported."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from types import ModuleType

import pytest
from frameworks.story import Story, told


@pytest.fixture(scope="session")
def training() -> ModuleType:
    """Imported here, and not by whoever only collects tests: it takes seconds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from frameworks.transformers_trainer import cells, training  # noqa: F401 - so that forks find it there
    return training


@pytest.fixture
def story(training: ModuleType) -> Iterator[Story]:
    from frameworks.transformers_trainer import cells

    with told(training, cells.refused) as story:
        yield story
