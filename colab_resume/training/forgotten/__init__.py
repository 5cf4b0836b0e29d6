"""What a loop changes and nobody tracks: seen from outside, in the first steps, with no work for the user.

It looks at the variables that the loop's own code carries from turn to turn, compares them cheaply, and names those
that no checkpoint holds. `run.check` finds more, and proves it; this finds what most people forget.
"""

from .strays import Strays
from .watch import Forgotten, Watch

__all__ = ["Forgotten", "Strays", "Watch"]
