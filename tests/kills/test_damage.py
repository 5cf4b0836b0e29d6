"""One flipped bit anywhere in the newest checkpoint is noticed, and the training goes on from a good one.

A run is killed once, with its newest checkpoint on the disk and on the remote; each case damages a copy of that.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from kills.ambush import Death
from kills.conftest import Reference
from kills.folders import manifests
from kills.training import NAME, Result
from kills.zygote import Life, Zygote

from colab_resume.checkpoints.manifest import Manifest
from colab_resume.errors import NoGoodCheckpoint
from colab_resume.run import setup

__all__: list[str] = []

_STEP = 11


@dataclass(frozen=True)
class _Killed:
    """A run whose process was killed, as it lies on the disk and on the remote."""

    folder: Path
    reference: Reference

    @property
    def disk(self) -> Path:
        return self.folder / "disk"

    @property
    def drive(self) -> Path:
        return self.folder / "drive"

    def copy(self, folder: Path) -> _Killed:
        shutil.copytree(self.folder, folder)
        return _Killed(folder, self.reference)

    def go_on(self, zygote: Zygote, *, remote: bool = True) -> tuple[Result, str]:
        """Let the next process train to the end, which must be the right one; the result, and what was printed."""
        end = zygote.live(self._life(remote))
        assert end.result is not None, end.text
        assert end.result.digest == self.reference.result.digest
        assert end.result.history == self.reference.result.history
        return end.result, end.text

    def begin(self, zygote: Zygote, *, remote: bool = True) -> str:
        """Let the next process only find its checkpoint and make some steps, which must be the right ones."""
        end = zygote.live(self._life(remote, Death(moment="held", nth=0, hold=_STEP)))
        assert end.how == "killed", end.text
        return end.text

    def _life(self, remote: bool, death: Death | None = None) -> Life:
        return Life(
            store=str(self.disk),
            remote=str(self.drive) if remote else None,
            every=4,
            expected=str(self.reference.steps),
            death=death,
            waits=death is not None,
        )


@pytest.fixture(scope="module")
def killed(zygote: Zygote, reference: Reference, memory: Path) -> _Killed:
    """A run of which everything is safe: three checkpoints, on the disk and on the remote."""
    run = _Killed(memory / "killed", reference)
    run.begin(zygote)
    assert manifests(run.disk) == manifests(run.drive)
    assert len(manifests(run.disk)) == 3
    return run


def _own_packs(root: Path, manifest: Manifest) -> list[Path]:
    """The packs that were written for this checkpoint, so that no older one needs them; the largest first."""
    own = [name for name in manifest.packs if name.startswith(manifest.name)]
    return [root / NAME / "packs" / name for name in sorted(own, key=lambda name: -manifest.packs[name].size)]


def _own_pack(root: Path, manifest: Manifest) -> Path:
    return _own_packs(root, manifest)[0]


def _manifest(root: Path, manifest: Manifest) -> Path:
    return root / NAME / "checkpoints" / f"{manifest.name}.json"


def _flip(path: Path, position: int, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1 << bit
    path.write_bytes(content)


def _regions(content: bytes) -> Iterator[tuple[str, range]]:
    """The parts of a pack: the length of its header, the header, and the tensors."""
    header = 8 + int.from_bytes(content[:8], "little")
    yield "length", range(8)
    yield "header", range(8, header)
    yield "tensors", range(header, len(content))


def _flips(root: Path, newest: Manifest, region: str, seed: int) -> Iterator[tuple[Path, int, int]]:
    """Which bits of which file to flip: the ends of the region, and some between."""
    choose = random.Random(seed)
    pack, manifest = _own_pack(root, newest), _manifest(root, newest)
    parts = dict(_regions(pack.read_bytes()))
    size = manifest.stat().st_size
    parts |= {"checksum": range(77), "body": range(77, size)}
    part = parts[region]
    path = manifest if region in ("checksum", "body") else pack
    for position in {part[0], part[-1], *choose.sample(part, 6)}:
        yield path, position, choose.randrange(8)


_REGIONS = ["length", "header", "tensors", "checksum", "body"]


def _was_noticed(text: str, newest: Manifest, before: Manifest) -> bool:
    return f"  restored   step {before.step}, verified" in text and f"  set aside  {newest.name}: " in text


@pytest.mark.slow
@pytest.mark.parametrize("region", _REGIONS)
@pytest.mark.parametrize("place", ["disk", "drive"])
def test_a_flipped_bit_is_noticed_and_the_checkpoint_before_is_used(
    zygote: Zygote, killed: _Killed, tmp_path: Path, place: str, region: str
) -> None:
    """On the disk without a remote, and on the remote with a new VM: set aside with the reason, and then bit-exact."""
    newest, before, *_ = manifests(killed.disk)
    for path, position, bit in _flips(killed.folder / place, newest, region, seed=len(region)):
        run = killed.copy(tmp_path / f"{position}")
        _flip(run.folder / path.relative_to(killed.folder), position, bit)
        if place == "drive":
            shutil.rmtree(run.disk)
        text = run.begin(zygote, remote=place == "drive")
        assert _was_noticed(text, newest, before), f"bit {bit} of byte {position}\n{text}"


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _extend(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def _remove(path: Path) -> None:
    path.unlink()


def _assert_the_one_before_is_used(
    zygote: Zygote,
    run: _Killed,
    place: str,
    which: Callable[[Path, Manifest], Path],
    harm: Callable[[Path], None],
) -> None:
    newest, before, *_ = manifests(run.disk)
    harm(which(run.folder / place, newest))
    if place == "drive":
        shutil.rmtree(run.disk)
    result, text = run.go_on(zygote, remote=place == "drive")
    assert _was_noticed(text, newest, before), text
    assert [line.split(":")[0] for line in result.set_aside] == [newest.name]
    assert not result.problems


@pytest.mark.slow
@pytest.mark.parametrize("harm", [_truncate, _empty, _extend, _remove])
@pytest.mark.parametrize("place", ["disk", "drive"])
def test_a_pack_of_the_wrong_length_is_noticed_and_the_checkpoint_before_is_used(
    zygote: Zygote, killed: _Killed, tmp_path: Path, place: str, harm: Callable[[Path], None]
) -> None:
    """A byte less, a byte more, none at all, no file."""
    _assert_the_one_before_is_used(zygote, killed.copy(tmp_path / "run"), place, _own_pack, harm)


@pytest.mark.slow
@pytest.mark.parametrize("harm", [_truncate, _empty, _extend])
@pytest.mark.parametrize("place", ["disk", "drive"])
def test_a_manifest_of_the_wrong_length_is_noticed_and_the_checkpoint_before_is_used(
    zygote: Zygote, killed: _Killed, tmp_path: Path, place: str, harm: Callable[[Path], None]
) -> None:
    """A byte less, a byte more, none at all."""
    _assert_the_one_before_is_used(zygote, killed.copy(tmp_path / "run"), place, _manifest, harm)


@pytest.mark.parametrize("harm", [_truncate, _empty, _extend, _remove])
@pytest.mark.parametrize("which", [_own_pack, _manifest])
def test_what_is_damaged_on_the_disk_comes_back_from_the_remote(
    zygote: Zygote,
    killed: _Killed,
    tmp_path: Path,
    which: Callable[[Path, Manifest], Path],
    harm: Callable[[Path], None],
) -> None:
    """Nothing is lost, nothing is set aside, and nothing of the damage is left behind."""
    newest, *_ = manifests(killed.disk)
    run = killed.copy(tmp_path / "run")
    harm(which(run.disk, newest))
    result, _ = run.go_on(zygote)
    assert (result.restored, result.set_aside, result.problems) == (newest.step, [], [])
    assert len(manifests(run.disk)) == 3


def test_a_shared_pack_comes_back_from_the_remote_for_a_checkpoint_that_is_not_there_yet(
    zygote: Zygote, killed: _Killed, tmp_path: Path
) -> None:
    """The newest checkpoint had not been uploaded when the VM died, but the backbone that it leans on had been."""
    newest, before, *_ = manifests(killed.disk)
    run = killed.copy(tmp_path / "run")
    for path in (*_own_packs(run.drive, newest), _manifest(run.drive, newest)):
        path.unlink()
    shared = newest.packs.keys() & before.packs.keys()
    assert shared, "nothing is shared, so this shows nothing"
    for pack in shared:
        _flip(run.disk / NAME / "packs" / pack, 500, 0)
    result, _ = run.go_on(zygote)
    assert (result.restored, result.set_aside) == (newest.step, [])


def test_half_a_download_that_was_torn_is_not_taken_for_a_damaged_checkpoint(
    zygote: Zygote, killed: _Killed, tmp_path: Path
) -> None:
    """A power cut in the middle of a download can leave zeros; the remote's copy is good all the same."""
    newest, *_ = manifests(killed.disk)
    run = killed.copy(tmp_path / "run")
    pack = _own_pack(run.disk, newest)
    pack.rename(pack.with_name(f"{pack.name}.part"))
    _flip(pack.with_name(f"{pack.name}.part"), 1000, 3)
    result, _ = run.go_on(zygote)
    assert (result.restored, result.set_aside) == (newest.step, [])


