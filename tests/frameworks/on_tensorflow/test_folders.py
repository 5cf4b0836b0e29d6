"""What TensorFlow and Keras write by themselves is on a new VM complete or absent, and they can go on from it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from vm import KILLED

if TYPE_CHECKING:
    from frameworks.stems import Story


def test_a_death_in_the_middle_of_writing_leaves_the_last_whole_one(story: Story, tmp_path: Path) -> None:
    """A CheckpointManager, SavedModels, `.keras` and `.weights.h5`: on the same disk, and on a new VM."""
    here = {"place": str(tmp_path / "here"), "told": str(tmp_path / "told")}
    for place in ("manager", "saved_model", "keras", "weights"):
        assert story.live("written", store="disk", options={**here, "dies in": place})[0] == KILLED, story.why()
    there = {**here, "place": str(tmp_path / "there"), "dies in": ""}
    status, found = story.live("written", options=there)
    assert status == 0, story.why()
    (value,) = {*found["values"].values()}
    assert value == json.loads((tmp_path / "told").read_text())["value"]
    assert (found["count"], found["checkpoints"]) == (3, ["ckpt-2", "ckpt-3"])
    assert found["trains on"]
    assert not found["has fit"]


def test_a_graph_of_tensorflow_1_goes_on_from_its_saver(story: Story, tmp_path: Path) -> None:
    """The folder has the same path on each VM, for a Saver writes it down."""
    folder = str(tmp_path / "models")
    whole = story.live("old_graph", remote="other", options={"folder": str(tmp_path / "whole")})[1]
    assert story.live("old_graph", options={"folder": folder, "dies at": 3})[0] == KILLED
    shutil.rmtree(folder)
    status, found = story.live("old_graph", options={"folder": folder})
    assert status == 0, story.why()
    assert found == {"begun": 3, "weights": whole["weights"]}


def test_a_session_that_is_tracked_is_exact(story: Story) -> None:
    """In the middle of an epoch, which a Saver knows nothing of."""
    unkilled = story.tell("session", every=1000)
    assert story.tell("session", [["end", 2], ["end", 7]])["end"] == unkilled["end"]
