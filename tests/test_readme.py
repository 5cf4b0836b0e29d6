"""What the README and docs/exactness.md show works as shown."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import trainings  # noqa: F401 - warms torch up, so that forked processes start quickly and use one thread
from vm import live

import colab_resume

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


EXACTNESS = (ROOT / "docs" / "exactness.md").read_text()


def _blocks(kind: str, text: str = README) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL)


def test_each_block_of_python_is_one_that_is_run() -> None:
    """By a word that only one test looks for; a new block needs a new test."""
    words = ('setup("points")', "TrainingArguments", "YOLO", "run.check(", "import keras")
    assert [[word for word in words if word in block] for block in _blocks("python")] == [[word] for word in words]


@pytest.mark.slow
def test_the_example_runs_and_runs_again(tmp_path: Path) -> None:
    """The first time it trains, the second time it finds that all is done; before, the check finds nothing."""
    example, check = (next(block for block in _blocks("python") if text in block) for text in ("setup(", "run.check("))
    block = example.replace("for epoch in", f"{check}for epoch in", 1)
    drive, store = tmp_path / "drive", tmp_path / "home"
    script = tmp_path / "example.py"
    assert block.count('setup("points")') == 1
    script.write_text(block.replace('setup("points")', f'setup("points", remote="{drive}")'))
    said = []
    for _ in range(2):
        store.mkdir()
        command = [sys.executable, str(script)]
        done = subprocess.run(command, env={"HOME": str(store)}, capture_output=True, text=True, check=True)
        said.append(done.stdout)
        subprocess.run(["rm", "-r", str(store)], check=True)
    assert all("check · ok" in text for text in said)
    assert "first start, nothing to restore" in said[0]
    assert "restored   step 160, verified" in said[1]


def test_the_example_of_a_folder_is_brought_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a stand-in for a framework that cannot be installed here: the second VM resumes from what the first left."""
    began: list[tuple[str, bool]] = []

    class YOLO:
        def __init__(self, weights: str | Path) -> None:
            self.weights = str(weights)

        def train(self, *, data: str, resume: bool, project: str, name: str, exist_ok: bool) -> None:
            began.append((self.weights, resume))
            (Path(project) / name / "weights").mkdir(parents=True, exist_ok=exist_ok)
            (Path(project) / name / "weights" / "last.pt").write_bytes(b"trained")

    for vm in ("first", "second"):
        (tmp_path / vm).mkdir()
        monkeypatch.chdir(tmp_path / vm)
        run = colab_resume.setup("yolo", store=tmp_path / vm / "store", remote=tmp_path / "drive")
        exec(next(block for block in _blocks("python") if "YOLO" in block), {"run": run, "YOLO": YOLO})
    assert began == [("yolo11n.pt", False), (str(tmp_path / "second/runs/detect/train/weights/last.pt"), True)]


@pytest.mark.slow
def test_the_example_with_keras_runs_and_runs_again(tmp_path: Path) -> None:
    """The first time it trains, the second time it finds that all is done."""
    script = tmp_path / "example.py"
    block = next(block for block in _blocks("python") if "import keras" in block)
    script.write_text(block.replace('setup("spirals")', f'setup("spirals", remote="{tmp_path / "drive"}")'))
    said = []
    for life in ("one", "two"):
        home = {"HOME": str(tmp_path / life), "KERAS_BACKEND": "torch"}
        command = [sys.executable, str(script)]
        (tmp_path / life).mkdir()
        done = subprocess.run(command, env={**os.environ, **home}, capture_output=True, text=True, check=True)
        said.append(done.stdout)
    assert "Epoch 10/10" in said[0]
    assert "fit 1 is done: 10 of 10 epochs" in said[1]


@pytest.mark.slow
def test_the_example_with_a_trainer_runs_and_runs_again(tmp_path: Path) -> None:
    """The first time it trains, the second time, on a new VM, it gives what it gave and trains nothing."""
    block = next(block for block in _blocks("python") if "TrainingArguments" in block)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from frameworks.transformers_trainer.parts import Net, Rows
        from transformers import Trainer, TrainingArguments

        names = {"Net": Net, "Rows": Rows, "Trainer": Trainer, "TrainingArguments": TrainingArguments}
        ends = []
        for vm in ("first", "second"):
            (tmp_path / vm).mkdir()
            status, end = live(partial(_trained, block, tmp_path / vm, names))
            assert status == 0
            ends.append(end)
    assert ends[0]["restored"] is None
    assert ends[1] == {**ends[0], "restored": ends[0]["step"]}
    assert ends[0]["step"] == 18


