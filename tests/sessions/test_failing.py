"""Why a session failed, in the one line that its record holds."""

from __future__ import annotations

import json

from colab_resume.sessions.failing import failure
from colab_resume.sessions.machine import LONGEST_TEXT, one_line


def caught(code: str, name: str) -> BaseException:
    """What this code of the user's raises."""
    try:
        exec(compile(code, name, "exec"), {"json": json})
    except BaseException as error:  # noqa: BLE001
        return error
    raise AssertionError("it raises nothing")


def test_the_line_is_that_of_the_users_own_code() -> None:
    """Not the one in a library, however deep it was raised there."""
    assert (
        failure(caught("\n\n1 / 0", "/content/train.py")) == "ZeroDivisionError: division by zero (line 3 of train.py)"
    )
    deep = failure(caught("json.loads('{')", "/content/train.py"))
    assert deep.startswith("JSONDecodeError: Expecting property name")
    assert deep.endswith("(line 1 of train.py)")


def test_a_cell_is_called_a_cell() -> None:
    """Colab's kernels and newer ones call its file by different names, which say nothing to a user."""
    for name in ("<ipython-input-7-8f0a>", "/tmp/ipykernel_1234/567890.py"):
        assert failure(caught("\nassert False", name)) == "AssertionError (line 2 of the cell)"


def test_any_exception_fits_a_record() -> None:
    """Long, of several lines, without a traceback, with a text that cannot be made."""
    long = failure(caught("raise ValueError('x' * 1000)", "train.py"))
    assert len(long) == LONGEST_TEXT
    assert long.endswith("… (line 1 of train.py)")
    assert (
        failure(caught("raise ValueError('a\\nb\\x1b[0m')", "train.py")) == "ValueError: a b [0m (line 1 of train.py)"
    )
    assert failure(KeyboardInterrupt()) == "KeyboardInterrupt"

    class Odd(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert failure(Odd()) == "Odd"
    assert failure(caught("1 / 0", "a\n" * 500)) == one_line(failure(caught("1 / 0", "a\n" * 500)))
