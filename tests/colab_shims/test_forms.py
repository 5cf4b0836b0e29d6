"""A form's answer counts once, for what was asked, and not for ever."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from colab_resume.colab import asking
from colab_resume.display.forms import FORM_CLASS, Forms, forms_if_possible
from colab_resume.errors import Unanswered

pytest.importorskip("ipywidgets")


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """All forms, as IPython would have shown them."""
    found: list[Any] = []
    monkeypatch.setattr("IPython.display.display", found.append)
    return found


def click(form: Any) -> str:
    """Click its button; what it says then."""
    button, answer = form.children[-1].children
    button.click()
    said: str = answer.value
    return said


def test_an_answer_counts_once(shown: list[Any]) -> None:
    """The question after the next is a new one."""
    forms = Forms()
    with pytest.raises(Unanswered, match="fill in the form above"):
        forms.folder("which?", proposed=Path("/x"))
    assert click(shown[0]) == "Noted. Now run this cell again."
    assert forms.folder("which?", proposed=Path("/x")) == Path("/x")
    with pytest.raises(Unanswered):
        forms.folder("which?", proposed=Path("/x"))
    assert [FORM_CLASS in form._dom_classes for form in shown] == [True, True]


def test_a_takeover_is_confirmed_for_that_run_alone(shown: list[Any]) -> None:
    """However much has happened there since the question was asked."""
    asking.use(Forms())
    assert not asking.takeover("digits", "session k3f9a2, since step 7")
    click(shown[0])
    assert not asking.takeover("letters", "session z9y8x7, since step 1")
    assert asking.takeover("digits", "session k3f9a2, since step 9")


def test_whoever_asks_for_forms_again_gets_the_same(shown: list[Any]) -> None:
    """Each call of setup() does; the answer to the one before must be there."""
    for answered in (False, True):
        found = forms_if_possible()
        assert found is not None
        asking.use(found)
        assert asking.takeover("digits", "session k3f9a2") is answered
        click(shown[0])


def test_an_old_answer_was_meant_for_something_else(shown: list[Any]) -> None:
    """After a quarter of an hour it is asked again."""
    now = 0.0
    forms = Forms(clock=lambda: now)
    for seconds, still in ((899.0, True), (901.0, False)):
        with pytest.raises(Unanswered):
            forms.credentials("which?")
        form = shown[-1]
        assert click(form) == "Name a JSON file."
        form.children[1].value = "~/key.json"
        click(form)
        now += seconds
        if still:
            assert forms.credentials("which?") == Path.home() / "key.json"
        else:
            with pytest.raises(Unanswered):
                forms.credentials("which?")


def test_what_is_asked_is_text_and_no_html(shown: list[Any]) -> None:
    """Names come from others."""
    with pytest.raises(Unanswered):
        Forms().confirm("run '<img src=x>' & more?", button="take over", about="x")
    assert "&lt;img src=x&gt;' &amp; more?" in shown[0].children[0].value


def test_an_instruction_is_no_traceback(shown: list[Any]) -> None:
    """IPython shows what to do, and nothing of how it came to it."""
    with pytest.raises(Unanswered) as raised:
        Forms().folder("which?", proposed=Path("/x"))
    assert raised.value._render_traceback_() == ["fill in the form above\n  -> then run this cell again"]
