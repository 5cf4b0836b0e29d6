"""JSON documents that prove themselves: what manifests are made of.

The bytes begin exactly with `{"sha256":"<64 hex digits>",`; the checksum covers every byte after that comma, and the
next member is `"format":1`. A right checksum excludes accidents and proves nothing about intent.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from itertools import islice
from typing import Any

from ..errors import CheckpointError
from .strict_json import parse

__all__ = ["sealed", "unsealed"]

_FORMAT = 1
_PREFIX = re.compile(rb'\{"sha256":"([0-9a-f]{64})",')


def sealed(members: Mapping[str, Any]) -> bytes:
    """The bytes that `unsealed` reads; what `json.dumps` raises if these members are not JSON."""
    text = json.dumps({"format": _FORMAT, **members}, separators=(",", ":"), allow_nan=False)
    body = text.removeprefix("{").encode()
    return b'{"sha256":"%s",' % hashlib.sha256(body).hexdigest().encode() + body


def unsealed(data: bytes, what: str) -> dict[str, Any]:
    """The document; ValueError if it is damaged, CheckpointError if `what`, as it is called, is of a later format."""
    prefix = _PREFIX.match(data)
    if prefix is None:
        raise ValueError("it does not begin with its checksum")
    body = memoryview(data)[prefix.end() :]
    if hashlib.sha256(body).hexdigest().encode() != prefix[1]:
        raise ValueError("its checksum is not that of its content")
    # What began as a JSON object with one member is one, or is not JSON.
    document: dict[str, Any] = parse(data)
    _refuse_newer(document, what)
    return document


def _refuse_newer(document: dict[str, Any], what: str) -> None:
    member, number = next(islice(document.items(), 1, None), ("", None))
    if member != "format" or type(number) is not int or number < 1:
        raise ValueError("it does not say its format")
    if number > _FORMAT:
        text = f"{what} was written by a newer colab_resume (format {number!s:.20})."
        raise CheckpointError(text, hint="Upgrade: pip install -U colab-resume")
