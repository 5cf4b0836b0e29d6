"""The demo: a training is killed at random moments and goes on each time; then every bit is compared.

Nothing in it is acted: processes, SIGKILL, folders and files are real, and whoever changes one bit sees it fail.
"""

from __future__ import annotations

import argparse
import contextlib
import secrets
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from ..display.demo_screen import Bars, complain, show
from ..errors import UsageError
from .comparison import compare_histories, compare_weights
from .plan import Plan
from .report import Report, rows_of
from .trial import run_trial
from .vm import TrainingFailed

__all__ = ["main"]

_INTERRUPTED = 130

_WHAT = """\
A small convolutional net learns scikit-learn's handwritten digits, in two trainings side by side. One is left alone.
The other is killed with SIGKILL at random moments: {kills} while it trains, {starts} while it starts. Each time its VM
is gone: the disk is emptied, only the Drive folder stays, and a new process goes on from there. In the end all weights
and metrics of both are compared bit by bit. This takes half a minute, longer on a busy machine. Seed: {seed}
"""

_EXAMPLES = """\
examples:
  colab-resume demo                          five kills
  colab-resume demo --kills 20 --epochs 12   a harder life
  colab-resume demo --seed 7                 the same moments each time, as far as the machine is as fast each time
  colab-resume demo --keep /tmp/demo         keep both Drive folders, the logs and the results, to look at them
  colab-resume demo --json                   for a program

exit status: 0 if both trainings are bit-identical, 1 if not or if one of them failed, 2 for bad usage
"""


def main(argv: list[str]) -> int:
    """Run the demo with these arguments; the exit status says whether both trainings came out the same."""
    parser = _parser()
    options = parser.parse_args(argv)
    seed = secrets.randbelow(10**6) if options.seed is None else options.seed
    try:
        plan = Plan(kills=options.kills, epochs=options.epochs, seed=seed)
        with _folder(options.keep) as root:
            return _run(plan, root, as_json=options.json)
    except UsageError as error:
        parser.error(str(error))
    except TrainingFailed as error:
        complain(str(error))
        return 1
    except KeyboardInterrupt:
        complain("colab-resume demo: interrupted; its processes are gone")
        return _INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="colab-resume demo",
        description="Train, be killed at random moments, resume; then compare every bit with a training nobody killed.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--kills", type=int, default=5, metavar="N", help="kills while it trains (default: 5)")
    parser.add_argument("--epochs", type=int, default=6, metavar="N", help="length of the training (default: 6)")
    parser.add_argument("--seed", type=int, metavar="N", help="draws the moments (default: another one each time)")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="work in this new or empty folder, and leave it there")
    parser.add_argument("--json", action="store_true", help="print the result as JSON, and nothing else")
    return parser


@contextlib.contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    """Where the demo works: a folder that vanishes, or the user's."""
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="colab-resume-demo-") as folder:
            yield Path(folder)
        return
    try:
        keep.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--keep {keep}: {error.strerror}", hint="name a folder that can be made") from error
    if any(keep.iterdir()):
        raise UsageError(f"--keep {keep}: there is something in it", hint="name a new folder, or an empty one")
    yield keep.absolute()


def _run(plan: Plan, root: Path, *, as_json: bool) -> int:
    if not as_json:
        show(_WHAT.format(kills=plan.kills, starts=plan.killed_starts, seed=plan.seed))
    begin = time.monotonic()
    with contextlib.closing(Bars(plan.steps)) as bars:
        reference, killed, lives = run_trial(plan, root, bars)
    results = reference.result, killed.result
    report = Report(
        plan=plan,
        rows=rows_of(lives),
        comparisons=[
            compare_weights(*(result / "weights.safetensors" for result in results)),
            compare_histories(*(result / "history.jsonl" for result in results)),
        ],
        seconds=time.monotonic() - begin,
    )
    show(report.json() if as_json else report.text())
    return report.exit_status
