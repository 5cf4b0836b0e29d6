"""Values that are memory (tensors, arrays, long byte strings) as nodes, and the pieces that store them all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from .arrays import write_array_dtype
from .layout import ARRAY_NAMES, TENSOR_DTYPES, TENSOR_NAMES, Layout, row_major
from .nodes import Node, Place
from .pieces import Immutable, Piece, View, divide

__all__ = ["Memory"]


class Memory:
    """Collects values and completes their nodes; the nodes learn only from `pieces` where the bytes are stored."""

    def __init__(self) -> None:
        self._views: list[View] = []
        self._contents: dict[int, torch.Tensor] = {}

    def __len__(self) -> int:
        return len(self._views)

    def pieces(self) -> tuple[Piece, ...]:
        return divide(self._views)

    def tensor(self, node: Node, tensor: torch.Tensor, place: Place) -> Node:
        """Complete the node of a tensor; what hangs on it beside its content (grad, hooks, attributes) is not kept."""
        _check(tensor, place)
        source = tensor.detach().resolve_conj().resolve_neg()
        node |= {"dtype": str(source.dtype).removeprefix("torch."), "shape": [*source.shape]}
        if source.stride() != row_major(source.shape, 1):
            node["stride"] = [*source.stride()]
        if source.device.type != "cpu":
            node["device"] = str(source.device)
        if tensor.is_leaf and tensor.requires_grad:
            node["requires_grad"] = True
        if type(tensor) is torch.nn.Parameter:
            node["parameter"] = True
        return self._see_tensor(source, node, place)

    def array(self, node: Node, array: np.ndarray[Any, Any], place: Place) -> Node:
        node |= {"dtype": write_array_dtype(array.dtype, place), "shape": [*array.shape]}
        if array.strides != row_major(array.shape, array.itemsize):
            node["strides"] = [*array.strides]
        layout = Layout(array.shape, array.strides, array.itemsize)
        stored = ARRAY_NAMES.get(array.dtype.str) if array.flags.c_contiguous else None
        return self._see(array, node, place, layout, stored, device="cpu", root=_root(array), start=_address(array))

    def immutable(self, node: Node, held: Immutable, place: Place) -> Node:
        if isinstance(held.value, torch.Tensor):
            node = self.tensor({"$": "tensor", **node}, held.value, place)
        else:
            node = self.array({"$": "array", **node}, held.value, place)
        self._views[-1] = replace(self._views[-1], immutable=True)
        return node

    def content(self, node: Node, data: bytes | bytearray, place: Place) -> Node:
        """Complete the node of a long byte string. It is copied: a bytearray cannot grow while somebody looks at it."""
        node |= {"length": len(data)}
        if id(data) not in self._contents:
            self._contents[id(data)] = torch.from_numpy(np.frombuffer(bytearray(data), np.uint8))
        return self._see_tensor(self._contents[id(data)], node, place)

    def _see_tensor(self, source: torch.Tensor, node: Node, place: Place) -> Node:
        size, storage = source.element_size(), source.untyped_storage()
        layout = Layout(tuple(source.shape), tuple(step * size for step in source.stride()), size)
        offset = int(source.storage_offset()) * size
        if layout.nbytes and offset + layout.high > storage.nbytes():
            raise place.refused("is a tensor whose memory was freed", hint="gather it before it is saved")
        stored = TENSOR_NAMES.get(source.dtype) if layout.is_dense else None
        root = storage.data_ptr()
        return self._see(source, node, place, layout, stored, device=str(source.device), root=root, start=root + offset)

    def _see(
        self,
        owner: torch.Tensor | np.ndarray[Any, Any],
        node: Node,
        place: Place,
        layout: Layout,
        stored: str | None,
        *,
        device: str,
        root: int,
        start: int,
    ) -> Node:
        if not layout.nbytes:
            # What has no bytes shares none: it gets an address where nothing else can be.
            root = start = -1 - len(self._views)
        self._views.append(View(owner, node, place, layout, stored, device, root, start))
        return node


def _check(tensor: torch.Tensor, place: Place) -> None:
    if tensor.layout is not torch.strided or tensor.is_nested:
        kind = "nested" if tensor.is_nested else "sparse"
        raise place.refused(f"is a {kind} tensor", hint="store the dense tensors that it consists of")
    if tensor.device.type == "meta":
        raise place.refused("is a tensor without memory", hint="give it memory first, as with `to_empty()`")
    if tensor.device.type not in ("cpu", "cuda"):
        raise place.refused(f"is a tensor on {tensor.device}", hint="store `x.cpu()`")
    if str(tensor.dtype).removeprefix("torch.") not in TENSOR_DTYPES:
        raise place.refused(f"is a tensor of {tensor.dtype}", hint="store `x.int_repr()` and its scales")


def _address(array: np.ndarray[Any, Any]) -> int:
    address: int = array.__array_interface__["data"][0]
    return address


def _root(array: np.ndarray[Any, Any]) -> int:
    while isinstance(array.base, np.ndarray):
        array = array.base
    if isinstance(array.base, torch.Tensor):
        return array.base.untyped_storage().data_ptr()
    return _address(array) + Layout(array.shape, array.strides, array.itemsize).low
