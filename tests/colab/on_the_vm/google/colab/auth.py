"""Credentials of the user. With USE_AUTH_EPHEM=1, as on every hosted VM, they come from the metadata server."""

from __future__ import annotations

import os
from pathlib import Path

from google.colab import _message, errors

__all__ = ["authenticate_user"]


def authenticate_user(clear_output: bool = True, project_id: str | None = None) -> None:
    """Ensures that the given user is authenticated."""
    if Path("/var/colab/mp").exists():
        raise NotImplementedError(f"{__name__} is unsupported in this environment.")
    if _has_credentials():
        return
    if os.environ.get("USE_AUTH_EPHEM", "0") != "1":
        raise NotImplementedError("the desk has no gcloud, which asks for a code where USE_AUTH_EPHEM is not 1")
    _message.blocking_request("request_auth", request={"authType": "auth_user_ephemeral"}, timeout_sec=None)
    if not _has_credentials():
        raise errors.AuthorizationError("Failed to fetch user credentials")


def _has_credentials() -> bool:
    return bool(_message.ask_desk("credentials").get("data"))
