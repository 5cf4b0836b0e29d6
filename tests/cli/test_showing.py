"""`show`: one checkpoint, readable."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from run_folders import flip, forge, manifests, own_pack

from .conftest import Call


def test_the_newest_is_shown(call: Call, digits: Path) -> None:
    """Where the training was, what it had kept, under what conditions, and how large each part is."""
    newest = manifests(digits)[-1]
    answer = call("show", digits)
    assert answer.status == 0
    assert newest.name in answer.lines[0]
    for said in (
        "step 12, epochs done: 4",
        f"parent      {newest.parent}",
        "value       phase = ",
        "made with   torch",
    ):
        assert said in answer.out
    assert "value       folder = a/b" in answer.out
    assert "value       note = grün\\n" in answer.out
    (model,) = [line for line in answer.lines if line.startswith("model ")]
    assert model.split() == ["model", "module", "2", "80", "B"]


def test_one_is_found_by_name_step_or_tag(call: Call, digits: Path) -> None:
    """Whatever people call a checkpoint finds it; of several at one step, the newest."""
    tagged = next(manifest for manifest in manifests(digits) if manifest.tags)
    newest = manifests(digits)[-1]
    newer = f"{newest.step:010d}-{newest.session}.9"
    copy = shutil.copy(digits / "checkpoints" / f"{newest.name}.json", digits / "checkpoints" / f"{newer}.json")
    forge(Path(copy), lambda document: document.update(serial=9))
    assert json.loads(call("show", digits, newest.step, "--json").out)["name"] == newer
    for wanted in (tagged.name, tagged.tags[0], "6"):
        assert json.loads(call("show", digits, wanted, "--json").out)["name"] == tagged.name
    answer = call("show", digits, "7777")
    assert answer.status == 1
    assert "no checkpoint with the name, step or tag '7777'" in answer.err
    assert "colab-resume ls" in answer.err


def test_tensors_have_the_names_of_the_state_dict(call: Call, digits: Path) -> None:
    """--tensors lists each stored tensor once, under every name it has in the state."""
    answer = call("show", digits, "--tensors")
    (tied,) = [line for line in answer.lines if "model.inner.weight" in line]
    assert "model.inner.weight, model.outer.weight  F32" in tied
    assert tied.split()[-4:-1] == ["4×4", "64", "B"]
    document = json.loads(call("show", digits, "--tensors", "--json").out)
    names = [name for tensor in document["tensors"] for name in tensor["names"]]
    assert {"model.outer.bias", "opt.optimizer.state.0.momentum_buffer"} <= set(names)
    assert len(document["tensors"]) == len(manifests(digits)[-1].tensors)
    assert "tensors" not in json.loads(call("show", digits, "--json").out)


def test_json_holds_numbers_that_json_lacks(call: Call, digits: Path) -> None:
    """Infinite metrics and values are texts, so that every JSON reader takes the document."""
    name = manifests(digits)[-1].name
    forge(digits / "checkpoints" / f"{name}.json", lambda document: document["metrics"].update(loss="nan"))
    document = json.loads(call("show", digits, "--json").out, parse_constant=pytest.fail)
    assert document["metrics"]["loss"] == "nan"
    assert isinstance(document["values"]["run.state"]["best"], float)
    assert document["position"]["step"] == 12
    assert document["provenance"]["versions"]["python"]


def test_a_damaged_newest_is_skipped_and_said(call: Call, digits: Path) -> None:
    """Without a name the newest readable one is shown; with the name of the damaged one, its damage is the answer."""
    there = manifests(digits)
    flip(digits / "checkpoints" / f"{there[-1].name}.json")
    answer = call("show", digits)
    assert answer.status == 0
    assert there[-2].name in answer.lines[0]
    assert answer.err.splitlines() == [line for line in answer.err.splitlines() if f"{there[-1].name} skipped" in line]
    answer = call("show", digits, there[-1].name)
    assert answer.status == 1
    assert "checksum" in answer.err


def test_a_missing_pack_is_said(call: Call, digits: Path) -> None:
    """An incomplete checkpoint can be looked at, and says what it lacks."""
    gone = own_pack(digits, 0)
    gone.unlink()
    answer = call("show", digits, manifests(digits)[0].name)
    assert answer.status == 0
    assert f"incomplete: {gone.name} is not there" in answer.out


def test_a_hostile_state_is_one_line(call: Call, digits: Path) -> None:
    """Parts that are none, with a right checksum, are damage and no traceback."""
    (name,) = {manifest.name for manifest in manifests(digits)[-1:]}
    for wrong in ({"kind": 1}, [], {"kind": "module", "first": 10**6, "count": 1, "tree": {"model": {}}}):
        forge(
            digits / "checkpoints" / f"{name}.json", lambda document, wrong=wrong: document["state"].update(model=wrong)
        )
        answer = call("show", digits, name)
        assert answer.status == 1
        assert len(answer.err.splitlines()) == 1
        assert "'model' is not one" in answer.err
