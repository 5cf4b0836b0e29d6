"""A cell as its notebook shows it: what it printed, what it displays, and how it ended."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Literal

__all__ = ["Cell", "CellFailed", "Message", "State"]

State = Literal["running", "ok", "error", "aborted", "gone", "unseen"]
Message = dict[str, Any]
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class CellFailed(AssertionError):
    """A cell did not end well, and nobody had said that it need not."""


class Cell:
    """`state` is "running" until the cell has ended; "gone": its kernel went under it, "unseen": no browser was there,
    or the kernel lost its answer.

    `text` is all that was ever printed, both streams together; `outputs` what the notebook shows, as nbformat has it.
    """

    def __init__(self, code: str, wait: Callable[[Callable[[], bool], float, str], None]) -> None:
        self.code = code
        self.text = ""
        self.outputs: list[dict[str, Any]] = []
        self.error: tuple[str, str] | None = None
        """The exception's name and its text."""
        self.traceback = ""
        self.state: State = "running"
        self._wait = wait
        self._clears = False
        self._idle = False
        self._replied: str | None = None
        self._read_until = 0

    def wait(self, seconds: float = 60.0) -> Cell:
        """Until it has ended, in whatever way."""
        self._wait(lambda: self.state != "running", seconds, "the cell's end")
        return self

    def until(self, text: str, seconds: float = 60.0) -> Cell:
        """Until this text is printed (after the one that was waited for before), while the cell runs on."""
        self._wait(lambda: text in self.text[self._read_until :] or self.state != "running", seconds, repr(text))
        if (at := self.text.find(text, self._read_until)) < 0:
            raise AssertionError(f"the cell ended ({self.state}) and never printed {text!r}:\n{self.report()}")
        self._read_until = at + len(text)
        return self

    def result(self) -> Cell:
        """Itself if it ended well, else `CellFailed`."""
        if self.state != "ok":
            raise CellFailed(f"the cell ended: {self.state}\n{self.report()}")
        return self

    def report(self) -> str:
        return f"{self.code}\n---\n{self.text}\n{self.traceback}"

    def shown(self, kind: str = "text/plain") -> list[str]:
        """What it displays of this kind, in order; an execution's result is displayed too."""
        return [output["data"][kind] for output in self.outputs if kind in output.get("data", {})]

    @property
    def is_idle(self) -> bool:
        """Whether its kernel does no more for it; its answer may be on its way."""
        return self._idle

    def end_as(self, state: State) -> None:
        """It has ended without a word."""
        if self.state == "running":
            self.state = state

    def take(self, message: Message) -> None:
        """What came on iopub."""
        content = message["content"]
        match message["header"]["msg_type"]:
            case "status" if content["execution_state"] == "idle":
                self._idle = True
                self._end()
            case "stream":
                self.text += content["text"]
                self._print(content["name"], content["text"])
            case "display_data" | "execute_result" as kind:
                self._show({"output_type": kind, **content})
            case "error":
                self.error = (content["ename"], content["evalue"])
                self.traceback = _COLOURS.sub("", "\n".join(content["traceback"]))
                self._show({"output_type": "error", **content})
            case "clear_output" if content["wait"]:
                self._clears = True
            case "clear_output":
                self.outputs.clear()

    def replied(self, status: str) -> None:
        """What the kernel says of the cell as a whole."""
        self._replied = status
        self._end()

    def _end(self) -> None:
        if self._idle and self._replied is not None and self.state == "running":
            self.state = {"ok": "ok", "error": "error"}.get(self._replied, "aborted")  # type: ignore[assignment]

    def _show(self, output: dict[str, Any]) -> None:
        if self._clears:
            self.outputs.clear()
            self._clears = False
        self.outputs.append(output)

    def _print(self, name: str, text: str) -> None:
        last = self.outputs[-1] if self.outputs and not self._clears else {}
        if last.get("output_type") == "stream" and last["name"] == name:
            last["text"] += text
        else:
            self._show({"output_type": "stream", "name": name, "text": text})
