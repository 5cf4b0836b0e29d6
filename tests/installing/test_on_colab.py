"""An install on Colab adds this package and changes nothing, whichever extra is asked for."""

from __future__ import annotations

import re
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest
from installing.colab_environment import ColabEnvironment, packages

import colab_resume
from colab_resume import frameworks

FOR_DEVELOPERS = {"bench", "demo", "docs", "test"}
"""Extras that nobody asks for on Colab."""

OF_COLAB = {"accelerate", "drive", "fsspec", "keras", "tensorflow", "transformers"}
"""Extras of which Colab brings all."""

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("wheel")]


@pytest.fixture(scope="module")
def colab(tmp_path_factory: pytest.TempPathFactory) -> ColabEnvironment:
    return ColabEnvironment(tmp_path_factory.mktemp("colab"))


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode())


@pytest.mark.parametrize(
    "extras", ["", *(f"[{extra}]" for extra in sorted(OF_COLAB)), f"[{','.join(sorted(OF_COLAB))}]"]
)
def test_an_install_adds_this_package_and_changes_nothing(colab: ColabEnvironment, wheel: Path, extras: str) -> None:
    """A package that Colab has imported already and that changes asks for a restart, or breaks it silently."""
    found = colab.would_install(f"colab-resume{extras} @ {wheel.as_uri()}")
    assert found == {"colab-resume": colab_resume.__version__}


def test_every_extra_is_one_or_the_other(metadata: Message) -> None:
    """A new one is tried above, or said to be for developers."""
    assert set(metadata.get_all("Provides-Extra", [])) == {"lightning"} | OF_COLAB | FOR_DEVELOPERS


def test_lightning_is_what_colab_lacks(colab: ColabEnvironment, wheel: Path) -> None:
    """So this extra is for those who need it."""
    with pytest.raises(AssertionError, match=r"satisfies the requirement lightning"):
        colab.would_install(f"colab-resume[lightning] @ {wheel.as_uri()}")


def test_every_framework_that_is_known_has_an_extra(metadata: Message) -> None:
    """What `run.attach` takes can be asked for by its own name."""
    assert {*frameworks._MODULES} - {"pytorch_lightning"} <= set(metadata.get_all("Provides-Extra", []))


def test_a_requirement_that_colab_lacks_would_be_noticed(colab: ColabEnvironment) -> None:
    """The environment is no rubber stamp: what is there is there in that version, what is not is not."""
    with pytest.raises(AssertionError, match="blake3"):
        colab.would_install("blake3")
    with pytest.raises(AssertionError, match="ipywidgets"):
        colab.would_install("ipywidgets>=8")
    assert colab.would_install("ipywidgets>=7.6", "torch>=2.4", "google-colab", "nx-cugraph-cu12") == {}


def test_the_environment_is_the_one_of_the_list(colab: ColabEnvironment) -> None:
    """All of it, also with a local version as in 2.11.0+cu128 and from an address."""
    frozen = dict(line.split("==") for line in colab.pip("freeze", "--all").split())
    assert len(frozen) > 700
    assert {name.lower() for name, _ in packages()} == {name.lower() for name in frozen}
    assert frozen["torch"] == "2.11.0+cu128"
    assert frozen["en_core_web_sm"] == "3.8.0"


def test_it_installs_on_every_python_that_colab_has_had(metadata: Message) -> None:
    """Colab lets one go back to older runtimes; and a newer one is not shut out."""
    assert metadata["Requires-Python"] == ">=3.11"


def test_no_requirement_has_an_upper_bound(metadata: Message) -> None:
    """One that Colab has overtaken would take a package back there."""
    requirements = metadata.get_all("Requires-Dist", [])
    assert len(requirements) > 4
    bounds = [sign for one in requirements for sign in re.findall("[<=!~]=?", one.split(";")[0].replace(">=", ""))]
    assert bounds == []
