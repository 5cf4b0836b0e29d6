"""What is measured, section by section, with the words that the tables need to be read right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .boundary import boundaries, measure_boundary
from .entering import entries, measure_entering
from .restoring import measure_restoring, restores
from .sample import Row
from .saving import loops, measure_saving
from .settings import Settings

__all__ = ["SECTIONS", "Section"]


@dataclass(frozen=True, kw_only=True)
class Section:
    """`count` says how often `measure` will call its last argument."""

    title: str
    text: str
    count: Callable[[Settings], int]
    measure: Callable[[Settings, Path, Callable[[], object]], list[Row]]


_SAVING = """\
A training of {megabytes} MB (an MLP with AdamW, fp32) makes {steps} steps and {saves} checkpoints. A *stall* is the
time between the end of one step's body and the start of the next, less what it is where nothing is saved. The first one
of a run stands apart: memory that is used again later is taken from the system there. *Steps* and *loop* are ratios to
the loop without saving of the same round: *steps* counts the bodies alone, so it shows what goes on in the background;
*loop* counts all until the last step has ended. *Loop longer* divides that by the checkpoints that were made: it is
what one checkpoint costs in all, and over the seconds between two checkpoints it is the share that saving takes.

- The slow Drive is a file on the same disk that takes {rate} MB/s. In a loop with `torch.save` the training waits for
  it. Behind colab_resume it is the remote, and the upload goes on beside the loop; what is left of it when the loop
  ends is not in these numbers.
- `torch.save` to the disk returns when the bytes are in the page cache. colab_resume hashes a checkpoint and writes it
  with fsync, in the background. While it does, the next one waits, so here there may be fewer than were asked for.
- All ways write a new file for each checkpoint, on the same disk."""

_RESTORING = """\
Until the first step is done, with a model and an optimizer that have just been built; the step counts, because a file
that is only mapped is read there. colab_resume checks the sha256 of every byte before it uses one; the others believe
what they read. On a new VM it also copies the checkpoint from the remote, here a folder on the same disk, to the VM's
disk (fsync). Files that are "on the disk only" were dropped from this machine's page cache; where the disk is virtual,
the host may have had them in memory."""

_BOUNDARY = """\
Loops whose bodies do nothing, with and without a run, at boundaries where nothing is due to be saved. A `DataLoader`
gives batches of 16 images of 3 x 32 x 32 floats, shuffled; workers persist, and the time runs from the first batch on.
What `run.batches` adds is done where the batch is made: in the workers, if there are any, and then the training notices
it only where loading is the bottleneck, as it is here."""

_ENTERING = """\
A restart enters a pass where the run stopped: the sampler's index lists up to there are drawn again and thrown away,
and no data is loaded. Here 1 000 000 items in batches of 32, entered at the last batch, the worst case."""

SECTIONS = {
    "saving": Section(title="What saving costs the loop", text=_SAVING, count=loops, measure=measure_saving),
    "restoring": Section(title="What a restart costs", text=_RESTORING, count=restores, measure=measure_restoring),
    "boundary": Section(
        title="What a step costs at which nothing is saved", text=_BOUNDARY, count=boundaries, measure=measure_boundary
    ),
    "entering": Section(title="What it takes to enter a pass", text=_ENTERING, count=entries, measure=measure_entering),
}
