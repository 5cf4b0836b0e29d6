"""The view as pieces of HTML, one for each part of the panel, so that only what has changed is sent again.

Names and errors come from folders that others can write to: everything is escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ..status import Curve, Life
from .curve import HEIGHT, curve_svg
from .facts import Fact
from .marks import Mark
from .stages import Stage
from .style import WIDTH
from .tables import printable
from .timeline import timeline_svg
from .view import Going, Line, Problem, View

__all__ = ["curve_section", "sections", "timeline_section"]


def sections(view: View) -> dict[str, str]:
    """Every part that is only text, by name, in the order in which they are shown."""
    return {
        "head": _head(view),
        "story": _story(view.story),
        "going": _going(view.going),
        "stages": _stages(view.stages),
        "facts": _facts(view.facts),
        "problems": _problems(view.problems),
    }


def curve_section(curve: Curve | None) -> str:
    """The curve under its name; as high without one, so that nothing moves when it appears."""
    picture = curve_svg(curve) if curve is not None else ""
    if curve is None or not picture:
        empty = f'<div class="cr-empty" style="height:{HEIGHT}px">drawn here as soon as run.log(loss=…) is called</div>'
        return _picture("no curve yet", "", empty)
    value = f"{curve.points[-1][1]:.4g}"
    restarts = "┆ restart" if curve.restarts else ""
    return _picture(printable(curve.name), value, picture, restarts)


def timeline_section(lives: Sequence[Life], now: float) -> str:
    """The sessions, one after the other; nothing as long as this one is the first."""
    if len(lives) < 2:
        return ""
    return _picture("sessions", str(len(lives)), timeline_svg(lives, now=now, width=WIDTH))


def _head(view: View) -> str:
    state = view.state
    return (
        f'<div class="cr-head"><span><b>{_safe(view.run)}</b> <small>{_safe(view.session)}</small></span>'
        f'<span class="cr-state {_class(state.mark)}">{_sign(state.mark)}{_safe(state.text)}</span></div>'
    )


def _story(lines: Sequence[Line]) -> str:
    rows = "".join(
        f'<div class="cr-label">{_safe(line.label)}</div>'
        f'<div class="{_class(line.mark)}">{_sign(line.mark)}{_safe(line.text)}</div>'
        for line in lines
    )
    return f'<div class="cr-story">{rows}</div>'


def _going(going: Going) -> str:
    pace = [going.pace] if going.pace else []
    pace += [] if going.share is None else [f"{going.share:.0%}"]
    return (
        f'<div class="cr-going"><span>{_safe(going.where)}</span><span>{_safe(" · ".join(pace))}</span></div>'
        f"{_bar(going.share, 'training')}"
    )


def _stages(stages: Sequence[Stage]) -> str:
    return f'<div class="cr-stages" role="list">{"".join(map(_stage, stages))}</div>'


def _stage(stage: Stage) -> str:
    bar = "" if stage.share is None else _bar(stage.share, stage.title)
    return (
        f'<div class="cr-stage {_class(stage.mark)}" role="listitem">'
        f"<span>{_sign(stage.mark)}{_safe(stage.title)}</span><b>{_safe(stage.step)}</b>"
        f"<small>{_safe(stage.detail)}</small><small>{_safe(stage.note)}</small>{bar}</div>"
    )


def _facts(facts: Sequence[Fact]) -> str:
    cells = "".join(
        f'<div class="{_class(fact.mark)}"><div class="cr-label">{_safe(fact.label)}</div>'
        f"{_sign(fact.mark)}{_safe(fact.value)}<small>{_safe(fact.note)}</small></div>"
        for fact in facts
    )
    return f'<div class="cr-facts">{cells}</div>'


def _problems(problems: Sequence[Problem]) -> str:
    if not problems:
        return f'<div class="cr-problems cr-good">{_sign(Mark.GOOD)}no problems</div>'
    return f'<div class="cr-problems cr-warn" role="alert">{"".join(map(_problem, problems))}</div>'


def _problem(problem: Problem) -> str:
    hint = f"<small>{_safe(problem.hint)}</small>" if problem.hint else ""
    return f"<div>{_sign(Mark.WARN)}{_safe(problem.what)}{hint}</div>"


def _picture(name: str, value: str, picture: str, key: str = "") -> str:
    caption = f"<span><b>{_safe(name)}</b> {_safe(value)}</span><small>{_safe(key)}</small>"
    return f'<div class="cr-picture"><div class="cr-caption">{caption}</div>{picture}</div>'


def _bar(share: float | None, what: str) -> str:
    if share is None:
        return '<div class="cr-bar"></div>'
    percent = round(100 * share)
    return (
        f'<div class="cr-bar" role="progressbar" aria-label="{escape(what)}" aria-valuemin="0" aria-valuemax="100" '
        f'aria-valuenow="{percent}"><span style="width:{percent}%"></span></div>'
    )


def _sign(mark: Mark) -> str:
    return f"<i>{mark.value}</i>" if mark.value else ""


def _class(mark: Mark) -> str:
    return f"cr-{mark.name.lower()}"


def _safe(text: str) -> str:
    return escape(printable(text))
