"""Drive's API asks for one consent, where somebody can give it, and a VM is given back only where there is one."""

from __future__ import annotations

from typing import Any

import pytest

from colab_resume.colab.auth import authenticate, authenticate_for
from colab_resume.colab.handing_back import give_back_vm
from colab_resume.colab.place import Kind, Place
from colab_resume.errors import RemoteRefused, RemoteUnavailable

COLAB = Place(kind=Kind.COLAB, can_ask=True)


def test_a_remote_by_the_api_signs_in_once(google_colab: Any) -> None:
    """And says so before it waits."""
    assert authenticate_for("drive:runs", COLAB, {})
    assert google_colab.calls == [("authenticate_user",)]


@pytest.mark.parametrize(
    ("remote", "place", "env"),
    [
        ("/content/drive/MyDrive/runs", COLAB, {}),
        (None, COLAB, {}),
        ("gs://bucket/folder", COLAB, {}),
        ("drive:runs", COLAB, {"COLAB_RESUME_CREDENTIALS": "/key.json"}),
        ("drive:runs", Place(kind=Kind.COLAB), {}),
        ("drive:runs", Place(kind=Kind.KAGGLE, can_ask=True), {}),
        ("drive:runs", Place(kind=Kind.JUPYTER, can_ask=True), {}),
    ],
)
def test_nobody_is_asked_for_what_is_not_needed_or_cannot_be(
    google_colab: Any, remote: str | None, place: Place, env: dict[str, str]
) -> None:
    """A mounted Drive needs no second consent; a script would wait for ever."""
    assert not authenticate_for(remote, place, env)
    assert google_colab.calls == []


def test_nobody_answers_for_ever(google_colab: Any) -> None:
    """authenticate_user() has no limit of its own."""
    from google.colab._message import wait_for_ever  # type: ignore[import-not-found]

    google_colab.sign_in = wait_for_ever
    with pytest.raises(RemoteUnavailable, match="nobody answered"):
        authenticate(COLAB, seconds=0.1)


@pytest.mark.parametrize(
    ("error", "kind"),
    [(RuntimeError("Failed to fetch user credentials"), RemoteUnavailable), (NotImplementedError("x"), RemoteRefused)],
)
def test_a_refusal_says_what_to_do(google_colab: Any, error: Exception, kind: type[Exception]) -> None:
    """Again with all boxes ticked; or not at all."""

    def refuse() -> None:
        raise error

    google_colab.sign_in = refuse
    with pytest.raises(kind, match=str(error)):
        authenticate(COLAB)


def test_a_vm_is_given_back_only_where_there_is_one(google_colab: Any) -> None:
    """Elsewhere nothing happens, whatever can be imported."""
    assert not give_back_vm(Place(kind=Kind.KAGGLE))
    assert google_colab.calls == []
    assert give_back_vm(COLAB)
    assert google_colab.calls == [("unassign",)]


def test_a_vm_that_colab_does_not_take_back_is_told(google_colab: Any) -> None:
    """It goes on costing something."""

    def refuse() -> None:
        raise RuntimeError("Unable to request VM unassignment.")

    google_colab.unassign = refuse
    with pytest.raises(RemoteUnavailable, match="by hand"):
        give_back_vm(COLAB)
