"""The variables of a Keras model and of all that belongs to it: how they are taken, compared and put back.

Besides the weights these are the optimizers', the metrics' in mid-epoch, and the seeds from which Dropout and its like
draw, which Keras itself never saves. They are known by their place; a variable's path has numbers in it that depend on
what else was made in the process, so it only has to agree without them. On JAX a `fit` keeps its state outside of the
variables; they are given it back before they are looked at, and `fit` takes it up again from them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from keras.src import backend
from keras.src.backend.common import global_state
from keras.src.random.seed_generator import GLOBAL_SEED_GENERATOR, global_seed_generator

from ...checkpoints.encoding import Immutable
from ...training.objects.narrow import as_array, as_stored
from .optimizers import begin_anew, make_ready, trained

__all__ = ["differences", "groups_of", "learning_rate", "put", "stepped", "taken"]

_SHOWN = 8


def taken(model: Any, others: Sequence[Any] = ()) -> dict[str, Any]:
    """The state of the model, its optimizer and `others` that it steps by itself, its metrics and its seeds."""
    return {
        "variables": {
            group: [_taken(variable) for variable in found] for group, found in _groups(model, others).items()
        },
        "trainable": [bool(layer.trainable) for layer in model._flatten_layers()],
        "trained": [trained(one, model) for one in others],
    }


def differences(model: Any, saved: Mapping[str, Any], groups: Collection[str], others: Sequence[Any] = ()) -> list[str]:
    """Why these groups of the saved state cannot be put into the model, a line each."""
    then_trained = saved.get("trained", [])
    if "optimizer" in groups and len(then_trained) != len(others):
        return [f"{len(then_trained)} optimizers beside the model's own in the checkpoint, {len(others)} now"]
    for one, places in zip(others, then_trained, strict=False):
        make_ready(one, places, model)
    now, then = _groups(model, others), saved["variables"]
    begins_anew = {group for group, _ in _beginning_anew(others, saved)}
    lines = [
        line
        for group in groups
        for line in _group_differences(
            group, now[group][: len(then[group])] if group in begins_anew else now[group], then.get(group, [])
        )
    ]
    return lines if len(lines) <= _SHOWN else [*lines[:_SHOWN], f"and {len(lines) - _SHOWN} more"]


def put(model: Any, saved: Mapping[str, Any], groups: Iterable[str], others: Sequence[Any] = ()) -> None:
    """Put these groups of a state without `differences` into the model."""
    for layer, trainable in zip(model._flatten_layers(), saved["trainable"], strict=False):
        if bool(layer.trainable) is not trainable:
            layer.trainable = trainable
    if saved["variables"]["global seed"]:
        global_seed_generator()
    for _, one in _beginning_anew(others, saved):
        begin_anew(one)
    now = _groups(model, others)
    for group in groups:
        for variable, its in zip(now[group], saved["variables"][group], strict=False):
            value = its["value"]
            variable.assign(value if backend.backend() == "torch" else as_array(value, variable.dtype))


def stepped(model: Any, others: Sequence[Any] = ()) -> list[torch.Tensor]:
    """On torch: the weights that are trained, and the optimizers'; what is a single number callbacks may set."""
    slots = (variable for one in (model.optimizer, *others) for variable in one.variables)
    values = (variable.value for variable in (*model.trainable_variables, *slots))
    return [value for value in values if value.numel() > 1]


def learning_rate(model: Any) -> float | None:
    """As it is now; None if a schedule gives it, which no saved state overrides."""
    if backend.backend() == "jax":
        model.jax_state_sync()
    optimizer = getattr(model, "optimizer", None)
    rate = getattr(getattr(optimizer, "inner_optimizer", optimizer), "_learning_rate", None)
    return float(f"{float(backend.convert_to_numpy(rate)):.6g}") if isinstance(rate, backend.Variable) else None


def groups_of(others: Sequence[Any]) -> tuple[str, ...]:
    """What the groups of variables are called, with those of these optimizers."""
    return "model", "optimizer", *(_named(number) for number in range(len(others))), "metrics", "global seed"


def _named(number: int) -> str:
    return f"optimizer {number + 2}"


def _beginning_anew(others: Sequence[Any], saved: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Those that have made steps, and had made none where the state was saved."""
    pairs = enumerate(zip(others, saved.get("trained", []), strict=False))
    return [(_named(number), one) for number, (one, places) in pairs if one.built and places is None]


def _groups(model: Any, others: Sequence[Any]) -> dict[str, Sequence[Any]]:
    if backend.backend() == "jax":
        model.jax_state_sync()
    optimizer = getattr(model, "optimizer", None)
    seed = global_state.get_global_attribute(GLOBAL_SEED_GENERATOR)
    return {
        "model": model.variables,
        "optimizer": optimizer.variables if optimizer is not None else [],
        **{_named(number): one.variables for number, one in enumerate(others)},
        "metrics": model.metrics_variables,
        "global seed": [seed.state] if seed is not None else [],
    }


def _taken(variable: Any) -> dict[str, Any]:
    value = _value(variable)
    return {"path": variable.path, "value": value if backend.backend() == "torch" else Immutable(value)}


def _value(variable: Any) -> Any:
    if backend.backend() == "torch":
        return variable.value.detach()
    if backend.backend() == "tensorflow":
        from ...training.tensorflow.memory import array_of

        return as_stored(array_of(variable))
    # On the CPU that is JAX's own memory; as long as somebody has it, no step writes to it.
    return as_stored(np.asarray(variable.value))


def _group_differences(group: str, now: Sequence[Any], then: Sequence[Mapping[str, Any]]) -> list[str]:
    if group == "global seed":  # made when it is first drawn from
        return []
    if len(now) != len(then):
        return [f"{group}: {len(then)} variables in the checkpoint, {len(now)} now"]
    found = [f"{group}: {line}" for one, other in zip(now, then, strict=True) if (line := _difference(one, other))]
    here, there = [one.path for one in now], [other["path"] for other in then]
    if not found and here != there and sorted(here) == sorted(there):
        return [f"{group}: its variables stand in another order"]
    return found


def _difference(now: Any, then: Mapping[str, Any]) -> str:
    one, other = _plain(now.path), _plain(then["path"])
    if one != other:
        return f"{then['path']} in the checkpoint, {now.path} now"
    value = then["value"]
    shapes = tuple(now.shape), tuple(value.shape)
    kinds = str(_value(now).dtype), str(value.dtype)
    if shapes[0] == shapes[1] and kinds[0] == kinds[1]:
        return ""
    return f"{now.path} is {kinds[1]}{list(shapes[1])} in the checkpoint, {kinds[0]}{list(shapes[0])} now"


def _plain(path: str) -> str:
    # An optimizer's variables have whole paths for names, joined by underscores.
    return re.sub(r"_\d+(?=[_/]|$)", "", path)
