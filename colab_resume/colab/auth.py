"""Being known to Google's services on Colab: one consent, in the main thread, and never for longer than it may take."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping

from ..errors import RemoteError, RemoteRefused, RemoteUnavailable
from .asking import current
from .place import Kind, Place
from .time_limit import TimeIsUp, time_limit

__all__ = ["CREDENTIALS", "authenticate", "authenticate_for"]

CREDENTIALS = "COLAB_RESUME_CREDENTIALS"
"""The variable with the path of a JSON file, for `drive:` remotes."""
_SECONDS = 120.0
_AGAIN = "run the cell again and allow it in the window that opens, with every box ticked"


def authenticate_for(remote: object, place: Place, env: Mapping[str, str] = os.environ) -> bool:
    """What `remote` needs before it is opened: `authenticate` for "drive:..." without credentials of its own."""
    if not (isinstance(remote, str) and remote.startswith("drive:")) or env.get(CREDENTIALS):
        return False
    return authenticate(place)


def authenticate(place: Place, *, seconds: float = _SECONDS) -> bool:
    """Let Colab make the user's credentials known to this VM; where it has them already, nothing is asked.

    False where that cannot be tried: elsewhere than on hosted Colab, in a script, in other threads. Then the VM may
    still have credentials, and whoever needs them finds out. Raises `RemoteUnavailable` or `RemoteRefused` if it was
    tried and failed.
    """
    here = threading.current_thread() is threading.main_thread()
    if place.kind is not Kind.COLAB or not place.can_ask or not here:
        return False
    try:
        from google.colab import auth
    except ImportError:
        return False
    current().say(
        f"Colab asks whether this notebook may use Drive's API; allow it in the window that opens; "
        f"gives up after {seconds / 60:g} min"
    )
    try:
        # Without a front end that knows the question, authenticate_user() waits for ever.
        with time_limit(seconds):
            auth.authenticate_user()
    except TimeIsUp:
        raise RemoteUnavailable(
            f"nobody answered for {seconds:.0f} s whether Drive's API may be used", hint=_AGAIN
        ) from None
    except Exception as error:
        # What the front end raises, and gcloud.
        raise _failure(error) from error
    return True


def _failure(error: Exception) -> RemoteError:
    told = f"{type(error).__name__}: {error}"
    if isinstance(error, NotImplementedError):
        hint = "give credentials: COLAB_RESUME_CREDENTIALS with the path of a JSON file, or another remote"
        return RemoteRefused(f"this machine cannot sign a user in ({told})", hint=hint)
    return RemoteUnavailable(f"Colab got no credentials for Drive's API ({told})", hint=_AGAIN)
