"""Google Drive by its API: a remote that knows when its bytes are stored, on any machine, without a mount.

It speaks Drive's version 2, through PyDrive2, because only that one has the etags that a lease needs. This folder is
the door of all libraries of Google's; they are imported when a `DriveAPI` is made, not before.

    remote.py       DriveAPI, the verbs
    credentials.py  what a user may give to be known by;  bearer.py  the token made from it, renewed by one thread
    line.py         requests and answers;  refusals.py  what Drive says when it will not, in our own errors
    items.py        a file as Drive tells it;  folders.py, files.py  from names to ids
    upload.py       from a source to a file, in one session;  body.py  what one request of it carries;  whole.py  in one
    sessions.py     sessions that outlive the process;  pace.py  how much a request carries;  tries.py  how often
    download.py     from a file to a sink;  tagged.py  compare-and-swap;  space.py  the quota
"""

from __future__ import annotations

from .remote import DriveAPI

__all__ = ["DriveAPI"]
