"""Each notebook is killed at a random moment, loses its machine, and ends bit for bit like one that nobody touched.

The moment is drawn from the notebook's name, so it is the same each time, as far as the machine is as fast. On the
second machine each cell is run twice, which must do no harm.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from detection.zygote import environment, why_no_torchvision
from nbclient.exceptions import DeadKernelError
from notebooks.machines import Machine, held

__all__: list[str] = []

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("notebooks"), pytest.mark.timeout(300)]

_SAVED = "names['run'].status().safe and names['run'].status().step >= {}"
_SETTLED = "any(each.safe_at for each in names['run'].status().folders) and {}"


@dataclass(frozen=True, kw_only=True)
class Row:
    """A notebook and the values in its form; what is on the remote in the end; the moments at which it may die.

    `shows`: what it prints of what it claims. `goes_on`: what the second machine prints if it does not begin anew.
    `slow_form`: values that make it slower, for the life that is cut off.
    """

    name: str
    form: Mapping[str, object]
    run: str
    moments: range
    dies: str = _SAVED
    shows: str = ""
    goes_on: str = ", verified, in"
    slow_form: Mapping[str, object] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)

    def machine(self, folder: Path, *, slow: bool = False) -> Machine:
        return Machine(folder, self.name, {**self.form, **(self.slow_form if slow else {})}, self.environment)


_OFFLINE = {"HF_HUB_OFFLINE": "1"}
_TORCHVISION = {name: environment()[name] for name in ("PYTHONPATH", "TORCHDYNAMO_DISABLE")}
_ROWS = (
    Row(name="2_image_classifier", form={"EPOCHS": 3}, run="my_drive/image_classifier", moments=range(30, 120)),
    Row(
        name="3_faster_rcnn",
        form={"EPOCHS": 2, "PICTURES": 16},
        run="my_drive/faster_rcnn",
        moments=range(6, 8),
        shows=r"step +0 +55\.\d MB\n(step +\d +[0-5]\.\d MB\n)+frozen: ",
        environment=_TORCHVISION,
    ),
    Row(
        name="4_keras",
        form={"EPOCHS": 4},
        run="my_drive/keras",
        moments=range(30, 150),
        environment={"KERAS_BACKEND": "torch"},
    ),
    Row(
        name="5_hugging_face_trainer",
        form={"TEXTS": 200},
        run="my_drive/trainer",
        moments=range(22, 40),
        environment=_OFFLINE,
    ),
    Row(
        name="6_lora",
        form={"TEXTS": 160},
        run="my_drive/lora",
        moments=range(12, 35),
        shows=r"the model has 2\.95 MB; the largest checkpoint has 0\.2\d MB",
        environment=_OFFLINE,
    ),
    Row(
        name="7_any_script",
        form={"EPOCHS": 2, "PAUSE": 0},
        slow_form={"PAUSE": 100},  # the first file has settled and is safe long before the second one is there
        run="my_drive/any_script",
        moments=range(1, 2),
        dies=_SETTLED,
        goes_on="going on with epoch 1",
    ),
)


@pytest.mark.parametrize("row", _ROWS, ids=lambda row: row.name)
def test_a_notebook_that_is_killed_ends_as_if_nothing_had_happened(row: Row, tmp_path: Path) -> None:
    """What its run has left on the remote: all that was logged, all weights, and the rest of the state."""
    if row.environment is _TORCHVISION and (reason := why_no_torchvision()) is not None:
        assert os.environ.get("CI") != "true", reason
        pytest.skip(reason)
    whole, died = row.machine(tmp_path / "whole"), row.machine(tmp_path / "died", slow=True)
    with whole.kernel() as kernel:
        assert re.search(row.shows, kernel.run_all())
        kernel.move_to(died)
        kernel.die_when(row.dies.format(random.Random(row.name).choice(row.moments)))
        with pytest.raises(DeadKernelError):
            kernel.run_all()
    died.lose_disk()
    with row.machine(died.folder).kernel() as kernel:
        assert row.goes_on in kernel.run_all(times=2)
    assert held(died.folder / row.run, tmp_path / "died") == held(whole.folder / row.run, tmp_path / "whole")


def test_the_notebook_that_kills_is_killed_itself(tmp_path: Path) -> None:
    """Run again, it kills again, and comes to its proof; which is true, as another reader finds."""
    machine = Machine(tmp_path / "vm", "8_see_it_survive", {"EPOCHS": 2, "KILLS": 1})
    drives = machine.folder / "drives"
    with machine.kernel() as kernel, pytest.raises(DeadKernelError):
        kernel.die_when("names['DRIVES'].joinpath('killed').is_dir()")
        kernel.run_all()
    assert drives.is_dir()
    with machine.kernel() as kernel:
        printed = kernel.run_all()
    assert re.search(r"^killed at step \d+$", printed, re.MULTILINE)
    assert "killed 1 times, and every bit is the same" in printed
    killed, untouched = (held(drives / name / "survivor", tmp_path / name) for name in ("killed", "untouched"))
    assert killed == untouched
