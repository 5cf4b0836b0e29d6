"""What can be told of this machine at once: nothing is imported for it, nothing is asked that might not answer."""

from __future__ import annotations

import os
import platform
import re
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from ... import __version__
from ...colab.auth import CREDENTIALS
from ...colab.place import find_place, local_disk
from ...display.tables import ago, size
from ...sessions.machine import count_oom_kills
from ..places import open_place
from ..runs import last_used
from .findings import Finding, whatever_happens

__all__ = ["found_here", "lacking_packages"]

_TOLD = ("torch", "numpy", "keras", "tensorflow", "jax", "transformers", "lightning", "accelerate", "torchdata")
_EXTRAS = ("drive", "fsspec", "demo")
_HARMLESS = (
    "CI",
    "COLAB_RELEASE_TAG",
    "CUBLAS_WORKSPACE_CONFIG",
    "CUDA_VISIBLE_DEVICES",
    "KAGGLE_KERNEL_RUN_TYPE",
    "KERAS_BACKEND",
    "OMP_NUM_THREADS",
    "PYTHONHASHSEED",
    "TF_DETERMINISTIC_OPS",
)
"""Variables whose values are shown; of all others not even the names are, but for our own ones."""
_OUR_OWN = (CREDENTIALS, "COLAB_RESUME_DRIVE_URL")
_REQUIREMENT = re.compile(r"([\w.-]+)[^;]*(?:;.*extra == [\"']([\w-]+)[\"'].*)?")


def found_here() -> Iterator[Finding]:
    """Versions, packages, machine, disk, place and environment."""
    for about, look in (
        ("versions", _versions),
        ("packages", _packages),
        ("machine", _machine),
        ("disk", _disk),
        ("place", _place),
        ("environment", _environment),
    ):
        yield from whatever_happens(about, look)


def lacking_packages(extra: str, requirements: Iterable[str]) -> list[str]:
    """Those of `requirements`, as a package's metadata has them, that belong to an extra and are not installed; with
    "" those that belong to none."""
    named = [found.groups("") for one in requirements if (found := _REQUIREMENT.fullmatch(one)) is not None]
    return [name for name, whose in named if whose == extra and _version(name) is None]


def _versions() -> Iterator[Finding]:
    there = {name: found for name in _TOLD if (found := _version(name)) is not None}
    told = {"colab_resume": __version__, "python": platform.python_version(), **there}
    yield Finding(about="versions", text=", ".join(f"{name} {number}" for name, number in told.items()))


def _packages() -> Iterator[Finding]:
    try:
        requirements = requires("colab-resume") or []
    except PackageNotFoundError:
        yield Finding(about="packages", text="colab_resume is not installed but runs from a folder: not known")
        return
    if missing := lacking_packages("", requirements):
        yield Finding(about="packages", text=f"needed and not here: {', '.join(missing)}", wrong=True)
    for extra in _EXTRAS:
        lacks = ", ".join(lacking_packages(extra, requirements))
        text = f'lacks {lacks} (%pip install "colab-resume[{extra}]")' if lacks else "is complete"
        yield Finding(about="packages", text=f"extra {extra} {text}")


def _machine() -> Iterator[Finding]:
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    words = [f"{os.cpu_count()} cores", f"{size(pages)} of memory", *(_gpus() or ["no NVIDIA GPU"])]
    yield Finding(about="machine", text=", ".join([*words, f"{platform.system()} {platform.release()}"]))
    if killed := count_oom_kills():
        text = f"the system has killed {killed} processes here because memory was short"
        yield Finding(about="machine", text=text)


def _gpus(folder: Path = Path("/proc/driver/nvidia/gpus")) -> list[str]:
    """As the driver calls them."""
    told = [path.read_text("utf-8", "replace") for path in sorted(folder.glob("*/information"))]
    return [found[1].strip() for text in told if (found := re.search(r"Model:(.*)", text)) is not None]


def _disk() -> Iterator[Finding]:
    """Where checkpoints are written first, and wait as long as the remote does not take them."""
    folder = local_disk()
    there = next(path for path in (folder, *folder.parents) if path.exists())
    usage = shutil.disk_usage(there)
    yield Finding(about="disk", text=f"{size(usage.free)} free of {size(usage.total)} at {folder}")
    found = last_used(open_place(str(folder))) if folder.is_dir() else None
    if found is not None and found[0].manifests:
        newest = found[0].manifests[-1]
        text = f"{found[0].name} is there up to step {newest.step}, saved {ago(time.time() - newest.created)}"
        yield Finding(about="disk", text=text)


def _place() -> Iterator[Finding]:
    # What the command line sees is no cell, so whether it is a script, as `str(place)` would say, it cannot tell.
    place = find_place()
    front_end = f", from {place.front_end}" if place.front_end else ""
    yield Finding(about="place", text=f"{place.kind.value}{front_end}")


def _environment(env: Mapping[str, str] = os.environ) -> Iterator[Finding]:
    told = [f"{name}={env[name]}" for name in _HARMLESS if env.get(name)]
    told += [f"{name} is set" for name in _OUR_OWN if env.get(name)]
    yield Finding(about="environment", text=", ".join(told) or "nothing that matters is set")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
