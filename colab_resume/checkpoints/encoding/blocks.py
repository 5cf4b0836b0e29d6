"""Stored pieces as memory again, and views of it; every bound is checked before a view is made.

Each piece that is asked for comes in memory of its own, which becomes that of the value; it is copied only if it has to
lie otherwise. Views share it, so nothing that a tree says can take more memory than the pieces are worth.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch

from .arrays import read_array_dtype
from .layout import ARRAY_NAMES, STORED_DTYPES, TENSOR_DTYPES, TENSOR_NAMES, Layout, row_major
from .nodes import Node, field, flag, malformed, whole, wholes

__all__ = ["Blocks", "Spec"]

Spec: TypeAlias = tuple[str, tuple[int, ...]]
"""dtype and shape of a stored piece."""

_ALIGNMENT = 64
_SAME_SIZE = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


class Blocks:
    """The stored pieces of one state, read when they are first needed."""

    def __init__(self, specs: Sequence[Spec], read: Callable[[int], torch.Tensor], *, devices: bool) -> None:
        self._specs = specs
        self._read = read
        self._devices = devices
        self._made: dict[int, tuple[object, torch.Tensor]] = {}
        self._contents: dict[int, bytes] = {}
        self._owned: set[int] = set()

    def tensor(self, node: Node) -> torch.Tensor:
        dtype = TENSOR_DTYPES.get(field(node, "dtype", str))
        if dtype is None:
            raise malformed("a tensor of a dtype that this torch does not have")
        shape = wholes(field(node, "shape", list))
        stride = wholes(field(node, "stride", list)) if "stride" in node else row_major(shape, 1)
        layout = _layout(shape, tuple(step * dtype.itemsize for step in stride), dtype.itemsize)
        block, offset = self._block(node, layout, TENSOR_NAMES.get(dtype), self._device(node))
        if offset % dtype.itemsize:
            raise malformed("a tensor between two elements")
        found = _view(block, dtype, offset // dtype.itemsize, shape, stride)
        trained = flag(node, "requires_grad")
        if trained and not (dtype.is_floating_point or dtype.is_complex):
            raise malformed("a gradient for integers")
        if flag(node, "parameter"):
            return torch.nn.Parameter(found, requires_grad=trained)
        return found.requires_grad_(trained)

    def array(self, node: Node) -> np.ndarray[Any, Any]:
        dtype = read_array_dtype(node.get("dtype"))
        if dtype.subdtype is not None:
            raise malformed("an array of arrays")
        shape = wholes(field(node, "shape", list))
        strides = row_major(shape, dtype.itemsize)
        if "strides" in node:
            strides = wholes(field(node, "strides", list), low=-(2**63))
        layout = _layout(shape, strides, dtype.itemsize)
        block, offset = self._block(node, layout, ARRAY_NAMES.get(dtype.str), torch.device("cpu"))
        try:
            return np.ndarray(shape, dtype, buffer=block.numpy(), offset=offset, strides=strides)
        except (ValueError, TypeError, OverflowError) as error:
            raise malformed("an array that numpy refuses") from error

    def content(self, node: Node) -> bytes:
        """A byte string; many nodes may name the same piece, and get the same object."""
        index, length = self._index(node), whole(node.get("length"))
        if index not in self._contents:
            self._contents[index] = self._piece(index, "U8", (length,)).numpy().tobytes()
        if len(self._contents[index]) != length:
            raise malformed("a byte string of another length than its piece")
        return self._contents[index]

    def own_content(self, node: Node) -> bytearray:
        """A byte string to write to; only one node may have it."""
        index, length = self._index(node), whole(node.get("length"))
        if index in self._owned:
            raise malformed("two bytearrays in one piece")
        self._owned.add(index)
        return bytearray(self._piece(index, "U8", (length,)).numpy().data)

    def _block(self, node: Node, layout: Layout, stored: str | None, device: torch.device) -> tuple[torch.Tensor, int]:
        """The memory in which a value lies, and the value's offset in bytes; only a span of bytes has offsets."""
        index = self._index(node)
        offset = whole(node["offset"]) if "offset" in node else None
        form = (device,) if offset is not None else (device, stored, layout)
        if index not in self._made:
            if offset is not None:
                block = _as_bytes(self._piece(index, "U8"))
            elif stored is not None and layout.is_dense:
                block = _laid_out(self._piece(index, stored, layout.shape), layout)
            else:
                raise malformed("a value that cannot be a piece by itself")
            self._made[index] = (form, block.to(device))
        known, block = self._made[index]
        if known != form:
            raise malformed(f"two values that disagree about piece {index}")
        begin = offset or 0
        if begin + layout.low < 0 or max(begin, begin + layout.high) > block.numel():
            raise malformed("a value that reaches out of its memory")
        return block, begin

    def _index(self, node: Node) -> int:
        return whole(node.get("piece"), high=len(self._specs) - 1)

    def _piece(self, index: int, stored: str, shape: tuple[int, ...] | None = None) -> torch.Tensor:
        """A piece as it is stored, checked to be what the tree says; without a shape it must be a row."""
        dtype, listed = self._specs[index]
        if dtype != stored or (len(listed) != 1 if shape is None else tuple(listed) != shape):
            raise malformed(f"piece {index} is {dtype} {listed!s:.80}, which is not what its value needs")
        piece = self._read(index)
        if piece.dtype != STORED_DTYPES[stored] or tuple(piece.shape) != tuple(listed) or piece.device.type != "cpu":
            raise malformed(f"piece {index} is not what the manifest lists")
        return piece.contiguous()

    def _device(self, node: Node) -> torch.device:
        """Where the tensor was, if this machine has such a place."""
        if "device" in node:
            found = re.fullmatch(r"cuda:(\d{1,3})", field(node, "device", str), re.ASCII)
            if not found:
                raise malformed("a tensor on an unknown device")
            index = int(found[1])
            if self._devices and torch.cuda.is_available() and index < torch.cuda.device_count():
                return torch.device("cuda", index)
        return torch.device("cpu")


