"""Which files of models are found that a loop has written where they are lost with the machine."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from colab_resume.training.forgotten import Strays

__all__: list[str] = []

BEGAN = 1_000_000.0


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    found = tmp_path / "here"
    found.mkdir()
    monkeypatch.chdir(found)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    return found


def write(path: Path, *, at: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"model")
    os.utime(path, (at, at))


def strays(*mirrored: Path) -> Strays:
    found = Strays(Path.cwd(), lambda: mirrored, now=lambda: BEGAN)
    assert found.found() == ""
    return found


@pytest.mark.parametrize("name", ["best.pt", "net.pth", "models/last.ckpt", "m.safetensors", "w.weights.h5", "m.keras"])
def test_what_was_written_since(name: str, here: Path) -> None:
    looks = strays()
    write(here / name, at=BEGAN - 1)
    assert looks.found() == ""
    write(here / name, at=BEGAN + 1)
    assert looks.found() == name


def test_what_was_written_to_a_temporary_folder(here: Path) -> None:
    """As PyTorch's own tutorial of transfer learning does with the best weights."""
    looks = strays()
    best = here.parent / "temporary" / "tmp1" / "best_model_params.pt"
    write(best, at=BEGAN + 1)
    assert looks.found() == str(best)


@pytest.mark.parametrize("name", ["losses.csv", "plot.png", "best.pt.tmp", "runs/one/best.pt"])
def test_what_is_no_model_or_lies_deeper_is_not(name: str, here: Path) -> None:
    """Trainers write theirs into folders in folders."""
    looks = strays()
    write(here / name, at=BEGAN + 1)
    assert looks.found() == ""


def test_what_is_mirrored_is_not(here: Path) -> None:
    looks = strays(here / "models", here / "elsewhere")
    write(here / "models" / "best.pt", at=BEGAN + 1)
    assert looks.found() == ""


def test_a_link_out_of_the_folder_is_not_followed(here: Path) -> None:
    """As to a folder on Drive."""
    far = here / "a" / "b" / "far"
    write(far / "best.pt", at=BEGAN + 1)
    (here / "models").symlink_to(far)
    assert strays().found() == ""


def test_of_many_a_few_are_named(here: Path) -> None:
    looks = strays()
    for number in range(5):
        write(here / f"epoch{number}.pt", at=BEGAN + number)
    assert looks.found() == "epoch0.pt, epoch1.pt, epoch2.pt and 2 more"


def test_of_a_folder_full_of_data_a_part_is_looked_at(here: Path) -> None:
    looks = strays()
    for number in range(1200):
        write(here / "images" / f"{number}.png", at=BEGAN + 1)
    write(here / "best.pt", at=BEGAN + 1)
    assert looks.found() == "best.pt"


def test_what_lies_on_another_disk_is_not(here: Path) -> None:
    """Whoever works in a folder of Drive has it there."""
    looks = Strays(Path("/proc"), list, now=lambda: BEGAN)
    assert looks.found() == ""
    write(here / "best.pt", at=BEGAN + 1)
    assert looks.found() == ""
