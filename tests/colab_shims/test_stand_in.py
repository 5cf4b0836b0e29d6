"""What stands for `google.colab` elsewhere has its names and signatures, and does what makes sense there."""

from __future__ import annotations

import inspect
import json
import os
from pathlib import Path
from typing import Any

import pytest

from colab_resume.colab import asking, stand_in
from colab_resume.colab.choices import Choices
from colab_resume.colab.stand_in import auth, drive, output, runtime
from colab_resume.errors import UsageError
from colab_resume.remotes.folder import FolderRemote
from colab_resume.remotes.opening import open_remote


class Answers:
    """Somebody who has these answers, and keeps what was said."""

    def __init__(self, *answers: Path) -> None:
        self.answers = list(answers)
        self.said: list[str] = []

    def say(self, line: str) -> None:
        self.said.append(line)

    def folder(self, text: str, *, proposed: Path) -> Path:
        return self.answers.pop(0)

    def credentials(self, text: str) -> Path:
        return self.answers.pop(0)

    def confirm(self, text: str, *, button: str, about: str) -> bool:
        raise AssertionError(text)


def answering(*answers: Path) -> Answers:
    found = Answers(*answers)
    asking.use(found)
    return found


@pytest.mark.parametrize(
    ("function", "signature"),
    [
        (drive.mount, "(mountpoint, force_remount=False, timeout_ms=120000, readonly=False)"),
        (drive.flush_and_unmount, "(timeout_ms=86400000)"),
        (auth.authenticate_user, "(clear_output=True, project_id=None)"),
        (runtime.unassign, "()"),
        (output.eval_js, "(script, ignore_result=False, timeout_sec=None)"),
        (output.register_callback, "(function_name, callback)"),
        (output.clear, "(wait=False, output_tags=())"),
    ],
)
def test_the_signatures_are_those_of_colab(function: Any, signature: str) -> None:
    """By name, order and default."""
    found = inspect.signature(function)
    bare = found.replace(
        parameters=[p.replace(annotation=inspect.Parameter.empty) for p in found.parameters.values()],
        return_annotation=inspect.Signature.empty,
    )
    assert str(bare) == signature


def test_a_chosen_folder_stands_for_drive(tmp_path: Path) -> None:
    """Under both names that lead to it on Colab; asked for once."""
    somebody = answering(tmp_path / "my folder")
    point = tmp_path / "content" / "drive"
    drive.mount(str(point))
    (point / "MyDrive" / "a.txt").write_text("a")
    assert (tmp_path / "my folder" / "a.txt").read_text() == "a"
    assert (point / "My Drive" / "a.txt").read_text() == "a"
    drive.mount(str(point))
    assert somebody.said[-1] == f"Mounted at {point}: {tmp_path / 'my folder'} stands for Google Drive"


def test_another_folder_can_be_chosen(tmp_path: Path) -> None:
    """By force_remount, as one asks Colab to begin anew; the old one stays as it is."""
    answering(tmp_path / "one", tmp_path / "two")
    point = tmp_path / "drive"
    drive.mount(str(point))
    drive.mount(str(point), force_remount=True)
    assert (point / "MyDrive").resolve() == tmp_path / "two"
    assert (tmp_path / "one").is_dir()


def test_unmounting_takes_only_the_links_away(tmp_path: Path) -> None:
    """And says so where there is nothing to do, as on Colab."""
    somebody = answering(tmp_path / "one")
    drive.mount(str(tmp_path / "drive"))
    (tmp_path / "drive" / "MyDrive" / "a").touch()
    drive.flush_and_unmount()
    assert not (tmp_path / "drive" / "MyDrive").exists()
    assert (tmp_path / "one" / "a").exists()
    drive.flush_and_unmount()
    assert somebody.said[-1] == "Drive not mounted, so nothing to flush and unmount."


