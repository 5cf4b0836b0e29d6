"""How each kind of tracked object gives its state, says whether a saved one fits, and takes it back.

A part never applies a state that it has found differences to, and its differences name parameters, not positions.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from ..errors import UsageError

__all__ = ["OptimizerPart", "Part", "Values", "part_for", "plain_name"]


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
        names = list(saved) if isinstance(saved, dict) else []
        return [f"file name {name!r} leads out of its folder" for name in names if not _is_inside(name)]

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


def plain_name(key: str) -> str:
    """A parameter's name without what `torch.compile` and `DataParallel` put into it."""
    return key.replace("_orig_mod.", "").removeprefix("module.")


def _by_plain_name(state: Mapping[str, Any]) -> dict[str, Any]:
    plain = {plain_name(key): value for key, value in state.items()}
    return plain if len(plain) == len(state) else dict(state)


class _ModulePart:
    """A `torch.nn.Module`: parameters and buffers by plain name; shape and dtype must be the same."""

    kind = "module"

    def __init__(self, module: torch.nn.Module) -> None:
        self._module = module

    def state(self) -> Any:
        return self._module.state_dict()

    def differences(self, saved: Any) -> list[str]:
        if not isinstance(saved, Mapping):
            return [f"a module's state expected, {type(saved).__name__} saved"]
        saved, now = _by_plain_name(saved), _by_plain_name(self._module.state_dict())
        lines = [f"{key} {_look(now[key])} is not in the checkpoint" for key in now if key not in saved]
        lines += [f"{key} {_look(saved[key])} is only in the checkpoint" for key in saved if key not in now]
        for key, value in now.items():
            if key in saved and _look(value) != _look(saved[key]):
                lines.append(f"{key} is {_look(saved[key])} in the checkpoint, {_look(value)} now")
        return lines

    def load(self, saved: Any) -> None:
        keys = {key: key for key in self._module.state_dict()}
        if keys.keys() != saved.keys():
            real = _by_plain_name(keys)
            saved = {real[name]: value for name, value in _by_plain_name(saved).items()}
        self._module.load_state_dict(saved)


class OptimizerPart:
    """A torch optimizer, with the names and shapes of its parameters, and with gradients where they are still needed.

    Torch matches optimizer state to parameters by position, so that two layers that changed places would silently
    swap their moments; the names kept here notice it. Gradients are kept when the optimizer has not stepped since
    they were made (accumulation), and unless it has been seen that they are made anew in each step.
    """

    kind = "optimizer"

    def __init__(self, optimizer: torch.optim.Optimizer, names: Callable[[], Mapping[int, str]]) -> None:
        self._optimizer = optimizer
        self._names = names
        self._stepped = False
        self._live_on: bool | None = None  # not known before two boundaries were seen: then they are kept
        self._sample: tuple[int, int] | None = None
        self._hook = optimizer.register_step_post_hook(self._note_step)

    @property
    def mid_accumulation(self) -> bool:
        """Whether gradients wait for a step of this optimizer."""
        return not self._stepped and any(parameter.grad is not None for parameter in self._parameters())

    def reach_boundary(self) -> None:
        """A step has ended: see whether gradients have lived through it. Called before anything is captured."""
        gradients = (parameter.grad for parameter in self._parameters())
        # Sparse gradients have no memory of their own to know them by.
        dense = (one for one in gradients if one is not None and one.layout == torch.strided)
        sample = next(((one.data_ptr(), one._version) for one in dense), None)
        if sample and self._sample:
            # One made anew after zero_grad(set_to_none=True) counts its changes from the start again.
            lived = sample[0] == self._sample[0] and sample[1] > self._sample[1]
            self._live_on = bool(self._live_on) or lived
        self._sample = sample

    def leave_boundary(self) -> None:
        """The next step begins."""
        self._stepped = False

    def release(self) -> None:
        """Take the hook off the optimizer."""
        self._hook.remove()

    def state(self) -> Any:
        state: dict[str, Any] = {
            "optimizer": self._optimizer.state_dict(),
            "parameters": self._describe(),
        }
        if self._live_on is not False or self.mid_accumulation:
            state["gradients"] = [_pack(parameter.grad) for parameter in self._parameters()]
        return state

    def differences(self, saved: Any) -> list[str]:
        before, now = saved["parameters"], self._describe()
        if len(before) != len(now):
            return [f"{len(before)} parameter groups in the checkpoint, {len(now)} now"]
        lines = []
        for group, (olds, news) in enumerate(zip(before, now, strict=True)):
            if len(olds) != len(news):
                lines.append(f"group {group} has {len(olds)} parameters in the checkpoint, {len(news)} now")
                continue
            for place, (old, new) in enumerate(zip(olds, news, strict=True)):
                named = old[0] is not None and new[0] is not None
                if old[1:] != new[1:] or (named and old[0] != new[0]):
                    lines.append(f"group {group} place {place} is {_say(old)} in the checkpoint, {_say(new)} now")
        return lines

    def load(self, saved: Any) -> None:
        self._optimizer.load_state_dict(saved["optimizer"])
        self._undo_casts(saved["optimizer"])
        gradients = saved.get("gradients")
        for place, parameter in enumerate(self._parameters()):
            gradient = _unpack(gradients[place]) if gradients else None
            parameter.grad = None if gradient is None else gradient.to(parameter.device)
        self._stepped, self._live_on, self._sample = False, None, None

    def _undo_casts(self, saved: Any) -> None:
        """`load_state_dict` casts moments to the parameter's dtype: fp32 ones of a bf16 parameter would be rounded."""
        places = (place for group in saved["param_groups"] for place in group["params"])
        for place, parameter in zip(places, self._parameters(), strict=True):
            state = self._optimizer.state[parameter] if place in saved["state"] else {}
            for key, value in saved["state"].get(place, {}).items():
                if isinstance(value, torch.Tensor) and state[key].dtype != value.dtype:
                    state[key] = value.to(state[key].device)

    def _note_step(self, *_: Any) -> None:
        self._stepped = True

    def _parameters(self) -> Iterable[torch.Tensor]:
        return (parameter for group in self._optimizer.param_groups for parameter in group["params"])

    def _describe(self) -> list[list[list[Any]]]:
        names = self._names()
        return [
            [[names.get(id(p)), list(p.shape), str(p.dtype).removeprefix("torch.")] for p in group["params"]]
            for group in self._optimizer.param_groups
        ]