def _layout(shape: tuple[int, ...], strides: tuple[int, ...], itemsize: int) -> Layout:
    layout = Layout(shape, strides, itemsize) if len(shape) == len(strides) else None
    if layout is None or not layout.is_countable:
        raise malformed("a shape that cannot be")
    return layout


def _as_bytes(piece: torch.Tensor) -> torch.Tensor:
    """The memory of a piece, if it is all of a storage and lies as torch would have it; else a copy that is."""
    flat = piece.reshape(-1).view(torch.uint8)
    if flat.numel() == flat.untyped_storage().nbytes() and flat.data_ptr() % _ALIGNMENT == 0:
        return flat
    return torch.empty(flat.numel(), dtype=torch.uint8, device="cpu").copy_(flat)


def _laid_out(piece: torch.Tensor, layout: Layout) -> torch.Tensor:
    """A piece as bytes, its dimensions in the order they had (`channels_last` is such an order)."""
    if layout.strides == row_major(layout.shape, layout.itemsize):
        return _as_bytes(piece)
    block = torch.empty(layout.nbytes, dtype=torch.uint8, device="cpu")
    # As integers, so that no copy can touch the bits of a NaN.
    same_size = _SAME_SIZE[layout.itemsize]
    stride = tuple(step // layout.itemsize for step in layout.strides)
    _view(block, same_size, 0, layout.shape, stride).copy_(piece.view(same_size))
    return block


def _view(
    block: torch.Tensor, dtype: torch.dtype, offset: int, shape: tuple[int, ...], stride: tuple[int, ...]
) -> torch.Tensor:
    try:
        return torch.empty(0, dtype=dtype, device=block.device).set_(block.untyped_storage(), offset, shape, stride)
    except (RuntimeError, OverflowError) as error:
        raise malformed("a tensor that torch refuses") from error
