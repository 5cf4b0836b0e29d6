"""The user's secrets."""

from __future__ import annotations

from google.colab import _message, errors

__all__ = ["NotebookAccessError", "SecretNotFoundError", "TimeoutException", "get"]

_SECONDS = 10


class SecretNotFoundError(errors.Error):
    """There is no such secret."""

    def __init__(self, key: str) -> None:
        super().__init__(f"Secret {key} does not exist.")


class NotebookAccessError(errors.Error):
    """The user has not let this notebook have it."""

    def __init__(self, key: str) -> None:
        super().__init__(f"Notebook does not have access to secret {key}")


class TimeoutException(errors.Error):
    """The front end did not answer."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"Requesting secret {key} timed out. Secrets can only be fetched when running from the Colab UI."
        )


def get(key: str) -> str:
    """Fetches the value for specified secret keys."""
    answer = _message.blocking_request("GetSecret", request={"key": key}, timeout_sec=_SECONDS)
    if answer is None:
        raise TimeoutException(key)
    if not answer.get("exists", False):
        raise SecretNotFoundError(key)
    if not answer.get("access", False):
        raise NotebookAccessError(key)
    return str(answer.get("payload", ""))
