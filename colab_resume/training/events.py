"""What the loops tell whoever follows the training, always in the training's own thread."""

from __future__ import annotations

from typing import Any, Protocol

from .forgotten import Watch

__all__ = ["LoopEvents"]


class LoopEvents(Protocol):
    """One method for each thing that happens."""

    def arrived(self) -> None:
        """The loops are back at the restored position: the state may be put back for good."""
        ...

    def begins(self) -> None:
        """A training that restored nothing enters its first loop."""
        ...

    def meets(self, loader: Any) -> None:
        """The first pass over this loader is asked for."""
        ...

    def hands_out_first(self) -> None:
        """The first batch of the whole run is about to be handed out."""
        ...

    def drawn_again(self) -> None:
        """A second one is asked for; `UsageError` if the first was not trained on."""
        ...

    def data_differ(self, *, order: bool, sizes: tuple[int, int] | None) -> None:
        """A pass goes on with another item than the first time; `order`: it has begun with another one already.

        `sizes`: how many that item had in it before, and has now, if that is the difference.
        """
        ...

    def epochs_are_not_counted(self) -> None:
        """A second pass begins in a `for` loop that is none of the run's."""
        ...

    def before_a_pause(self) -> None:
        """After the next boundary something long may come that is no step, such as a validation."""
        ...

    def epoch_ended(self) -> None:
        """The next boundary is the end of an epoch."""
        ...

    def saves_next(self) -> bool:
        """Whether the state would be captured at the next boundary."""
        ...

    def at_boundary(self, *, savable: bool, pauses: bool, loop_ended: bool) -> None:
        """A step or an epoch is complete; if `savable`, the state may be captured; if `loop_ended`, it should.

        If it `pauses`, what comes next is no step.
        """
        ...

    def watch(self) -> Watch:
        """A pass begins whose turns are steps or epochs: what its body changes is looked at."""
        ...

    def entered_again(self, name: str) -> None:
        """A loop that was interrupted is entered anew: the training must go back to a known boundary."""
        ...

    def already_complete(self, name: str, turns: int) -> None:
        """A loop that has come to its end in this process is entered once more."""
        ...
