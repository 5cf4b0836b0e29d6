"""The state of a training as a JSON tree and a list of tensors, and back, bit for bit and without pickle.

Sharing survives: an object that is reachable twice comes back as one object, and tensors or arrays that look at the
same memory look at the same memory again. What cannot be kept exactly is refused, with its path. `decode` trusts
nothing it reads: it runs no code that the tree names, and takes no more memory than the stored bytes are worth.

The tree: None, bool, text, finite floats, integers below 2**53, lists, and dicts with text as keys are plain JSON. The
rest is an object whose "$" names its kind, with these fields (a `?` marks one that may be absent, `id?` is understood
for all that can be shared, "items" of a dict are pairs):

    ref         to                                          the object with this id, which came before
    list tuple set frozenset    items                       deque: maxlen, too
    dict odict defaultdict      items                       odict: metadata?; defaultdict: factory
    counter                     items
    bytes bytearray             base64, or piece and length
    int         hex             float    bits (hexadecimal, big endian)       complex  real, imag
    str         base64 (UTF-8 with surrogates)                                path     type, value
    enum        type ("module:Qualname"), value                               size     items
    dtype       name            device   name
    scalar      dtype, hex      a numpy scalar; the dtypes "U" (UTF-8) and "S" are text and bytes of any length
    tensor      piece, dtype, shape, stride? (elements), offset?, device?, requires_grad?, parameter?
    array       piece, dtype, shape, strides? (bytes), offset?

Without strides a value is row-major. Without an offset it is a piece by itself, which holds it row-major whatever its
strides are; with one (in bytes) it is a view of a piece that is a row of bytes (U8).
"""

from __future__ import annotations

from .decoder import decode
from .encoder import Encoded, encode
from .pieces import Immutable, Piece

__all__ = ["Encoded", "Immutable", "Piece", "decode", "encode"]
