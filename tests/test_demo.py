"""The demo is what it says: real kills, a comparison that notices one bit, and no process that outlives it."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from colab_resume.demo import main
from colab_resume.demo.comparison import Comparison, compare_histories, compare_weights
from colab_resume.demo.plan import Plan
from colab_resume.demo.report import Report, Row, rows_of
from colab_resume.demo.trial import Life
from colab_resume.errors import UsageError

__all__: list[str] = []

pytestmark = pytest.mark.xdist_group("machine")

WEIGHTS = {"a": torch.tensor([0.0, float("nan")]), "b": torch.ones(2, 3), "count": torch.tensor(7)}
HISTORY = '{"step":1,"values":{"loss":0.1}}\n{"step":2,"values":{"loss":0.0}}\n'


def started(*arguments: object, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
    """The demo in a session of its own, as a terminal would start it."""
    return subprocess.Popen(
        [sys.executable, "-m", "colab_resume.demo", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=env,
        start_new_session=True,
    )


def processes_about(folder: Path) -> list[int]:
    """Every living process on this machine that has the folder in its command line."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if os.fsencode(folder) in (place / "cmdline").read_bytes():
                found.append(int(place.name))
        except OSError:
            continue  # it has ended meanwhile
    return found


def wait_for_workers(demo: subprocess.Popen[str], folder: Path) -> list[int]:
    """Until there are the demo, two trainings and at least one of their workers."""
    for _ in range(600):
        if len(found := processes_about(folder)) > 3:
            return found
        with contextlib.suppress(subprocess.TimeoutExpired):
            demo.wait(0.1)
            pytest.fail(f"the demo has ended: {demo.communicate()}")
    pytest.fail("no worker was started in a minute")


def wait_for_end(process: int, seconds: float) -> None:
    with contextlib.suppress(ProcessLookupError):
        descriptor = os.pidfd_open(process)
        try:
            assert select.select([descriptor], [], [], seconds)[0], f"process {process} lives on"
        finally:
            os.close(descriptor)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_training_killed_again_and_again_ends_bit_identical(tmp_path: Path) -> None:
    """Real processes, real SIGKILL: as many kills as demanded, lost steps that run again identically, status 0."""
    demo = started("--kills", 3, "--epochs", 3, "--seed", 1, "--json", "--keep", tmp_path / "kept")
    out, err = demo.communicate()
    assert (demo.returncode, err) == (0, "")
    result = json.loads(out)
    assert result["identical"]
    assert result["weights"] == {"tensors": 16, "differences": []}
    assert result["history"] == {"points": 3 * 45 + 3, "differences": []}
    *killed, last = result["lives"]
    assert len(killed) == 4
    assert all(life["killed"] for life in killed)
    assert sum(life["killed_at"] is not None for life in killed) >= 3
    assert not last["killed"]
    assert [life["run_again"] for life in result["lives"]] == [life["bit_identical"] for life in result["lives"]]
    assert sum(life["lost_steps"] for life in killed) > 0
    assert processes_about(tmp_path) == []


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_without_json_there_is_a_table_and_a_verdict() -> None:
    """What will happen, a row for each life under aligned heads, what was compared, and the seed to repeat it."""
    demo = started("--kills", 1, "--epochs", 1, "--seed", 5)
    out, err = demo.communicate()
    assert (demo.returncode, err) == (0, "")
    assert "Seed: 5" in out
    lines = out.splitlines()
    top = next(number for number, line in enumerate(lines) if line.lstrip().startswith("life"))
    table = lines[top : lines.index("", top)]
    assert [line.split()[0] for line in table] == ["life", "1", "2", "3"]
    assert len({len(line) for line in table}) == 1
    assert "weights: bit-identical (16 tensors)" in lines
    assert "history: bit-identical (46 points)" in lines


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "sigkill"])
def test_no_process_outlives_the_demo(tmp_path: Path, number: signal.Signals) -> None:
    """Trainings and their workers are gone after Ctrl-C, which ends with one line and status 130, and after a kill."""
    demo = started("--epochs", 1000, "--keep", tmp_path / "kept")

    processes = wait_for_workers(demo, tmp_path)
    os.killpg(demo.pid, number)
    _, err = demo.communicate()
    if number == signal.SIGKILL:
        # They end because nobody reads what they tell, and their workers because nobody wants their batches.
        for process in processes:
            wait_for_end(process, 30)
    else:
        assert demo.returncode == 130
        assert err == "colab-resume demo: interrupted; its processes are gone\n"
    assert processes_about(tmp_path) == []


