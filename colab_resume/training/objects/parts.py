"""How each kind of tracked object gives its state, says whether a saved one fits, and takes it back.

A part never applies a state that it has found differences to, and its differences name parameters, not positions.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch.optim.lr_scheduler import LRScheduler

from ...errors import UsageError
from ..data.generators import source_of
from .classes import is_node
from .logs import EventFilesPart, OpenFilePart, is_event_writer, is_open_file, leads_out
from .modules import ModulePart
from .optimizers import OptimizerPart
from .own import OwnPart
from .schedules import put_back, state_of
from .whose import has_kerass_optimizer, is_tensorflows, is_tf_generator

__all__ = ["GeneratorPart", "Late", "Part", "Values", "part_for"]

_THIN = {"_FabricOptimizer": "_optimizer", "AcceleratedOptimizer": "optimizer"}
"""Where each of these wrappers has what it wraps."""


class Part(Protocol):
    """One tracked object."""

    kind: str

    def state(self) -> Any:
        """The state now: plain values and live tensors, nothing copied."""
        ...

    def differences(self, saved: Any) -> list[str]:
        """Why `saved` cannot be applied, a line each; empty if it can."""
        ...

    def load(self, saved: Any) -> None: ...


@runtime_checkable
class Late(Protocol):
    """A part of which something may be made after it is tracked."""

    def differences_at_last(self, saved: Any) -> list[str]:
        """Why `saved` cannot be applied as a whole, now that the training goes on."""
        ...


class Values:
    """Plain values that survive: `s = run.state(best=0.0)`, then `s.best = ...`."""

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

        def __setattr__(self, name: str, value: Any) -> None: ...

    def __repr__(self) -> str:
        return f"Values({', '.join(f'{key}={value!r}' for key, value in self.__dict__.items())})"


class _ValuesPart:
    kind = "values"

    def __init__(self, values: Values) -> None:
        self._values = values

    def state(self) -> Any:
        return dict(self._values.__dict__)

    def differences(self, saved: Any) -> list[str]:
        return [] if isinstance(saved, dict) else [f"plain values expected, {type(saved).__name__} saved"]

    def load(self, saved: Any) -> None:
        self._values.__dict__.update(saved)


class _PairPart:
    """Anything that gives and takes its state through two callables."""

    def __init__(self, kind: str, get: Callable[[], Any], take: Callable[[Any], Any]) -> None:
        self.kind = kind
        self.state = get
        self._take = take

    def differences(self, saved: Any) -> list[str]:  # noqa: ARG002 - only the object itself can tell
        return []

    def load(self, saved: Any) -> None:
        self._take(saved)


class GeneratorPart(_PairPart):
    """A random generator. What code draws on its way back to the training is drawn again, so until it is there the
    generator stands as it stood there the first time.

    `chance` says how it stands now, `stand` lets it stand so; `stood`: how it stood when it was tracked.
    """

    def __init__(self, kind: str, get: Callable[[], Any], take: Callable[[Any], Any]) -> None:
        super().__init__(kind, get, take)
        self.chance, self.stand = get, take
        self.stood = get()


class _FilePart:
    """An object that writes its state to a path and reads it back: `save_state(path)`, `load_state(path)`."""

    def __init__(self, kind: str, owner: Any) -> None:
        self.kind = kind
        self._owner = owner

    def state(self) -> Any:
        with tempfile.TemporaryDirectory(prefix="colab-resume-") as folder:
            path = Path(folder, "state")
            self._owner.save_state(str(path))
            if path.is_file():
                return path.read_bytes()
            files = sorted(file for file in path.rglob("*") if file.is_file())
            return {file.relative_to(path).as_posix(): file.read_bytes() for file in files}

    def differences(self, saved: Any) -> list[str]:
        return leads_out(saved) if isinstance(saved, dict) else []

    def load(self, saved: Any) -> None:
        with tempfile.TemporaryDirectory(prefix="colab-resume-") as folder:
            path = Path(folder, "state")
            if isinstance(saved, bytes):
                path.write_bytes(saved)
            else:
                path.mkdir()
                for name, data in saved.items():
                    file = path / name
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.write_bytes(data)
            self._owner.load_state(str(path))


def part_for(
    name: str,
    thing: Any,
    parameters: Callable[[], Mapping[str, torch.Tensor]],
    everything: Callable[[], Mapping[str, Any]],
) -> Part:
    """The part that fits this object; `UsageError` if it has no way to give and take its state."""
    kind = f"{type(thing).__module__}.{type(thing).__qualname__}"
    if isinstance(thing, Values):
        return _ValuesPart(thing)
    if isinstance(thing, torch.optim.Optimizer):
        return OptimizerPart(_bare(thing), parameters)
    if isinstance(thing, torch.nn.Module):
        if has_kerass_optimizer(thing):
            raise UsageError(
                f"{name} was compiled with an optimizer of Keras, whose state is no part of the module",
                hint="use run.attach(model) and model.fit(...); in a loop of your own, an optimizer of torch, and "
                "compile(optimizer=None)",
            )
        return ModulePart(thing)
    if is_tensorflows(thing):
        from ..tensorflow.parts import TensorFlowPart

        part = TensorFlowPart(name, thing, everything)
        return GeneratorPart(part.kind, part.state, part.load) if is_tf_generator(thing) else part
    if is_open_file(thing):
        return OpenFilePart(thing)
    if is_event_writer(thing):
        return EventFilesPart(thing)
    if (pair := _pair_of(thing)) is not None:
        draws = source_of(thing) is not None
        return (GeneratorPart if draws else _PairPart)("pair" if isinstance(thing, tuple) else kind, *pair)
    if callable(getattr(thing, "save_state", None)) and callable(getattr(thing, "load_state", None)):
        return _FilePart(kind, thing)
    if is_node(thing):
        return OwnPart(name, thing, parameters, everything)
    raise UsageError(
        f"{name} is a {kind}, which has no way to give its state and take it back",
        hint="give it state_dict/load_state_dict, track a pair (get, set), or keep plain values in run.state(...)",
    )


def _pair_of(thing: Any) -> tuple[Callable[[], Any], Callable[[Any], Any]] | None:
    """How it gives its state and takes it, if that is by two callables."""
    if isinstance(thing, LRScheduler):
        return partial(state_of, thing), partial(put_back, thing)
    if isinstance(thing, np.random.Generator):
        return lambda: thing.bit_generator.state, lambda state: setattr(thing.bit_generator, "state", state)
    if isinstance(thing, random.Random):
        return thing.getstate, thing.setstate
    for get, take in (("state_dict", "load_state_dict"), ("get_state", "set_state")):
        if callable(getattr(thing, get, None)) and callable(getattr(thing, take, None)):
            return getattr(thing, get), getattr(thing, take)
    if isinstance(thing, tuple) and len(thing) == 2 and all(map(callable, thing)):
        return thing
    return None


def _bare(optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
    """Lightning Fabric and Accelerate put a wrapper around an optimizer that keeps nothing from step to step."""
    for kind in type(optimizer).__mro__:
        inside = vars(optimizer).get(_THIN.get(kind.__name__, ""))
        if isinstance(inside, torch.optim.Optimizer):
            return inside
    return optimizer
