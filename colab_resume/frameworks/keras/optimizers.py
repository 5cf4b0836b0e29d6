"""The optimizers that a model steps by itself, as a GAN does, which has one for each of its halves.

Keras knows the one that it was compiled with; these are attributes of the model. They make their variables in their
first step, for what they are to train. So what that is is kept, by places among the model's variables, and after a
restart they make them before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras

__all__ = ["begin_anew", "make_ready", "others", "trained"]


def others(model: Any) -> list[Any]:
    """All but the one that the model was compiled with: of itself and of what it is made of, each once."""
    layers = model._flatten_layers()
    held = (one for layer in layers for value in vars(layer).values() for one in _inside(value))
    known = {id(model.optimizer)} if getattr(model, "optimizer", None) is not None else set()
    return list({id(one): one for one in held if id(one) not in known}.values())


def trained(optimizer: Any, model: Any) -> list[int | None] | None:
    """The places of what it trains among the variables of the model; None as long as it has made no step."""
    if not optimizer.built:
        return None
    places = {id(variable): place for place, variable in enumerate(model.variables)}
    return [places.get(id(variable)) for variable in optimizer._trainable_variables]


def make_ready(optimizer: Any, places: Sequence[int | None] | None, model: Any) -> None:
    """Let it have the variables that it had when it trained these."""
    if places is not None and None not in places and not optimizer.built:
        variables = model.variables
        if all(place is not None and place < len(variables) for place in places):
            optimizer.build([variables[place] for place in places if place is not None])


def begin_anew(optimizer: Any) -> None:
    """Let it be as before its first step, although it has made some."""
    new = type(optimizer).from_config(optimizer.get_config())
    new.build(optimizer._trainable_variables)
    for variable, its in zip(optimizer.variables, new.variables, strict=True):
        variable.assign(its.value)


def _inside(value: Any) -> Iterator[Any]:
    if isinstance(value, keras.optimizers.Optimizer):
        yield value
    elif isinstance(value, Mapping):
        yield from (one for one in value.values() if isinstance(one, keras.optimizers.Optimizer))
    elif isinstance(value, list | tuple):
        yield from (one for one in value if isinstance(one, keras.optimizers.Optimizer))