def environment_with(folder: Path, module: str, source: str) -> dict[str, str]:
    """This one, but where a module of this name is imported, it is this."""
    (folder / f"{module}.py").write_text(source)
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])}


@pytest.mark.slow
def test_a_training_that_fails_is_shown_and_is_a_failure(tmp_path: Path) -> None:
    """A training that ends though nobody killed it gives status 1 and the end of what it said."""
    demo = started(env=environment_with(tmp_path, "torch", "raise ImportError('no torch on this machine')\n"))
    _, err = demo.communicate()
    assert demo.returncode == 1
    assert "ended with status 1, and the demo had not killed it" in err
    assert "ImportError: no torch on this machine" in err


@pytest.mark.slow
def test_without_scikit_learn_the_demo_says_what_to_install(tmp_path: Path) -> None:
    """scikit-learn is an extra, so its absence is no traceback."""
    demo = started(env=environment_with(tmp_path, "sklearn", "raise ModuleNotFoundError('there is no sklearn')\n"))
    _, err = demo.communicate()
    assert demo.returncode == 2
    assert "there is no sklearn\n  -> pip install 'colab-resume[demo]'" in err
    assert "Traceback" not in err


def weights_file(path: Path, tensors: dict[str, torch.Tensor]) -> Path:
    save_file(tensors, path)
    return path


def test_equal_weights_are_bit_identical(tmp_path: Path) -> None:
    """NaN is identical to the same NaN."""
    files = [weights_file(tmp_path / name, WEIGHTS) for name in ("one", "two")]
    assert compare_weights(*files).line == "weights: bit-identical (3 tensors)"


@pytest.mark.parametrize("bit", [0, 7, 31])
@pytest.mark.parametrize("name", WEIGHTS)
def test_one_flipped_bit_in_a_weight_is_reported(tmp_path: Path, name: str, bit: int) -> None:
    """Whichever bit of whichever tensor: the tensor is named, and the comparison is not identical."""
    flipped = {key: tensor.clone() for key, tensor in WEIGHTS.items()}
    flipped[name].reshape(-1).view(torch.uint8)[bit // 8] ^= 1 << bit % 8
    comparison = compare_weights(weights_file(tmp_path / "one", WEIGHTS), weights_file(tmp_path / "two", flipped))
    assert not comparison.identical
    assert comparison.differences == (f"{name} in 1 of {WEIGHTS[name].nbytes} bytes",)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({**WEIGHTS, "b": torch.ones(3, 2)}, "b is float32 [3, 2], not float32 [2, 3]"),
        ({**WEIGHTS, "b": torch.ones(2, 3, dtype=torch.float64)}, "b is float64 [2, 3], not float32 [2, 3]"),
        ({**WEIGHTS, "a": torch.tensor([-0.0, float("nan")])}, "a in 1 of 8 bytes"),
        ({"a": WEIGHTS["a"], "b": WEIGHTS["b"]}, "count is only in the reference"),
        ({**WEIGHTS, "d": torch.ones(1)}, "d is only in the other"),
    ],
)
def test_weights_of_another_kind_are_reported(tmp_path: Path, changed: dict[str, torch.Tensor], said: str) -> None:
    """Shape, dtype, the sign of zero, a lacking and an additional tensor."""
    comparison = compare_weights(weights_file(tmp_path / "one", WEIGHTS), weights_file(tmp_path / "two", changed))
    assert comparison.differences == (said,)
    assert not comparison.identical


@pytest.mark.parametrize(
    "changed",
    [
        HISTORY.replace("0.1", "0.10000000000000002"),
        HISTORY.replace("0.0}", "-0.0}"),
        HISTORY.replace("0.0}", "0}"),
        HISTORY + HISTORY.splitlines(keepends=True)[1],
        HISTORY.splitlines(keepends=True)[0],
        "",
    ],
    ids=["last bit", "sign of zero", "type", "doubled", "cut", "empty"],
)
def test_one_bit_in_the_history_is_reported(tmp_path: Path, changed: str) -> None:
    """The last bit of a float, the sign of zero, an int for a float, a doubled or a lacking point."""
    (tmp_path / "one").write_text(HISTORY)
    (tmp_path / "two").write_text(changed)
    assert compare_histories(tmp_path / "one", tmp_path / "one").line == "history: bit-identical (2 points)"
    comparison = compare_histories(tmp_path / "one", tmp_path / "two")
    assert not comparison.identical
    assert comparison.line.startswith("history: NOT identical")


