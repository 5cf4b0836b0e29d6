"""Where are we: found out by looking at files, the environment and what is imported already, never by importing.

Each kind has its own storage and its own way of asking; what looks alike is told apart by the order of `_LOOKS`.
"""

from __future__ import annotations

import enum
import os
import re
import sys
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

__all__ = ["Kind", "Place", "drive_point", "find_place", "is_drive", "local_disk"]

_HOSTED = "var/colab/hostname"
"""The file that Colab's own code tests (googlecolab/colabtools, google/colab/drive.py)."""
_DRIVE = (Path("/content/drive"), Path("/content/gdrive"))
_MOST_CHARACTERS, _MOST_BYTES = 80, 200
_KEPT = frozenset(" _-.()+,=@&'")
_BLANK_LETTERS = "\u115f\u1160\u17b4\u17b5\u3164\uffa0"
_UNTITLED = re.compile(r"Untitled(-Copy)?-?[0-9]*")
_DEVICES = frozenset(["CON", "PRN", "AUX", "NUL"] + [port + n for port in ("COM", "LPT") for n in "0123456789¹²³"])


class Kind(enum.Enum):
    """The places people run trainings in; the value is a text for them."""

    COLAB = "Google Colab"
    KAGGLE = "Kaggle"
    COLAB_ENTERPRISE = "Colab Enterprise"
    COLAB_GCE = "Colab on a VM of your own at Google Cloud"
    COLAB_LOCAL = "Colab with a local runtime"
    CI = "CI"
    JUPYTER = "Jupyter"
    IPYTHON = "IPython in a terminal"
    PYTHON = "plain Python"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where this process runs. `can_ask`: whether a front end may be there that answers, so a script has none.

    `notebook`: a default name for the run, made from the notebook's, which `run_folder` accepts; None if unknown.
    `front_end`: what a person uses instead of Colab's page, as far as it leaves a sign: "VS Code", "the colab CLI".
    """

    kind: Kind
    can_ask: bool = False
    notebook: str | None = None
    front_end: str = ""

    def __str__(self) -> str:
        """In words."""
        script = self.kind in (Kind.COLAB, Kind.KAGGLE, Kind.COLAB_ENTERPRISE, Kind.COLAB_GCE) and not self.can_ask
        words = f"{self.kind.value}, in a script" if script else self.kind.value
        return f"{words}, from {self.front_end}" if self.front_end else words


@dataclass(frozen=True)
class _View:
    """All that is looked at."""

    root: Path
    env: Mapping[str, str]
    modules: Mapping[str, Any]
    path: Iterable[str]

    def has(self, path: str) -> bool:
        return (self.root / path).exists()

    def says(self, *names: str) -> bool:
        """Whether one of these variables has a value; Colab sets some that are empty (COLAB_GPU, COLAB_TPU_1VM)."""
        return any(self.env.get(name) for name in names)

    @property
    def has_google_colab(self) -> bool:
        return "google.colab" in self.modules or any(
            (Path(entry) / "google" / "colab" / "__init__.py").is_file() for entry in self.path
        )

    @property
    def shell(self) -> Any:
        """IPython's, if this process is one of its own."""
        get_ipython = getattr(self.modules.get("IPython"), "get_ipython", None)
        return get_ipython() if get_ipython is not None else None

    @property
    def is_kernel(self) -> bool:
        return getattr(self.shell, "kernel", None) is not None


def _kaggle(view: _View) -> bool:
    """The folder alone says it only where no Colab VM is: notebooks that come from Kaggle make it there, too."""
    if view.says("KAGGLE_KERNEL_RUN_TYPE", "KAGGLE_URL_BASE"):
        return True
    return view.has("kaggle/working") and not view.has(_HOSTED)


def _enterprise(view: _View) -> bool:
    return view.env.get("VERTEX_PRODUCT") == "COLAB_ENTERPRISE"


def _gce(view: _View) -> bool:
    """https://github.com/googlecolab/colabtools/issues/2941."""
    if view.has("var/colab/mp"):
        return True
    marker = view.root / _HOSTED
    return marker.is_file() and marker.read_bytes().startswith(b"colab-")


def _ci(view: _View) -> bool:
    return view.env.get("CI", "").lower() not in ("", "0", "false")


