"""Stored values as a person reads them, however they were stored and whoever wrote them."""

from __future__ import annotations

import json
from collections import OrderedDict, deque
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from exactness import store
from hypothesis import given
from hypothesis import strategies as st

from colab_resume.cli.readable import piece_names, plain


class Colour(Enum):
    """An enum at the top level, as the encoding asks for."""

    RED = 1


def tree_of(value: Any) -> Any:
    """The tree that the package itself writes for a value."""
    return json.loads(store({"v": value}).text)["v"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.1, 0.1),
        (float("-inf"), "-inf"),
        (2**70, 2**70),
        (1 << 5000, "<int of 5001 bits>"),
        ({"a": (1, [None, True])}, {"a": [1, [None, True]]}),
        ({1: "x"}, {"1": "x"}),
        (OrderedDict(a=1), {"a": 1}),
        (deque([1], 3), [1]),
        (frozenset([3]), [3]),
        (Path("a/b"), "a/b"),
        (np.float32(0.5), 0.5),
        (np.int64(-7), -7),
        (np.str_("ä"), "ä"),
        (1 + 2j, "1.0, 2.0 i"),
        (torch.float16, "float16"),
        (torch.zeros(2, 3), "<tensor float32 [2, 3]>"),
        (np.zeros(2), "<array <f8 [2]>"),
        ("\ud800", "\\xed\\xa0\\x80"),
    ],
)
def test_values_are_shown_as_what_they_are(value: Any, shown: Any) -> None:
    """What the encoding stored is shown as a person would write it."""
    assert plain(tree_of(value)) == shown


def test_an_enum_shows_its_class_and_its_value() -> None:
    """The class need not be there to be named."""
    assert plain(tree_of(Colour.RED)).endswith("Colour(1)")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["$", "items", "hex", "bits", "piece", "a"]), inner)
    ),
)
KINDS = ("array", "complex", "deque", "dict", "enum", "float", "int", "path", "scalar", "str", "tensor", "tuple", "?")


@given(JSON, st.sampled_from(KINDS))
def test_a_hostile_tree_is_shown_or_named(tree: Any, kind: str) -> None:
    """Whatever a tree says, the answer is JSON and no exception."""
    for node in (tree, {"$": kind, "items": tree, "hex": tree, "bits": tree, "base64": tree, "dtype": tree}):
        json.dumps(plain(node), allow_nan=False)
        list(piece_names(node))


def test_a_deep_tree_ends_somewhere() -> None:
    """A tree that is nested without end is cut off."""
    tree: Any = []
    for _ in range(900):
        tree = [tree]
    assert "…" in json.dumps(plain(tree), ensure_ascii=False)


def test_names_lead_to_pieces() -> None:
    """Each stored piece is found under the names that a state_dict would give it."""
    weight = torch.zeros(2)
    stored = json.loads(store({"m": OrderedDict([("a.w", weight), ("b.w", weight)]), "l": [{3: torch.ones(1)}]}).text)
    found: dict[int, list[str]] = {}
    for piece, name in piece_names(stored):
        found.setdefault(piece, []).append(name)
    assert sorted(map(sorted, found.values())) == [["l.0.3"], ["m.a.w", "m.b.w"]]
