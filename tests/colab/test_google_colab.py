"""What `google.colab` does on a VM: consents, mounts, limits of time, and the rule of the main thread."""

from __future__ import annotations

import errno

import pytest

from colab.cells import Cell
from colab.desk import Desk
from colab.notebook import Notebook

__all__: list[str] = []

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.xdist_group("machine")]

MOUNT = "from google.colab import drive\ndrive.mount('/content/drive')"


@pytest.fixture
def notebook(desk: Desk) -> Notebook:
    """On a VM whose uploads wait until the test says so."""
    return desk.boot(held=True).open()


def failure(notebook: Notebook, code: str) -> tuple[str, str] | None:
    cell: Cell = notebook.run(code, check=False)
    assert cell.state == "error", cell.report()
    return cell.error


def write(notebook: Notebook, name: str, text: str = "x") -> None:
    notebook.run(f"with open('/content/drive/MyDrive/{name}', 'w') as file: _ = file.write({text!r})")


def test_drive_is_mounted_where_asked_and_outlives_the_vm(desk: Desk, notebook: Notebook) -> None:
    assert notebook.run(MOUNT).text == "Mounted at /content/drive\n"
    assert notebook.value("'drive /content/drive fuse.drive ' in open('/proc/mounts').read()")
    write(notebook, "a")
    notebook.vm.drive.upload()
    notebook.vm.cut()
    again = desk.boot().open()
    again.run("from google.colab import drive; drive.mount('/content/gdrive')")
    assert again.value("open('/content/gdrive/My Drive/a').read()") == "x"


def test_what_was_not_uploaded_is_lost_with_the_vm(desk: Desk, notebook: Notebook) -> None:
    notebook.run(MOUNT)
    write(notebook, "arrived")
    notebook.vm.drive.upload()
    write(notebook, "late")
    notebook.vm.cut()
    assert [path.name for path in desk.cloud.iterdir()] == ["arrived"]


def test_every_call_asks_for_consent_even_if_drive_is_mounted(desk: Desk, notebook: Notebook) -> None:
    notebook.run(MOUNT)
    again = notebook.run(MOUNT).text
    assert again.startswith("Drive already mounted at /content/drive; to attempt to forcibly remount")
    assert desk.consents() == ["dfs_ephemeral", "dfs_ephemeral"]


def test_a_mount_outlives_a_restart_of_the_kernel(desk: Desk, notebook: Notebook) -> None:
    notebook.run(MOUNT)
    write(notebook, "a")
    notebook.kill()
    assert notebook.value("open('/content/drive/MyDrive/a').read()") == "x"
    assert len(desk.consents()) == 1


def test_two_vms_see_one_drive(desk: Desk) -> None:
    tabs = [desk.boot().open() for _ in range(2)]
    for tab in tabs:
        tab.run(MOUNT)
    write(tabs[0], "a", "from the first")
    tabs[0].vm.drive.settle()
    assert tabs[1].value("open('/content/drive/MyDrive/a').read()") == "from the first"


def test_files_where_drive_is_to_be_mounted_are_in_the_way(desk: Desk, notebook: Notebook) -> None:
    notebook.run("import os; os.makedirs('/content/drive/MyDrive'); open('/content/drive/MyDrive/a', 'w').close()")
    assert failure(notebook, MOUNT) == ("ValueError", "Mountpoint must not already contain files")
    assert desk.consents() == ["dfs_ephemeral"]


@pytest.mark.parametrize(
    ("before", "mountpoint", "expected"),
    [
        ("os.unlink('/var/colab/hostname')", "/content/drive", ("NotImplementedError", False)),
        ("", "/content/my drive", ("ValueError", False)),
        ("os.environ['VERTEX_PRODUCT'] = 'COLAB_ENTERPRISE'", "/content/drive", ("NotImplementedError", False)),
        ("os.symlink('/tmp', '/content/link')", "/content/link", ("ValueError", True)),
        ("open('/content/file', 'w').close()", "/content/file", ("ValueError", True)),
        ("", "/content/no/folder", ("ValueError", True)),
        ("del os.environ['TBE_EPHEM_CREDS_ADDR']", "/content/drive", ("KeyError", True)),
    ],
)
def test_a_place_that_will_not_do_is_refused_in_colabs_order(
    desk: Desk, notebook: Notebook, before: str, mountpoint: str, expected: tuple[str, bool]
) -> None:
    notebook.run(f"import os\n{before}")
    found = failure(notebook, f"from google.colab import drive; drive.mount({mountpoint!r})")
    assert found is not None
    assert (found[0], bool(desk.consents())) == expected


