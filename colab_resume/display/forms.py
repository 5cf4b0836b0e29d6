"""Asking in a notebook: a form of ipywidgets' own controls, as all releases from 7 on have them.

A click reaches Python only between two cells. So a question shows its form and raises `Unanswered`; the click keeps
the answer, and when the same cell is run again, the question takes it.
"""

from __future__ import annotations

import functools
import html
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import Unanswered

__all__ = ["FORM_CLASS", "Forms", "forms_if_possible"]

FORM_CLASS = "colab-resume-form"
"""How tests and style sheets find a form."""
_VALID_SECONDS = 900.0
"""What was answered longer ago was meant for something else."""


class Forms:
    """Asks with forms below the running cell; answers count for a quarter of an hour, and once."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._answers: dict[tuple[str, str], tuple[float, str]] = {}

    def say(self, line: str) -> None:
        print(f"colab_resume · {line}", flush=True)

    def folder(self, text: str, *, proposed: Path) -> Path:
        return Path(self._answer(text, "use this folder", field="folder", proposed=str(proposed))).expanduser()

    def credentials(self, text: str) -> Path:
        return Path(self._answer(text, "use this file", field="JSON file")).expanduser()

    def confirm(self, text: str, *, button: str, about: str) -> bool:
        return bool(self._answer(text, button, about=about))

    def _answer(self, text: str, button: str, *, about: str = "", field: str | None = None, proposed: str = "") -> str:
        at, answer = self._answers.pop((button, about), (0.0, ""))
        if answer and self._clock() - at < _VALID_SECONDS:
            return answer
        self._show(text, button, about, field, proposed)
        verb = "fill in the form above" if field else f"click {button!r} above if that is meant"
        raise Unanswered(verb, hint="then run this cell again")

    def _show(self, text: str, button: str, about: str, field: str | None, proposed: str) -> None:
        import ipywidgets
        from IPython.display import display

        wide = {"width": "auto", "max_width": "40em"}
        entry = ipywidgets.Text(value=proposed, description=f"{field}:", layout=wide) if field else None
        click = ipywidgets.Button(description=button, button_style="primary")
        answered = ipywidgets.Label(value="Then run this cell again.")

        def clicked(_button: Any) -> None:
            answer = entry.value.strip() if entry is not None else button
            if not answer:
                answered.value = f"Name a {field}."
                return
            self._answers[button, about] = (self._clock(), answer)
            for control in (click, *([entry] if entry is not None else [])):
                control.disabled = True
            answered.value = "Noted. Now run this cell again."

        click.on_click(clicked)
        question = ipywidgets.HTML(value=f"<b>colab_resume</b> · {html.escape(text, quote=False)}")
        controls = [question, *([entry] if entry is not None else []), ipywidgets.HBox([click, answered])]
        form = ipywidgets.VBox(controls)
        form.add_class(FORM_CLASS)
        display(form)


@functools.cache
def forms_if_possible() -> Forms | None:
    """The same in each cell of this process, so that an answer is found; None where ipywidgets is not installed."""
    try:
        import ipywidgets  # noqa: F401
    except ImportError:
        return None
    return Forms()
