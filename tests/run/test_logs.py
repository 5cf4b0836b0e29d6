"""Logs that a training writes itself have no doubled points and miss none, wherever it was killed."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import trainings  # noqa: F401 - warms torch up, so that forked processes start quickly and use one thread
from torch import nn
from vm import KILLED, die, live

import colab_resume
from colab_resume.errors import UsageError
from colab_resume.training.objects.grown import GrowingFile
from colab_resume.training.objects.logs import EventFilesPart
from colab_resume.training.objects.parts import part_for

Death = tuple[str, int]


@pytest.fixture
def tensorboard() -> None:
    """Imported here, so that forked processes find it."""
    pytest.importorskip("tensorboard")
    import torch.utils.tensorboard  # noqa: F401
    from frameworks.event_files import points  # noqa: F401
    from tensorboard.backend.event_processing import event_accumulator  # noqa: F401


class Training:
    """Three epochs of four steps. `death`: where it ends, by a name of the place and the number of steps done."""

    def __init__(self, vm: Path, drive: Path, death: Death | None, *, every: int) -> None:
        torch.manual_seed(1)
        self.vm = vm
        self._death = death
        self.net = nn.Linear(2, 1)
        self.opt = torch.optim.SGD(self.net.parameters(), 0.01)
        self.run = colab_resume.setup("logs", store=vm / "store", remote=drive, every=every)

    def at(self, place: str) -> None:
        self.run._saving.writer.wait(None)
        if self._death == (place, self.run.status().step):
            self.run.flush()
            die()

    def step(self) -> float:
        self.at("begin")
        self.opt.zero_grad()
        loss = (self.net(torch.randn(3, 2)) - 1).square().mean()
        loss.backward()
        self.opt.step()
        return loss.item()

    def tracked(self, **logs: Any) -> None:
        self.run.track(net=self.net, opt=self.opt, **logs)


def table(training: Training, *, mode: str = "a") -> Any:
    """A table as people write it: the names of its columns once, a row in each step, one in each epoch."""
    path = training.vm / "table.csv"
    with path.open(mode, newline="") as stream:
        training.tracked(stream=stream)
        rows = csv.writer(stream)
        if not stream.tell():
            rows.writerow(["step", "loss"])
        for epoch in training.run.epochs(3):
            for _ in training.run.batches(range(4)):
                rows.writerow([training.run.status().step, training.step()])
                stream.flush()
                training.at("logged")
            rows.writerow(["epoch", epoch])
            stream.flush()
            training.at("epoch")
    training.run.finish()
    return path.read_text()


def board(training: Training) -> Any:
    """Scalars by step and by epoch, several in one picture, which lie in folders of their own, and a text."""
    from frameworks.event_files import points
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(training.vm / "runs")
    training.tracked(writer=writer)
    writer.add_text("about", "begun")
    for epoch in training.run.epochs(3):
        for _ in training.run.batches(range(4)):
            writer.add_scalar("loss", training.step(), training.run.status().step)
            writer.flush()
            training.at("logged")
        writer.add_scalar("of the epoch", epoch, epoch)
        writer.add_scalars("both", {"one": epoch, "two": -epoch}, epoch)
        writer.flush()
        training.at("epoch")
    writer.close()
    training.run.finish()
    return points(training.vm / "runs")


def wandb(training: Training) -> Any:
    """As docs/exactness.md shows it: what was logged before is told to each new run of W&B first."""
    import wandb
    from frameworks.wandb_files import told

    training.tracked()
    run = training.run
    wandb.init(project="logs", id="logs", resume="allow", mode="offline", dir=training.vm)
    for record in run.history():
        wandb.log(record.values, step=record.step)
    for _ in run.epochs(3):
        for _ in run.batches(range(4)):
            loss = training.step()
            run.log(loss=loss)
            wandb.log({"loss": loss}, step=run.status().step + 1)
            training.at("logged")
    run.finish()
    return told(training.vm)


def _lived(log: Any, folder: Path, deaths: Sequence[Death | None], *, every: int = 3, same_vm: bool = False) -> Any:
    found = None
    for number, death in enumerate(deaths):
        vm = folder / ("vm" if same_vm else f"vm{number}")
        vm.mkdir(exist_ok=True)
        status, found = live(lambda vm=vm, death=death: log(Training(vm, folder / "drive", death, every=every)))
        assert status == (KILLED if death else 0), death
    return found


_DEATHS = [("begin", 2), ("logged", 4), ("epoch", 8), ("logged", 10), None]


@pytest.mark.parametrize("mode", ["a", "w"])
@pytest.mark.parametrize("same_vm", [False, True], ids=["on new VMs", "on the same VM"])
def test_a_table_has_each_row_once(mode: str, same_vm: bool, tmp_path: Path) -> None:
    """Byte for byte that of a training that was never killed; also if each life begins to write it anew."""
    log = partial(table, mode=mode)
    (tmp_path / "unkilled").mkdir()
    expected = _lived(log, tmp_path / "unkilled", [None], every=100)
    assert _lived(log, tmp_path, _DEATHS, same_vm=same_vm) == expected
    assert len(expected.splitlines()) == 1 + 12 + 3


@pytest.mark.slow
@pytest.mark.parametrize("same_vm", [False, True], ids=["on new VMs", "on the same VM"])
@pytest.mark.usefixtures("tensorboard")
def test_tensorboard_shows_each_point_once(same_vm: bool, tmp_path: Path) -> None:
    """Whatever number a point was logged under."""
    (tmp_path / "unkilled").mkdir()
    expected = _lived(board, tmp_path / "unkilled", [None], every=100)
    assert _lived(board, tmp_path, _DEATHS, same_vm=same_vm) == expected
    assert {name: len(shown) for name, shown in expected.items()} == {
        ". loss": 12,
        ". of the epoch": 3,
        ". about/text_summary": 1,
        "both_one both": 3,
        "both_two both": 3,
    }


@pytest.mark.slow
def test_the_newest_run_of_wandb_has_each_point_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Offline, where each life has a run of its own."""
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_SILENT", "true")
    (tmp_path / "unkilled").mkdir()
    expected = _lived(wandb, tmp_path / "unkilled", [None], every=100)
    assert [line["_step"] for line in expected] == list(range(1, 13))
    assert _lived(wandb, tmp_path, [("logged", 4), ("begin", 9), None]) == expected


