"""What a restart finds: the tracked state, written as a checkpoint to a disk, verified, and read from there again."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from types import TracebackType
from typing import Any

import torch

from ..checkpoints.store import Store
from ..restore import Restored
from ..sessions.identity import new_session_id
from ..training.capture.capture import Capture
from ..training.capture.live import LiveState
from ..training.data import randomness
from ..training.data.generators import GLOBAL
from ..training.objects.nests import members
from ..training.tracking import RNG, Tracking

__all__ = ["Restart", "tensors_in"]

_SEED = 20_240_229


class Restart:
    """A checkpoint of this moment, in a folder of its own that goes when the block ends."""

    def __init__(self, tracking: Tracking, things: Mapping[str, Any]) -> None:
        self._tracking = tracking
        self._things = things
        self._exit = ExitStack()

    def __enter__(self) -> Restart:
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="colab-resume-check-"))
            store = Store(Path(folder, "run"), session=new_session_id())
            stack.callback(store.close)
            self._restored = Restored(_commit(store, self._tracking), store)
            store.verify(self._restored.manifest)
            self._exit = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit.close()

    def apply(self, names: Iterable[str] | None = None) -> None:
        """Put the saved state into the objects of these names, or into all, and the global generators."""
        names = self._tracking.names() if names is None else list(names)
        self._tracking.apply(self._restored, names)
        self._tracking.apply(self._restored, names, final=True)
        randomness.restore(self._restored.part(RNG))

    def scramble(self, names: Iterable[str]) -> None:
        """Make the objects of these names unlike the saved ones, so that whatever is not restored is noticed."""
        wanted = set(names)
        for name, _, state in self._tracking.states():
            if name in wanted:
                for tensor in tensors_in(state):
                    _change(tensor)
                if isinstance(self._things[name], torch.optim.Optimizer):
                    for optimizer in members(self._things[name]).values():
                        optimizer.state.clear()
        for source in GLOBAL:
            source.seed(_SEED)


def _commit(store: Store, tracking: Tracking) -> Any:
    with closing(Capture()) as capture:
        snapshot = capture.take([*tracking.live(), LiveState.of(RNG, "rng", randomness.capture())])
        return store.commit(
            slabs=snapshot.slabs() or (),
            state=snapshot.state,
            step=0,
            generation=0,
            parent=None,
            created=0.0,
            position={},
            journal={},
            provenance={},
        )


def tensors_in(state: Any) -> Iterator[torch.Tensor]:
    """The tensors of a state, however deeply they are nested."""
    if isinstance(state, torch.Tensor):
        yield state
    elif isinstance(state, Mapping):
        for value in state.values():
            yield from tensors_in(value)
    elif isinstance(state, (list, tuple)):
        for value in state:
            yield from tensors_in(value)


def _change(tensor: torch.Tensor) -> None:
    """Other numbers, but none on which a step would fail: an index out of range ends the use of a GPU."""
    if tensor.layout != torch.strided or _overlaps(tensor):
        return
    with torch.no_grad():
        raw = tensor.detach().data
        if raw.dtype == torch.bool:
            raw.logical_not_()
        elif not (raw.is_floating_point() or raw.is_complex()):
            raw.copy_(raw == 0)
        elif raw.element_size() > 1:
            raw.mul_(0.5).add_(0.25)
        else:
            raw.view(torch.uint8).bitwise_xor_(1)  # torch does not calculate with floats of one byte


def _overlaps(tensor: torch.Tensor) -> bool:
    """Whether one number stands for many, as after `expand`: torch refuses to write into that."""
    return any(step == 0 and size > 1 for size, step in zip(tensor.shape, tensor.stride(), strict=True))