def test_checkpoints_below_it_go_to_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A notebook that names /content/drive/MyDrive/... is not told that nothing is mounted there."""
    point = tmp_path / "content" / "drive"
    monkeypatch.setattr("colab_resume.colab.place._DRIVE", (point,))
    answering(tmp_path / "one")
    drive.mount(str(point))
    assert isinstance(open_remote(point / "MyDrive" / "runs"), FolderRemote)


def test_files_in_the_way_are_left_alone(tmp_path: Path) -> None:
    """Whatever lies where the link would be."""
    answering(tmp_path / "one")
    (tmp_path / "drive" / "MyDrive").mkdir(parents=True)
    with pytest.raises(UsageError, match="something else is there"):
        drive.mount(str(tmp_path / "drive"))
    assert (tmp_path / "drive" / "MyDrive").is_dir()


def test_a_place_that_cannot_be_made_says_what_to_do(tmp_path: Path) -> None:
    """Most people may not write to /."""
    answering(tmp_path / "one")
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="sudo install -d"):
        drive.mount(str(tmp_path / "file" / "drive"))


def test_a_folder_that_cannot_be_made_is_not_remembered(tmp_path: Path) -> None:
    """So the next call asks again."""
    answering(tmp_path / "no" / "such" / "folder", tmp_path / "one")
    with pytest.raises(UsageError, match="cannot stand for Drive"):
        drive.mount(str(tmp_path / "drive"))
    drive.mount(str(tmp_path / "drive"))
    assert (tmp_path / "one").is_dir()


def test_mistakes_are_the_ones_colab_finds(tmp_path: Path) -> None:
    """A space in the path; and what cannot be had is refused, not ignored."""
    with pytest.raises(ValueError, match="must not contain a space"):
        drive.mount(str(tmp_path / "my drive"))
    with pytest.raises(UsageError, match="reading only"):
        drive.mount(str(tmp_path / "drive"), readonly=True)


KEYS = {"type": "service_account", "client_email": "a@b", "private_key": "secret"}


def test_a_credentials_file_is_remembered_as_a_path(tmp_path: Path, home: Path) -> None:
    """It is asked for once, not copied, and found by `drive:` remotes and by google-auth."""
    key = tmp_path / "key.json"
    key.write_text(json.dumps(KEYS))
    answering(key)
    auth.authenticate_user()
    assert os.environ["COLAB_RESUME_CREDENTIALS"] == os.environ["GOOGLE_APPLICATION_CREDENTIALS"] == str(key)
    del os.environ["COLAB_RESUME_CREDENTIALS"]
    auth.authenticate_user(project_id="my-project")
    assert os.environ["COLAB_RESUME_CREDENTIALS"] == str(key)
    assert os.environ["GOOGLE_CLOUD_PROJECT"] == "my-project"
    written = [path for path in home.rglob("*") if path.is_file()]
    assert not any("secret" in path.read_text() for path in written)


def test_credentials_that_are_given_already_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is asked."""
    answering()
    monkeypatch.setenv("COLAB_RESUME_CREDENTIALS", "/key.json")
    auth.authenticate_user()


@pytest.mark.parametrize(
    "content", [None, "", "[]", '{"type": "external_account"}', '{"web": {}}', '{"installed": {}}']
)
def test_a_file_that_holds_none_is_refused_and_not_remembered(tmp_path: Path, content: str | None, home: Path) -> None:
    """Kinds that can name a program to be run are among them."""
    path = tmp_path / "key.json"
    if content is not None:
        path.write_text(content)
    answering(path)
    with pytest.raises(UsageError, match=r"key\.json"):
        auth.authenticate_user()
    assert Choices().get("credentials") is None


def test_there_is_no_vm_to_give_back() -> None:
    """And the process goes on."""
    somebody = answering()
    runtime.unassign()
    assert "no Colab VM" in somebody.said[0]


def test_javascript_is_answered_where_that_can_be_known() -> None:
    """The address of a port; else it is said that there is no answer."""
    somebody = answering()
    assert output.eval_js("google.colab.kernel.proxyPort(8000, {'cache': false})") == "http://localhost:8000/"
    assert output.eval_js("alert('x')", ignore_result=True) is None
    assert "not run" in somebody.said[0]
    with pytest.raises(UsageError, match="front end"):
        output.eval_js("document.title")


def test_the_rest_of_output_does_no_harm() -> None:
    """Where there is no front end at all, too."""
    output.register_callback("f", print)
    with output.temporary(), output.use_tags("a"):
        output.clear(wait=True)
    output.enable_custom_widget_manager()
    output.no_vertical_scroll()
    assert set(stand_in.__all__) == {"auth", "drive", "output", "runtime"}