def _pack(gradient: torch.Tensor | None) -> Any:
    """A sparse gradient as what it consists of: only tensors with memory of their own can be stored."""
    if gradient is None or gradient.layout == torch.strided:
        return gradient
    return {"indices": gradient._indices(), "values": gradient._values(), "shape": list(gradient.shape)}


def _unpack(saved: Any) -> torch.Tensor | None:
    if isinstance(saved, dict):
        return torch.sparse_coo_tensor(saved["indices"], saved["values"], saved["shape"], check_invariants=True)
    gradient: torch.Tensor | None = saved
    return gradient


def part_for(name: str, thing: Any, names: Callable[[], Mapping[int, str]]) -> Part:
    """The part that fits this object; `UsageError` if it has no way to give and take its state."""
    kind = f"{type(thing).__module__}.{type(thing).__qualname__}"
    if isinstance(thing, Values):
        return _ValuesPart(thing)
    if isinstance(thing, torch.optim.Optimizer):
        return OptimizerPart(thing, names)
    if isinstance(thing, torch.nn.Module):
        return _ModulePart(thing)
    if isinstance(thing, np.random.Generator):
        return _PairPart(kind, lambda: thing.bit_generator.state, lambda s: setattr(thing.bit_generator, "state", s))
    if isinstance(thing, random.Random):
        return _PairPart(kind, thing.getstate, thing.setstate)
    for get, take in (("state_dict", "load_state_dict"), ("get_state", "set_state")):
        if callable(getattr(thing, get, None)) and callable(getattr(thing, take, None)):
            return _PairPart(kind, getattr(thing, get), getattr(thing, take))
    if callable(getattr(thing, "save_state", None)) and callable(getattr(thing, "load_state", None)):
        return _FilePart(kind, thing)
    if isinstance(thing, tuple) and len(thing) == 2 and all(map(callable, thing)):
        return _PairPart("pair", *thing)
    raise UsageError(
        f"{name} is a {kind}, which has no way to give its state and take it back",
        hint="give it state_dict/load_state_dict, track a pair (get, set), or keep plain values in run.state(...)",
    )


def _is_inside(name: Any) -> bool:
    path = Path(name) if isinstance(name, str) else Path("..")
    return not path.is_absolute() and ".." not in path.parts


def _look(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return f"{tuple(value.shape)} {str(value.dtype).removeprefix('torch.')}"
    return type(value).__name__


def _say(parameter: list[Any]) -> str:
    name, shape, dtype = parameter
    return f"{name or 'a parameter'} {tuple(shape)} {dtype}"
