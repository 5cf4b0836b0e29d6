"""`verify`: every byte is read, and whatever is wrong is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from run_folders import flip, forge, manifests, own_pack, picture

from .conftest import Call


def states(answer_lines: list[str]) -> dict[str, str]:
    """The state of each checkpoint by name."""
    return {line.split("/", 1)[1].split()[0]: line.split()[0] for line in answer_lines}


def test_good_runs_pass(call: Call, drive: Path) -> None:
    """Every checkpoint of every run has a line that says ok, and the status is 0."""
    answer = call("verify", drive, "--all")
    assert answer.status == 0
    every = [m.name for run in ("digits", "数字 ä") for m in manifests(drive / run)]
    assert sorted(line.split("/")[1].split()[0] for line in answer.lines) == sorted(every)
    assert all(line.startswith("ok ") for line in answer.lines)
    assert answer.err == ""


@pytest.mark.parametrize("place", [0, 9, 100, -1])
def test_a_flipped_bit_is_noticed(call: Call, digits: Path, place: int) -> None:
    """One bit anywhere in a pack damages the checkpoints that need it, and no other."""
    flip(own_pack(digits, 1), place)
    answer = call("verify", digits)
    there = manifests(digits)
    assert answer.status == 1
    assert states(answer.lines) == {m.name: "damaged" if m is there[1] else "ok" for m in there}


def test_a_shared_pack_damages_all_that_need_it(call: Call, digits: Path) -> None:
    """A pack that several checkpoints refer to is read once, and its damage is told for each."""
    there = manifests(digits)
    shared = next(pack for pack in there[-1].packs if sum(pack in m.packs for m in there) > 1)
    flip(digits / "packs" / shared)
    found = states(call("verify", digits).lines)
    assert found == {m.name: "damaged" if shared in m.packs else "ok" for m in there}


def test_each_kind_of_damage_has_its_reason(call: Call, digits: Path) -> None:
    """A missing pack, a short one and a damaged manifest are told apart."""
    there = manifests(digits)
    own_pack(digits, 0).unlink()
    short = own_pack(digits, 1)
    short.write_bytes(short.read_bytes()[:-3])
    flip(digits / "checkpoints" / f"{there[2].name}.json")
    answer = call("verify", digits)
    lines = {name: line for name in states(answer.lines) for line in answer.lines if f"/{name}  " in line}
    assert answer.status == 1
    assert "is not there" in lines[there[0].name]
    assert "bytes instead of" in lines[there[1].name]
    assert "checksum" in lines[there[2].name]
    assert lines[there[0].name].startswith("incomplete ")


def test_a_pack_that_leads_out_of_the_folder_is_damage(call: Call, digits: Path) -> None:
    """A manifest with a right checksum that names `../x` as its pack is refused, and nothing outside is read."""
    name = manifests(digits)[-1].name

    def lead_out(document: dict[str, object]) -> None:
        packs, tensors = document["packs"], document["tensors"]
        assert isinstance(packs, dict)
        assert isinstance(tensors, list)
        old = next(iter(packs))
        packs["../x"] = packs.pop(old)
        for tensor in tensors:
            tensor["pack"] = "../x" if tensor["pack"] == old else tensor["pack"]

    forge(digits / "checkpoints" / f"{name}.json", lead_out)
    for answer in (
        call("verify", digits),
        call("show", digits, name),
        call("export", digits, digits.parent / "o.pt", name),
    ):
        assert answer.status == 1
        assert "'../x' is not the name of a pack" in answer.out + answer.err
        assert len(answer.err.splitlines()) <= 1
    assert not (digits.parent / "o.pt").exists()


def test_json_tells_the_same(call: Call, digits: Path) -> None:
    """The document holds every finding, and stdout nothing else."""
    assert json.loads(call("verify", digits, "--json").out)["ok"] is True
    flip(own_pack(digits, 0))
    answer = call("verify", digits, "--json")
    document = json.loads(answer.out)
    assert answer.status == 1
    assert document["ok"] is False
    assert [one["state"] for one in document["findings"]].count("damaged") == 1
    assert {one["run"] for one in document["findings"]} == {"digits"}


def test_no_checkpoint_is_no_success(call: Call, digits: Path) -> None:
    """A run without any checkpoint fails; beside one that has some it is only mentioned."""
    empty = digits.parent / "begun"
    empty.mkdir()
    (empty / "run.json").write_bytes((digits / "run.json").read_bytes())
    answer = call("verify", empty)
    assert (answer.status, answer.lines) == (1, ["empty       begun/  it holds no checkpoint"])
    assert call("verify", digits.parent).status == 0


def test_all_looks_at_the_histories_too(call: Call, digits: Path) -> None:
    """Metrics and session records are checked with --all only: no restart depends on them."""
    flip(max((digits / "journal").iterdir(), key=lambda path: path.stat().st_size), 100)
    (record,) = list((digits / "sessions").iterdir())[:1]
    record.write_bytes(b"{}")
    assert call("verify", digits).status == 0
    answer = call("verify", digits, "--all")
    assert answer.status == 1
    assert "sha256 is another" in answer.out
    assert f"sessions/{record.name}" in answer.out


def test_verifying_changes_nothing(call: Call, digits: Path) -> None:
    """Reading a run leaves no file, no lock and no trace in its folder, whatever is wrong with it."""
    flip(own_pack(digits, 0))
    flip(digits / "checkpoints" / f"{manifests(digits)[1].name}.json")
    before = picture(digits)
    for words in (["ls"], ["show"], ["verify", "--all"], ["history"], ["metrics"]):
        call(words[0], digits, *words[1:])
    call("export", digits, digits.parent / "out.pt")
    assert picture(digits) == before
