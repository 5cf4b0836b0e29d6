"""colab_resume: a training that was killed anywhere goes on bit for bit.

import colab_resume
run = colab_resume.setup("digits", remote="/content/drive/MyDrive/colab_resume")

The names are loaded when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .checkpoints.retention import Keep
    from .errors import ColabResumeError
    from .run import Run, setup
    from .status import Status

__all__ = ["ColabResumeError", "Keep", "Run", "Status", "__version__", "setup"]

__version__ = "0.1.0"

_HOMES = {
    "ColabResumeError": "errors",
    "Keep": "checkpoints.retention",
    "Run": "run",
    "Status": "status",
    "setup": "run",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'colab_resume' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
