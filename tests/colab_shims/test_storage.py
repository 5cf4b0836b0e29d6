"""In each place the best storage that works there, in one line that says what it survives; else what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from colab_resume.colab.choices import Choices
from colab_resume.colab.place import Kind, Place
from colab_resume.colab.storage import DRIVE_CHOICE, Storage, choose_storage
from colab_resume.errors import UsageError

DISK = Path("/home/me/.colab_resume")
MOUNTED = Path("/content/gdrive")


def chosen(
    kind: Kind, choices: Path, *, can_ask: bool = True, drive: bool = True, mounted: Path | None = None
) -> Storage:
    place = Place(kind=kind, can_ask=can_ask)
    return choose_storage(place, drive=drive, disk=DISK, choices=Choices(choices), mounted=lambda: mounted)


def test_a_hosted_colab_gets_drive(tmp_path: Path) -> None:
    """Mounted at the usual place, before the remote is opened."""
    found = chosen(Kind.COLAB, tmp_path)
    assert (found.remote, found.mount) == (Path("/content/drive/MyDrive/colab_resume"), Path("/content/drive"))
    assert found.line == "checkpoints go to Google Drive (MyDrive/colab_resume): they survive this VM"


@pytest.mark.parametrize("can_ask", [True, False])
def test_a_mount_that_is_there_is_used_wherever_it_is(tmp_path: Path, can_ask: bool) -> None:
    """Also by a script, which could not mount anything."""
    found = chosen(Kind.COLAB, tmp_path, can_ask=can_ask, mounted=MOUNTED)
    assert (found.remote, found.mount) == (MOUNTED / "MyDrive" / "colab_resume", MOUNTED)


def test_a_script_on_colab_without_a_mount_is_told_what_to_do(tmp_path: Path) -> None:
    """Nobody could answer there."""
    with pytest.raises(UsageError, match="in a cell first"):
        chosen(Kind.COLAB, tmp_path, can_ask=False)


@pytest.mark.parametrize("kind", [Kind.COLAB_ENTERPRISE, Kind.COLAB_GCE])
def test_where_drive_cannot_be_mounted_a_bucket_is_proposed(tmp_path: Path, kind: Kind) -> None:
    """Before a training starts that would die with its VM."""
    with pytest.raises(UsageError, match='remote="gs://bucket/folder"'):
        chosen(kind, tmp_path)


def test_kaggle_gets_what_it_keeps_and_says_what_to_switch_on(tmp_path: Path) -> None:
    """Whatever is said about Drive."""
    for drive in (True, False):
        found = chosen(Kind.KAGGLE, tmp_path, drive=drive)
        assert found.remote == Path("/kaggle/working/colab_resume")
        assert "Persistence" in found.line


@pytest.mark.parametrize("kind", [Kind.COLAB_LOCAL, Kind.CI, Kind.JUPYTER, Kind.IPYTHON, Kind.PYTHON])
def test_elsewhere_it_is_the_disk_until_a_folder_is_chosen(tmp_path: Path, kind: Kind) -> None:
    """The one that stands for Drive, as long as it is there."""
    assert chosen(kind, tmp_path).remote is None
    drive = tmp_path / "my drive"
    Choices(tmp_path).keep(DRIVE_CHOICE, str(drive))
    assert chosen(kind, tmp_path).remote is None
    drive.mkdir()
    found = chosen(kind, tmp_path)
    assert found.remote == drive / "colab_resume"
    assert str(drive) in found.line
    assert chosen(kind, tmp_path, drive=False).remote is None


@pytest.mark.parametrize("kind", Kind)
def test_without_drive_it_works_everywhere(tmp_path: Path, kind: Kind) -> None:
    """And the line says in one line what is not survived."""
    found = chosen(kind, tmp_path, can_ask=False, drive=False)
    assert "survive" in found.line
    assert "\n" not in found.line
    assert found.mount is None


@pytest.mark.parametrize("damage", ["", "[1]", '{"drive folder": 7}', '{"drive fol'])
def test_a_damaged_choice_is_none(tmp_path: Path, damage: str) -> None:
    """The user is asked again, and what is chosen then is kept."""
    (tmp_path / "choices.json").write_text(damage)
    choices = Choices(tmp_path)
    assert choices.get(DRIVE_CHOICE) is None
    choices.keep(DRIVE_CHOICE, "/d")
    choices.keep("credentials", "/c")
    assert (Choices(tmp_path).get(DRIVE_CHOICE), Choices(tmp_path).get("credentials")) == ("/d", "/c")
