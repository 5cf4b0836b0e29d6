"""Who sits in front of a VM and is asked for a consent, a secret, the result of a script, by a kernel's `google.colab`.

"web" answers at once, "refuses" answers with an error, "silent" never answers; nor does a browser that is closed.
Nobody waits for silence: whoever asks is told that there will be no answer, and behaves as after its time limit.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from drivefs.mount import NotUploaded

from colab import parcels

if TYPE_CHECKING:
    from colab.vm import Vm

__all__ = ["ADDRESS", "Asked", "FrontEnd", "Kind"]

ADDRESS = "/var/colab/desk"
_REFUSAL = "Error: credential propagation was unsuccessful"

Kind = Literal["web", "silent", "refuses"]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request that came to the front end. `seconds` is how long was, or would have been, waited for the answer."""

    vm: str
    kind: str
    seconds: float | None
    answered: bool


class FrontEnd:
    def __init__(self, vm: Vm, kind: Kind) -> None:
        self.vm = vm
        self.kind: Kind = kind
        self.may_use_drive_api = False
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(vm.root + ADDRESS)
        self.listener.listen()
        self._verbs: dict[str, Callable[..., dict[str, Any]]] = {
            "credentials": lambda: {"data": self.may_use_drive_api},
            "flush": self._flush,
            "misuse": self._misuse,
            "mount": self._mount,
            "request": self._request,
            "unassign": self._unassign,
            "unmount": self._unmount,
        }

    def take(self) -> None:
        """Answer whoever has called."""
        line, _ = self.listener.accept()
        with line:
            question, _ = parcels.receive(line)
            if question is None:
                return
            try:
                answer = self._verbs[question.pop("do")](**question)
            except OSError as error:
                answer = {"error": str(error)}
            # Whoever asked may have been interrupted, or have died, since.
            with suppress(OSError):
                parcels.send(line, answer)

    def _request(self, kind: str, body: Any, seconds: float | None) -> dict[str, Any]:
        here = self.kind if any(notebook.is_open for notebook in self.vm.notebooks) else "silent"
        name = body.get("authType", kind) if kind == "request_auth" else kind
        asked = Asked(vm=self.vm.plan.name, kind=name, seconds=seconds, answered=here != "silent")
        self.vm.desk.asked.append(asked)
        if here == "silent":
            return {"silence": True}
        if kind == "request_auth":
            return self._consent(name) if here == "web" else {"error": _REFUSAL}
        if kind == "GetSecret":
            return {"data": self._secret(body["key"])}
        return {"data": self.vm.desk.answer_script(body["script"])}

    def _consent(self, kind: str) -> dict[str, Any]:
        if kind == "auth_user_ephemeral":
            self.may_use_drive_api = True
        return {"data": {}}

    def _secret(self, key: str) -> dict[str, Any]:
        secrets = self.vm.desk.secrets
        return {"exists": True, "access": True, "payload": secrets[key]} if key in secrets else {"exists": False}

    def _misuse(self, what: str) -> dict[str, Any]:
        self.vm.desk.misuses.append(what)
        return {}

    def _mount(self, mountpoint: str, readonly: bool) -> dict[str, Any]:
        self.vm.mount(mountpoint, readonly=readonly)
        return {}

    def _unmount(self) -> dict[str, Any]:
        self.vm.unmount()
        return {}

    def _flush(self, seconds: float) -> dict[str, Any]:
        """All is uploaded if that can be; it is unmounted in any case."""
        if self.vm.mountpoint is None:
            return {"data": False}
        try:
            self.vm.drive.settle(seconds)
            done = not self.vm.drive.pending()
        except (NotUploaded, RuntimeError):
            done = False
        self.vm.unmount()
        return {"data": True} if done else {"error": "flush_and_unmount failed"}

    def _unassign(self) -> dict[str, Any]:
        self.vm.desk.given_back.append(self.vm.plan.name)
        self.vm.cut()
        return {}

    def close(self) -> None:
        self.listener.close()