def test_a_refusal_is_an_error_of_the_front_end(notebook: Notebook) -> None:
    notebook.vm.front_end = "refuses"
    text = "Error: credential propagation was unsuccessful"
    assert failure(notebook, MOUNT) == ("MessageError", text)
    notebook.run("from google.colab import _message, errors; assert issubclass(_message.MessageError, errors.Error)")
    assert failure(notebook, "from google.colab import auth; auth.authenticate_user()") == ("MessageError", text)


def test_where_nobody_answers_the_mount_fails_after_its_time(desk: Desk, notebook: Notebook) -> None:
    """120 seconds, as the front end was told; nobody waits for them here."""
    notebook.vm.front_end = "silent"
    assert failure(notebook, MOUNT) == ("ValueError", "mount failed")
    assert [(asked.seconds, asked.answered) for asked in desk.asked] == [(120, False)]


def test_a_closed_browser_is_silent(desk: Desk, notebook: Notebook) -> None:
    wait = "import os\nwhile not os.path.exists('/content/go'): pass"
    note = "open('/content/said', 'w').write(str(error))"
    notebook.start(f"print('it runs')\n{wait}\ntry:\n    {MOUNT.replace(chr(10), ';')}\n"
                   f"except ValueError as error: {note}").until("it runs")  # fmt: skip
    notebook.disconnect()
    notebook.vm.path("/content/go").touch()
    said = notebook.vm.path("/content/said")
    desk.until(lambda: said.exists() and said.read_text() != "", 10, "the end of the mount", nudge=0.01)
    assert said.read_text() == "mount failed"


def test_where_nobody_answers_signing_in_hangs_for_ever(desk: Desk, notebook: Notebook) -> None:
    notebook.vm.front_end = "silent"
    cell = notebook.start("from google.colab import auth; auth.authenticate_user()")
    desk.until(lambda: bool(desk.asked), 10, "the question")
    assert not desk.wait(lambda: cell.state != "running", 0.3)
    assert desk.asked[0].seconds is None
    notebook.interrupt()
    assert cell.wait().error == ("KeyboardInterrupt", "")


def test_signing_in_asks_once(desk: Desk, notebook: Notebook) -> None:
    for _ in range(2):
        notebook.run("from google.colab import auth; assert auth.authenticate_user() is None")
    assert desk.consents() == ["auth_user_ephemeral"]


def test_another_thread_is_never_answered(desk: Desk, notebook: Notebook) -> None:
    """Colab reads the answer from a socket of the main thread's; a mount fails there, signing in hangs."""
    notebook.run(
        "import threading\nfrom google.colab import auth, drive\nseen = []\n"
        "def attempt():\n"
        "    try: drive.mount('/content/drive')\n"
        "    except ValueError as error: seen.append(str(error))\n"
        "one = threading.Thread(target=attempt); one.start(); one.join()\n"
        "other = threading.Thread(target=auth.authenticate_user, daemon=True); other.start(); other.join(0.3)"
    )
    assert notebook.value("[seen, other.is_alive()]") == [["mount failed"], True]
    assert (desk.consents(), desk.misuses) == ([], ["request_auth", "request_auth"])


def test_a_dead_mount_says_so_and_is_mounted_again_without_force(notebook: Notebook) -> None:
    """What it had not uploaded is still on this VM."""
    notebook.run(MOUNT)
    write(notebook, "a")
    notebook.vm.break_drive()
    error = failure(notebook, "open('/content/drive/MyDrive/a')")
    assert error is not None
    assert f"[Errno {errno.ENOTCONN}]" in error[1]
    assert notebook.run(MOUNT).text == "Mounted at /content/drive\n"
    assert notebook.value("open('/content/drive/MyDrive/a').read()") == "x"


