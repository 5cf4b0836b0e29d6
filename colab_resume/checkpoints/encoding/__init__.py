"""The state of a training as a JSON tree and a list of tensors, and back, bit for bit and without pickle.

Sharing survives: an object that is reachable twice comes back as one object, and tensors or arrays that look at the
same memory look at the same memory again. What cannot be kept exactly is refused, with its path. `decode` trusts
nothing it reads: it runs no code that the tree names, and takes no more memory than the stored bytes are worth.
"""

from __future__ import annotations

from .decoder import decode
from .encoder import Encoded, encode
from .pieces import Piece

__all__ = ["Encoded", "Piece", "decode", "encode"]
