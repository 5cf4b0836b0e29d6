"""What must not be on a page that goes to strangers, taken out of every text that does.

Nobody can know all secrets. So whatever looks like one is taken for one: the values of variables that are named like
keys, what stands before the `@` of a URL and after its `?`, what follows words like `token=`, mail addresses, the forms
of well-known keys, and long words of mixed characters. User names in paths become `~`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

__all__ = ["Privacy"]

_HIDDEN = "<hidden>"
_KEY = r"secret|token|[_-]key\b|api_?key|access_?key|credential|authorization|signature|cookie|refresh"
_PASSWORD = r"passw(?:or)?d|passwd|passphrase|pwd"
_SECRET_NAME = re.compile(rf"{_KEY}|{_PASSWORD}|pass$|^key$|auth", re.IGNORECASE)
_QUOTED = r"\"[^\"]*\"?|'[^']*'?"
_FOLDERS = ("OLDPWD", "PWD")
_SHORTEST = 6
"""Characters; a shorter value may be any word, as that of TOKENIZERS_PARALLELISM is."""

_RULES = tuple(
    (re.compile(pattern), put)
    for pattern, put in (
        (r"-----BEGIN [A-Z ]*KEY-----.*?(-----END [A-Z ]*KEY-----|$)", _HIDDEN),
        # A key that stands before the @ may hold a slash itself; what has no colon ends at the first one.
        (r"(?<=://)[^\s@]*:[^\s@]*@", ""),
        (r"(?<=://)[^/\s@]*@", ""),
        (r"(?i)(\b[a-z][a-z0-9+.-]*://[^\s?#]*)[?#][^\s'\")]*", rf"\1?{_HIDDEN}"),
        (r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", "<mail>"),
        (r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}", rf"\1 {_HIDDEN}"),
        (rf"(?i)([\w-]*(?:{_PASSWORD})[\w-]*[\"']?\s*[:=]\s*)(?:{_QUOTED}|[^\s\"']+)", rf"\1{_HIDDEN}"),
        (rf"(?i)([\w-]*(?:{_KEY})[\w-]*[\"']?\s*=\s*)(?:{_QUOTED}|[^\s\"']+)", rf"\1{_HIDDEN}"),
        # "these credentials: none" is a sentence; a value has a digit, or quotes around it.
        (rf"(?i)([\w-]*(?:{_KEY})[\w-]*[\"']?\s*:\s*)(?:{_QUOTED}|(?=[^\s\d]*\d)[^\s\"']+)", rf"\1{_HIDDEN}"),
        (r"\b(?:ya29\.|1//|AIza|AKIA|ASIA|GOCSPX-|gh[opsru]_|github_pat_|hf_|sk-|xox[a-z]-|glpat-)[\w.-]{8,}", _HIDDEN),
        (r"\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*", _HIDDEN),
        (r"(?<![\w+-])(?=[\w+-]*[a-z][A-Z])(?=[\w+-]*[A-Z][a-z])(?=[\w+-]*\d)[\w+-]{28,}={0,2}", _HIDDEN),
        (r"(?<![\w+/=-])(?=\S*[a-z])(?=\S*[A-Z])(?=\S*\d)[A-Za-z0-9+/]{40}(?![\w+/=-])", _HIDDEN),
        (r"(?<![\w.~-])/(?:home|Users)/[^/\s'\":,)]+", "~"),
    )
)


class Privacy:
    """Knows what is secret here: by `env`, by what a URL that was `given` says before its `@`, by the home folder and
    by the user's name."""

    def __init__(self, given: str = "", env: Mapping[str, str] = os.environ, home: Path | None = None) -> None:
        values = {value for name, value in env.items() if _SECRET_NAME.search(name) and name not in _FOLDERS}
        before = re.match(r"[^:/]+://(.*)@", given)
        values |= set(re.split("[:/]", before[1])) | {before[1]} if before is not None else set()
        # The longer one first: it may contain the other.
        self._values = sorted((value for value in values if len(value) >= _SHORTEST), key=len, reverse=True)
        self._home = str(_home() if home is None else home).rstrip("/")
        names = {env.get(name, "") for name in ("USER", "LOGNAME", "SUDO_USER")} | {Path(self._home).name}
        self._names = sorted(name for name in names if len(name) > 2 and name != "root")

    def told(self, text: str) -> str:
        """The same text without what is nobody's business."""
        for value in self._values:
            text = text.replace(value, _HIDDEN)
        if self._home:
            text = re.sub(rf"{re.escape(self._home)}(?![\w-])", "~", text)
        for pattern, put in _RULES:
            text = pattern.sub(put, text)
        for name in self._names:
            text = re.sub(rf"(?<=/){re.escape(name)}(?![\w-])", "~", text)
        return text


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:
        return Path("/")  # a user who is in no list, as in some containers
