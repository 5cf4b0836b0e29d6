"""Google's package on a VM of the desk: the same names, signatures, errors and time limits as googlecolab/colabtools.

Every module of it is written anew from what that one does; where it asks the front end, this one asks the desk.
"""

from __future__ import annotations

from google.colab import auth, drive, errors, output, runtime, userdata

__all__ = ["auth", "drive", "errors", "output", "runtime", "userdata"]
