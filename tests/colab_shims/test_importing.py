"""A notebook that was written for Colab finds `google.colab` elsewhere; nobody else does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from colab_shims import google_colab

PROJECT = Path(__file__).parents[2]

# As plotly, altair and tqdm.autonotebook look for Colab.
LIBRARY = """
import importlib.util
import sys

def on_colab():
    try:
        import google.colab
        return "imported"
    except ImportError:
        pass
    try:
        from google.colab import drive
        return "from"
    except ImportError:
        pass
    if "google.colab" in sys.modules or hasattr(sys.modules.get("google"), "colab"):
        return "seen"
    try:
        return "found" if importlib.util.find_spec("google.colab") else "no"
    except ModuleNotFoundError:
        return "no"
"""
BEGIN = "from colab_resume.colab import importing\nimporting.install()\nimporting.install()\n"


def run(code: str, tmp_path: Path, *more: Path) -> str:
    """What a notebook says: code whose module is `__main__`, in a process of its own."""
    (tmp_path / "library.py").write_text(LIBRARY)
    (tmp_path / "notebook.py").write_text(BEGIN + code)
    paths = [tmp_path, *more, PROJECT]
    done = subprocess.run(
        [sys.executable, str(tmp_path / "notebook.py")],
        env={"PYTHONPATH": ":".join(map(str, paths)), "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


STATEMENTS = [
    "from google.colab import drive; print(drive.__name__)",
    "from google.colab import drive as d, auth; print(d.__name__)",
    "from google.colab import drive\nimport google_auth_httplib2 as h\nassert h.Request\nprint(drive.__name__)",
    "import google.colab; print(google.colab.drive.__name__)",
    "import google.colab.drive; print(google.colab.drive.__name__)",
    "import google.colab.drive as d; print(d.__name__)",
    "from google import colab; print(colab.drive.__name__)",
    "from google.colab.drive import mount; print(mount.__module__)",
    "from google.colab import *; print(drive.__name__)",
    "def f():\n    from google.colab import drive\n    print(drive.__name__)\nf()",
    "import google.colab, google.auth; print(google.colab.drive.__name__)",
    "import google.colab\nimport google.auth as a\nassert a.default\nprint(google.colab.drive.__name__)",
]


@pytest.mark.parametrize("code", STATEMENTS)
def test_a_notebook_finds_it_however_it_is_imported(code: str, tmp_path: Path) -> None:
    """And a library that looks for Colab afterwards does not, in any of the ways libraries look."""
    said = run(f"{code}\nimport library\nprint(library.on_colab())", tmp_path)
    assert said.split("\n") == ["colab_resume.colab.stand_in.drive", "no"]


def test_the_rest_of_google_works_as_before(tmp_path: Path) -> None:
    """`google` is a namespace that many packages share."""
    code = (
        "import google.auth as ga, google.auth.transport\n"
        "from google import auth\n"
        "from google.oauth2 import service_account\n"
        "from google.colab import drive\n"
        "from google.oauth2 import credentials\n"
        "import sys\n"
        "print(ga is auth is sys.modules['google.auth'], credentials.Credentials.__name__)\n"
    )
    assert run(code, tmp_path) == "True Credentials"


def test_what_nothing_stands_for_is_an_import_error(tmp_path: Path) -> None:
    """As in a notebook that catches it; and what is missing inside a package is told as it is."""
    code = (
        "for statement in ('import google.colab.ai', 'from google.colab import ai', 'import google.nothing'):\n"
        "    try:\n"
        "        exec(statement)\n"
        "    except ImportError as error:\n"
        "        print(type(error).__name__, error.name)\n"
    )
    assert run(code, tmp_path).split("\n") == [
        "ModuleNotFoundError google.colab.ai",
        "ImportError google.colab",
        "ModuleNotFoundError google.nothing",
    ]


def test_where_google_itself_is_missing_it_is_found_too(tmp_path: Path) -> None:
    """Nothing of Google's need be installed; `import google` alone then still fails."""
    code = (
        "import sys\n"
        "sys.path[:] = [p for p in sys.path if 'site-packages' not in p]\n"
        "sys.path_importer_cache.clear()\n"
        "from google.colab import runtime\n"
        "print(runtime.__name__)\n"
        "try:\n"
        "    import google\n"
        "except ModuleNotFoundError as error:\n"
        "    print(error.name)\n"
    )
    assert run(code, tmp_path).startswith("colab_resume.colab.stand_in.runtime")


@pytest.mark.parametrize("code", STATEMENTS[:6])
def test_where_there_is_a_real_one_it_is_the_one(code: str, tmp_path: Path) -> None:
    """Also for the notebook: on Colab nothing stands in for anything."""
    real = google_colab.write(tmp_path / "colab")
    said = run(
        f"import google.colab.drive, google.colab.auth\n{code}\nimport library\nprint(library.on_colab())",
        tmp_path,
        real,
    )
    assert said.split("\n") == ["google.colab.drive", "imported"]


def test_a_real_one_that_cannot_be_imported_says_why(tmp_path: Path) -> None:
    """It lacks a package of its own, say; nothing stands in for it then, or nobody would ever find out."""
    real = google_colab.write(tmp_path / "colab")
    (real / "google" / "colab" / "__init__.py").write_text("import pexpect_that_is_missing\n")
    code = "try:\n    from google.colab import drive\nexcept ModuleNotFoundError as error:\n    print(error.name)\n"
    assert run(code, tmp_path, real) == "pexpect_that_is_missing"


def test_it_can_be_taken_away_again(tmp_path: Path) -> None:
    """Then an import is what it was."""
    code = (
        "import builtins\n"
        "importing.uninstall()\n"
        "assert type(builtins.__import__).__name__ == 'builtin_function_or_method'\n"
        "try:\n"
        "    from google.colab import drive\n"
        "except ImportError:\n"
        "    print('gone')\n"
    )
    assert run(code, tmp_path) == "gone"
