"""Stands for `google.colab.auth`: the credentials come from a file that the user names, or from Google's consent page.

The file's path is remembered, so the user is asked once on each machine; the file itself is never copied.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from ...errors import UsageError
from ..asking import current
from ..auth import CREDENTIALS
from ..choices import Choices
from .consent import consented

__all__ = ["authenticate_user"]

_CHOICE = "credentials"
_QUESTION = (
    "there is no Colab here that knows you; which JSON file holds credentials for Drive? A service account's, an "
    "authorized user's, or an OAuth client's (Desktop app): then Google's consent page is asked"
)
_KINDS = "give the JSON file of a service account, of an authorized user, or of an OAuth client (Desktop app)"
_ADC = "GOOGLE_APPLICATION_CREDENTIALS"


def authenticate_user(clear_output: bool = True, project_id: str | None = None) -> None:  # noqa: ARG001 - as Colab's
    """Let `drive:` remotes and google-auth find the user's credentials; asks only if no file is known."""
    if project_id is not None:
        os.environ["GOOGLE_CLOUD_PROJECT"] = project_id
    if os.environ.get(CREDENTIALS):
        return
    choices = Choices()
    known = choices.get(_CHOICE)
    if known is None or not Path(known).is_file():
        known = str(_from(current().credentials(_QUESTION).absolute(), choices))
        choices.keep(_CHOICE, known)
    os.environ[CREDENTIALS] = known
    os.environ.setdefault(_ADC, known)
    current().say(f"Google is asked with the credentials in {known}")


def _from(path: Path, choices: Choices) -> Path:
    """The file with credentials that this one leads to."""
    try:
        told = json.loads(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}", hint=_KINDS) from error
    except ValueError:
        # Not told what came before: an error of a parser shows the text, and the text is a key.
        raise UsageError(f"{path} holds no credentials of Google's", hint=_KINDS) from None
    match told:
        case {"type": "service_account" | "authorized_user"}:
            return path
        case {"installed": dict()}:
            return consented(path, onto=choices.folder / "authorized_user.json")
    raise UsageError(f"{path} holds no credentials that can be used here", hint=_KINDS)
