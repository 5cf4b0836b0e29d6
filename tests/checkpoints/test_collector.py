"""The garbage collector rests while what is kept is made, and is as it was afterwards."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from checkpoints.drafts import PACK, manifest

from colab_resume.checkpoints.collector import at_rest
from colab_resume.checkpoints.encoding import encode
from colab_resume.checkpoints.manifest import Manifest, TensorRef
from colab_resume.checkpoints.pack import PackInfo

MANY = 3000


@contextmanager
def collections() -> Iterator[list[str]]:
    """What the collector does in this block."""
    seen: list[str] = []

    def note(phase: str, info: dict[str, int]) -> None:
        seen.append(phase)

    gc.callbacks.append(note)
    try:
        yield seen
    finally:
        gc.callbacks.remove(note)


@pytest.mark.parametrize("at_work", [True, False])
def test_afterwards_it_is_as_it_was(at_work: bool) -> None:
    """Also if it was switched off before, and also after an error."""
    (gc.enable if at_work else gc.disable)()
    try:
        with pytest.raises(ZeroDivisionError), at_rest():
            assert not gc.isenabled()
            _ = 1 // 0
        assert gc.isenabled() == at_work
    finally:
        gc.enable()


def test_it_rests_within_a_rest() -> None:
    """The inner block does not end the outer one."""
    with at_rest():
        with at_rest():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()


def test_a_manifest_of_thousands_of_tensors_is_read_in_one_go() -> None:
    """At most once, when all is done, is anything collected."""
    refs = tuple(TensorRef(PACK, f"t{number}", "F32", (2, 3), "0" * 32) for number in range(MANY))
    data = manifest(tensors=refs, packs={PACK: PackInfo(1 << 30, "0" * 32)}).to_bytes()
    with collections() as seen:
        Manifest.from_bytes(data, manifest().name)
    assert seen.count("start") <= 1


def test_a_state_of_thousands_of_tensors_is_encoded_in_one_go() -> None:
    """Here it is the training that would wait."""
    state = {"state": {number: torch.empty(1) for number in range(MANY)}}
    with collections() as seen:
        encode(state)
    assert seen.count("start") <= 1
