"""What `google.colab` offers, for where there is no Colab: a notebook that was written for Colab runs unchanged.

Each module has the names and signatures of the one it stands for; `colab_resume.colab.importing` lets a notebook find
them.
"""

from __future__ import annotations

from . import auth as auth
from . import drive as drive
from . import output as output
from . import runtime as runtime

__all__ = ["auth", "drive", "output", "runtime"]