@pytest.mark.usefixtures("tensorboard")
def test_what_waits_in_the_writer_is_part_of_the_state(tmp_path: Path) -> None:
    """A writer keeps points for two minutes before it writes them to the disk."""
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(tmp_path, max_queue=1 << 16)
    part = EventFilesPart(writer)
    for step in range(2000):
        writer.add_scalar("loss", 0.5, step)
    (content,) = [b"".join(pieces) for pieces in part.state()["files"].values() if len(b"".join(pieces)) > 200]
    writer.close()
    assert content.count(b"loss") == 2000


@pytest.mark.usefixtures("tensorboard")
def test_files_of_others_in_the_same_folder_are_left_alone(tmp_path: Path) -> None:
    """Those of an experiment before, and of a second run that writes there, too."""
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(tmp_path) as others:
        others.add_scalar("loss", 0.5, 1)
    one, two = EventFilesPart(SummaryWriter(tmp_path)), EventFilesPart(SummaryWriter(tmp_path))
    before = one.state()
    twos = two.state()["files"].keys()
    names = {file.name for file in tmp_path.iterdir()}
    restarted = EventFilesPart(SummaryWriter(tmp_path))
    restarted.load(before)
    assert {file.name for file in tmp_path.iterdir()} == names
    assert not twos & before["files"].keys()


def test_a_writer_to_a_bucket_is_refused(tmp_path: Path) -> None:
    class Writer:
        """As torch's, as far as it is looked at."""

        __module__ = "torch.utils.tensorboard.writer"

        def get_logdir(self) -> str:
            return "gs://bucket/logs"

    with pytest.raises(UsageError, match="gs://bucket/logs"):
        part_for("writer", Writer(), dict, dict)


def test_a_file_that_is_open_for_reading_cannot_be_tracked(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.touch()
    with path.open() as stream, pytest.raises(UsageError, match="no way to give its state"):
        part_for("table", stream, dict, dict)


def test_a_long_log_is_stored_in_pieces_that_stay_the_same(tmp_path: Path) -> None:
    """So each is written and sent once; and a log that was begun anew is read anew."""
    path = tmp_path / "log"
    path.write_bytes(bytes(1_000_000))
    file = GrowingFile(path)
    first = file.taken()
    with path.open("ab") as stream:
        stream.write(b"more" * 100)
    second = file.taken()
    assert b"".join(second) == bytes(1_000_000) + b"more" * 100
    assert [one is other for one, other in zip(first, second, strict=True)] == [True, True, True, False]
    path.write_bytes(b"anew")
    assert file.taken() == [b"anew"]
