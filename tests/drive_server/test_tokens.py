"""Bearer tokens are asked for, end by the clock, and come from an endpoint that knows two kinds of client."""

from __future__ import annotations

import json

import google.auth.transport.requests
import pytest
import requests
from drive_server.server import DriveServer
from drive_server.wire import Wire
from google.oauth2 import service_account

from colab_resume.testing import ManualClock

FORM = {"grant_type": "refresh_token", "client_id": "me", "client_secret": "secret"}
SCOPE = "https://www.googleapis.com/auth/drive"


def test_no_token_is_401_and_says_how(drive_server: DriveServer, wire: Wire) -> None:
    """Missing and wrong ones are told apart; both come with a challenge."""
    for token, reason in ((None, "required"), ("ya29.made-up", "authError")):
        wire.token = token
        reply = wire("GET", "drive/v3/files")
        assert (reply.status, reply.reason) == (401, reason)
        assert reply.headers["WWW-Authenticate"].startswith("Bearer ")


def test_a_token_lives_for_an_hour(drive_server: DriveServer, drive_clock: ManualClock, wire: Wire) -> None:
    """By the server's clock, or until the test ends them all."""
    drive_clock.advance(3599)
    assert wire("GET", "drive/v3/files").status == 200
    drive_clock.advance(1)
    assert wire("GET", "drive/v3/files").reason == "authError"
    wire.token = drive_server.new_token()
    assert wire("GET", "drive/v3/files").status == 200
    drive_server.expire_tokens()
    assert wire("GET", "drive/v3/files").reason == "authError"


def test_a_refresh_token_buys_tokens(drive_server: DriveServer, wire: Wire) -> None:
    """The right one, from a client that says who it is; else OAuth2's own errors."""
    with requests.Session() as session:
        good = session.post(drive_server.token_uri, data={**FORM, "refresh_token": drive_server.refresh_token})
        bad = session.post(drive_server.token_uri, data={**FORM, "refresh_token": "1//old"})
        nobody = session.post(drive_server.token_uri, data={**FORM, "client_id": ""})
        odd = session.post(drive_server.token_uri, data={**FORM, "grant_type": "password"})
    assert (good.json()["token_type"], good.json()["expires_in"]) == ("Bearer", 3600)
    wire.token = good.json()["access_token"]
    assert wire("GET", "drive/v3/files").status == 200
    assert (bad.status_code, bad.json()["error"]) == (400, "invalid_grant")
    assert (nobody.status_code, nobody.json()["error"]) == (401, "invalid_client")
    assert (odd.status_code, odd.json()["error"]) == (400, "unsupported_grant_type")


@pytest.mark.parametrize("spoilt", [None, "email", "scope", "signature"])
def test_a_service_account_signs_for_its_token(spoilt: str | None) -> None:
    """google-auth's own assertion passes; another signer, no scope or a broken signature does not."""
    # google-auth reads the real clock.
    with DriveServer() as server, requests.Session() as session:
        info = server.service_account()
        if spoilt == "email":
            info["client_email"] = "somebody@else"
        scopes = [SCOPE if spoilt != "scope" else "https://www.googleapis.com/auth/calendar"]
        made = service_account.Credentials.from_service_account_info(info, scopes=scopes)
        if spoilt is None:
            made.refresh(google.auth.transport.requests.Request(session))
            assert made.token.startswith("ya29.")
            return
        assertion = made._make_authorization_grant_assertion().decode()
        if spoilt == "signature":
            assertion = assertion[:-8] + "AAAAAAAA"
        form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion}
        reply = session.post(server.token_uri, data=form)
        assert (reply.status_code, reply.json()["error"]) == (400, "invalid_grant")


def test_error_bodies_are_googles(wire: Wire) -> None:
    """code, message, and a list with domain, reason and message: that and no more."""
    error = json.loads(wire("GET", "drive/v3/files/nothing").body)
    assert error == {
        "error": {
            "code": 404,
            "message": "File not found: nothing.",
            "errors": [
                {
                    "domain": "global",
                    "reason": "notFound",
                    "message": "File not found: nothing.",
                    "locationType": "parameter",
                    "location": "fileId",
                }
            ],
        }
    }
