"""`pull`: what arrives is whole, proved and usable; nothing else is touched."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from run_folders import flip, forge, manifests, newest_pack, own_pack, picture

from colab_resume.checkpoints.store import Store
from colab_resume.training.journal import Mark, history

from .conftest import Call, train


def test_the_newest_arrives_with_all_that_belongs_to_it(call: Call, digits: Path, tmp_path: Path) -> None:
    """Manifest, packs, journals and session records are in DEST, and the source is as it was."""
    path = digits / "checkpoints" / f"{manifests(digits)[-1].name}.json"
    forge(path, lambda document: document.update(later="unknown"))
    before = picture(digits)
    dest = tmp_path / "copies" / "digits"
    answer = call("pull", digits, dest, "--json")
    newest = manifests(digits)[-1]
    assert answer.status == 0
    said = json.loads(answer.out)
    assert (said["checkpoint"], said["step"], said["packs"]) == (newest.name, 12, len(newest.packs))
    assert said["bytes"] == said["copied"] == sum(info.size for info in newest.packs.values())
    assert [m.name for m in manifests(dest)] == [newest.name]
    name = f"{newest.name}.json"
    assert (dest / "checkpoints" / name).read_bytes() == (digits / "checkpoints" / name).read_bytes()
    assert {path.name for path in (dest / "packs").iterdir()} == set(newest.packs)
    assert len(list((dest / "sessions").iterdir())) == 2
    mark = Mark.from_json(newest.journal)
    assert history(dest / "journal", mark) == history(digits / "journal", mark)
    assert picture(digits) == before
    assert call("verify", dest, "--all").status == 0


def test_a_training_goes_on_from_what_was_pulled(call: Call, digits: Path, tmp_path: Path) -> None:
    """DEST is a run's folder: setup(store=...) continues it, and ends where the run itself would."""
    call("pull", digits, tmp_path / "vm" / "digits")
    train("digits", tmp_path / "vm", tmp_path / "other", 5)
    train("digits", tmp_path / "vm2", digits.parent, 5)
    ends = [manifests(tmp_path / "other" / "digits")[-1], manifests(digits)[-1]]
    assert ends[0].step == ends[1].step == 15
    assert [ref.digest for ref in ends[0].tensors] == [ref.digest for ref in ends[1].tensors]


def test_a_second_call_copies_nothing_again(call: Call, digits: Path, tmp_path: Path) -> None:
    """What is there and sound stays as it is."""
    call("pull", digits, tmp_path / "dest")
    before = picture(tmp_path / "dest" / "packs")
    answer = call("pull", digits, tmp_path / "dest", "--json")
    assert json.loads(answer.out)["copied"] == 0
    assert picture(tmp_path / "dest" / "packs") == before


def test_an_interrupted_pull_goes_on(call: Call, digits: Path, tmp_path: Path) -> None:
    """The part of a pack that had arrived is not read again."""
    pack, _, _ = newest_pack(digits)
    store = Store(tmp_path / "dest", session="aaaaaa")
    with contextlib.suppress(KeyboardInterrupt), store.receive(pack.name) as (sink, _):
        sink.write(pack.read_bytes()[:100])
        raise KeyboardInterrupt
    store.close()
    said = json.loads(call("pull", digits, tmp_path / "dest", "--json").out)
    assert said["copied"] == said["bytes"] - 100
    assert call("verify", tmp_path / "dest").status == 0


def test_a_damaged_newest_is_skipped_and_said(call: Call, digits: Path, tmp_path: Path) -> None:
    """The checkpoint before it is pulled, and what was not is named with its reason; no damaged byte stays."""
    pack, bad, good = newest_pack(digits)
    flip(pack)
    answer = call("pull", digits, tmp_path / "dest")
    assert answer.status == 0
    assert [f"{name} skipped" in answer.err for name in bad] == [True] * len(bad)
    assert f"{good.name} (step" in answer.out
    assert not (tmp_path / "dest" / "packs" / pack.name).exists()
    answer = call("pull", digits, tmp_path / "dest2", bad[-1])
    assert answer.status == 1
    assert "another digest" in answer.err
    assert manifests(tmp_path / "dest2") == []


def test_what_rotted_in_dest_is_copied_afresh(call: Call, digits: Path, tmp_path: Path) -> None:
    """A pack that went bad in DEST after an earlier pull is replaced by the good one."""
    dest = tmp_path / "dest"
    call("pull", digits, dest)
    rotten = own_pack(dest, 0)
    flip(rotten)
    assert json.loads(call("pull", digits, dest, "--json").out)["copied"] == rotten.stat().st_size
    assert call("verify", dest).status == 0


def test_a_chosen_one_can_be_added(call: Call, digits: Path, tmp_path: Path) -> None:
    """An older checkpoint joins those that were pulled before."""
    call("pull", digits, tmp_path / "dest")
    assert call("pull", digits, tmp_path / "dest", "first half").status == 0
    assert [m.step for m in manifests(tmp_path / "dest")] == [6, 12]


def test_foreign_folders_are_refused(call: Call, digits: Path, tmp_path: Path) -> None:
    """Other files, another run, a file, and the run itself are no destination, and stay as they are."""
    foreign, other, file = tmp_path / "foreign", tmp_path / "other", tmp_path / "file"
    foreign.mkdir()
    (foreign / "thesis.tex").write_text("precious")
    call("pull", digits.parent / "数字 ä", other)
    file.write_text("precious")
    for dest, reason in (
        (foreign, "holds 'thesis.tex'"),
        (other, "holds another run"),
        (file, "is a file"),
        (digits, "lie in each other"),
        (digits / "inside", "lie in each other"),
    ):
        before = picture(tmp_path)
        answer = call("pull", digits, dest)
        assert answer.status == 1
        assert reason in answer.err
        assert len(answer.err.splitlines()) == 1
        assert picture(tmp_path) == before


def test_a_folder_in_use_is_refused(call: Call, digits: Path, tmp_path: Path) -> None:
    """A store that a training has open is not written to."""
    store = Store(tmp_path / "dest", session="aaaaaa")
    answer = call("pull", digits, tmp_path / "dest")
    store.close()
    assert answer.status == 1
    assert "is using" in answer.err


def test_nothing_good_is_an_error(call: Call, digits: Path, tmp_path: Path) -> None:
    """If every checkpoint is damaged, each is named, and then that none is left."""
    for path in (digits / "packs").iterdir():
        flip(path)
    answer = call("pull", digits, tmp_path / "dest")
    assert answer.status == 1
    assert answer.err.count("skipped") == len(manifests(digits))
    assert "no checkpoint of digits can be read" in answer.err.splitlines()[-1]
