"""`export`: one checkpoint as a file that other tools read."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from ..checkpoints.fetching import fetch_pack
from ..checkpoints.manifest import Manifest
from ..checkpoints.run_folder import RunFolder
from ..checkpoints.store import Store
from ..display.bars import byte_bar
from ..display.tables import size
from ..display.terminal import Terminal
from ..sessions.identity import new_session_id
from .runs import FoundRun, first_good, open_run
from .verbs import Verb, add_checkpoint, add_place

if TYPE_CHECKING:
    from ..export import Exported

__all__ = ["VERB"]


def _arguments(parser: argparse.ArgumentParser) -> None:
    add_place(parser, "run", "one run")
    parser.add_argument("out", metavar="OUT", help="the file to write: name.safetensors, name.pt or name.pth")
    add_checkpoint(parser, "the newest good one otherwise")
    text = "only the object that was tracked under this name (may be given several times); all of them otherwise"
    parser.add_argument("--part", metavar="NAME", action="append", default=[], help=text)
    parser.add_argument("--force", action="store_true", help="replace OUT if it is there")


def _run(options: argparse.Namespace, terminal: Terminal) -> int:
    run = open_run(options.run, options.credentials)
    # With torch behind it, this import takes seconds: no other command should.
    from ..export import Export

    out = Path(options.out)
    task = Export(out, parts=tuple(options.part), overwrite=options.force)
    with _packs_at_hand(run, out.parent) as (folder, fetch):

        def write(manifest: Manifest) -> Exported:
            fetch(manifest, task.packs(manifest))
            with byte_bar("verify", task.size(manifest)) as progress:
                return task.write(manifest, folder.pack_path, progress)

        manifest, done = first_good(run, options.checkpoint, write, terminal.note)
    for name, count in done.left_out.items():
        terminal.note(f"{count} values of {name} are no tensors, and safetensors holds nothing else: left out")
    terminal.line(f"{options.out}: {run.name}/{manifest.name} (step {manifest.step}), {size(done.size)}")
    return 0


@contextmanager
def _packs_at_hand(run: FoundRun, near: Path) -> Iterator[tuple[RunFolder, Callable[[Manifest, Sequence[str]], None]]]:
    """The folder of this machine where packs lie while in this block, and what sees to it that they do.

    What has to be downloaded lies on the disk that gets the result, which has room for about as much.
    """
    if run.place.folder is not None:
        yield RunFolder(run.place.folder), lambda manifest, packs: None  # noqa: ARG005 - they lie there already
        return
    with TemporaryDirectory(prefix=".colab-resume-", dir=near) as folder:
        store = Store(Path(folder), session=new_session_id())

        def fetch(manifest: Manifest, packs: Sequence[str]) -> None:
            lacking = [pack for pack in packs if not store.pack_path(pack).exists()]
            with byte_bar("download", sum(manifest.packs[pack].size for pack in lacking)) as progress:
                for pack in lacking:
                    fetch_pack(run.remote, store, pack, manifest.packs[pack], progress=progress)

        try:
            yield store, fetch
        finally:
            store.close()


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
        "drive:colab_resume/digits model.pt --part model --credentials key.json",
    ),
    arguments=_arguments,
    run=_run,
)
