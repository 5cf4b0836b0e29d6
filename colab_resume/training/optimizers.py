"""A tracked torch optimizer: its state, the names of its parameters, and their gradients where they are still needed.

Two of torch's habits are undone: it matches state to parameters by position, and it casts moments to the parameters'
dtype.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch

__all__ = ["OptimizerPart"]


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

    def drop_gradients(self) -> None:
        """Forget what was not saved; for all optimizers before any is loaded, since they may share parameters."""
        for parameter in self._parameters():
            parameter.grad = None

    def load(self, saved: Any) -> None:
        self._optimizer.load_state_dict(saved["optimizer"])
        self._undo_casts(saved["optimizer"])
        for parameter, packed in zip(self._parameters(), saved.get("gradients", ()), strict=False):
            gradient = _unpack(packed)
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


def _say(parameter: list[Any]) -> str:
    name, shape, dtype = parameter
    return f"{name or 'a parameter'} {tuple(shape)} {dtype}"
