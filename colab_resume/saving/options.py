"""What the user asked for when the run was set up; whatever cannot be meant is refused here, with the reason."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..checkpoints.retention import Keep
from ..errors import UsageError
from ..training.every import EverySeconds, parse_every

__all__ = ["Options"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """As given to `setup`; `session_limit` is how long this VM may live, as "12h" or a number of seconds."""

    every: int | str | float | None = None
    budget: float = 0.02
    keep: Keep = field(default_factory=Keep)
    session_limit: str | float | None = None

    def __post_init__(self) -> None:
        _ = self.limit_seconds

    @property
    def limit_seconds(self) -> float | None:
        """The session's limit in seconds; None if there is none."""
        limit = self.session_limit
        if limit is None:
            return None
        try:
            meant = parse_every(f"{limit} s" if isinstance(limit, (int, float)) else limit)
        except UsageError:
            meant = None
        if isinstance(meant, EverySeconds):
            return meant.seconds
        raise UsageError(f"session_limit={limit!r} is not a time", hint="for example '12h', '90 min', or seconds")

    def differences(self, other: Options) -> list[str]:
        """What another set of options would change, in words."""
        names = [name for name in self.__dataclass_fields__ if getattr(self, name) != getattr(other, name)]
        return [f"{name}={getattr(self, name)!r} would become {getattr(other, name)!r}" for name in names]
