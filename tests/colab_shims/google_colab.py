"""A small `google.colab` of real files: what is mounted and who answers is up to the test, the errors are Colab's.

`write` puts it below a folder; a test that imports it sets `google.colab.behaviour.mount` and `.sign_in`.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["write"]

_FILES = {
    "__init__": "",
    "behaviour": """
calls = []
mount = sign_in = unassign = lambda *given: None
""",
    "_message": """
class MessageError(Exception):
    pass


def wait_for_ever():
    # As in Colab's read_reply_from_input: whatever goes wrong while it waits is taken for no answer yet.
    import time

    while True:
        try:
            time.sleep(0.025)
        except Exception:
            pass
""",
    "drive": """
from google.colab import behaviour


def mount(mountpoint, force_remount=False, timeout_ms=120000, readonly=False):
    behaviour.calls.append(("mount", mountpoint, force_remount, timeout_ms))
    behaviour.mount(mountpoint)
""",
    "auth": """
from google.colab import behaviour


def authenticate_user(clear_output=True, project_id=None):
    behaviour.calls.append(("authenticate_user",))
    behaviour.sign_in()
""",
    "runtime": """
from google.colab import behaviour


def unassign():
    behaviour.calls.append(("unassign",))
    behaviour.unassign()
""",
}


def write(folder: Path) -> Path:
    """The package, below `folder`, which is returned: it goes onto the import path."""
    package = folder / "google" / "colab"
    package.mkdir(parents=True)
    for name, source in _FILES.items():
        (package / f"{name}.py").write_text(source)
    return folder
