"""The objects that make up the training's state, and the one moment at which a saved state is put into them.

Saved states are applied all or none: every object of a call is compared with its saved state first, and one readable
list of differences is raised before anything has changed.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, Protocol, TypeVar

import torch
from torch.nn.parameter import is_lazy

from ..errors import StateMismatch, UsageError
from .capture.live import LiveState, take
from .objects.modules import ModulePart, by_plain_name
from .objects.optimizers import OptimizerPart
from .objects.own import OwnPart
from .objects.parts import GeneratorPart, Late, Part, Values, part_for
from .objects.steady import Look
from .objects.stepping import Stepping

__all__ = ["MODULES", "RNG", "SavedParts", "Tracking", "VALUES"]

VALUES = "run.state"
RNG = "run.rng"
MODULES = "run.modules"
"""What the states of modules leave out."""

_POSTPONE_AT_MOST = 64

P = TypeVar("P")


class SavedParts(Protocol):
    """The state a checkpoint holds, by the names it was tracked under."""

    def kinds(self) -> Mapping[str, str]: ...

    def part(self, name: str, *, again: bool = False) -> Any:
        """Its state; `again` if those who got it before may get the same memory."""
        ...


class Tracking:
    """What is tracked, under which name."""

    def __init__(self) -> None:
        self.values = Values()
        self._things: dict[str, Any] = {VALUES: self.values}
        self._parts: dict[str, Part] = {VALUES: part_for(VALUES, self.values, self._parameters, self.named)}
        self._looks: dict[str, Look] = {}
        self._postponed = 0
        self.reshaped: dict[str, str] = {}
        """What has been added to modules, or taken away, since they were tracked, by their names."""
        self.reordered: list[str] = []
        """The optimizers whose parameters stood in another order than in the checkpoint."""
        self.before_step: Callable[[], None] = lambda: None
        """Called when an optimizer is about to step."""
        self.stood_then: Mapping[str, Any] = {}
        """What `stood` gave in the life that is gone on with."""
        self.stood_at_end: Mapping[str, Any] = {}
        """What `chance` gave at the end of a loop: checkpoints hold this, and not what was drawn behind the loop."""

    def replaced(self, objects: Mapping[str, Any]) -> list[str]:
        """Those of these names that have stood for another object until now."""
        return [name for name, thing in objects.items() if self._things.get(name, thing) is not thing]

    def add(self, objects: Mapping[str, Any]) -> dict[str, Any]:
        """Track these objects from now on; one of a name that is already used takes its place. Those that are new."""
        parts = {}
        for name, thing in objects.items():
            if not name.isidentifier():
                raise UsageError(f"{name!r} cannot be a tracked name", hint="use a name as for a variable")
            if self._things.get(name) is not thing:
                parts[name] = part_for(name, thing, self._parameters, lambda: {**self._things, **objects})
        for thing in objects.values():
            if isinstance(thing, Stepping):
                thing.before_step = self._announce_step
        for name, part in parts.items():
            old = self._parts.get(name)
            if isinstance(old, OptimizerPart):
                old.release()
            if isinstance(part, OptimizerPart):
                part.before_step = self._announce_step
            self._parts[name], self._things[name] = part, objects[name]
            self._looks.pop(name, None)
        return {name: objects[name] for name in parts}

    def states(self) -> Iterator[tuple[str, str, Any]]:
        """Name, kind and live state of each object, in the order in which they were tracked."""
        for name, part in self._parts.items():
            yield name, part.kind, part.state()
        if extras := {name: part.extras() for name, part in self._of(ModulePart)}:
            yield MODULES, "modules", extras

    def live(self) -> Iterator[LiveState]:
        """The same, for captures: what has the form that it had last time is not made again."""
        looks = {name: self._look(name, part) for name, part in self._parts.items()}
        modules = [looks[name] for name, _ in self._of(ModulePart)]
        form = tuple(look for look in modules if look is not None) if None not in modules else None
        for name, part in self._parts.items():
            own = looks[name]
            # An optimizer's state names its parameters as the modules do.
            others = form if isinstance(part, OptimizerPart) else ()
            known = None if own is None or others is None else (own, *others)
            yield LiveState(name, part.kind, self._at_end(name, part) or part.state, known)
        if modules:
            extras = {name: part.extras for name, part in self._of(ModulePart)}
            yield LiveState(MODULES, "modules", lambda: {name: give() for name, give in extras.items()}, form)

    def nbytes(self) -> int:
        """About how much there is to copy: the tensors of modules and optimizers, each once."""
        modules = (part.tensors() for _, part in self._of(ModulePart))
        optimizers = (part.tensors() for _, part in self._of(OptimizerPart))
        sizes = {one.data_ptr(): one.nbytes for one in chain.from_iterable((*modules, *optimizers)) if not is_lazy(one)}
        return sum(sizes.values())

    def owed_nbytes(self) -> int:
        """About how many more it will be once the optimizers have made their first steps."""
        return sum(part.owed_nbytes() for _, part in self._of(OptimizerPart))

    def owned(self) -> set[int]:
        """The addresses of the memory that only a step of a known optimizer changes, as far as one can know."""
        torchs = (part.tensors() for _, part in self._of(OptimizerPart) if part.is_known)
        others = (thing.owned() for thing in self._things.values() if isinstance(thing, Stepping))
        return {tensor.data_ptr() for tensor in chain.from_iterable((*torchs, *others))} - {0}

    def names(self) -> list[str]:
        """The names that are tracked."""
        return list(self._parts)

    def things(self) -> list[Any]:
        """The objects that are tracked, in the order in which they were."""
        return list(self._things.values())

    def named(self) -> Mapping[str, Any]:
        """The same, by name."""
        return self._things

    def check(self, names: Iterable[str]) -> None:
        """Raise `EncodingError` now, and not at the first save, if the state of one of these cannot be stored."""
        for name in names:
            take(name, self._parts[name].state())

    def apply(self, saved: SavedParts, names: Iterable[str], *, final: bool = False) -> list[str]:
        """Put the saved state into the objects of these names; returns those for which something was saved.

        Until it is `final`, modules and optimizers stay as the code has made them in what only the training changed:
        extras of modules are not applied, and an optimizer may lack parameter groups. Generators stand until then as
        they did when they were tracked the first time.
        """
        kinds = saved.kinds()
        found = [name for name in names if name in kinds]
        states = {name: saved.part(name, again=final) for name in found}
        extras = _extras(saved) if final else {}
        for name, optimizer in self._of(OptimizerPart, found):
            if kinds[name] == optimizer.kind and optimizer.stand_as(states[name]):
                self.reordered.append(name)
        lines = [f"{name}: {line}" for name in found for line in self._differences(name, kinds[name], states[name])]
        if final and not lines:
            lines = [f"{name}: {line}" for name in found for line in self._differences_at_last(name, states, extras)]
        if lines:
            raise StateMismatch(
                "the objects are not those of the checkpoint; nothing was applied:\n  " + "\n  ".join(lines),
                hint="build the same objects as before, also what was added or pruned later, or start a run with "
                "another name",
            )
        for name, optimizer in self._of(OptimizerPart, found):
            optimizer.add_missing_groups(states[name]) if final else optimizer.reset_groups()
        for _, optimizer in self._of(OptimizerPart, found):
            optimizer.drop_gradients()
        for name in found:
            part, state = self._parts[name], states.pop(name)
            if final or not isinstance(part, GeneratorPart):
                part.load(state)
            if not final and isinstance(part, GeneratorPart | OwnPart):
                part.stood = self.stood_then.get(name, part.stood)
                part.stand(part.stood)
        for name, module in self._of(ModulePart, found):
            if not final:
                module.reset_extras()
            elif name in extras:
                module.load_extras(extras[name])
        return found

    def chance(self) -> dict[str, Any]:
        """How the tracked generators stand, those in modules as well, by the names they were tracked under."""
        return {name: part.chance() for name, part in self._drawing()}

    def stood(self) -> dict[str, Any]:
        """The same for when each was tracked."""
        return {name: part.stood for name, part in self._drawing()}

    def stand(self, chance: Mapping[str, Any]) -> None:
        """Let them stand as `chance` has said."""
        for name, part in self._drawing():
            if name in chance:
                part.stand(chance[name])

    def is_whole(self) -> bool:
        """Whether this boundary is one at which to save: no gradients wait for an optimizer step.

        After 64 such boundaries in a row the answer is yes all the same, and the gradients are saved with the rest.
        """
        waiting = any(part.mid_accumulation for _, part in self._of(OptimizerPart))
        self._postponed = self._postponed + 1 if waiting and self._postponed < _POSTPONE_AT_MOST else 0
        return self._postponed == 0

    def reach_boundary(self) -> None:
        """A step has ended, and nothing is captured yet."""
        for _, part in self._of(OptimizerPart):
            part.reach_boundary()

    def leave_boundary(self, *, step_follows: bool) -> None:
        """The next step begins, or what comes between two epochs."""
        for _, part in self._of(OptimizerPart):
            part.leave_boundary(step_follows=step_follows)

    def _announce_step(self) -> None:
        self.before_step()

    def _at_end(self, name: str, part: Part) -> Callable[[], Any] | None:
        held = self.stood_at_end.get(name)
        return None if held is None or not isinstance(part, GeneratorPart) else lambda: held

    def _look(self, name: str, part: Part) -> Look | None:
        """The one of last time, as long as it holds."""
        known = self._looks.pop(name, None)
        if not isinstance(part, ModulePart | OptimizerPart) or not part.is_steady:
            return None
        if known is not None and known.holds():
            self._looks[name] = known
            return known
        if isinstance(part, ModulePart):
            self.reshaped[name] = _in_words(*part.added_and_gone())
        if (look := part.look()) is not None:
            self._looks[name] = look
        return look

    def _of(self, kind: type[P], names: Iterable[str] | None = None) -> list[tuple[str, P]]:
        """The parts of this kind by name."""
        parts = ((name, self._parts[name]) for name in (self._parts if names is None else names))
        return [(name, part) for name, part in parts if isinstance(part, kind)]

    def _drawing(self) -> Iterator[tuple[str, GeneratorPart | ModulePart | OwnPart]]:
        """What draws: generators, and what may have some in attributes."""
        for name, part in self._parts.items():
            if isinstance(part, GeneratorPart | ModulePart | OwnPart):
                yield name, part

    def _differences(self, name: str, kind: str, state: Any) -> list[str]:
        part = self._parts[name]
        if part.kind != kind:
            return [f"a {kind} in the checkpoint, a {part.kind} now"]
        return part.differences(state)

    def _differences_at_last(self, name: str, states: Mapping[str, Any], extras: Mapping[str, Any]) -> list[str]:
        part = self._parts[name]
        if isinstance(part, Late):
            return part.differences_at_last(states[name])
        if isinstance(part, ModulePart) and name in extras:
            return part.differences_of_extras(extras[name])
        return []

    def _parameters(self) -> Mapping[str, torch.Tensor]:
        modules = [(name, thing) for name, thing in self._things.items() if isinstance(thing, torch.nn.Module)]
        return {
            f"{name}.{plain}": parameter
            for name, module in modules
            for plain, parameter in by_plain_name(module.named_parameters()).items()
        }


def _in_words(added: list[str], gone: list[str]) -> str:
    found = (f"{what} {reprlib.repr(names)}" for what, names in (("new", added), ("gone", gone)) if names)
    return ", ".join(found)


def _extras(saved: SavedParts) -> Mapping[str, Any]:
    """What was saved beside the states of the modules, by their names."""
    extras = saved.part(MODULES) if MODULES in saved.kinds() else {}
    return extras if isinstance(extras, dict) else {}
