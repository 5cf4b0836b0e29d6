"""What happened, in words: one line that names the moment and the gap, and what can be done about it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import tzinfo

from .identity import SessionRecord
from .times import moment, span

__all__ = ["Tale", "advice_for", "gpu_change", "is_rented", "short_gpu", "text_for"]

_MEMORY = "take a smaller batch, fewer DataLoader workers, or keep less in memory: what was too much would be so again"
_TEXTS = {
    "cell run again": "the cell runs again in the same process; the last step was {ago}",
    "finished": "it had finished at step {step}, {ago}",
    "stopped by the user": "you stopped it at step {step}, {ago}",
    "failed": "it failed at step {step}, {ago}{error}",
    "kernel restarted": "the kernel was restarted; the last sign of life was {ago}",
    "out of memory": "the kernel ran out of memory {ago}{in_a_row}",
    "kernel crashed": "the kernel died {ago}{in_a_row}: it crashed, or something killed it",
    "kernel ended without a word": "the kernel ended without a word {ago}: restarted, crashed or killed",
    "process ended": "the last process ended without run.finish(), {ago}",
    "machine restarted": "this machine was started again; {end}",
    "new VM after silence": "new VM: {end}",
    "new VM after a clean end": "new VM: {end}",
    "new VM after an interrupt": "new VM: {end}",
    "new VM after a failure": "new VM: {end}",
    "new VM after an exit": "new VM: {end}",
    "other machine": "now on {here}, before on {there}: {end}",
    "taken over": "session {session} on {host} still lived {ago}; its right to write was taken over",
}
_ENDS = {
    None: "the last one went silent {at}, {ago}",
    "clean": "the last one finished {at}, {ago}",
    "interrupted": "the last one was stopped by you {at}, {ago}",
    "failed": "the last one failed {at}, {ago}{error}",
    "exited": "the last one ended without run.finish() {at}, {ago}",
}
_ADVICE = {
    "failed": "mend that, and go on: no step that was saved is lost",
    "out of memory": _MEMORY,
    "new VM after a failure": "mend that, and go on: no step that was saved is lost",
    "taken over": "end the other one: it trains on, but nothing of that is kept",
}
_RENTED = ("Google Colab", "Colab Enterprise", "Kaggle")
_LOGS = "Runtime > View runtime logs says more"
_MAKERS = re.compile(r"^(NVIDIA |Tesla )+")


@dataclass(frozen=True, kw_only=True)
class Tale:
    """All that the words are made of; `in_a_row`: how often this has happened now without anything else between."""

    kind: str
    last: SessionRecord
    present: SessionRecord
    last_sign: float
    now: float
    in_a_row: int = 1
    zone: tzinfo | None = None


def is_rented(place: str) -> bool:
    """Whether machines there come and go: a new one is another each time."""
    return place.startswith(_RENTED)


def text_for(tale: Tale) -> str:
    """One line."""
    last, here = tale.last, tale.present
    moved = last.place != here.place
    words = {
        "at": moment(tale.last_sign, tale.now, tale.zone),
        "ago": f"{span(tale.now - tale.last_sign)} ago",
        "error": f": {last.error}" if last.error else "",
        "step": str(last.step),
        "session": last.id,
        "host": last.host,
        "here": here.place if moved else here.host,
        "there": last.place if moved else last.host,
        "in_a_row": f", for the {_ordinal(tale.in_a_row)} time in a row" if tale.in_a_row > 1 else "",
    }
    return _TEXTS[tale.kind].format(**words, end=_ENDS[last.ended].format(**words))


def advice_for(tale: Tale) -> str:
    """What to do; empty if there is nothing to be done."""
    found = [_ADVICE.get(tale.kind, ""), _advice_on_death(tale)]
    if change := gpu_change(tale.last, tale.present):
        found.append(
            f"GPU {change}: it goes on correctly, but another kind of GPU adds in another order, so what comes now is "
            "not promised to be bit for bit what the old one would have made"
        )
    return "; ".join(text for text in found if text)


def _advice_on_death(tale: Tale) -> str:
    uncounted = tale.last.oom_kills is None or tale.present.oom_kills is None
    if tale.kind == "kernel ended without a word" and uncounted:
        return f"if nobody restarted it, memory may have been short: {_MEMORY}"
    return _LOGS if tale.kind == "kernel crashed" and is_rented(tale.present.place) else ""


def gpu_change(last: SessionRecord, present: SessionRecord) -> str:
    """As "T4 -> A100"; empty if it is the same kind, or if nobody knows what one of them had."""
    if last.gpu == present.gpu or not all(one.gpu or one.place for one in (last, present)):
        return ""
    return f"{short_gpu(last.gpu) or 'none'} -> {short_gpu(present.gpu) or 'none'}"


def short_gpu(name: str) -> str:
    """A GPU's name without those of its makers: "Tesla T4" is a T4."""
    return _MAKERS.sub("", name)


def _ordinal(number: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th") if number % 100 not in (11, 12, 13) else "th"
    return f"{number}{ending}"
