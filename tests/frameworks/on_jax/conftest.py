"""Lives on JAX."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from frameworks.stems import Stem, Story, planted, told

__all__: list[str] = []


@pytest.fixture(scope="session")
def stem(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stem]:
    """Started once."""
    folder = tmp_path_factory.mktemp("jax")
    compiled = {
        "JAX_COMPILATION_CACHE_DIR": str(folder / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    with planted("jax", folder / "stem.log", JAX_PLATFORMS="cpu", KERAS_BACKEND="jax", **compiled) as stem:
        yield stem


@pytest.fixture
def story(stem: Stem) -> Iterator[Story]:
    with told(stem) as story:
        yield story
