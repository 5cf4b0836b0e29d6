"""Addresses that may carry a secret."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

__all__ = ["is_safe"]

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_UNSENDABLE = re.compile(r"[^\x21-\x7e]")


def is_safe(address: str) -> bool:
    """Whether nobody on the way can read what is sent there: https, or this machine itself."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    if not parts.hostname or _UNSENDABLE.search(address):
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
