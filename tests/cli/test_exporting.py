"""`export` and `metrics`: files for other tools."""

from __future__ import annotations

import csv
import io
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from run_folders import flip, forge, manifests, newest_pack
from safetensors.torch import load_file

from .conftest import Call, Tied


def test_a_safetensors_file_loads_into_the_model(call: Call, digits: Path, tmp_path: Path) -> None:
    """With one --part the keys are those of the state_dict; tied weights are there under both names."""
    answer = call("export", digits, tmp_path / "m.safetensors", "--part", "model")
    assert answer.status == 0
    tensors = load_file(tmp_path / "m.safetensors")
    assert set(tensors) == {"inner.weight", "outer.weight", "outer.bias"}
    assert torch.equal(tensors["inner.weight"], tensors["outer.weight"])
    model = Tied()
    model.load_state_dict(tensors)
    call("export", digits, tmp_path / "m.pt", "--part", "model")
    assert torch.equal(model.outer.bias, torch.load(tmp_path / "m.pt", weights_only=True)["outer.bias"])


def test_several_parts_keep_their_names(call: Call, digits: Path, tmp_path: Path) -> None:
    """Without --part, or with several, each tensor has its part's name in front; what is left out is said."""
    answer = call("export", digits, tmp_path / "all.safetensors")
    names = set(load_file(tmp_path / "all.safetensors"))
    assert {"model.outer.bias", "opt.optimizer.state.0.momentum_buffer", "run.rng.torch"} <= names
    assert "values of run.state are no tensors" in answer.err
    call("export", digits, tmp_path / "two.safetensors", "--part", "model", "--part", "opt")
    assert {name.split(".")[0] for name in load_file(tmp_path / "two.safetensors")} == {"model", "opt"}


def test_a_pt_file_needs_no_trust(call: Call, digits: Path, tmp_path: Path) -> None:
    """torch.load(weights_only=True) takes the whole state; paths and enums have become plain."""
    assert call("export", digits, tmp_path / "all.pt").status == 0
    state = torch.load(tmp_path / "all.pt", weights_only=True)
    assert set(state) == {"model", "opt", "run.loops", "run.modules", "run.rng", "run.state"}
    values = state["run.state"]
    assert (values["phase"], values["folder"], values["note"]) == ("warm", "a/b", "grün\n")
    assert 0 < values["best"] < math.inf
    model = Tied()
    model.load_state_dict(state["model"])
    torch.optim.SGD(model.parameters(), 0.1, momentum=0.9).load_state_dict(state["opt"]["optimizer"])
    assert state["model"]["inner.weight"].data_ptr() == state["model"]["outer.weight"].data_ptr()


@pytest.mark.slow
def test_an_enum_of_another_program_is_its_value(call: Call, digits: Path, tmp_path: Path) -> None:
    """The class that a notebook defined is not there when the command runs by itself."""
    words = [sys.executable, "-m", "colab_resume", "export", str(digits), str(tmp_path / "s.pt"), "--part", "run.state"]
    subprocess.run(words, check=True, cwd=Path(__file__).parents[2], capture_output=True)
    assert torch.load(tmp_path / "s.pt", weights_only=True)["phase"] == "warm"


def test_a_file_that_is_there_is_not_overwritten(call: Call, digits: Path, tmp_path: Path) -> None:
    """Only --force replaces it; nothing is left beside it."""
    out = tmp_path / "m.pt"
    out.write_text("precious")
    answer = call("export", digits, out)
    assert answer.status == 1
    assert "--force" in answer.err
    assert out.read_text() == "precious"
    assert call("export", digits, out, "--force").status == 0
    assert torch.load(out, weights_only=True)["model"]
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["m.pt"]


def test_damaged_bytes_are_not_exported(call: Call, digits: Path, tmp_path: Path) -> None:
    """The newest good one is taken and the damaged one named; asked for by name, it is an error and no file."""
    pack, bad, good = newest_pack(digits)
    flip(pack)
    answer = call("export", digits, tmp_path / "m.pt")
    assert [f"{name} skipped" in answer.err for name in bad] == [True] * len(bad)
    assert good.name in answer.out
    answer = call("export", digits, tmp_path / "n.pt", bad[-1])
    assert answer.status == 1
    assert not (tmp_path / "n.pt").exists()


def test_a_hostile_newest_does_not_stop_an_export(call: Call, digits: Path, tmp_path: Path) -> None:
    """A newest checkpoint whose parts are none is skipped and said, like a damaged one."""
    *_, good, bad = manifests(digits)
    forge(digits / "checkpoints" / f"{bad.name}.json", lambda document: document["state"].update(model=1))
    answer = call("export", digits, tmp_path / "m.pt")
    assert answer.status == 0
    assert f"{bad.name} skipped" in answer.err
    assert good.name in answer.out


def test_what_cannot_be_meant_is_one_line(call: Call, digits: Path, tmp_path: Path) -> None:
    """Another ending, a folder that is not there, a part that is not there, a part without tensors."""
    for words, reason in (
        (["m.onnx"], "no known kind of file"),
        (["no/m.pt"], "there is no folder"),
        (["m.pt", "--part", "modle"], "its parts are: "),
        (["m.safetensors", "--part", "run.state"], "there is no tensor in run.state"),
    ):
        answer = call("export", digits, tmp_path / words[0], *words[1:])
        assert answer.status == 1
        assert reason in answer.err
        assert len(answer.err.splitlines()) == 1


def test_metrics_are_csv(call: Call, digits: Path) -> None:
    """Every step once, in order, over both sessions, with the exact floats."""
    rows = list(csv.DictReader(io.StringIO(call("metrics", digits).out)))
    assert [int(row["step"]) for row in rows] == list(range(1, 13))
    assert len({row["session"] for row in rows}) == 2
    assert [row["epoch"] for row in rows[:4]] == ["0", "0", "0", "1"]
    assert float(rows[-1]["loss"]) == manifests(digits)[-1].metrics["loss"]
    assert len(call("metrics", digits, "first half").lines) == 7
