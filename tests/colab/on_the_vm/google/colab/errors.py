"""What Google's package raises."""

from __future__ import annotations

__all__ = ["AuthorizationError", "Error", "RuntimeManagementError"]


class Error(Exception):
    """Any of them."""


class AuthorizationError(Error):
    """Credentials could not be had."""


class RuntimeManagementError(Error):
    """The VM could not be managed."""
