"""Anything a person types as the name of a run works, or is refused with the reason."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from colab_resume.errors import UsageError
from colab_resume.sessions.names import run_folder

# Text as people type it, and text as it should never be: surrogates, controls, separators, dots, devices.
TRICKY = st.sampled_from([*"./\\-~ :*?<>|\"'%#[]\0\n\t\u200b\u202e\ud800\u0301", "..", "CON", "nul", "\u0344", "가"])
ANY = st.text(st.characters(codec=None), max_size=12)
NAMES = ANY | st.lists(TRICKY | st.text(max_size=3), max_size=6).map("".join)


def accepted(name: str) -> str | None:
    try:
        return run_folder(name)
    except UsageError:
        return None


@pytest.mark.parametrize(
    "name",
    [
        "digits",
        "digits try 2",
        "Untitled0.ipynb",
        "lr=1e-3, batch 64 (new)",
        "v1.2",
        "Übung größe",
        "手写数字",
        "цифры",
        "अंक",
        "🚀 rocket",
        "a" * 100,
        "é" * 100,
        "~home",
        "$HOME",
        "it's",
        "console",
        "com10",
    ],
)
def test_what_people_type_is_kept_as_it_is(name: str) -> None:
    """Spaces, dots, brackets, other scripts and emoji are names like any other."""
    assert run_folder(name) == unicodedata.normalize("NFC", name)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (None, "not a str"),
        (5, "not a str"),
        (Path("digits"), "not a str"),
        (b"digits", "not a str"),
        ("", "empty"),
        ("   ", "empty"),
        ("\u3000\u00a0", "empty"),
        (".", "dot"),
        ("..", "dot"),
        (".hidden", "dot"),
        ("digits.", "dot"),
        ("digits. ", "dot"),
        ("-rf", "dash"),
        ("a/b", "separates"),
        ("/", "separates"),
        ("../x", "separates"),
        ("a\\b", "separates"),
        ("C:", "PC"),
        ("what?", "PC"),
        ("*", "PC"),
        ("a\0b", "cannot be seen"),
        ("a\nb", "cannot be seen"),
        ("a\n", "cannot be seen"),
        ("a\tb", "cannot be seen"),
        ("a\x7fb", "cannot be seen"),
        ("a\u2028b", "cannot be seen"),
        ("a\u202eb", "cannot be seen"),
        ("a\u2066b", "cannot be seen"),
        ("a\u200bb", "cannot be seen"),
        ("a\ufeffb", "cannot be seen"),
        ("a\u00adb", "cannot be seen"),
        ("a\ud800b", "cannot be seen"),
        ("\u3164", "cannot be seen"),
        ("CON", "device"),
        ("con", "device"),
        ("Nul.txt", "device"),
        ("lpt1 .log", "device"),
        ("COM¹", "device"),
        ("conin$", "device"),
        ("a" * 101, "too long"),
        ("手" * 67, "too long"),
        ("a" * 10**6, "1000000 characters"),
    ],
)
def test_what_would_not_be_a_folder_everywhere_is_refused_with_the_reason(name: str, reason: str) -> None:
    """Whatever is no single visible folder on every system that Drive is synced to says why."""
    with pytest.raises(UsageError, match=reason) as refused:
        run_folder(name)
    assert len(refused.value.what) < 2000
    refused.value.what.encode()


@given(name=NAMES)
@example("<\u0338")
@example(" \u0301")
@example("\u037e")
def test_no_name_escapes_from_its_folder(name: str) -> None:
    """An accepted name is one direct child of the folder it is put into, and naming it again changes nothing."""
    folder = accepted(name)
    if folder is not None:
        root = Path("/runs")
        assert (root / folder).resolve().parent == root
        assert (root / folder).name == folder
        assert run_folder(folder) == folder
        assert len(folder) <= 100
        assert len(folder.encode()) <= 200


@given(one=NAMES, other=NAMES)
@example("e\u0301", "é")
@example("digits ", "digits")
def test_two_names_are_one_folder_only_if_they_are_one_text(one: str, other: str) -> None:
    """Nothing is replaced or cut, so runs cannot be mixed up; only NFC and the spaces around a name are ignored."""

    def text(name: str) -> str:
        return unicodedata.normalize("NFC", name).strip()

    first, second = accepted(one), accepted(other)
    if first is not None and second is not None:
        assert (first == second) == (text(one) == text(other))
