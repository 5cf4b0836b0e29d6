"""`export`: one checkpoint as a file that other tools read."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..checkpoints.manifest import Manifest
from ..display.bars import byte_bar
from ..display.tables import size
from ..display.terminal import Terminal
from .runs import first_good, open_run
from .verbs import Verb, add_checkpoint

if TYPE_CHECKING:
    from ..export import Exported

__all__ = ["VERB"]


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="the folder of a run")
    parser.add_argument("out", metavar="OUT", help="the file to write: name.safetensors, name.pt or name.pth")
    add_checkpoint(parser, "the newest good one otherwise")
    text = "only the object that was tracked under this name (may be given several times); all of them otherwise"
    parser.add_argument("--part", metavar="NAME", action="append", default=[], help=text)
    parser.add_argument("--force", action="store_true", help="replace OUT if it is there")


def _run(options: argparse.Namespace, terminal: Terminal) -> int:
    run = open_run(options.run)
    # With torch behind it, this import takes seconds: no other command should.
    from ..export import Export

    task = Export(Path(options.out), parts=tuple(options.part), overwrite=options.force)

    def write(manifest: Manifest) -> Exported:
        with byte_bar("verify", task.size(manifest)) as progress:
            return task.write(manifest, run.folder.pack_path, progress)

    manifest, done = first_good(run, options.checkpoint, write, terminal.note)
    for name, count in done.left_out.items():
        terminal.note(f"{count} values of {name} are no tensors, and safetensors holds nothing else: left out")
    terminal.line(f"{options.out}: {run.name}/{manifest.name} (step {manifest.step}), {size(done.size)}")
    return 0


VERB = Verb(
    name="export",
    summary="write a checkpoint as one .safetensors file, or as a .pt file for torch.load",
    details=(
        "In a .safetensors file tensors are called as in the state_dict, with the part's name before it unless there "
        "is only one --part. A .pt file holds a dict of the parts, or the one part's state itself, in plain types that "
        "torch.load(OUT, weights_only=True) takes."
    ),
    examples=(
        "runs/digits model.safetensors --part model",
        "runs/digits everything.pt",
        "runs/digits best.pt best --part model --force",
    ),
    arguments=_arguments,
    run=_run,
)
