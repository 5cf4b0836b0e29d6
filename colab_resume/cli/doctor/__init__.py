"""`doctor`: what somebody who is to help needs to know, on one page, and nothing that is secret.

What may hang, as a mount or a server does, is looked at by processes of their own, which are left behind when their
time is up; what fails becomes a line of the page. So the page comes in any case, and in time.
"""

from __future__ import annotations

from .verb import VERB

__all__ = ["VERB"]
