"""The panel of a run in a notebook: the status, seen while the cell runs.

It is made of core controls of ipywidgets 7 alone, which every front end of Jupyter and Colab draws without being asked
to fetch anything. A thread of its own looks twice a second and sends only what has changed. What goes wrong here is
said once and is never the training's end; in a forked child nothing is done; and no process is kept alive.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from ..background import BackgroundThread
from ..status import Status
from .sections import curve_section, sections, timeline_section
from .style import ROOT, STYLE
from .text import warn
from .view import view

__all__ = ["Panel", "open_panel"]

TICK_SECONDS = 0.5
PICTURE_SECONDS = {"curve": 10.0, "timeline": 60.0}
"""How often these are drawn anew: a picture is some kilobytes, and changes little."""
CLOSE_SECONDS = 2.0
PARTS = ("head", "story", "going", "stages", "facts", "problems", "curve", "timeline")


def open_panel(look: Callable[[], Status], *, clock: Callable[[], float] = time.monotonic) -> Panel | None:
    """Show what `look` sees below the running cell; None where there are no widgets to show it with."""
    if not _in_a_notebook():
        return None
    try:
        panel = Panel(look, clock=clock)
        panel.show()
    except Exception as error:  # noqa: BLE001 - there are many ways for widgets to be broken, and lines do as well
        if not isinstance(error, ImportError):
            warn(f"there is no panel, because the notebook's widgets do not work: {error!r}")
        return None
    return panel


def _in_a_notebook() -> bool:
    """Whether a front end may be listening; a process that never imported IPython has none."""
    ipython = sys.modules.get("IPython")
    shell = getattr(ipython, "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None


class Panel:
    """Owns the widgets and the thread that keeps them up to date; `look` is called in that thread."""

    def __init__(self, look: Callable[[], Status], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._look = look
        self._clock = clock
        self._pid = os.getpid()
        self._drawing = threading.Lock()
        self._closing = threading.Event()
        self._told: set[str] = set()
        self._last: Status | None = None
        self._drawn = dict.fromkeys(PICTURE_SECONDS, float("-inf"))
        self._card = _Card()
        self.refresh()
        self._thread = BackgroundThread(self._work, name="colab_resume-panel")
        self._thread.start()

    def show(self) -> None:
        """Show it below the running cell, too; it is the same panel wherever it is shown."""
        if not self._in_child:
            self._card.display()

    def refresh(self) -> None:
        """Bring all of it up to date now, in the calling thread."""
        if not self._in_child:
            self._draw(self._seen(), pictures=True)

    def close(self, final: Status | None = None, *, timeout: float = CLOSE_SECONDS) -> bool:
        """End the thread and leave the last state visible; whether it ended in time. Closing again is harmless."""
        if self._in_child:
            return True
        if not self._closing.is_set():
            self._draw(final if final is not None else self._seen(), pictures=True, last=True)
        self._thread.join(timeout)
        return not self._thread.is_alive()

    @property
    def _in_child(self) -> bool:
        """In a forked child the thread is missing, and the lock may be held for ever."""
        return os.getpid() != self._pid

    def _work(self) -> None:
        while not self._closing.wait(TICK_SECONDS):
            self._draw(self._seen(), pictures=False)

    def _seen(self) -> Status | None:
        try:
            self._last = self._look()
        except Exception as error:  # noqa: BLE001 - whoever looks only looks
            self._tell(f"the panel shows what was last known: {error!r}")
            return self._last and replace(self._last, problems=(*self._last.problems, f"this is old: {error!r}"))
        return self._last

    def _draw(self, status: Status | None, *, pictures: bool, last: bool = False) -> None:
        if not self._drawing.acquire(timeout=CLOSE_SECONDS):
            self._closing.set()  # a front end that takes nothing for so long is not waited for again
            return
        try:
            if status is not None and not self._closing.is_set():
                self._put(status, pictures=pictures)
        except Exception as error:  # noqa: BLE001 - a panel that cannot be drawn is no reason to stop
            self._tell(f"the panel is not up to date: {error!r}")
        finally:
            if last:
                self._closing.set()
            self._drawing.release()

    def _put(self, status: Status, *, pictures: bool) -> None:
        for name, html in sections(view(status)).items():
            self._card.put(name, html)
        now = self._clock()
        for name, seconds in PICTURE_SECONDS.items():
            if pictures or now >= self._drawn[name] + seconds:
                self._drawn[name] = now
                self._card.put(name, _picture(name, status))

    def _tell(self, line: str) -> None:
        """Once each."""
        if line not in self._told:
            self._told.add(line)
            warn(line)


def _picture(name: str, status: Status) -> str:
    return curve_section(status.curve) if name == "curve" else timeline_section(status.lives, status.at)


class _Card:
    """The widgets, and what they show."""

    def __init__(self) -> None:
        import ipywidgets

        hidden = ipywidgets.Layout(display="none")
        style = ipywidgets.HTML(STYLE, layout=hidden)
        self._parts = {
            name: ipywidgets.HTML()
            for name in ("head", "story", "going", "stages", "facts", "problems", "curve", "timeline")
        }

        class Box(ipywidgets.VBox):  # type: ignore[misc] # ipywidgets has no types
            def __repr__(self) -> str:
                """What is seen where the notebook is only read, on GitHub for example."""
                return "colab_resume · the panel is seen where the notebook runs"

        self._box = Box([style, *self._parts.values()])
        self._box.add_class(ROOT)

    def put(self, name: str, html: str) -> None:
        """Show it; what is shown already is not sent again, for traits that do not change send nothing."""
        self._parts[name].value = html

    def display(self) -> None:
        from IPython.display import display

        display(self._box)
