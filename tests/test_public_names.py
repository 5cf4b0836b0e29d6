"""The public names: what a notebook may rely on changes only when somebody means it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

import colab_resume

PUBLIC = ["ColabResumeError", "Keep", "Run", "Status", "__version__", "setup"]
OBJECTS = [name for name in PUBLIC if name != "__version__"]


def test_the_public_names_are_exactly_these() -> None:
    """`__all__` is sorted and equal to the pinned list."""
    assert colab_resume.__all__ == PUBLIC == sorted(PUBLIC)


@pytest.mark.parametrize("name", OBJECTS)
def test_each_public_name_is_there_and_documented(name: str) -> None:
    """Each name can be imported, and says what it is in its own docstring."""
    documentation = getattr(colab_resume, name).__doc__
    assert documentation
    assert not documentation.startswith(f"{name}("), "a dataclass writes its signature where no docstring is"


@pytest.mark.parametrize("name", PUBLIC)
def test_each_public_name_can_be_completed_with_tab(name: str) -> None:
    """`dir()` shows the names that are imported only when they are asked for."""
    assert name in dir(colab_resume)


def test_any_other_name_is_an_ordinary_attribute_error() -> None:
    """Lazy names do not swallow a misspelling."""
    with pytest.raises(AttributeError, match="sutep"):
        _ = colab_resume.sutep


def test_the_version_is_the_one_that_is_packaged() -> None:
    """`__version__` and pyproject.toml agree."""
    pyproject = Path(__file__).parent.parent / "pyproject.toml"
    assert colab_resume.__version__ == tomllib.loads(pyproject.read_text())["project"]["version"]
