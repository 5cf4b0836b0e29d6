"""Everything one session opens and closes together, what may be asked of it, and how it is looked at."""

from __future__ import annotations

from .logbook import Logbook
from .looking import status_of
from .options import Options
from .parting import Parting, part
from .session import Saving

__all__ = ["Logbook", "Options", "Parting", "Saving", "part", "status_of"]
