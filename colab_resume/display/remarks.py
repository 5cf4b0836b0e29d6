"""What the course of a training warns its user of, in words: each thing once, while there is time to act."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .text import warn

__all__ = ["Remarks"]


class Remarks:
    """The warnings of the run `name`."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._said: set[str] = set()
        self._room: set[str] = set()
        self._reshaped: set[tuple[str, str]] = set()

    def say(self, line: str) -> None:
        """Once."""
        if line not in self._said:
            self._said.add(line)
            warn(f"{self._name}: {line}")

    def room(self, lines: Iterable[str]) -> None:
        """Too little space, once for each number that fits; an empty line is none."""
        said, self._room = self._room, set(lines)
        for line in self._room - said - {""}:
            warn(f"{self._name}: {line}")

    def undone(self, names: Iterable[str]) -> None:
        """As often as somebody changes something by hand and goes back."""
        if found := ", ".join(names):
            warn(
                f"{self._name}: changed while the training stood still, and put back: {found}. To keep a change, make "
                "it inside the loop: `if epoch == 4: ...`"
            )

    def overridden(self, changes: Iterable[str]) -> None:
        """Who has changed the code believes in what it says now."""
        if found := "; ".join(changes):
            self.say(
                f"the code has changed since the run began ({found}), and the values of the checkpoint are used. To "
                "change one from here on, set it inside the loop: `if epoch == 4: ...`, or in a callback; another "
                "training gets another name"
            )

    def reordered(self, names: Iterable[str]) -> None:
        """Their moments are right; what the code keeps beside them in a list is not."""
        if found := ", ".join(names):
            self.say(
                f"the parameters of {found} stood in another order than in the checkpoint, as what comes from a `set` "
                "does in each process, and were put into that one. A list of your own that goes with them has to be "
                "made from opt.param_groups, behind run.track"
            )

    def already_complete(self, name: str, done: int, turns: int) -> None:
        """Each time."""
        warn(f"{self._name}: loop {name!r} is over ({done} of {turns}); if this is another loop, give it a name=")

    def data_differ(self, *, order: bool, sizes: tuple[int, int] | None) -> None:
        """Who goes on in the middle of such a pass trains on other data than were left of it. `sizes`: of a batch
        before and now, if that is what has changed."""
        if sizes:
            self.say(
                f"a batch has {sizes[1]} items now, and had {sizes[0]} before the restart: as many batches are skipped "
                "as were trained on, so some data come twice in this pass, or others not at all. With the size of "
                "before until this epoch ends, none do"
            )
        elif order:
            self.say(
                "this pass over the data begins with another batch than before the restart: some data may come twice "
                "in it, and others not at all. Either what decides the order has no seed (a generator made without "
                "one, the time), or they are not the data of then"
            )
        else:
            self.say(
                "the batch that comes next is not the one that would have come before the restart: the data are "
                "others, stand in another order, or what is done to them is. What `listdir` and `glob` give, and what "
                "is made from a `set` of texts (the numbers of words or of classes), stands in another order in each "
                "life: sort it. A generator made without a seed draws other numbers"
            )

    def data_count(self, names: Iterable[str]) -> None:
        """What an item is then hangs on how many were made before, which no checkpoint knows."""
        if found := ", ".join(names):
            self.say(
                f"the data count for themselves where items are made ({found}): a restart begins that anew. What an "
                "item is must not hang on it, but on its index and on random numbers"
            )

    def epochs_are_not_counted(self) -> None:
        """What is trained is right; what is printed, validated and written to files is not."""
        self.say(
            "the `for` loop around run.batches is none of the run's: after a restart all else in it runs again for "
            "each pass that is done, with the weights of later. Say `for epoch in run.epochs(n)`"
        )

    def reshaped(self, what: Mapping[str, str], step: int) -> None:
        """While there is time to write the line of code without which a restart could not go on."""
        for name, change in sorted(what.items()):
            if change and (name, change) not in self._reshaped:
                self._reshaped.add((name, change))
                self.say(
                    f"{name} has other parameters than when it was tracked ({change}): after a restart it needs them "
                    f"before run.track, where run.status().restored is {step} or more"
                )
