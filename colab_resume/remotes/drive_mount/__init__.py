"""A Google Drive that is mounted as a folder: written to only while it is mounted, believed only when Drive confirms.

Such a mount takes bytes at once and uploads them later, or never. So `put` waits until Drive itself says that it has
them, as far as the mount can be asked (`proof`); and nothing is ever written where Drive merely used to be mounted.
"""

from __future__ import annotations

from ...colab.mount_table import uploads_later
from .attributes import Proof
from .remote import DriveMount

__all__ = ["DriveMount", "Proof", "uploads_later"]
