"""A user's consent without Colab: Google's page in a browser of this machine, and a small server that it answers to."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, BinaryIO

from ...durable import as_store_error, make_folder, write_durably
from ...errors import RemoteUnavailable, UsageError
from ..time_limit import TimeIsUp, time_limit

__all__ = ["consented"]

_SCOPES = ("https://www.googleapis.com/auth/drive",)
_SECONDS = 300.0
_PAGE = "colab_resume may use Google Drive now; this page can be closed."
_AGAIN = "call it again, open the page in a browser on this machine, and allow it"


def consented(client: Path, *, onto: Path, seconds: float = _SECONDS) -> Path:
    """`onto`, with the credentials of the user who allows `client`, an OAuth client's JSON file, to use Drive.

    They are a secret: only this user of the machine may read the file. Raises `RemoteUnavailable` if nobody allows it.
    """
    flow = _flow(client)
    try:
        with time_limit(seconds):
            given = _ask_google(flow)
    except TimeIsUp:
        raise RemoteUnavailable(f"nobody allowed it for {seconds:.0f} s", hint=_AGAIN) from None
    except Exception as error:
        # What oauthlib, requests and the server raise; one text may be a secret, so only its kind is told.
        raise RemoteUnavailable(f"Google gave no credentials ({type(error).__name__})", hint=_AGAIN) from error
    keys = ("client_id", "client_secret", "refresh_token")
    content = {"type": "authorized_user"} | {key: getattr(given, key) for key in keys}
    with as_store_error(onto):
        make_folder(onto.parent)
    write_durably(onto, lambda sink: _write_secret(json.dumps(content).encode("ascii"), sink))
    return onto


def _flow(client: Path) -> Any:
    try:
        from google_auth_oauthlib.flow import InstalledAppFlow
    except ImportError as error:
        raise UsageError(
            f"the consent page needs a package that is not here: {error}", hint='%pip install "colab-resume[drive]"'
        ) from error
    try:
        return InstalledAppFlow.from_client_secrets_file(str(client), scopes=_SCOPES)
    except ValueError:
        raise UsageError(f"{client} is no whole OAuth client", hint="download its JSON file anew") from None


def _ask_google(flow: Any) -> Any:
    # Consent is asked for anew, because only then Google gives what outlives this hour.
    return flow.run_local_server(
        port=0,
        open_browser=_has_browser(),
        authorization_prompt_message="Allow colab_resume to use Google Drive on this page: {url}",
        success_message=_PAGE,
        prompt="consent",
    )


def _has_browser() -> bool:
    """A text browser would take the terminal for itself, so only a window is opened."""
    return sys.platform == "darwin" or any(os.environ.get(name) for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"))


def _write_secret(content: bytes, sink: BinaryIO) -> None:
    os.fchmod(sink.fileno(), 0o600)
    sink.write(content)
