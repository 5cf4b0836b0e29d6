"""OAuth2 as Drive's clients use it: an endpoint for refresh tokens and for service accounts, and bearer tokens."""

from __future__ import annotations

import base64
import binascii
import functools
import json
import secrets
import threading
from collections.abc import Callable, Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from .account import SERVICE_EMAIL
from .answers import Answer, json_answer
from .calls import Call
from .refusals import unauthorized

__all__ = ["Tokens"]

JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SCOPE = "https://www.googleapis.com/auth/drive"
LIFETIME = 3600


@functools.cache
def _key() -> rsa.RSAPrivateKey:
    """One for all servers of a process: making it takes long, and it guards nothing."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Tokens:
    """Tokens end after an hour by the server's clock, or when a test says so."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._ends: dict[str, float] = {}
        self.refresh_token = f"1//{secrets.token_urlsafe(32)}"

    def new(self) -> str:
        token = f"ya29.{secrets.token_urlsafe(48)}"
        with self._lock:
            self._ends[token] = self._clock() + LIFETIME
        return token

    def expire(self) -> None:
        """Every token handed out so far is worth nothing from now on."""
        with self._lock:
            self._ends.clear()

    def check(self, call: Call) -> None:
        scheme, _, token = call.headers.get("Authorization", "").partition(" ")
        token = token if scheme.lower() == "bearer" else call.query.get("access_token", "")
        if not token:
            raise unauthorized(missing=True)
        with self._lock:
            if self._ends.get(token, 0.0) <= self._clock():
                raise unauthorized()

    def grant(self, form: Mapping[str, str]) -> Answer:
        match form.get("grant_type"):
            case "refresh_token":
                known = form.get("refresh_token") == self.refresh_token
                if not form.get("client_id") or not form.get("client_secret"):
                    return _refused("invalid_client", "The OAuth client was not found.", 401)
                return self._granted() if known else _refused("invalid_grant", "Bad Request")
            case str(kind) if kind == JWT_GRANT:
                return (
                    self._granted()
                    if self._is_ours(form.get("assertion", ""))
                    else _refused("invalid_grant", "Invalid JWT Signature.")
                )
        return _refused("unsupported_grant_type", "Invalid grant_type")

    def _granted(self) -> Answer:
        return json_answer({"access_token": self.new(), "expires_in": LIFETIME, "scope": SCOPE, "token_type": "Bearer"})

    def _is_ours(self, assertion: str) -> bool:
        """Signed by the service account's key, for this endpoint, with a scope, and not too old."""
        signed, _, signature = assertion.rpartition(".")
        try:
            _key().public_key().verify(_decoded(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
            claims = json.loads(_decoded(signed.partition(".")[2]))
        except (InvalidSignature, ValueError, binascii.Error):
            return False
        now = self._clock()
        audience = str(claims.get("aud", ""))
        return (
            claims.get("iss") == SERVICE_EMAIL
            and SCOPE in str(claims.get("scope", "")).split()
            and audience.endswith("/token")
            and claims.get("iat", 0) - 300 <= now < claims.get("exp", 0)
        )

    def service_account(self, token_uri: str) -> dict[str, Any]:
        """What the Cloud console gives as a key file."""
        secret = _key().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return {
            "type": "service_account",
            "project_id": "project",
            "private_key_id": "1",
            "private_key": secret.decode(),
            "client_email": SERVICE_EMAIL,
            "client_id": "1",
            "token_uri": token_uri,
        }


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _refused(error: str, why: str, status: int = 400) -> Answer:
    return json_answer({"error": error, "error_description": why}, status)
