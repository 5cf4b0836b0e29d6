"""What is measured, section by section, with the words that the tables need to be read right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .boundary import boundaries, measure_boundary
from .cadence import measure_cadence, stretches
from .changed import measure_changed, trainings
from .drive import drives, measure_drive
from .durable import durables, measure_durable
from .entering import entries, measure_entering
from .findings import Findings
from .following import fits, measure_following
from .gpu import gpu_ways, measure_gpu
from .growth import growths, measure_growth
from .keras_saves import keras_fits, measure_keras
from .memory import measure_memory, peaks
from .niceness import measure_niceness, niceties
from .restoring import measure_restoring, restores
from .settings import Settings
from .slowdown import measure_slowdown, slowdowns
from .stall import measure_stalls, stalls

__all__ = ["SECTIONS", "Section"]


@dataclass(frozen=True, kw_only=True)
class Section:
    """`count` says how often `measure` will call its last argument, `weight` how long each time takes beside others."""

    title: str
    text: str
    count: Callable[[Settings], int]
    measure: Callable[[Settings, Path, Callable[[], object]], Findings]
    weight: float = 1.0


_STALL = """\
A *stall* is what the loop stands still for, from the boundary at which a checkpoint is made until that checkpoint is
finished: the time at boundaries (`save()` is called there), and the time between a step's passes (forward and backward)
and its update, less what both are where nothing is saved. A tool that copies while the passes run has to wait before
the update until it has finished, and with DCP's asynchronous staging the loop does that. The first stall after a way
was opened, before the first step, stands apart: memory that is used again later is taken from the system there, and
colab_resume's loop is entered. Steps that become longer are not in it; the next section has them.

The trainings are MLPs with AdamW, fp32, on one thread. In each of {rounds} rounds every way is opened once on each
state, in an order that changes; then it makes a first checkpoint and {saves} more. Every anchor writes into a new file,
and its files are deleted on nobody's time; colab_resume deletes or writes over its own old ones while it is measured.
`torch.save`, safetensors, Lightning and transformers return or finish with the bytes in the page cache; the others are
on the disk. Lightning's plugin is driven without its Trainer. transformers is asked through the method that its loop
calls, up to 500 MB."""

_SLOWDOWN = """\
A checkpoint of {megabytes} MB every {steps} steps of {step_seconds} s. Stretches with a checkpoint lie between
stretches without one and are held against them: so *longer* has all that the checkpoint has cost, stalls and slower
steps, also beyond the last of the {steps} steps where it was not finished by then. Two DataLoader workers make,
together, one batch in the time of a step, and that keeps a core busy. A Drive of {rate} MB/s is a folder on the same
disk that takes no more; it has that bandwidth, and none of a Drive's other habits."""

_CADENCE = """\
The same training for {stretch:.0f} s at a time with a run that is told nothing (`every=None`), from its first step on,
between stretches without a run."""

_DURABLE = """\
From the call of `save()` at a boundary until nothing can be lost any more: the manifest is committed, the future is
done, fsync has returned. The state has {megabytes} MB, all of it changed by a step before; nothing trains meanwhile.
The plain write puts as many bytes, which are in memory already, into a new file, in pieces of 16 MB."""

_DRIVE = """\
From the boundary until Drive has a state of {megabytes} MB, and back on a new VM, over stand-ins for Drive's API (50 ms
for each request) and for a mounted Drive, both behind 40 MB/s each way; there is no real Drive in these numbers. The
others save to the disk first and then send the file; with the copy to the mount, only the stand-in knows when it has
arrived. colab_resume's time ends when it calls the checkpoint safe, its second one there; back, it is that of
`setup()`, with lease, history and all. Where the link is lost, all uploads break off once, at 90 %; PyDrive2 then
begins again, as its user would."""

_CHANGED = """\
*Changed* are the bytes of all tensors that differ, by their values, from those one step before. *Written* is what
appears in the run's folder for a checkpoint, packs and manifest; *sent* is the same in the remote."""

_RESTORING = """\
Until the first step is done, with a model and an optimizer that have just been built; the step counts, because a file
that is only mapped is read there. colab_resume checks the hash of every byte before it uses one; the others believe
what they read. On a new VM it also copies the checkpoint from the remote, here a folder on the same disk, to the VM's
disk (fsync). Files that are "on the disk only" were dropped from this machine's page cache; where the disk is virtual,
the host may have had them in memory. The order changes from round to round, for what one leaves of the machine's memory
makes the next faster or slower."""

_MEMORY = """\
The most that the process has (`VmHWM`) during the first three checkpoints, above the most that it has in a step without
one; each way in a process of its own. By default glibc keeps large blocks that were freed, here gradients, and a small
one that comes to lie in such a gap makes the next gradient take new memory; told to give them back, it does not. Where
RAM is short, a control group leaves the process no more than said beyond what the training takes, so what stands there
is the size of the windows that the state is copied in."""

