"""A tracked torch optimizer: its state, the names of its parameters, and their gradients where they are still needed.

Two of torch's habits are undone: it matches state to parameters by position, and it casts moments to the parameters'
dtype. Parameter groups that the code added in the middle of the training are added again where the code on the way
back does not come by. What optimizers of others keep where no `state_dict` looks is kept, too: other optimizers inside
of them, plain values in attributes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch.nn.parameter import is_lazy

from .attributes import Attributes
from .nests import Nest, is_built, members
from .steady import OptimizerLook, look_at_optimizer

__all__ = ["OptimizerPart"]


class OptimizerPart:
    """A torch optimizer, with the names and shapes of its parameters, and with gradients where they are still needed.

    Torch matches optimizer state to parameters by position, so that two layers that changed places would silently
    swap their moments; the names kept here notice it. Gradients are kept when the optimizer has not stepped since
    they were made (accumulation), and unless it has been seen that they are made anew in each step.
    """

    kind = "optimizer"

    def __init__(self, optimizer: torch.optim.Optimizer, parameters: Callable[[], Mapping[str, torch.Tensor]]) -> None:
        self._optimizer = optimizer
        self._named = parameters
        inside = members(optimizer)
        self._inside = list(inside.values())
        self._nest = Nest(inside) if len(inside) > 1 or not is_built(optimizer) else None
        others = {path: one for path, one in inside.items() if not _is_torchs(one)}
        self._attributes = {path: Attributes(one, self._addresses) for path, one in others.items()}
        self._groups_at_first = len(optimizer.param_groups)
        self._stepped = False
        self._live_on: bool | None = None  # not known before two boundaries were seen: then they are kept
        self._sample: tuple[int, int] | None = None
        self._left_over: list[tuple[int, int]] | None = None
        heard = [one for one in self._inside if hasattr(one, "_optimizer_step_pre_hooks")]
        self._hooks = [
            *(one.register_step_pre_hook(self._announce_step) for one in heard),
            *(one.register_step_post_hook(self._note_step) for one in heard),
        ]
        self.before_step: Callable[[], None] = lambda: None

    @property
    def mid_accumulation(self) -> bool:
        """Whether gradients wait for a step of this optimizer."""
        if self._stepped or not self._hooks or all(parameter.grad is None for parameter in self._parameters()):
            return False
        return self._left_over is None or self._left_over != self._all_gradients()

    def reach_boundary(self) -> None:
        """A step has ended: see whether gradients have lived through it. Called before anything is captured."""
        gradients = (parameter.grad for parameter in self._parameters())
        # Sparse gradients have no memory of their own to know them by.
        dense = (one for one in gradients if one is not None and one.layout == torch.strided)
        sample = next(((one.data_ptr(), one._version) for one in dense), None)
        if sample and self._sample and sample != self._sample:
            # One made anew after zero_grad(set_to_none=True) counts its changes from the start again.
            lived = sample[0] == self._sample[0] and sample[1] > self._sample[1]
            self._live_on = bool(self._live_on) or lived
        self._sample = sample

    def leave_boundary(self, *, step_follows: bool) -> None:
        """The next step begins, or a pause in which gradients of the last step may be left over."""
        whole = not step_follows and not self.mid_accumulation
        self._left_over = self._all_gradients() if whole else None
        self._stepped = False

    def release(self) -> None:
        """Take the hooks off the optimizer."""
        for hook in self._hooks:
            hook.remove()

    @property
    def is_steady(self) -> bool:
        """Whether its state is without gradients, whose memory comes and goes."""
        if all(parameter.grad is None for parameter in self._parameters()):
            return True
        return bool(self._hooks) and self._live_on is False and not self.mid_accumulation

    def look(self) -> OptimizerLook | None:
        """What the state is made of while it is steady, if that is all that it can be made of."""
        return look_at_optimizer(self._optimizer) if self._nest is None else None

    @property
    def is_known(self) -> bool:
        """Whether it is one of torch's own, which change parameters and state in `step` and nowhere else."""
        return self._nest is None and _is_torchs(self._optimizer)

    def tensors(self) -> Iterator[torch.Tensor]:
        """Its parameters, and what it keeps beside them."""
        yield from (parameter for parameter in self._parameters() if not is_lazy(parameter))
        entries = self._optimizer.state.values() if self._nest is None else self._nest.entries()
        slots = (slot for slot in entries if isinstance(slot, dict))
        yield from (value for slot in slots for value in slot.values() if isinstance(value, torch.Tensor))

    def owed_nbytes(self) -> int:
        """About how many bytes its state will have after its first step that it does not have yet."""
        parameters = [one for one in self._parameters() if not is_lazy(one)]
        new = [one for one in parameters if one.requires_grad and one not in self._optimizer.state]
        return sum(map(_copies_kept, self._inside)) * sum(one.nbytes for one in new)

    def state(self) -> Any:
        books = {"optimizer": self._optimizer.state_dict()} if self._nest is None else {"nest": self._nest.state()}
        state: dict[str, Any] = {**books, "parameters": self._describe()}
        if changed := {path: found for path, one in self._attributes.items() if (found := one.changed())}:
            state["attributes"] = changed
        if not self.is_steady:
            state["gradients"] = [_pack(parameter.grad) for parameter in self._parameters()]
        return state

    def stand_as(self, saved: Any) -> bool:
        """Let the parameters of each group stand as they did; whether they stood otherwise. Code that takes them or
        their names from a set gives them in another order in each process. One of torch's own keeps nothing else by
        their places, as others may."""
        if not self.is_known:
            return False
        moved = False
        names = {id(parameter): name for name, parameter in self._named().items()}
        for described, group in zip(saved["parameters"], self._optimizer.param_groups, strict=False):
            before = [name for name, *_ in described]
            now = {names.get(id(parameter)): place for place, parameter in enumerate(group["params"])}
            if before != list(now) and None not in now and len(now) == len(before) and set(now) == set(before):
                moved = True
                for key in group.keys() & {"params", "param_names"}:
                    group[key][:] = [group[key][now[name]] for name in before]
        return moved

    def differences(self, saved: Any) -> list[str]:
        """About the groups that there were when it was tracked: those that came later, the code may still add."""
        before, now, first = saved["parameters"], self._describe(), self._groups_at_first
        if len(before) < first or (self._nest is not None and len(before) != first):
            return [_count(before, now)]
        if ("nest" in saved) != (self._nest is not None):
            return ["an optimizer that holds others has none in the checkpoint, or the other way round"]
        if self._nest is not None and (lines := self._nest.differences(saved["nest"])):
            return lines
        return [line for group in range(first) for line in _compare(group, before[group], now[group])]

    def differences_at_last(self, saved: Any) -> list[str]:
        """About the groups that came later, when the code has added all that it will: the rest must be at hand."""
        before, now, first, named = saved["parameters"], self._describe(), self._groups_at_first, self._named()
        if len(before) == len(now):
            return [line for group in range(first, len(now)) for line in _compare(group, before[group], now[group])]
        if len(before) < len(now):
            return [_count(before, now)]
        unknown = (group for group in now[first:] if group not in before[first:])
        return [f"no group of the checkpoint consists of {', '.join(map(_say, group))}" for group in unknown] + [
            f"{_say(parameter)} of group {group}, which was added later, is in no tracked module; "
            "track the module, or add the group before you track"
            for group in range(first, len(before))
            for parameter in before[group]
            if parameter[0] not in named
        ]

    def reset_groups(self) -> None:
        """Those that it had when it was tracked; nothing happens to an optimizer that was tracked just now."""
        del self._optimizer.param_groups[self._groups_at_first :]

    def add_missing_groups(self, saved: Any) -> None:
        """In the order that they had, which may be another one than that of the few that the code has added."""
        groups = self._optimizer.param_groups
        if len(groups) == len(saved["parameters"]):
            return
        self.reset_groups()
        parameters, first = self._named(), self._groups_at_first
        for described, options in zip(
            saved["parameters"][first:], saved["optimizer"]["param_groups"][first:], strict=True
        ):
            names = options.get("param_names", [name for name, *_ in described])
            found = [parameters[name] for name, *_ in described]
            members = list(zip(names, found, strict=True)) if "param_names" in groups[0] else found
            rest = {key: value for key, value in options.items() if key != "param_names"}
            self._optimizer.add_param_group({**rest, "params": members})

    def drop_gradients(self) -> None:
        """Forget what was not saved; for all optimizers before any is loaded, since they may share parameters."""
        for parameter in self._parameters():
            parameter.grad = None

    def load(self, saved: Any) -> None:
        """Nothing is loaded yet if groups are missing: the code may still add them, with no state."""
        if len(self._optimizer.param_groups) < len(saved["parameters"]):
            return
        if self._nest is None:
            self._optimizer.load_state_dict(saved["optimizer"])
            self._undo_casts(saved["optimizer"])
        else:
            self._nest.load(saved["nest"])
        for path, attributes in self._attributes.items():
            attributes.load(saved.get("attributes", {}).get(path, {}))
        for parameter, packed in zip(self._parameters(), saved.get("gradients", ()), strict=False):
            gradient = _unpack(packed)
            parameter.grad = None if gradient is None else gradient.to(parameter.device)
        self._stepped, self._live_on, self._sample, self._left_over = False, None, None, None

    def _undo_casts(self, saved: Any) -> None:
        """`load_state_dict` casts moments to the parameter's dtype: fp32 ones of a bf16 parameter would be rounded."""
        places = (place for group in saved["param_groups"] for place in group["params"])
        for place, parameter in zip(places, self._parameters(), strict=True):
            state = self._optimizer.state[parameter] if place in saved["state"] else {}
            for key, value in saved["state"].get(place, {}).items():
                if isinstance(value, torch.Tensor) and state[key].dtype != value.dtype:
                    state[key] = value.to(state[key].device)

    def _all_gradients(self) -> list[tuple[int, int]]:
        """Which there are, and how often each was changed."""
        return [(id(g), g._version) for parameter in self._parameters() if (g := parameter.grad) is not None]

    def _addresses(self) -> set[int]:
        """Where what is stored elsewhere lies."""
        return {one.untyped_storage().data_ptr() for one in self.tensors() if one.layout is torch.strided} - {0}

    def _announce_step(self, stepping: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """One of torch's own changes nothing before its closure has come back, in which forward and backward run."""
        step, given = args[:1], {**dict(zip(("closure",), args[1:], strict=False)), **options}
        closure = given.get("closure")
        if closure is None or not _is_torchs(stepping):
            self.before_step()
            return None

        def announcing() -> Any:
            loss = closure()
            self.before_step()
            return loss

        return step, {**given, "closure": announcing}

    def _note_step(self, *_: Any) -> None:
        self._stepped = True

    def _parameters(self) -> Iterable[torch.Tensor]:
        return (parameter for group in self._optimizer.param_groups for parameter in group["params"])

    def _describe(self) -> list[list[list[Any]]]:
        names = {id(parameter): name for name, parameter in self._named().items()}
        return [[_describe(names.get(id(p)), p) for p in group["params"]] for group in self._optimizer.param_groups]


def _is_torchs(optimizer: torch.optim.Optimizer) -> bool:
    # Torch wraps each class's `step`; the wrapper has the module of what it wraps.
    return getattr(type(optimizer).step, "__module__", "").startswith("torch.optim.")


def _copies_kept(optimizer: torch.optim.Optimizer) -> int:
    """How many tensors as large as a parameter one of torch's optimizers keeps for each; 0 if that is not known."""
    options, kind = getattr(optimizer, "defaults", {}), type(optimizer).__name__
    if "betas" in options:
        return 2 + bool(options.get("amsgrad"))
    if "momentum" in options:
        return bool(options["momentum"]) + (kind == "RMSprop") + bool(options.get("centered"))
    return {"Adadelta": 2, "Adagrad": 1, "ASGD": 1, "Rprop": 2}.get(kind, 0)


def _describe(name: str | None, parameter: torch.Tensor) -> list[Any]:
    """A lazy parameter has no shape before it was used."""
    shape = None if is_lazy(parameter) else list(parameter.shape)
    return [name, shape, str(parameter.dtype).removeprefix("torch.")]


def _compare(group: int, olds: list[Any], news: list[Any]) -> Iterator[str]:
    if len(olds) != len(news):
        yield f"group {group} has {len(olds)} parameters in the checkpoint, {len(news)} now"
        return
    for place, (old, new) in enumerate(zip(olds, news, strict=True)):
        named = old[0] is not None and new[0] is not None
        shaped = new[1] is not None
        if (shaped and old[1] != new[1]) or old[2] != new[2] or (named and old[0] != new[0]):
            yield f"group {group} place {place} is {_say(old)} in the checkpoint, {_say(new)} now"


def _count(before: list[Any], now: list[Any]) -> str:
    return f"{len(before)} parameter groups in the checkpoint, {len(now)} now"


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


def _say(parameter: list[Any]) -> str:
    name, shape, dtype = parameter
    return f"{name or 'a parameter'} {'without shape' if shape is None else tuple(shape)} {dtype}"
