"""Each place is told by what lies there, and the traps that the facts name are no traps."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from colab_shims.roots import HOSTED, Looks, kernel, terminal
from hypothesis import given
from hypothesis import strategies as st

from colab_resume.colab.place import Kind, Place, drive_point, find_place, is_drive, local_disk
from colab_resume.sessions.names import run_folder

VM = {"var/colab/hostname": "gpu-t4-s-20b5", "content/sample_data/": ""}
IMAGE = {"content/sample_data/": "", "opt/google/drive/": ""}


def place_of(looks: Looks, root: Path) -> Place:
    looks.build(root)
    return find_place(root, looks.env, modules=looks.modules, path=[str(root / "packages")])


PLACES = {
    "hosted": (Looks(VM, HOSTED, kernel(), google_colab=True), Kind.COLAB, True),
    "hosted, with a GPU": (Looks(VM, HOSTED | {"COLAB_GPU": "1"}, kernel(), google_colab=True), Kind.COLAB, True),
    "hosted, in a script": (Looks(VM, HOSTED, google_colab=True), Kind.COLAB, False),
    "hosted, a notebook that makes Kaggle's folder": (
        Looks(VM | {"kaggle/working/": ""}, HOSTED, kernel(), google_colab=True),
        Kind.COLAB,
        True,
    ),
    "hosted, without its variables": (Looks(VM, {}, kernel(), google_colab=True), Kind.COLAB, True),
    "Kaggle": (
        Looks(
            IMAGE | {"kaggle/working/": ""},
            {"KAGGLE_KERNEL_RUN_TYPE": "Interactive", "COLAB_RELEASE_TAG": "x"},
            kernel(),
            google_colab=True,
        ),
        Kind.KAGGLE,
        True,
    ),
    "Kaggle, by its folder": (
        Looks(IMAGE | {"kaggle/working/": ""}, {}, kernel(), google_colab=True),
        Kind.KAGGLE,
        True,
    ),
    "Kaggle, by its address": (
        Looks(IMAGE, {"KAGGLE_URL_BASE": "https://www.kaggle.com"}, google_colab=True),
        Kind.KAGGLE,
        False,
    ),
    "Enterprise": (
        Looks(VM, {"VERTEX_PRODUCT": "COLAB_ENTERPRISE"}, kernel(), google_colab=True),
        Kind.COLAB_ENTERPRISE,
        True,
    ),
    "Workbench is not Enterprise": (Looks({}, {"VERTEX_PRODUCT": "WORKBENCH_INSTANCE"}, kernel()), Kind.JUPYTER, True),
    "GCE": (Looks(VM | {"var/colab/mp": ""}, HOSTED, kernel(), google_colab=True), Kind.COLAB_GCE, True),
    "GCE, by its name": (Looks({"var/colab/hostname": "colab-1-vm"}, HOSTED, kernel()), Kind.COLAB_GCE, True),
    "local runtime": (Looks(IMAGE, {"CI": ""}, kernel(), google_colab=True), Kind.COLAB_LOCAL, True),
    "local runtime, imported": (
        Looks({}, {}, kernel() | {"google.colab": object()}),
        Kind.COLAB_LOCAL,
        True,
    ),
    "CI": (Looks({}, {"CI": "true"}), Kind.CI, False),
    "CI runs a notebook": (Looks({}, {"CI": "1"}, kernel()), Kind.CI, False),
    "Jupyter": (Looks({}, {"CI": "false"}, kernel()), Kind.JUPYTER, True),
    "IPython": (Looks({}, {}, terminal()), Kind.IPYTHON, False),
    "Python": (Looks({}, {"COLAB_GPU": ""}), Kind.PYTHON, False),
}


@pytest.mark.parametrize("name", PLACES)
def test_each_place_is_told_by_what_lies_there(name: str, tmp_path: Path) -> None:
    """The kind, and whether somebody may answer."""
    looks, kind, can_ask = PLACES[name]
    found = place_of(looks, tmp_path)
    assert (found.kind, found.can_ask) == (kind, can_ask)


def test_a_place_has_words_for_people() -> None:
    """A script on Colab is said to be one, since it can do less."""
    assert str(Place(kind=Kind.COLAB, can_ask=True)) == "Google Colab"
    assert str(Place(kind=Kind.COLAB)) == "Google Colab, in a script"
    assert str(Place(kind=Kind.PYTHON)) == "plain Python"


def test_nothing_is_imported_to_find_out(tmp_path: Path) -> None:
    """A google.colab that must not be imported is found; IPython is not asked where nobody has imported it."""
    package = tmp_path / "google" / "colab"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('imported')\n")
    code = (
        "import json, sys\n"
        "from colab_resume.colab.place import find_place\n"
        "before = set(sys.modules)\n"
        f"place = find_place(env={{}}, path=[*sys.path, {str(tmp_path)!r}])\n"
        "print(json.dumps([place.kind.name, sorted(set(sys.modules) - before), 'IPython' in sys.modules]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True)
    assert json.loads(done.stdout) == ["COLAB_LOCAL", [], False]


@pytest.mark.slow
@pytest.mark.parametrize(("argv", "kind", "can_ask"), [(["--classic"], "IPYTHON", False), (None, "JUPYTER", True)])
def test_ipython_itself_is_told_from_a_kernel(argv: list[str] | None, kind: str, can_ask: bool, tmp_path: Path) -> None:
    """With a real one of each."""
    code = "from colab_resume.colab.place import find_place as f; p = f(env={}); print(p.kind.name, p.can_ask)"
    if argv is not None:
        command = [sys.executable, "-m", "IPython", *argv, "--ipython-dir", str(tmp_path), "--quick", "-c", code]
        said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    else:
        said = said_by_a_kernel(code, tmp_path)
    assert said.split() == [kind, str(can_ask)]


def said_by_a_kernel(code: str, folder: Path) -> str:
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel(extra_arguments=[f"--IPythonApp.ipython_dir={folder}"])
    try:
        said: list[str] = []
        client.execute_interactive(
            code, timeout=60, output_hook=lambda message: said.append(message["content"].get("text", ""))
        )
        return "".join(said)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@pytest.mark.parametrize(
    ("env", "name"),
    [
        ({}, None),
        ({"JPY_SESSION_NAME": "/home/ada/trainings/digits try 2.ipynb"}, "digits try 2"),
        ({"JPY_SESSION_NAME": "/home/ada/Untitled.ipynb"}, None),
        ({"JPY_SESSION_NAME": "/home/ada/Untitled12.ipynb"}, None),
        ({"JPY_SESSION_NAME": "/home/ada/Untitled-Copy1.ipynb"}, None),
        ({"JPY_SESSION_NAME": "/home/ada/Untitled masterpiece.ipynb"}, "Untitled masterpiece"),
        ({"JPY_SESSION_NAME": "/content/fileId=https%3A//example.com/a/b%20c.ipynb"}, "b c"),
        ({"JPY_SESSION_NAME": "/content/fileId=1AbC-d_E9"}, "1AbC-d_E9"),
        ({"COLAB_NOTEBOOK_ID": "1AbC-d_E9", "JPY_SESSION_NAME": "/content/digits.ipynb"}, "1AbC-d_E9"),
        ({"COLAB_NOTEBOOK_ID": "", "JPY_SESSION_NAME": "/content/digits.ipynb"}, "digits"),
        ({"JPY_SESSION_NAME": "/x/CON.ipynb"}, "run CON"),
        ({"JPY_SESSION_NAME": "/x/.ipynb"}, None),
        ({"JPY_SESSION_NAME": "/x/обучение.ipynb"}, "обучение"),
        ({"JPY_SESSION_NAME": "/x/what? <now>.ipynb"}, "what_ _now_"),
        ({"JPY_SESSION_NAME": "/x/100%25.ipynb"}, "100_25"),
    ],
)
def test_the_notebook_gives_the_run_its_name(env: dict[str, str], name: str | None, tmp_path: Path) -> None:
    """The id if Colab tells one, which stays when the notebook is renamed; else the file's name."""
    assert find_place(tmp_path, env, modules={}, path=[]).notebook == name


