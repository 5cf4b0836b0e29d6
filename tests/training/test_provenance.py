"""Where a checkpoint was made, and what is another now: with such a change no bits are promised."""

from __future__ import annotations

from typing import Any

import pytest

from colab_resume.display.text import report
from colab_resume.status import Status
from colab_resume.training.provenance import changes, provenance


@pytest.mark.parametrize(
    ("before", "line"),
    [
        ({"gpus": ["Tesla T4"]}, "gpus ['Tesla T4'] -> none"),
        ({"versions": {**provenance()["versions"], "torch": "2.4.0"}}, "torch 2.4.0 -> "),
        ({"cpu threads": 96}, "cpu threads 96 -> "),
        ({"deterministic algorithms": "unknown"}, "deterministic algorithms unknown -> none"),
    ],
)
def test_another_machine_is_named_with_what_differs(before: dict[str, Any], line: str) -> None:
    """The GPU, a version, the number of threads, a switch."""
    (found,) = changes({**provenance(), "gpus": [], **before}, {**provenance(), "gpus": []})
    assert found.startswith(line)


def test_the_same_machine_has_not_changed() -> None:
    """Nothing is said then."""
    assert changes(provenance(), provenance()) == []


def test_two_models_of_gpu_give_a_printed_difference_instead_of_a_promise() -> None:
    """The lines at the start say what is another, and what follows from it."""
    changed = changes({"gpus": ["Tesla T4"]}, {"gpus": ["NVIDIA L4"]})
    facts: dict[str, Any] = dict.fromkeys(Status.__dataclass_fields__, 0)
    text = report(Status(**{**facts, "run": "r", "session": "s", "set_aside": (), "changed": tuple(changed)}))
    assert "changed    gpus ['Tesla T4'] -> ['NVIDIA L4']" in text
    assert "not promised to be bit for bit" in text
