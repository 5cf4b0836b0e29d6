"""Plain values that a model's own step changes: a count of its steps, a weight that is annealed.

They are attributes of the model, or of a layer of the user's, and no variables, so Keras knows nothing of them. Kept
are those that differ from what they were before the first `fit`. Where a step is compiled, as on TensorFlow and JAX,
they are read when its graph is made, and do not change from step to step.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import keras
from keras.src import backend
from keras.src.utils.tracking import TrackedDict, TrackedList, TrackedSet

from .attributes import is_kept, kept, mark

__all__ = ["OwnValues"]


class OwnValues:
    """Those of one model."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._as_made: dict[tuple[int, str], Any] | None = None
        self._marks: dict[tuple[int, str], Any] = {}

    def meet(self) -> None:
        """A `fit` is about to begin."""
        if self._as_made is None:
            self._as_made = {key: kept(value) for key, value in self._now()}
            self._marks = {key: mark(value) for key, value in self._as_made.items()}

    def taken(self) -> list[list[Any]]:
        """Layer by number, name, value."""
        marks = self._marks
        return [[*key, kept(value)] for key, value in self._now() if key in marks and mark(value) != marks[key]]

    def put(self, saved: list[list[Any]]) -> None:
        """Give these back; the others are as they were made."""
        self.meet()
        then = (self._as_made or {}) | {(place, name): value for place, name, value in saved}
        layers = self._model._flatten_layers()
        for key, value in [*self._now()]:
            if key in then and mark(value) != mark(then[key]):
                setattr(layers[key[0]], key[1], kept(then[key]))

    def _now(self) -> Iterator[tuple[tuple[int, str], Any]]:
        if backend.backend() != "torch":
            return
        for place, layer in enumerate(self._model._flatten_layers()):
            if type(layer).__module__.partition(".")[0] != "keras":
                own = ((name, _bare(value)) for name, value in vars(layer).items() if name not in _kerass())
                yield from (((place, name), value) for name, value in own if is_kept(value))


def _bare(value: Any) -> Any:
    """Keras puts containers of its own in the place of those that it is given."""
    if type(value) is TrackedDict:
        return {key: _bare(item) for key, item in value.items()}
    if type(value) is TrackedList:
        return [_bare(item) for item in value]
    return set(value) if type(value) is TrackedSet else value


@cache
def _kerass() -> frozenset[str]:
    """The names of what every model has. It is given a name, for without one Keras counts its models."""
    model = keras.Model(name="any")
    model.compile(optimizer=None)
    return frozenset((*vars(model), "built", "stop_training", "history"))
