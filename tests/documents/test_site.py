"""The documentation as a site: built without a warning, complete, and with nothing in it that has to be fetched."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from documents.pages import DOCS, PROJECT

import colab_resume
from colab_resume import errors

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("site")]

# What a browser loads by itself: scripts, pictures, and links to what belongs to the page.
_LOADED = r'<(?:script|img|iframe|source)\b[^>]*\bsrc="([^"]*)"|<link\b[^>]*\bhref="([^"]*)"'


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Warnings are errors, as in `make docs`; there is no way to the net but through a proxy that is not there."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    environment = {**os.environ, **nowhere, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def test_every_page_is_in_the_menu(site: Path) -> None:
    """None can be found only by who knows its name."""
    nav = yaml.safe_load((PROJECT / "mkdocs.yml").read_text("utf-8"))["nav"]
    listed = re.findall(r"[\w-]+\.md", str(nav))
    assert sorted(listed) == sorted(page.name for page in DOCS.glob("*.md"))
    assert all((site / page).with_suffix(".html").is_file() for page in listed)


def test_everything_public_stands_in_the_reference(site: Path) -> None:
    """The names of the package, what a run can do, and every error."""
    there = set(re.findall(r' id="(colab_resume\.[\w.]+)"', (site / "api.html").read_text("utf-8")))
    names = {f"colab_resume.{name}" for name in colab_resume.__all__ if name != "__version__"}
    verbs = {f"colab_resume.Run.{name}" for name in vars(colab_resume.Run) if not name.startswith("_")}
    kinds = {f"colab_resume.errors.{name}" for name in errors.__all__}
    fields = {f"colab_resume.Status.{name}" for name in inspect.signature(colab_resume.Status).parameters}
    names.discard("colab_resume.ColabResumeError")  # stands among the errors
    assert names | verbs | kinds | fields <= there


def test_nothing_is_fetched_by_who_reads_it(site: Path) -> None:
    """No script, style, font or picture comes from elsewhere."""
    for page in site.rglob("*.html"):
        loaded = ["".join(found) for found in re.findall(_LOADED, page.read_text("utf-8"))]
        assert [address for address in loaded if "//" in address] == [], page.name
    for style in site.rglob("*.css"):
        assert re.findall(r"url\([\"']?(?:https?:)?//[^)]*\)|@import", style.read_text("utf-8")) == [], style.name