def _trained(block: str, vm: Path, names: dict[str, Any]) -> Any:
    os.chdir(vm)
    names |= {"colab_resume": colab_resume, "model": names["Net"](), "data": names["Rows"]()}
    options = f"store={str(vm)!r}, remote={str(vm.parent / 'drive')!r}"
    exec(block.replace('setup("finetune"', f'setup("finetune", {options}'), names)
    weights = [value.double().sum().item() for value in names["model"].state_dict().values()]
    status = names["run"].status()
    return {"restored": status.restored, "step": status.step, "weights": weights}


@pytest.mark.slow
def test_logs_of_ones_own_are_what_they_were(tmp_path: Path) -> None:
    """The first of the blocks about logs in docs/exactness.md: a table goes on on a new VM, and has each line once."""
    block, _ = _blocks("py", EXACTNESS)
    from torch.utils.tensorboard import SummaryWriter

    for vm in ("first", "second"):
        (tmp_path / vm).mkdir()
        status, text = live(partial(_logged, block, tmp_path / vm, SummaryWriter))
        assert (status, text) == (0, "01234" if vm == "first" else "0123456789")


def _logged(block: str, vm: Path, writer: Any) -> str:
    os.chdir(vm)
    run = colab_resume.setup("logs", store=vm, remote=vm.parent / "drive")
    model = torch.nn.Linear(2, 1)
    names = {"run": run, "model": model, "opt": torch.optim.SGD(model.parameters()), "SummaryWriter": writer}
    exec(block, names)
    for step in run.steps(5 if vm.name == "first" else 10):
        names["table"].write(str(step))
    run.finish()
    return Path("log.csv").read_text()


def test_every_command_it_shows_exists_and_every_command_is_shown() -> None:
    """No verb is undocumented, none is made up."""
    shown = [shlex.split(line)[2] for line in README.splitlines() if line.startswith("$ colab-resume ")]
    text = subprocess.run(
        [sys.executable, "-m", "colab_resume", "--help"], capture_output=True, text=True, check=True
    ).stdout
    verbs = re.findall(r"^    ([a-z]+)  ", text, re.MULTILINE)
    assert sorted(set(shown)) == sorted(verbs)


def test_the_make_targets_it_shows_exist() -> None:
    """`make demo` and `make test` are the whole set-up."""
    shown = re.findall(r"^\$ make (\w+)$", README, re.MULTILINE)
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert shown == ["demo", "test"]
    assert set(shown) <= set(targets)


def test_every_link_leads_somewhere() -> None:
    """Documents that are named are there."""
    for document in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for link, anchor in re.findall(r"\]\(([^)#:]*)(#[^)]+)?\)", document.read_text()):
            there = document.parent / link if link else document
            assert there.exists(), f"{document.name} links to {link}"
            assert not anchor or anchor in _anchors(there), f"{document.name} links to {link}{anchor}"


def _anchors(document: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)
    return {"#" + re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.slow
def test_an_object_of_ones_own_ends_as_if_it_had_not_been_killed(tmp_path: Path) -> None:
    """Killed at two steps, each time going on on a new VM."""
    (block,) = _blocks("python", EXACTNESS)
    ends = []
    for name, kills in (("undisturbed", [None]), ("killed", [30, 77, None])):
        for life, kill in enumerate(kills):
            script, home = tmp_path / "example.py", tmp_path / f"{name} {life}"
            options = f'remote="{tmp_path / name}", every=1'
            text = block.replace('setup("replay")', f'setup("replay", {options})')
            die = f"    if step == {kill}: run.flush(); __import__('os').kill(__import__('os').getpid(), 9)\n"
            script.write_text(text.replace("    replay.add", f"{die}    replay.add"))
            home.mkdir()
            command = [sys.executable, str(script)]
            done = subprocess.run(command, env={"HOME": str(home)}, capture_output=True, text=True, check=False)
            assert done.returncode == (0 if kill is None else -9), done.stderr
        ends += [line for line in done.stdout.splitlines() if line.startswith("end ")]
    assert len(ends) == 2
    assert ends[0] == ends[1]
