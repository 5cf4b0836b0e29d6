"""Enum members, stored as the name of their class and their value.

Reading finds only classes that the session has already made: nothing is imported, and no hook of a module, a class or
an enum is run to find one.
"""

from __future__ import annotations

import sys
from enum import Enum, Flag
from types import ModuleType
from typing import Any

from .nodes import Place

__all__ = ["enum_name", "find_enum", "find_member"]

_COMPARABLE = (type(None), bool, int, float, complex, str, bytes)


def enum_name(member: Enum, place: Place) -> str:
    """The name under which a later session finds the class of `member`; refused if it could not find it."""
    kind = type(member)
    name = f"{kind.__module__}:{kind.__qualname__}"
    if "<locals>" in name:
        raise place.refused(
            f"is a member of the enum {name}, which is defined inside a function",
            hint="define the enum at the top level of a module or a cell, so that a later session can find it",
        )
    if find_member(kind, member._value_) is not member:
        raise place.refused(
            f"is a member of the enum {name} whose value cannot be stored",
            hint="give the enum plain values (numbers, text, tuples of them), or store `member.name` yourself",
        )
    return name


def find_enum(name: str) -> type[Enum] | None:
    """The enum that this session knows by that name."""
    module, _, path = name.partition(":")
    found: Any = sys.modules.get(module)
    for step in path.split("."):
        # Not getattr: modules and metaclasses may import or compute whatever they like in answer to it.
        found = vars(found).get(step) if isinstance(found, ModuleType | type) else None
    return found if isinstance(found, type) and issubclass(found, Enum) else None


def find_member(kind: type[Enum], value: object) -> Enum | None:
    """The member with this value; for a flag also a combination of members."""
    if not _is_comparable(value):
        return None
    for member in kind.__members__.values():
        if _is_comparable(member._value_) and member._value_ == value:
            return member
    if not issubclass(kind, Flag) or type(value) is not int:
        return None
    try:
        return kind(value)
    except ValueError:
        return None


def _is_comparable(value: object) -> bool:
    """Whether `==` on it runs nobody's code and answers with a bool."""
    if type(value) is tuple:
        return all(_is_comparable(item) for item in value)
    return type(value) in _COMPARABLE
