"""What the demo shows while it runs: lines on stdout, and two bars on stderr if that is a terminal."""

from __future__ import annotations

import sys
from typing import Any

from tqdm.auto import tqdm

__all__ = ["Bars", "complain", "show"]

_TITLES = {"reference": "nobody kills this one", "killed": "killed again and again"}


def show(text: str) -> None:
    """Something for the user to read, or for a program."""
    print(text, flush=True)


def complain(text: str) -> None:
    """Something went wrong."""
    print(text, file=sys.stderr, flush=True)


class Bars:
    """One bar for each training; both go away in the end."""

    def __init__(self, steps: int) -> None:
        width = max(map(len, _TITLES.values()))
        self._bars: dict[str, tqdm[Any]] = {
            name: tqdm(
                desc=f"{title:<{width}}",
                total=steps,
                bar_format="{desc} |{bar}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]",
                position=place,
                leave=False,
                disable=None,
            )
            for place, (name, title) in enumerate(_TITLES.items())
        }
        self._last: int | None = None

    def __call__(self, name: str, life: int, step: int) -> None:
        """The training of this name is in this life, at this step; at 0 a life begins."""
        bar = self._bars[name]
        if step == 0 and life > 1:
            end = "while starting" if self._last is None else f"at step {self._last}"
            bar.set_postfix_str(f"life {life}; killed {end}")
            self._last = None
        elif step > 0:
            if name == "killed":
                self._last = step
            bar.n = step
            bar.update(0)

    def close(self) -> None:
        """Take the bars away."""
        for bar in reversed(self._bars.values()):
            bar.close()
