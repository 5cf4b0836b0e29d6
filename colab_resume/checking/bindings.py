"""Places that bind names to objects: global variables, closures, attributes. All are read and written alike."""

from __future__ import annotations

from collections.abc import Iterable
from types import FunctionType
from typing import Any, Protocol

__all__ = ["ABSENT", "Attributes", "Bindings", "Cells", "ClassAttributes", "Names", "Scope", "SlotAttributes"]

ABSENT: Any = object()
"""What a name stands for that is not bound."""


class Bindings(Protocol):
    """One such place. `names` are those that are bound now, and those that the code would bind here."""

    def names(self) -> list[str]: ...

    def get(self, name: str) -> Any: ...

    def put(self, name: str, value: Any) -> None: ...


class _InDict:
    def _dict(self) -> dict[str, Any]:
        raise NotImplementedError

    def get(self, name: str) -> Any:
        return self._dict().get(name, ABSENT)

    def put(self, name: str, value: Any) -> None:
        if value is ABSENT:
            self._dict().pop(name, None)
        else:
            self._dict()[name] = value


class Scope(Protocol):
    """Where variables live: two of the same name are two if their homes are."""

    title: str

    def home(self, name: str, /) -> int: ...


class Names(_InDict):
    """Some names of a module, bound or not."""

    def __init__(self, namespace: dict[str, Any], names: Iterable[str]) -> None:
        self._namespace = namespace
        self._names = sorted(names)
        self.title = str(namespace.get("__name__"))

    def home(self, _name: str) -> int:
        return id(self._namespace)

    def _dict(self) -> dict[str, Any]:
        return self._namespace

    def names(self) -> list[str]:
        return self._names


class Attributes(_InDict):
    """Everything in an object's `__dict__`; written there, past any `__setattr__`."""

    def __init__(self, owner: Any) -> None:
        self._owner = owner

    def _dict(self) -> dict[str, Any]:
        names: dict[str, Any] = vars(self._owner)
        return names

    def names(self) -> list[str]:
        return [name for name in vars(self._owner) if isinstance(name, str)]


class SlotAttributes:
    """The attributes that a class lists in `__slots__`."""

    def __init__(self, owner: Any) -> None:
        self._owner = owner

    def names(self) -> list[str]:
        listed = (vars(kind).get("__slots__", ()) for kind in type(self._owner).__mro__)
        names = [name for one in listed for name in ([one] if isinstance(one, str) else one)]
        return [name for name in names if name not in {"__dict__", "__weakref__"} and not name.startswith("__")]

    def get(self, name: str) -> Any:
        return getattr(self._owner, name, ABSENT)

    def put(self, name: str, value: Any) -> None:
        if value is ABSENT:
            object.__delattr__(self._owner, name)
        else:
            object.__setattr__(self._owner, name, value)


class ClassAttributes:
    """What a class itself keeps, and its code."""

    def __init__(self, kind: type) -> None:
        self._kind = kind

    def names(self) -> list[str]:
        known = vars(self._kind).items()
        return [name for name, value in known if not name.startswith("__") or isinstance(value, FunctionType)]

    def get(self, name: str) -> Any:
        return vars(self._kind).get(name, ABSENT)

    def put(self, name: str, value: Any) -> None:
        if value is ABSENT:
            delattr(self._kind, name)
        else:
            setattr(self._kind, name, value)


class Cells:
    """The variables around a function that its code uses."""

    def __init__(self, function: FunctionType) -> None:
        self._cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
        self.title = function.__name__

    def home(self, name: str) -> int:
        return id(self._cells[name])

    def names(self) -> list[str]:
        return list(self._cells)

    def get(self, name: str) -> Any:
        try:
            return self._cells[name].cell_contents
        except ValueError:  # declared, and nothing assigned yet
            return ABSENT

    def put(self, name: str, value: Any) -> None:
        if value is ABSENT:
            del self._cells[name].cell_contents
        else:
            self._cells[name].cell_contents = value