_GROWTH = """\
States are tiny and files lie in memory, so this is what the program does and not what a disk does. A *save* counts
until the run is ready for the next one: it is committed, in the remote folder, too, if there is one, and what is not
kept is deleted. *Retention* is a checkpoint and the deletion of all others but one. `ls` goes without the start of
Python. How something grows is the exponent between the two largest amounts: at 1 it is in proportion, at 0 it does not
grow."""

_GPU = """\
The same on a GPU. The stall is how much longer the first step takes, with all that it waits for on the GPU, too."""

_BOUNDARY = """\
Loops whose bodies do nothing, with and without a run, at boundaries where nothing is due to be saved. A `DataLoader`
gives batches of 16 images of 3 x 32 x 32 floats, shuffled; workers persist, and the time runs from the first batch on.
What `run.batches` adds is done where the batch is made: in the workers, if there are any, and then the training notices
it only where loading is the bottleneck, as it is here."""

_FOLLOWING = """\
A training whose loop a framework owns, with `run.attach` and without it, in stretches that follow each other, in an
order that changes. Nothing is due to be saved, so this is what it costs to go along; the first steps of a stretch, in
which the first checkpoint is written, are left out. Both Trainers log every ten steps; Keras's numbers are read in
each, as its bar does it. What goes along does so between the passes of one step (forward and backward; with Keras on
TensorFlow and JAX all that is compiled into one function) and those of the next: so what is *added* is by how much that
time is longer, and whatever makes the passes of a shared machine longer or shorter is not in it. Batches are tensors of
the back end: arrays are turned into them in a thread of TensorFlow's where there is no run, and between steps with one.
Of steps that compute each stretch gives its median; of steps of next to nothing the average, with all that happens in
some of them only. The latter tell what is added where all that is needed lies in the caches, which is less than beside
a step that fills them. A save stands beside what the Trainer itself takes to write its own books, which is a part of
what its checkpoint takes."""

_KERAS = """\
Keras's `fit` on its three back ends, each in processes of its own: an MLP with Adam, all of it trained, on all cores,
and a checkpoint every ten steps. *Costs* is by how much a checkpoint makes the `fit` longer, held against one without
any that ran beside it; *stalls* is what colab_resume itself counts. Keras's `BackupAndRestore(save_freq=...)` keeps
neither its place in the data nor all generators; its files are in the page cache when it goes on, colab_resume's are on
the disk when it has finished."""

_ENTERING = """\
A restart enters a pass where the run stopped: the sampler's index lists up to there are drawn again and thrown away,
and no data is loaded. Here 1 000 000 items in batches of 32, entered at the last batch, the worst case."""

_NICENESS = """\
Two other processes keep both cores busy. Beside a loop that lets go of the interpreter again and again, as calls of
torch do, a thread turns a list into JSON now and then. What is measured is the longest turn of the loop within three
seconds: so long a thread that is seldom given a core can keep everybody waiting who needs the interpreter."""

SECTIONS = {
    "stall": Section(
        title="How long a checkpoint holds the training", text=_STALL, count=stalls, measure=measure_stalls, weight=5
    ),
    "slowdown": Section(
        title="How much longer a whole run takes",
        text=_SLOWDOWN,
        count=slowdowns,
        measure=measure_slowdown,
        weight=37,
    ),
    "cadence": Section(
        title="What the default cadence costs", text=_CADENCE, count=stretches, measure=measure_cadence, weight=48
    ),
    "durable": Section(
        title="From the boundary until nothing can be lost",
        text=_DURABLE,
        count=durables,
        measure=measure_durable,
        weight=6,
    ),
    "drive": Section(title="Until Drive has it", text=_DRIVE, count=drives, measure=measure_drive, weight=15),
    "changed": Section(
        title="What is written and sent", text=_CHANGED, count=trainings, measure=measure_changed, weight=7
    ),
    "restoring": Section(
        title="What a restart costs", text=_RESTORING, count=restores, measure=measure_restoring, weight=1.6
    ),
    "memory": Section(title="What memory saving takes", text=_MEMORY, count=peaks, measure=measure_memory, weight=9),
    "growth": Section(title="What grows", text=_GROWTH, count=growths, measure=measure_growth, weight=20),
    "gpu": Section(title="Where a GPU trains", text=_GPU, count=gpu_ways, measure=measure_gpu, weight=60),
    "boundary": Section(
        title="What a step costs at which nothing is saved", text=_BOUNDARY, count=boundaries, measure=measure_boundary
    ),
    "following": Section(
        title="What it costs to follow a framework's loop",
        text=_FOLLOWING,
        count=fits,
        measure=measure_following,
        weight=2,
    ),
    "keras": Section(
        title="What a checkpoint costs in a fit of Keras",
        text=_KERAS,
        count=keras_fits,
        measure=measure_keras,
        weight=20,
    ),
    "entering": Section(title="What it takes to enter a pass", text=_ENTERING, count=entries, measure=measure_entering),
    "niceness": Section(
        title="Why background threads are not nice",
        text=_NICENESS,
        count=niceties,
        measure=measure_niceness,
        weight=3,
    ),
}