def test_nothing_compared_is_not_identical(tmp_path: Path) -> None:
    """Two empty histories prove nothing."""
    (tmp_path / "one").touch()
    assert not compare_histories(tmp_path / "one", tmp_path / "one").identical


SAME = Comparison("weights", "tensors", 3, ())
OTHER = Comparison("history", "points", 2, ("this instead of that",))


def report_of(*comparisons: Comparison, identical: int = 5) -> Report:
    row = Row(
        life=1,
        resumed_at=20,
        restore_seconds=0.1,
        run_again=5,
        bit_identical=identical,
        killed=False,
        killed_at=None,
        lost_steps=0,
        lost_seconds=0.0,
    )
    return Report(plan=Plan(kills=1, epochs=1, seed=0), rows=[row], comparisons=comparisons, seconds=1.0)


def test_any_difference_gives_exit_status_1() -> None:
    """Status 0 only if weights, history and every step that ran twice are identical; the text says what is not."""
    assert report_of(SAME).exit_status == 0
    assert report_of(SAME, OTHER).exit_status == 1
    assert report_of(SAME, identical=4).exit_status == 1
    assert "history: NOT identical: 1 of 2 points differ: this instead of that" in report_of(SAME, OTHER).text()
    assert json.loads(report_of(SAME, OTHER).json())["identical"] is False


def test_lost_work_is_what_the_next_life_has_to_do_again() -> None:
    """Steps from where the next life goes on, and the time they took; a life killed while starting loses none."""
    lives = [
        Life(number=1, began=0.0, ready=1.0, resumed=0, steps={step: 1.0 + step for step in range(1, 31)}, died=31.5),
        Life(number=2, began=40.0, died=40.1),
        Life(number=3, began=50.0, ready=50.5, resumed=20, steps={21: 51.0, 22: 52.0}, again=2, identical=2, died=53.0),
        Life(number=4, began=60.0, ready=60.5, resumed=20, steps={21: 61.0}, again=1, identical=1),
    ]
    rows = rows_of(lives)
    assert [(row.lost_steps, row.lost_seconds) for row in rows] == [(10, 10.5), (0, 0.0), (2, 2.5), (0, 0.0)]
    assert [row.restore_seconds for row in rows] == [None, None, 0.5, 0.5]
    assert [row.killed_at for row in rows] == [30, None, 22, None]
    assert [row.killed for row in rows] == [True, True, True, False]


@pytest.mark.parametrize("kills", [1, 5, 12])
def test_a_seed_draws_the_same_moments_each_time(kills: int) -> None:
    """As many different steps as kills, in order, never the last step; and a killed start for every five of them."""
    plan = Plan(kills=kills, epochs=2, seed=3)
    draws = list(islice(plan.draws(), 50))
    assert draws == list(islice(Plan(kills=kills, epochs=2, seed=3).draws(), 50))
    for moments in draws:
        steps = [moment.step for moment in moments if moment.step is not None]
        assert len(steps) == kills
        assert steps == sorted(set(steps))
        assert 1 <= steps[0] <= steps[-1] < plan.steps
        assert len(moments) - kills == plan.killed_starts == -(-kills // 5)
        assert moments[0].step is not None, "a life that was killed before it could save is killed while it trains"


@pytest.mark.parametrize(("kills", "epochs"), [(0, 8), (-1, 8), (45, 1), (5, 0)])
def test_a_plan_that_cannot_be_carried_out_is_refused(kills: int, epochs: int) -> None:
    """No kills, more kills than steps, no epochs."""
    with pytest.raises(UsageError):
        Plan(kills=kills, epochs=epochs, seed=0)


def test_bad_usage_ends_with_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also where only the plan or the folder can tell; nothing is touched."""
    (tmp_path / "mine").touch()
    for arguments in (["--kills", "0"], ["--keep", str(tmp_path)], ["--keep", str(tmp_path / "mine")], ["--what"]):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 2
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert "there is something in it" in capsys.readouterr().err
