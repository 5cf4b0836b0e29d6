"""A notebook in a browser's tab: its kernel, its cells, its widgets."""

from __future__ import annotations

import json
import signal
import uuid
from typing import TYPE_CHECKING, Any

from jupyter_client.session import Session

from colab.cells import Cell, Message
from colab.channels import Channels, Connection

if TYPE_CHECKING:
    from colab.vm import Vm

__all__ = ["Notebook"]

_NUDGE = 0.05
"""Seconds until a kernel that does not answer yet is asked again."""
_RESTARTS = 5
"""After as many, jupyter_client gives up as well."""
_PATIENCE = 2.5
"""Seconds between two means of ending a kernel, each stronger than the last (KernelManager.shutdown_wait_time)."""


class Notebook:
    """Made by `Vm.open`. `widgets` holds the state of each ipywidget, by its model's id, as the browser knows it."""

    def __init__(self, vm: Vm, name: str) -> None:
        self.vm = vm
        self.name = name
        self.kernel = str(uuid.uuid4())
        """The kernel's id; a restart keeps it."""
        self.pid = 0
        """As the VM sees it."""
        self.exits: list[int] = []
        """How the kernels before this one ended: an exit code, or a signal's number below zero."""
        self.widgets: dict[str, dict[str, Any]] = {}
        self.comms: list[Message] = []
        self.typed: list[str] = []
        """What is answered to `input()`, one after the other."""
        self.connection = Connection()
        self._channels: Channels | None = None
        self._last: Cell | None = None
        self._session: Session | None = None
        self._is_new = True
        self._cells: dict[str, Cell] = {}
        self._alive: set[str] = set()
        self._displays: dict[str, list[dict[str, Any]]] = {}

    def run(self, code: str, *, seconds: float = 60.0, check: bool = True) -> Cell:
        """Run a cell to its end; `CellFailed` if that is not a good one and `check` is not turned off."""
        cell = self.start(code).wait(seconds)
        return cell.result() if check else cell

    def start(self, code: str) -> Cell:
        """Begin a cell, or queue it behind those that run."""
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": True,
            "stop_on_error": True,
        }
        if self._last is not None and self._last.state in ("error", "aborted"):
            # A kernel also aborts what comes within a moment after a failed cell, which no human is fast enough for.
            self.settle()
        cell = self._last = Cell(code, self._until)
        self._cells[self._open.send("shell", "execute_request", content)] = cell
        return cell

    def value(self, expression: str) -> Any:
        """What an expression is in the kernel, by way of JSON."""
        cell = self.run(f"import json as _json; print('\\x02' + _json.dumps({expression}) + '\\x03')")
        return json.loads(cell.text.partition("\x02")[2].partition("\x03")[0])

    def send_comm(self, model: str, data: dict[str, Any]) -> None:
        """A message of a widget to its kernel, which hears of it when no cell runs."""
        self._open.send("shell", "comm_msg", {"comm_id": model, "data": data})

    def click(self, model: str) -> None:
        """A click on a button."""
        self.send_comm(model, {"method": "custom", "content": {"event": "click"}})

    def interrupt(self) -> None:
        """As the button does it: SIGINT for the kernel and for what it has started."""
        self.vm.order("signal", name=self.kernel, number=signal.SIGINT, group=True)

    def restart(self, *, patience: float = _PATIENCE) -> None:
        """By hand, as jupyter_client does it: interrupted, told to shut down, and after a while no longer asked.

        Some kernels need the second means: ipykernel 6.17.1 may wait for its own output thread, which has ended.
        """
        before, channels = len(self.exits), self._open
        self.vm.order("expect", name=self.kernel)
        self.interrupt()
        channels.send("control", "shutdown_request", {"restart": True})
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self.vm.desk.wait(lambda: len(self.exits) > before, patience):
                break
            self.vm.order("signal", name=self.kernel, number=number, group=False)
        self._until(lambda: len(self.exits) > before, 60.0, "the kernel's end")
        self.vm.start(self)
        self.vm.order("restarted", name=self.kernel)
        self.begin()

    def kill(self) -> None:
        """SIGKILL; the server sees it and starts another kernel."""
        self._die("signal", number=signal.SIGKILL, group=False)

    def crash(self) -> None:
        """SIGSEGV, as native code does it to itself."""
        self._die("signal", number=signal.SIGSEGV, group=False)

    def run_out_of_memory(self) -> None:
        """The VM's memory is full, and the system kills this kernel for it; see `colab.memory.why_no_limit`."""
        self._die("exhaust")

    def _die(self, verb: str, **how: Any) -> None:
        before = len(self.exits)
        self.vm.order(verb, name=self.kernel, **how)
        self.wait_for_restart(before)

    def wait_for_restart(self, exits: int, seconds: float = 60.0) -> None:
        """Until more kernels than that have died and the next one answers, if there is a browser to ask it."""
        self._until(lambda: len(self.exits) > exits and self._is_new, seconds, "the kernel's restart")
        if self.is_open:
            self.begin()

    def settle(self, seconds: float = 60.0) -> None:
        """Until the kernel has done all that it was asked for before."""
        asked = self._ask_for_life()
        self._until(lambda: asked in self._alive, seconds, "the kernel's answer")

    def disconnect(self) -> None:
        """The browser is closed; the kernel goes on, and what it shows meanwhile is seen by nobody."""
        if self._channels is not None:
            self._channels.close()
            self._channels = None

    def reconnect(self) -> None:
        """The notebook is opened again, and shows what its cells do from now on; some may have ended unseen."""
        if self._channels is None:
            self._connect(self._session)
            self._looks_back = (self._ask_for_life(), list(self._cells.values()))

    @property
    def is_open(self) -> bool:
        return self._channels is not None

    @property
    def channels(self) -> Channels | None:
        return self._channels

    @property
    def _open(self) -> Channels:
        if self._channels is None:
            raise RuntimeError(f"{self.name} is not open in any browser")
        if self._is_new:
            self.begin()
        return self._channels

    def begin(self, seconds: float = 60.0) -> None:
        """Until a new kernel answers; it has forgotten all that the one before knew."""
        before = len(self.exits)
        self._until(lambda: self._answers(before), seconds, "the kernel's first answer", nudge=_NUDGE)

    def lose(self, status: int) -> None:
        """The kernel has ended, and with it whatever ran."""
        self.take()
        self.exits.append(status)
        self.forget()

    def renew(self, pid: int) -> None:
        """There is another kernel."""
        self.pid = pid
        self._is_new = True
        self._last = None

    def end(self) -> None:
        """The VM is gone."""
        self.take()
        self.forget()
        self.disconnect()

    def forget(self) -> None:
        """There is no kernel any more."""
        for cell in self._cells.values():
            cell.end_as("gone")
        self._cells.clear()
        self.widgets.clear()
        self._displays.clear()

    def _connect(self, session: Session | None = None) -> None:
        self._seen = False
        self._alive.clear()
        self._looks_back: tuple[str, list[Cell]] = ("", [])
        self._channels = Channels(self.vm.desk.context, self.connection, self.vm.root, session)
        self._session = self._channels.session

    def _answers(self, exits: int) -> bool:
        """Both channels work: an answer has come on one and anything at all on the other."""
        if len(self.exits) - exits >= _RESTARTS:
            raise RuntimeError(f"kernels do not live long enough to answer: {self.exits[exits:]}")
        if self._is_new:
            self._is_new = False
            self.disconnect()
            self._connect()
        if self._channels is not None and not (self._alive and self._seen):
            self._channels.send("shell", "kernel_info_request", {})
        return bool(self._alive and self._seen)

    def _ask_for_life(self) -> str:
        return self._open.send("shell", "kernel_info_request", {})

    def _until(self, condition: Any, seconds: float, what: str, nudge: float | None = None) -> None:
        self.vm.desk.until(condition, seconds, f"{what} in {self.name}", nudge=nudge)

    def take(self) -> None:
        """Whatever has come from the kernel since."""
        if self._channels is None:
            return
        for channel, message in self._channels.received():
            getattr(self, f"_from_{channel}")(message)
            if self._channels is None:
                return

    def _from_shell(self, message: Message) -> None:
        asked = message["parent_header"].get("msg_id")
        if message["header"]["msg_type"] == "kernel_info_reply":
            self._alive.add(asked)
            if asked == self._looks_back[0]:
                for cell in self._looks_back[1]:
                    cell.end_as("unseen")
        elif asked in self._cells:
            self._cells[asked].replied(message["content"]["status"])

    def _from_control(self, message: Message) -> None:
        """Nothing that is asked there is waited for."""

    def _from_stdin(self, message: Message) -> None:
        if message["header"]["msg_type"] == "input_request" and self.typed:
            self._open.send("stdin", "input_reply", {"value": self.typed.pop(0)}, parent=message)

    def _from_iopub(self, message: Message) -> None:
        self._seen = True
        kind, content = message["header"]["msg_type"], message["content"]
        if kind.startswith("comm_"):
            self._take_comm(kind, content)
            self.comms.append(message)
        elif kind == "update_display_data":
            for output in self._displays.get(content["transient"]["display_id"], []):
                output.update(data=content["data"], metadata=content["metadata"])
        elif cell := self._cells.get(message["parent_header"].get("msg_id", "")):
            cell.take(message)
            if display := content.get("transient", {}).get("display_id"):
                self._displays.setdefault(display, []).append(cell.outputs[-1])

    def _take_comm(self, kind: str, content: dict[str, Any]) -> None:
        model, data = content["comm_id"], content.get("data", {})
        if kind == "comm_open" and content["target_name"] == "jupyter.widget":
            self.widgets[model] = dict(data["state"])
        elif kind == "comm_close":
            self.widgets.pop(model, None)
        elif model in self.widgets and data.get("method") == "update":
            self.widgets[model].update(data["state"])