# Kaggle's image is built from Colab's, so google.colab and /content are there as well: it comes first.
_LOOKS: tuple[tuple[Kind, Callable[[_View], bool]], ...] = (
    (Kind.KAGGLE, _kaggle),
    (Kind.COLAB_ENTERPRISE, _enterprise),
    (Kind.COLAB_GCE, _gce),
    (Kind.COLAB, lambda view: view.has(_HOSTED)),
    (Kind.COLAB_LOCAL, lambda view: view.has_google_colab),
    (Kind.CI, _ci),
    (Kind.JUPYTER, lambda view: view.is_kernel),
    (Kind.IPYTHON, lambda view: view.shell is not None),
)


def find_place(
    root: Path = Path("/"),
    env: Mapping[str, str] = os.environ,
    *,
    modules: Mapping[str, Any] = sys.modules,
    path: Iterable[str] | None = None,
) -> Place:
    """Look at the files below `root`, the environment, what is imported and what lies on the import path."""
    view = _View(root, env, modules, sys.path if path is None else path)
    kind = next((kind for kind, fits in _LOOKS if fits(view)), Kind.PYTHON)
    can_ask = view.is_kernel and kind is not Kind.CI
    return Place(kind=kind, can_ask=can_ask, notebook=_notebook(view), front_end=_front_end(view))


def _front_end(view: _View) -> str:
    if hasattr(view.modules.get("__main__"), "__vsc_ipynb_file__"):
        return "VS Code"
    # `colab auth` sets it so (googlecolab/google-colab-cli, commands/automation.py); on the page it is 1.
    return "the colab CLI" if view.has(_HOSTED) and view.env.get("USE_AUTH_EPHEM") == "0" else ""


def _notebook(view: _View) -> str | None:
    """Nothing is known of how Colab spells it in each front end, so all that a name can be told from is tried."""
    spoken = view.modules.get("__main__")
    candidates = (
        view.env.get("COLAB_NOTEBOOK_ID"),
        getattr(spoken, "__vsc_ipynb_file__", None),
        view.env.get("JPY_SESSION_NAME"),
    )
    for given in candidates:
        if isinstance(given, str) and (name := _run_name(given)) is not None:
            return name
    return None


def _run_name(given: str) -> str | None:
    """The file's name without its ending; or the id of a file on Drive, which stays when the notebook is renamed."""
    _, is_id, shown = given.rpartition("fileId=")
    last = PurePosixPath(re.split("[?#]", unquote(unquote(shown)))[0] if is_id else shown).name
    stem = last.removesuffix(".ipynb")
    # The name Jupyter gives to each new one says nothing; two of them would be one run.
    if last.endswith(".ipynb") and _UNTITLED.fullmatch(stem):
        return None
    return _acceptable(stem)


def _acceptable(name: str) -> str | None:
    """As `sessions.names.run_folder` wants it; that is above this station, and a test holds the two together."""
    composed = unicodedata.normalize("NFC", name)
    plain = "".join(character if _is_plain(character) else "_" for character in composed)[:_MOST_CHARACTERS]
    while len(plain.encode()) > _MOST_BYTES:
        plain = plain[:-1]
    plain = plain.strip().lstrip(".-").rstrip(".").strip()
    if plain.split(".", maxsplit=1)[0].rstrip().upper() in _DEVICES:
        plain = f"run {plain}"
    return plain if plain.strip("_ ") else None


def _is_plain(character: str) -> bool:
    if character in _BLANK_LETTERS:
        return False
    return character in _KEPT or (unicodedata.category(character)[0] in "LMN" and character != "\u034f")


def is_drive(path: Path) -> bool:
    """Whether this path leads to where Drive gets mounted; a folder that stands for Drive lies elsewhere."""
    return drive_point(path) is not None and drive_point(path.resolve()) is not None


def drive_point(path: Path) -> Path | None:
    """The place where Drive gets mounted that this path lies below, mounted or not; None if it lies elsewhere."""
    return next((place for place in _DRIVE if path.absolute().is_relative_to(place)), None)


def local_disk(root: Path = Path("/")) -> Path:
    """The folder for stores on this machine's own disk."""
    return root / "content" / ".colab_resume" if find_place(root).kind is Kind.COLAB else Path.home() / ".colab_resume"
