"""`from google.colab import drive` in a notebook that does not run on Colab: it gets what stands for it.

Only the notebook itself, code whose module is `__main__`, and only where no real `google.colab` can be imported.
Libraries (plotly, altair and others) import `google.colab` to find out whether they are on Colab, or look for it in
`sys.modules`, and must go on to find nothing there. That is why this is no finder on `sys.meta_path`: what one of
those finds stays in `sys.modules`, and as an attribute of `google`, for everybody.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

__all__ = ["install", "uninstall"]

_COLAB = "google.colab"
_BEFORE = "colab_resume_before"


def install() -> None:
    """From now on the notebook finds it; again is harmless."""
    before = builtins.__import__
    if hasattr(before, _BEFORE):
        return
    notebook = _Notebook()

    # Each import statement calls this one, also those in functions: a plain function is the quickest that there is.
    def find(
        name: str,
        globals: Mapping[str, Any] | None = None,  # noqa: A002 - the name is Python's
        locals: Mapping[str, Any] | None = None,  # noqa: A002
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:
        if name.startswith("google") and globals and globals.get("__name__") == "__main__" and not level:
            return notebook.find(name, fromlist, lambda: before(name, globals, locals, fromlist, level))
        return before(name, globals, locals, fromlist, level)

    setattr(find, _BEFORE, before)
    builtins.__import__ = find


def uninstall() -> None:
    """As before, unless somebody else has put something over it since."""
    builtins.__import__ = getattr(builtins.__import__, _BEFORE, builtins.__import__)


class _Notebook:
    """What the notebook finds where it looks for something of Google's."""

    def __init__(self) -> None:
        self._google: ModuleType | None = None

    def find(self, name: str, fromlist: Sequence[str] | None, really: Callable[[], Any]) -> Any:
        """What is really there, unless that is no `google.colab` although one is wanted."""
        wants_colab = _is_or_below(name, _COLAB) or (name == "google" and "colab" in (fromlist or ()))
        try:
            found = really()
        except ModuleNotFoundError as error:
            if not wants_colab or error.name not in ("google", _COLAB):
                raise
            return self._stands_for(name, fromlist)
        if name == "google" and wants_colab and not hasattr(found, "colab"):
            return self._facade()
        # `import google.auth` must not hide what `import google.colab` has brought under the same name.
        return found if fromlist or self._google is None or not _is_or_below(name, "google") else self._google

    def _stands_for(self, name: str, fromlist: Sequence[str] | None) -> Any:
        google = self._facade()
        found: Any = google
        for part in name.split(".")[1:]:
            try:
                found = getattr(found, part)
            except AttributeError:
                what = f"nothing stands for {name} here: this is not Colab"
                raise ModuleNotFoundError(what, name=name) from None
        return found if fromlist else google

    def _facade(self) -> ModuleType:
        if self._google is None:
            self._google = _google()
        return self._google


def _is_or_below(name: str, place: str) -> bool:
    return name == place or name.startswith(f"{place}.")


class _Google(ModuleType):
    """All that the real `google` holds, and `colab`."""

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.modules.get("google"), name)


def _google() -> ModuleType:
    from . import stand_in

    google, colab = _Google("google"), ModuleType(_COLAB, stand_in.__doc__)
    colab.__dict__.update({name: getattr(stand_in, name) for name in stand_in.__all__}, __all__=stand_in.__all__)
    google.__dict__["colab"] = colab
    return google
