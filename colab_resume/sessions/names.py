"""The name of a run, as somebody types it, and the folder that carries it.

Whatever is accepted is one direct child of the folder it is put into, on Linux as on the Windows or Mac that Drive is
synced to, and looks like what it is. Whatever is not, is refused with the reason; nothing is replaced silently, so two
names mean the same folder only if they are the same text (after Unicode's NFC and without spaces around it).
"""

from __future__ import annotations

import unicodedata

from ..errors import UsageError

__all__ = ["run_folder"]

_MOST_CHARACTERS = 100
_MOST_BYTES = 200
_SEPARATORS = "/\\"
_WINDOWS_CHARACTERS = '<>:"|?*'
_WINDOWS_DEVICES = frozenset(
    ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"] + [port + n for port in ("COM", "LPT") for n in "0123456789¹²³"]
)
_BLANK_LETTERS = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"
"""Letters, marks and symbols by Unicode's categories, and nothing to see."""


def run_folder(name: str) -> str:
    """The folder's name for the run `name`, or a `UsageError` that says what is wrong with it."""
    if not isinstance(name, str):
        raise _refusal(f"it is a {type(name).__name__}, not a str")
    if len(name) > 4 * _MOST_CHARACTERS:
        raise _refusal(f"it has {len(name)} characters; {_MOST_CHARACTERS} is the most")
    composed = unicodedata.normalize("NFC", name)
    for character in composed:
        _check_character(name, character)
    folder = composed.strip()
    reason = _flaw(folder)
    if reason:
        raise _refusal(f"{name!r}: {reason}")
    return folder


def _check_character(name: str, character: str) -> None:
    if character in _SEPARATORS:
        raise _refusal(f"{name!r} holds {character!r}, which separates folders")
    if character in _WINDOWS_CHARACTERS:
        raise _refusal(f"{name!r} holds {character!r}, which a PC that syncs this Drive cannot store")
    kind = unicodedata.category(character)
    if kind in ("Cc", "Cf", "Cs", "Zl", "Zp") or character in _BLANK_LETTERS:
        raise _refusal(f"{name!r} holds {character!a}, which cannot be seen")


def _flaw(folder: str) -> str | None:
    size = len(folder.encode())
    if not folder:
        return "it is empty"
    if len(folder) > _MOST_CHARACTERS or size > _MOST_BYTES:
        return f"{len(folder)} characters in {size} bytes are too long; {_MOST_CHARACTERS} in {_MOST_BYTES} is the most"
    if folder[0] == ".":
        return "a folder that begins with a dot is hidden"
    if folder[0] == "-":
        return "a name that begins with a dash reads as an option on a command line"
    if folder[-1] == ".":
        return "a PC that syncs this Drive drops the dot at the end"
    if folder.split(".", maxsplit=1)[0].rstrip().upper() in _WINDOWS_DEVICES:
        return "it is the name of a device on a PC that syncs this Drive"
    return None


def _refusal(what: str) -> UsageError:
    return UsageError(f"this cannot name a run: {what}", hint="use letters, digits, spaces and _, e.g. 'digits try 2'")
