"""From a call and its body to an answer: token, parameters, metadata, upload or download, fields, schema."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from email.message import Message
from typing import Any

from .account import Account
from .answers import Answer, json_answer
from .asks import Ask
from .bodies import Body
from .calls import Call, arguments
from .contents import Incoming
from .downloads import download
from .lists import Lists
from .masks import Mask
from .methods import DIALECTS, Methods
from .parts import two_parts
from .refusals import DriveError, bad_value, invalid
from .schema import complaints
from .tokens import Tokens
from .uploads import Uploads

__all__ = ["Api"]


class Api:
    """`violations` collects what in our own answers breaks the schema."""

    def __init__(self, account: Account, tokens: Tokens, clock: Callable[[], float]) -> None:
        self._account = account
        self._tokens = tokens
        self._methods = Methods(Lists(account))
        self.uploads = Uploads(clock, self._answer)
        self.violations: list[str] = []

    def act(self, call: Call, body: Body) -> Answer:
        if call.method_id == "oauth2.token":
            return self._tokens.grant(arguments(body.read().decode()))
        if call.method_id.startswith("resumable."):
            return self.uploads.serve(call, body)
        if call.described is None:
            raise DriveError(404, "notFound", "Not Found")
        self._tokens.check(call)
        parameters = dict(call.query)
        if call.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
            # A GET whose address would be too long comes as a POST that says it is none.
            parameters |= arguments(body.read().decode())
        call.described.check_parameters(parameters)
        ask = Ask(self._account, call, parameters, {})
        _mask(ask)
        if call.upload:
            return self._upload(ask, body)
        if parameters.get("alt") == "media" and call.described.downloads:
            return download(self._account.get(ask.file_id), call.headers.get("Range", ""))
        if call.described.body is not None:
            ask = replace(ask, body=self._metadata(call, call.headers, body.read()))
        return self._answer(ask)

    def _answer(self, ask: Ask) -> Answer:
        made = self._methods.perform(ask)
        described, version = ask.call.described, ask.call.version
        assert described is not None
        if made is None:
            return Answer(204)
        schema = str(described.answer)
        etag = {"ETag": made["etag"]} if "etag" in made else {}
        mask = _mask(ask)
        self.violations += complaints(version, schema, made)
        return json_answer(mask.pick(made) if mask else made, headers=etag)

    def _metadata(self, call: Call, headers: Message, text: bytes) -> Mapping[str, Any]:
        """The JSON object that describes a file; what its schema does not know is refused."""
        if not text.strip():
            return {}
        kind = headers.get("Content-Type", "")
        if not kind.startswith("application/json"):
            raise DriveError(400, "badContent", f"Unsupported content with type: {kind}")
        try:
            body = json.loads(text)
        except ValueError:
            raise DriveError(400, "parseError", "Parse Error") from None
        described = call.described
        assert described is not None
        found = complaints(call.version, str(described.body), _without_nulls(body))
        if found or not isinstance(body, dict):
            raise invalid(f"Invalid JSON payload received: {'; '.join(found)}")
        return body

    def _upload(self, ask: Ask, body: Body) -> Answer:
        if ask.call.described is None or not ask.call.described.uploads:
            raise DriveError(404, "notFound", "Not Found")
        match ask.parameters.get("uploadType"):
            case "resumable":
                return self._start(ask, body)
            case "media":
                return self._stored(ask, ask.call.headers.get_content_type(), self._received(body))
            case "multipart":
                return self._multipart(ask, body)
        raise bad_value("uploadType")

    def _start(self, ask: Ask, body: Body) -> Answer:
        headers = ask.call.headers
        length = headers.get("X-Upload-Content-Length")
        if length is not None and not length.isdecimal():
            raise bad_value("X-Upload-Content-Length")
        metadata = self._metadata(ask.call, headers, body.read())
        ask = replace(ask, body=metadata, media_type=headers.get("X-Upload-Content-Type", ""))
        self._methods.check_upload(ask, int(length or 0))
        return self.uploads.start(ask, None if length is None else int(length))

    def _multipart(self, ask: Ask, body: Body) -> Answer:
        spool = self._received(body)
        try:
            whole = spool.finish()
            metadata, content = two_parts(whole, ask.call.headers)
            ask = replace(ask, body=self._metadata(ask.call, metadata.headers, b"".join(metadata.pieces(whole))))
            stored = self._account.contents.incoming()
            for piece in content.pieces(whole):
                stored.write(piece)
        finally:
            spool.discard()
        return self._stored(ask, content.headers.get_content_type(), stored)

    def _stored(self, ask: Ask, media_type: str, incoming: Incoming) -> Answer:
        try:
            return self._answer(replace(ask, media_type=media_type, blob=incoming.finish()))
        except DriveError:
            incoming.discard()
            raise

    def _received(self, body: Body) -> Incoming:
        incoming = self._account.contents.incoming()
        try:
            for piece in body.pieces():
                incoming.write(piece)
        except ConnectionError:
            incoming.discard()
            raise
        return incoming


def _mask(ask: Ask) -> Mask | None:
    """None: all of it, as v2 answers unless asked."""
    described, version = ask.call.described, ask.call.version
    if described is None or described.answer is None:
        return None
    fields = ask.parameters.get("fields") or DIALECTS[version].DEFAULTS.get(described.answer)
    return Mask(version, described.answer, fields) if fields else None


def _without_nulls(value: Any) -> Any:
    """In an update a null takes a property away; the schema does not say so."""
    if isinstance(value, dict):
        return {key: _without_nulls(each) for key, each in value.items() if each is not None}
    return [_without_nulls(each) for each in value] if isinstance(value, list) else value