def test_vs_code_tells_the_notebook_by_a_variable(tmp_path: Path) -> None:
    """It sets no environment variable."""

    class Main:
        __vsc_ipynb_file__ = "/home/ada/digits.ipynb"

    assert find_place(tmp_path, {}, modules={"__main__": Main}, path=[]).notebook == "digits"


@given(st.text(max_size=300))
def test_whatever_the_notebook_is_called_a_run_can_have_that_name(name: str) -> None:
    """Or there is none."""
    found = find_place(Path("/nowhere"), {"JPY_SESSION_NAME": name}, modules={}, path=[]).notebook
    assert found is None or run_folder(found) == found


def test_what_lies_below_the_mount_point_is_on_drive_unless_it_leads_elsewhere() -> None:
    """By its path alone, mounted or not."""
    assert is_drive(Path("/content/drive/MyDrive/runs"))
    assert drive_point(Path("/content/gdrive/MyDrive")) == Path("/content/gdrive")
    assert not is_drive(Path("/content/drives/MyDrive"))
    assert not is_drive(Path("/content/drive/../x"))


def test_the_store_lies_on_the_disk_of_the_vm(tmp_path: Path) -> None:
    """Beside what else is in /content; elsewhere at home."""
    assert local_disk(Looks(VM).build(tmp_path)) == tmp_path / "content" / ".colab_resume"
    assert local_disk(tmp_path / "bare") == Path.home() / ".colab_resume"


def test_the_front_end_is_told_where_it_leaves_a_sign(tmp_path: Path) -> None:
    """By a variable of the notebook, or by what the colab CLI sets; Colab's own page leaves none."""
    hosted = Looks(files={"var/colab/hostname": "m-s-1"}).build(tmp_path)
    spoken = SimpleNamespace(__vsc_ipynb_file__="/home/ada/digits.ipynb")
    found = find_place(hosted, HOSTED, modules={**kernel(), "__main__": spoken}, path=())
    assert (found.kind, found.front_end) == (Kind.COLAB, "VS Code")
    assert str(found) == "Google Colab, from VS Code"
    assert find_place(hosted, {**HOSTED, "USE_AUTH_EPHEM": "0"}, modules={}, path=()).front_end == "the colab CLI"
    assert find_place(hosted, HOSTED, modules=kernel(), path=()).front_end == ""
    assert find_place(tmp_path / "elsewhere", {"USE_AUTH_EPHEM": "0"}, modules={}, path=()).front_end == ""