def test_a_pack_that_several_checkpoints_share_takes_all_of_them_with_it(
    zygote: Zygote, killed: _Killed, tmp_path: Path
) -> None:
    """The newest that does not need it is used, or the start is refused; here all need the first one's pack."""
    shared = set.intersection(*(set(manifest.packs) for manifest in manifests(killed.disk)))
    assert shared, "nothing is shared, so this shows nothing"
    run = killed.copy(tmp_path / "run")
    for pack in shared:
        _flip(run.disk / NAME / "packs" / pack, 500, 0)
    with pytest.raises(NoGoodCheckpoint):
        setup(NAME, store=run.disk)


@pytest.mark.parametrize("place", ["disk", "drive"])
def test_a_run_without_any_good_checkpoint_never_begins_anew_by_itself(
    killed: _Killed, tmp_path: Path, place: str
) -> None:
    """`setup` says which checkpoints there are and what is wrong with each, and it says so each time."""
    run = killed.copy(tmp_path / "run")
    names = [manifest.name for manifest in manifests(killed.disk)]
    for manifest in manifests(killed.disk):
        _flip(_own_pack(run.folder / place, manifest), -1, 0)
    if place == "drive":
        shutil.rmtree(run.disk)
    for _ in range(2):
        with pytest.raises(NoGoodCheckpoint) as caught:
            setup(NAME, store=run.disk, remote=run.drive if place == "drive" else None)
        assert all(name in caught.value.what for name in names)
