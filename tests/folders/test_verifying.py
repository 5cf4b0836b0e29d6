"""`colab-resume verify` reads mirrored folders, too."""

from __future__ import annotations

from pathlib import Path

import pytest
from folders.conftest import VM, write
from run_folders import flip

from colab_resume.cli import main
from colab_resume.remotes.folder import FolderRemote


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """A run's folder on a mounted remote, with two sets of one folder and no checkpoint."""
    root = tmp_path / "yolo"
    vm = VM(tmp_path / "vm", FolderRemote(root))
    for text in (b"1", b"2"):
        write(vm.path, {"same.pt": b"s" * 1000, "last.pt": text * 500})
        vm.track()
        vm.mirror()
    (root / "run.json").write_text('{"format":1,"created":1000000.0}')
    return root


def test_each_set_has_a_line(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And a run without checkpoints is no failure if it has them."""
    assert main(["verify", str(run_folder)]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "folders/weights/" in line]
    assert [line.split()[0] for line in lines] == ["ok", "ok"]


def test_a_flipped_bit_damages_the_sets_that_need_it(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The reason names the file."""
    for path in (run_folder / "folders/weights/files").iterdir():
        if path.read_bytes()[:1] == b"2":
            flip(path, 7)
    assert main(["verify", str(run_folder)]) == 1
    lines = [line for line in capsys.readouterr().out.splitlines() if "folders/weights/" in line]
    assert [line.split()[0] for line in lines] == ["damaged", "ok"]
    assert "last.pt is damaged" in lines[0]


def test_a_torn_list_is_damage(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is named by its own name."""
    newest = max((run_folder / "folders/weights/sets").iterdir())
    newest.write_bytes(newest.read_bytes()[:-5])
    assert main(["verify", str(run_folder)]) == 1
    assert f"damaged     yolo/folders/weights/{newest.stem}" in capsys.readouterr().out
