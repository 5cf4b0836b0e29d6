"""A tracked torch module: its `state_dict`, and beside it what a training changes in a module that this leaves out.

That is: which parameters are frozen, which submodules are in eval mode, and those plain attributes and buffers that
are not persistent which have another value than when the module was tracked (a dropout probability, a counter, a hidden
state). What has not changed is not kept, so a constructor's new argument is never overridden by an old checkpoint. And
where the random generators stand that it has in attributes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch.nn.parameter import is_lazy

from ..data.generators import Source, source_of
from .plain import copied, is_plain, same
from .steady import TORCHS_OWN, ModuleLook, look_at_module

__all__ = ["ModulePart", "by_plain_name", "has_memory"]

T = TypeVar("T")


def by_plain_name(named: Iterable[tuple[str, T]]) -> dict[str, T]:
    """By the names without what `torch.compile` and `DataParallel` put into them.

    What is wrapped keeps the plain name, and each wrapper around it, of which other code may know nothing, has one `^`
    more.
    """
    found: dict[str, T] = {}
    for name, thing in reversed(list(named)):  # what is wrapped comes after its wrapper
        plain = _plain_name(name)
        while plain in found:
            plain += "^"
        found[plain] = thing
    return dict(reversed(found.items()))


class ModulePart:
    """A `torch.nn.Module`: parameters and buffers by plain name; shape and dtype must be the same."""

    kind = "module"
    is_steady = True

    def __init__(self, module: torch.nn.Module) -> None:
        self._module = module
        self._flags = self._frozen(), self._in_eval()
        self._tracked = {place.key: copied(place.value) for place in _places(module)}
        self.stood = self.chance()
        self._names = self._names_now()

    def tensors(self) -> Iterator[torch.Tensor]:
        """Parameters and buffers."""
        yield from self._module.parameters()
        yield from self._module.buffers()

    def look(self) -> ModuleLook | None:
        """What state and extras are made of, if that is all that they can be made of."""
        return look_at_module(self._module)

    def added_and_gone(self) -> tuple[list[str], list[str]]:
        """Parameters and buffers that are there, or are not there any more, since the module was tracked."""
        now, then = self._names_now(), self._names
        return [name for name in now if name not in then], [name for name in then if name not in now]

    def state(self) -> Any:
        """A lazy parameter that has no shape yet has no state either."""
        state = self._module.state_dict()
        for key in [key for key, value in state.items() if is_lazy(value)]:
            del state[key]
        return state

    def differences(self, saved: Any) -> list[str]:
        if not isinstance(saved, Mapping):
            return [f"a module's state expected, {type(saved).__name__} saved"]
        saved, now = by_plain_name(saved.items()), by_plain_name(self._module.state_dict().items())
        lines = [f"{key} {_look(now[key])} is not in the checkpoint" for key in now if not _is_in(saved, key, now[key])]
        lines += [f"{key} {_look(saved[key])} is only in the checkpoint" for key in saved if key not in now]
        waiting = _waiting(self._module)
        for key, value in now.items():
            if key in saved and not _fits(saved[key], value) and key not in waiting:
                lines.append(f"{key} is {_look(saved[key])} in the checkpoint, {_look(value)} now")
        return lines

    def load(self, saved: Any) -> None:
        now = self._module.state_dict()
        if now.keys() != saved.keys():
            plain = by_plain_name(saved.items())
            keys = by_plain_name((key, key) for key in now)
            saved = {key: plain.get(name, now[key]) for name, key in keys.items()}
        self._module.load_state_dict(saved)

    def _names_now(self) -> dict[str, None]:
        return by_plain_name((name, None) for name in self._module.state_dict())

    def extras(self) -> dict[str, Any]:
        """What `state` leaves out, live."""
        changed: dict[str, dict[str, dict[str, Any]]] = {"attributes": {}, "buffers": {}}
        for place in _places(self._module):
            if place.key not in self._tracked or not same(place.value, self._tracked[place.key]):
                changed[place.kind].setdefault(place.owner, {})[place.name] = place.value
        drawn = {"generators": generators} if (generators := self.chance()) else {}
        return {"frozen": self._frozen(), "eval": self._in_eval(), **changed, **drawn}

    def differences_of_extras(self, saved: Any) -> list[str]:
        """Why these extras cannot be applied; that a submodule without parameters is gone is no reason."""
        return [] if _are_extras(saved) else ["what was saved beside its state is not what a module has beside it"]

    def reset_extras(self) -> None:
        """As when the module was tracked. Nothing happens to one that was tracked just now."""
        self._set_flags(*self._flags)
        for place in list(_places(self._module)):
            if place.key not in self._tracked:
                del place.home[place.name]
        self._put_back_as_tracked()

    def load_extras(self, saved: Any) -> None:
        # What is not saved was as when the module was tracked; code on the way here may have set it.
        self._put_back_as_tracked()
        self.stand(saved.get("generators", ()))
        self._set_flags(saved["frozen"], saved["eval"])
        owners = by_plain_name(self._module.named_modules())
        for kind in ("attributes", "buffers"):
            for owner in saved[kind].keys() & owners.keys():
                for name, value in saved[kind][owner].items():
                    _put(_Place(kind, owner, owners[owner], name, value))

    def chance(self) -> list[list[Any]]:
        """How the generators in its attributes stand: owner, name and state of each."""
        return [[*key, source.get()] for key, source in _generators(self._module)]

    def stand(self, chance: Iterable[Iterable[Any]]) -> None:
        """Those that are there."""
        states = {(owner, name): state for owner, name, state in chance}
        for key, source in _generators(self._module):
            if key in states:
                source.set(states[key])

    def _put_back_as_tracked(self) -> None:
        self.stand(self.stood)
        now = {place.key: place.value for place in _places(self._module)}
        owners = by_plain_name(self._module.named_modules())
        for key, value in self._tracked.items():
            kind, owner, name = key
            if owner in owners and (key not in now or not same(now[key], value)):
                place = _Place(kind, owner, owners[owner], name, copied(value))
                if key in now or name not in place.home:  # else there is now something that is no plain value
                    _put(place)

    def _frozen(self) -> list[str]:
        parameters = by_plain_name(self._module.named_parameters())
        return [name for name, parameter in parameters.items() if not parameter.requires_grad]

    def _in_eval(self) -> list[str]:
        return [name for name, part in by_plain_name(self._module.named_modules()).items() if not part.training]

    def _set_flags(self, frozen: Collection[str], in_eval: Collection[str]) -> None:
        for name, parameter in by_plain_name(self._module.named_parameters()).items():
            if parameter.requires_grad == (name in frozen):
                parameter.requires_grad_(name not in frozen)
        # In this order, since a compiled module hands its flag on to the one that it wraps.
        for name, part in by_plain_name(self._module.named_modules()).items():
            part.training = name not in in_eval


@dataclass(frozen=True, eq=False)
class _Place:
    """Where a submodule keeps a value that is none of its parameters, submodules and persistent buffers."""

    kind: str
    owner: str
    module: torch.nn.Module
    name: str
    value: Any

    @property
    def key(self) -> tuple[str, str, str]:
        return self.kind, self.owner, self.name

    @property
    def home(self) -> dict[str, Any]:
        return self.module._buffers if self.kind == "buffers" else vars(self.module)


def _are_extras(saved: Any) -> bool:
    match saved:
        case {"frozen": list(frozen), "eval": list(in_eval), "attributes": dict(attributes), "buffers": dict(buffers)}:
            owned = [*attributes.values(), *buffers.values()]
            if not all(type(values) is dict and all(map(is_plain, values.values())) for values in owned):
                return False
            tensors = [value for values in buffers.values() for value in values.values() if value is not None]
            names = [*frozen, *in_eval, *attributes, *buffers, *(name for values in owned for name in values)]
            return all(type(name) is str for name in names) and all(isinstance(one, torch.Tensor) for one in tensors)
    return False


def _places(module: torch.nn.Module) -> Iterator[_Place]:
    """Those with plain values. What looks at the memory of a parameter comes back with that parameter."""
    taken = {one.untyped_storage().data_ptr() for one in _stored(module) if has_memory(one)} - {0}
    for owner, part in by_plain_name(module.named_modules()).items():
        for name in sorted(vars(part).keys() - TORCHS_OWN):
            value = vars(part)[name]
            if is_plain(value, taken) and not _is_derived(part, name, value):
                yield _Place("attributes", owner, part, name, value)
        for name in sorted(part._non_persistent_buffers_set):
            if is_plain(value := part._buffers.get(name), taken):
                yield _Place("buffers", owner, part, name, value)


def _generators(module: torch.nn.Module) -> Iterator[tuple[tuple[str, str], Source]]:
    """Those in attributes, by owner and name."""
    for owner, part in by_plain_name(module.named_modules()).items():
        for name in sorted(vars(part).keys() - TORCHS_OWN):
            if (source := source_of(vars(part)[name])) is not None:
                yield (owner, name), source


def has_memory(tensor: torch.Tensor) -> bool:
    """Lazy and sparse ones, and those of strange types, have none that could be asked for its address."""
    return type(tensor) in (torch.Tensor, torch.nn.Parameter) and tensor.layout is torch.strided


def _is_derived(part: torch.nn.Module, name: str, value: Any) -> bool:
    """The older weight_norm, spectral_norm and prune make `weight` anew from such parameters in every forward pass."""
    return isinstance(value, torch.Tensor) and any(name + end in part._parameters for end in ("_orig", "_v"))


def _stored(module: torch.nn.Module) -> Iterator[torch.Tensor]:
    yield from module.parameters()
    for part in module.modules():
        kept = part._non_persistent_buffers_set
        yield from (buffer for name, buffer in part.named_buffers(recurse=False) if name not in kept)


def _put(place: _Place) -> None:
    """Buffers, and what an optimizer may hold, are filled in place, since others may hold them, too."""
    module, name, value = place.module, place.name, place.value
    other = vars(module) if place.kind == "buffers" else module._buffers
    persistent = module._buffers.keys() - module._non_persistent_buffers_set
    if any(name in names for names in (TORCHS_OWN, module._parameters, module._modules, persistent, other)):
        return  # the code has something else under this name by now
    now = place.home.get(name)
    if isinstance(value, torch.Tensor) and isinstance(now, torch.Tensor):
        held = place.kind == "buffers" or (now.is_leaf and now.requires_grad)
        if held and _look(now) == _look(value) and now.is_contiguous() and not now.is_inference():
            with torch.no_grad():
                now.copy_(value)
            return
        value = value.to(now.device)
    place.home[name] = value
    if place.kind == "buffers":
        module._non_persistent_buffers_set.add(name)


def _plain_name(name: str) -> str:
    return f"{name}.".replace("_orig_mod.", "").removeprefix("module.").removesuffix(".")


def _is_in(saved: Mapping[str, Any], key: str, now: Any) -> bool:
    return key in saved or is_lazy(now)


def _waiting(module: torch.nn.Module) -> set[str]:
    """Buffers that get their shape in the first use, by a module that takes a saved one of any shape: the observers and
    fake quantizers of torch.ao.quantization."""
    return {
        f"{owner}.{name}".removeprefix(".")
        for owner, part in by_plain_name(module.named_modules()).items()
        if type(part)._load_from_state_dict is not torch.nn.Module._load_from_state_dict
        for name, buffer in part.named_buffers(recurse=False)
        if not is_lazy(buffer) and buffer.numel() <= 1
    }


def _fits(saved: Any, now: Any) -> bool:
    if is_lazy(now):
        return isinstance(saved, torch.Tensor) and saved.dtype == now.dtype
    return _look(saved) == _look(now)


def _look(value: Any) -> str:
    if is_lazy(value):
        return f"(no shape yet) {str(value.dtype).removeprefix('torch.')}"
    if isinstance(value, torch.Tensor):
        return f"{tuple(value.shape)} {str(value.dtype).removeprefix('torch.')}"
    return type(value).__name__
