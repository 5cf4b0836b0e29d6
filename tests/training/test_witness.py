"""What a pass began with is known again, whatever the data are; and nothing that they are can stop a training."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
import pytest
import torch

from colab_resume.training.data.witness import Witness

__all__: list[str] = []


def differs(first: Any, second: Any) -> bool:
    """Whether the second one is told from the first one after a restart."""
    before = Witness()
    assert len(list(before.over(iter([first, 0])))) == 2
    assert before.seen is not None
    after = Witness(before.seen)
    assert len(list(after.over(iter([second])))) == 1
    return after.differs


class _Peculiar(dict[str, Any]):
    def values(self) -> Any:
        raise RuntimeError("not now")


_SAME = {
    "tensors": lambda: [torch.arange(6.0).reshape(2, 3), torch.tensor([1, 2])],
    "numbers that are none": lambda: [torch.tensor([float("nan"), float("inf")]), np.array([np.nan])],
    "arrays of any kind": lambda: [np.arange(5), np.array(["a"]), np.array([1 + 2j]), np.zeros((0, 3))],
    "words and bytes": lambda: {"text": "a sentence", "raw": b"\x00\x01"},
    "indices": lambda: [5, 3, 9],
    "nothing": list,
    "objects": object,
    "none": lambda: None,
}


@pytest.mark.parametrize("name", _SAME)
def test_the_same_is_the_same(name: str) -> None:
    assert not differs(_SAME[name](), _SAME[name]())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (torch.arange(6.0), torch.arange(6.0).flip(0)),
        (torch.zeros(2, 3), torch.zeros(3, 2)),
        ([4, 1, 2], [1, 4, 2]),
        ({"id": "a.png"}, {"id": "b.png"}),
        (np.array([1, 2]), np.array([1, 3])),
        (b"abc", b"abd"),
        ([1], [1, 2]),
        (1.0, "1.0"),
        ((torch.ones(1), 3), (torch.ones(1), 4)),
    ],
)
def test_something_else_is_something_else(one: Any, other: Any) -> None:
    assert differs(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (torch.full((4,), 0.1), torch.full((4,), 0.1) * (1 + 1e-6)),
        ("/content/one/cat.png", "/root/two/cat.png"),
    ],
    ids=["the last bits", "the folder that data lie in"],
)
def test_what_another_machine_changes_is_the_same(one: Any, other: Any) -> None:
    assert not differs(one, other)


@pytest.mark.parametrize(
    "peculiar",
    [torch.tensor([1 + 2j]), torch.eye(2).to_sparse(), 10**400, _Peculiar(a=1)],
    ids=["complex", "sparse", "a long number", "a mapping of its own"],
)
def test_what_cannot_be_looked_at_is_handed_out(peculiar: Any) -> None:
    """And compared with nothing."""
    witness = Witness([[1.0]])
    handed = list(witness.over(iter([peculiar])))
    assert handed[0] is peculiar
    assert (witness.differs, witness.seen) == (False, None)


def test_what_comes_next_is_known_again() -> None:
    """And nothing is said where it is not known what should come."""
    before, without = Witness(), Witness()
    assert before.coming() is None
    before.hand_on(torch.arange(5))
    after, other = Witness(due=before.coming()), Witness(due=before.coming())
    for witness, item in ((after, torch.arange(5)), (other, torch.arange(5) + 1)):
        witness.hand_on(item)
    without.hand_on(torch.arange(5))
    assert [one.goes_on_differently for one in (after, other, without)] == [False, True, False]


def test_a_pass_that_is_over_keeps_no_item() -> None:
    """On a GPU that would be memory that nobody gets back."""
    witness, item = Witness(), torch.zeros(3)
    gone = weakref.ref(item)
    witness.hand_on(item)
    del item
    assert gone() is not None
    witness.let_go()
    assert gone() is None
