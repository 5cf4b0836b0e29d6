"""What has come out of a set is known by its order, and what has not is left alone."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from colab_resume.training.forgotten.texts import stand_as_in_a_set

__all__: list[str] = []

WORDS = [f"word {number * number}" for number in range(200)]
IN_A_SETS_ORDER: dict[str, Callable[[], list[str]]] = {
    "words": lambda: list(set(WORDS)),
    "letters": lambda: list(set("the quick brown fox jumps over the lazy dog")),
    "a frozenset's": lambda: [*frozenset(WORDS)],
    "what was found often": lambda: [word for word in set(WORDS) if word.endswith(("1", "4", "9"))],
    "without a few": lambda: list(set(WORDS))[7:],
}
IN_ANOTHER: dict[str, Callable[[], list[str]]] = {
    "none": list,
    "few": lambda: list(set(WORDS[:5])),
    "as written": lambda: WORDS,
    "sorted": lambda: sorted(set(WORDS)),
    "backward": lambda: sorted(set(WORDS), reverse=True),
    "mixed": lambda: random.Random(3).sample(WORDS, len(WORDS)),
    "some twice": lambda: [*set(WORDS), WORDS[0]],
}


@pytest.mark.parametrize("kind", IN_A_SETS_ORDER)
def test_the_order_of_a_set_is_known(kind: str) -> None:
    assert stand_as_in_a_set(IN_A_SETS_ORDER[kind]())


@pytest.mark.parametrize("kind", IN_ANOTHER)
def test_another_order_is_none(kind: str) -> None:
    assert not stand_as_in_a_set(IN_ANOTHER[kind]())
