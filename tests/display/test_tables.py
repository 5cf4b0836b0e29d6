"""Tables and quantities: aligned, human, and harmless."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colab_resume.display.tables import ago, cut, printable, size, table, width


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (12_300_000, "12.3 MB"),
        (5 * 10**12, "5.0 TB"),
        (2**63, "9.2 EB"),
        (10**30, "1000000000000.0 EB"),
    ],
)
def test_sizes_are_human(count: int, text: str) -> None:
    """Decimal units, one digit, and never a thousand of one unit."""
    assert size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3600, "in the future"),
        (-5, "just now"),
        (0.4, "just now"),
        (59.4, "59 s ago"),
        (59.6, "1 min ago"),
        (120, "2 min ago"),
        (3599, "1 h ago"),
        (5 * 3600, "5 h ago"),
        (47.9 * 3600, "2 days ago"),
        (72 * 3600, "3 days ago"),
    ],
)
def test_times_are_human(seconds: float, text: str) -> None:
    """One number in the unit that people would use; a clock that lags is no error."""
    assert ago(seconds) == text


@given(st.text())
def test_what_is_shown_is_printable(text: str) -> None:
    """Whatever a name holds, nothing of it reaches the terminal as a command, and plain text stays as it is."""
    assert printable(text).isprintable()
    assert printable(printable(text)) == printable(text)
    assert not text.isprintable() or printable(text) == text


@given(st.lists(st.tuples(st.text(), st.text()), min_size=1), st.integers(1, 30))
def test_columns_line_up_and_fit(rows: list[tuple[str, str]], columns: int) -> None:
    """The last column begins at the same place in every line, and no line is wider than asked."""
    lines = table(("a", "b"), [(left, "|" + right) for left, right in rows])
    assert len({width(line.split("  |", maxsplit=1)[0]) for line in lines[1:] if "  |" in line[-2:]}) <= 1
    assert all(width(line) <= columns for line in table(("a", "b"), rows, columns=columns))


def test_numbers_end_at_the_same_place() -> None:
    """A column of numbers is aligned to the right, also under wide and combining letters."""
    assert table(("run", "n"), [("数", "1"), ("e\u0301", "10")], right=("n",)) == [
        "run   n",
        "数    1",
        "e\u0301    10",
    ]


def test_what_was_cut_shows_it() -> None:
    """A cut text has its full width and an ellipsis; one that fits is whole."""
    assert cut("abcdef", 4) == "abc…"
    assert cut("数数数", 4) == "数…"
    assert cut("abc", 3) == cut("abc", None) == "abc"
