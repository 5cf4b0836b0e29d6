"""A forked process becomes a Jupyter kernel, of the releases that Colab ships, as if it had been started anew."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

__all__ = ["be_a_kernel", "warm_up"]

_LAUNCHER = "/usr/local/lib/python3.12/dist-packages/colab_kernel_launcher.py"


def warm_up() -> None:
    """Import what every kernel imports, and what tests of a training import; no thread may be left by it."""
    import ipykernel.kernelapp
    import ipykernel.zmqshell  # noqa: F401
    import IPython.core.completer  # noqa: F401
    import ipywidgets  # noqa: F401
    import numpy as np
    import torch

    torch.set_num_threads(1)
    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.from_numpy(np.zeros((1, 2), dtype=np.float32))).sum().backward()
    optimizer.step()


def be_a_kernel(connection_file: Path, environment: dict[str, str], join: Callable[[], None]) -> NoReturn:
    """Serve this notebook until told to shut down; `join` brings the process into the VM's memory."""
    code = 1
    try:
        os.setsid()
        join()
        # Python's own objects for them are never closed: this process ends without them.
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        _forget_the_past(environment)
        _serve(connection_file)
        code = 0
    except SystemExit as exit_:
        code = exit_.code if isinstance(exit_.code, int) else 0
    except BaseException:  # noqa: BLE001 - a forked process ends here, whatever happens
        traceback.print_exc()
    finally:
        _end(code)


def _forget_the_past(environment: dict[str, str]) -> None:
    import numpy as np

    os.environ.clear()
    os.environ.update(environment)
    os.chdir("/content")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    with Path("/var/log/colab-kernel.log").open("ab") as log, Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    np.random.seed()


def _serve(connection_file: Path) -> None:
    import google.colab  # noqa: F401 - on Colab every kernel has imported it
    from ipykernel.kernelapp import IPKernelApp

    sys.argv = [_LAUNCHER, "-f", str(connection_file)]
    # It looks at the environment when it is imported, which was on another machine.
    app = IPKernelApp.instance(parent_handle=int(os.environ["JPY_PARENT_PID"]))
    app.initialize()
    app.start()


def _end(code: int) -> NoReturn:
    """What the interpreter does at its end, but without the frames of the process that this one was forked from."""
    try:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)