def test_force_mounts_a_healthy_drive_anew(desk: Desk, notebook: Notebook) -> None:
    notebook.run(MOUNT)
    again = notebook.run("drive.mount('/content/drive', force_remount=True)")
    assert again.text == "Mounted at /content/drive\n"
    assert len(desk.consents()) == 2


def test_drive_can_be_mounted_for_reading_only(notebook: Notebook) -> None:
    notebook.run("from google.colab import drive; drive.mount('/content/drive', readonly=True)")
    error = failure(notebook, "open('/content/drive/MyDrive/a', 'w')")
    assert error is not None
    assert f"[Errno {errno.EROFS}]" in error[1]
    notebook.run("drive.mount('/content/drive', force_remount=True)")
    write(notebook, "a")


def test_the_weather_on_drive_changes_before_and_after_the_mount(notebook: Notebook) -> None:
    notebook.vm.weather(drive_space=10)
    notebook.run(MOUNT)
    write(notebook, "big", "x" * 100)
    notebook.vm.weather(held=False)
    notebook.vm.drive.settle()
    assert notebook.vm.drive.pending() == {"big": "Drive is full"}
    notebook.vm.weather(drive_space=None)
    notebook.vm.drive.settle()
    assert notebook.vm.drive.pending() == {}


def test_flushing_uploads_and_unmounts(desk: Desk) -> None:
    notebook = desk.boot(delay=0.2).open()
    cell = notebook.run("from google.colab import drive; drive.flush_and_unmount()")
    assert cell.text == "Drive not mounted, so nothing to flush and unmount.\n"
    notebook.run(MOUNT)
    write(notebook, "a")
    notebook.run("drive.flush_and_unmount()")
    assert (desk.cloud / "a").read_text() == "x"
    assert notebook.value("__import__('os').listdir('/content/drive')") == []


def test_a_flush_that_cannot_upload_fails_and_unmounts_all_the_same(notebook: Notebook) -> None:
    notebook.run(MOUNT)
    write(notebook, "a")
    assert failure(notebook, "drive.flush_and_unmount()") == ("ValueError", "flush_and_unmount failed")
    assert notebook.value("__import__('os').listdir('/content/drive')") == []


def test_a_vm_that_is_given_back_is_gone(desk: Desk, notebook: Notebook) -> None:
    cell = notebook.start("from google.colab import runtime; runtime.unassign()")
    assert cell.wait().state == "gone"
    assert notebook.vm.is_gone
    assert desk.given_back == [notebook.vm.plan.name]


def test_secrets_come_from_the_front_end(desk: Desk, notebook: Notebook) -> None:
    desk.secrets["key"] = "word"
    notebook.run("from google.colab import userdata")
    assert notebook.value("userdata.get('key')") == "word"
    assert failure(notebook, "userdata.get('other')") == ("SecretNotFoundError", "Secret other does not exist.")
    notebook.vm.front_end = "silent"
    error = failure(notebook, "userdata.get('key')")
    assert error is not None
    assert error[0] == "TimeoutException"
    assert desk.asked[-1].seconds == 10


def test_scripts_run_in_the_browser(desk: Desk, notebook: Notebook) -> None:
    desk.answer_script = len
    notebook.run("from google.colab import output; output.enable_custom_widget_manager()")
    assert notebook.value("output.eval_js('1 + 1')") == 5
    assert notebook.value("output.eval_js('1 + 1', ignore_result=True)") is None
    notebook.run("output.register_callback('add', lambda a, b: a + b)")
    assert notebook.value("output._invoke_function('add', '[1]', '{\"b\": 2}')") == 3


def test_google_colab_is_not_to_be_had_outside(notebook: Notebook) -> None:
    with pytest.raises(ImportError):
        __import__("google.colab")
    assert notebook.value("'google.colab' in __import__('sys').modules")
