"""One folder on its way to the remote: looked at until it has settled, read, sent, committed.

All of it happens in the mirror's thread. What has settled is read once for its digests, and looked at once more: then
the set is a fact, whatever is written afterwards. What of it the remote lacks is sent and proved on the way. A content
that is overwritten before it was sent costs the set; after two such losses in a row what is to be sent is copied first.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path

from ..checkpoints.abreast import Tell, abreast
from ..durable import as_store_error, make_folder, write_durably
from ..errors import DamagedCheckpoint, RemoteFull
from ..status import Folder
from .contents import ChangedMeanwhile, ContentSource, Digests, copy_of
from .looking import RESTLESS_SECONDS, SETTLE_SECONDS, Look, Settling, look
from .sets import SET, File, FileSet, next_number
from .shelf import Shelf

__all__ = ["LOG_SECONDS", "MirroredFolder", "own_sets"]

LOG_SECONDS = 300.0
"""After so long a set is made for logs alone."""

_AT_A_TIME = 4
_LOSSES = 2


def own_sets(store: Path) -> dict[str, FileSet]:
    """The sets that were made here, by name; one that cannot be read counts for nothing, for its folder is there."""
    found = {}
    for path in sorted((store / "sets").glob("*.json")):
        if SET.fullmatch(path.stem):
            try:
                found[path.stem] = FileSet.from_bytes(path.read_bytes(), path.stem)
            except DamagedCheckpoint:
                path.unlink()
    return found


class MirroredFolder:
    """`root` under `name`. `store`: its own place on the VM's disk. `keep`: how many sets stay. `settle`: as there.

    `clock` counts seconds, `now` tells the time since 1970.
    """

    def __init__(
        self,
        root: Path,
        name: str,
        *,
        shelf: Shelf,
        store: Path,
        keep: int,
        settle: float,
        digests: Digests,
        clock: Callable[[], float],
        now: Callable[[], float],
        tell: Callable[[str], None],
    ) -> None:
        self.root = root
        self.name = name
        self.session = ""
        self.rests = False
        """Whether all that is in the folder is on the remote, by the last look."""
        self.problem = ""
        self._shelf = shelf
        self._store = store
        self._keep = keep
        self._digests = digests
        self._clock = clock
        self._now = now
        self._tell = tell
        self._settling = Settling(root, settle)
        self._fresh = True
        self._settled: Look | None = None
        self._captured: Look | None = None
        self._captured_at = 0.0
        self._pending: FileSet | None = None
        self._newest: FileSet | None = None
        self._sent = self._newest_sent()
        self._losses = 0
        self._request = self._served = 0
        self._told_left_out = False
        shutil.rmtree(store / "staged", ignore_errors=True)

    @property
    def status(self) -> Folder:
        """What there is to show of it."""
        newest, sent = self._newest or self._sent, self._sent
        return Folder(
            name=self.name,
            files=len(newest.files) if newest else 0,
            size=newest.size if newest else 0,
            captured_at=newest.created if newest else None,
            sent_at=sent.created if sent else None,
            safe_at=sent.created if sent and self._shelf.confirms else None,
            problem=self.problem,
        )

    def forget(self) -> None:
        """Look at the remote afresh in the next round."""
        self._fresh = True

    def look(self, request: int) -> bool:
        """Look at the folder; whether there is something to send. A new `request` asks for the newest logs, too."""
        if request > self._request:
            self._request = request
            self._settling.forgive()
        if self._pending is not None:
            return True
        now = self._clock()
        try:
            found = look(self.root)
            known = self._is_captured(found)
            settled = self._settling.see(found, now, known=known)
        except OSError as error:
            self.rests = False
            self.problem = f"folder {self.name} cannot be looked at: {error.strerror or error}"
            return False
        restless = self._settling.restless_for(now)
        self.problem = _restless(self.name, restless) if restless > RESTLESS_SECONDS else ""
        # Whoever clears a folder is about to write to it; one that stays empty is no state that is worth a set.
        self.rests = settled if not found.files else known and not self._owes_logs(found, now)
        self._settled = found if settled and not self.rests else None
        return self._settled is not None

    def _is_captured(self, found: Look) -> bool:
        return self._captured is not None and found.still == self._captured.still

    def _owes_logs(self, found: Look, now: float) -> bool:
        if self._captured is None or found.files == self._captured.files:
            return False
        return self._request > self._served or now - self._captured_at >= LOG_SECONDS

    def sync(self, *, check: Callable[[], None], hurry: Callable[[], bool]) -> None:
        """Send what has settled, as far as there is time: `hurry` says that something else is more urgent.

        Raises what the remote, the disk and `check` raise.
        """
        if self._fresh:
            self._shelf.refresh()
            self._sent = self._newest_sent()
            self._fresh = False
        try:
            if self._pending is None and self._settled is not None:
                self._capture(self._settled, hurry)
            if self._pending is not None:
                self._send(self._pending, check, hurry)
        except ChangedMeanwhile:
            self._losses += 1
            self._captured = self._newest = None
            self._forget_own_but("")
            self._let_go()

    def _capture(self, found: Look, hurry: Callable[[], bool]) -> None:
        """Make a set of what has settled."""
        for path, seen in found.files.items():
            if not self._digests.is_known(path, seen) and hurry():
                return
            self._digests.of(path, seen)
        if look(self.root).still != found.still:
            raise ChangedMeanwhile(f"{self.root} changed while it was read", hint="it is read again")
        self._digests.forget_all_but(set(found.files))
        made = self._made(found)
        if self._sent is None or not made.is_like(self._sent):
            self._keep_own(made)
            self._pending = self._newest = made
        self._captured, self._captured_at, self._served = found, self._clock(), self._request
        self._settled = None
        self._tell_left_out(found)

    def _keep_own(self, made: FileSet) -> None:
        """Remember here that this was a whole state, and copy what cannot be sent from where it is."""
        data = made.to_bytes()
        with as_store_error(self._store):
            make_folder(self._store / "sets")
        write_durably(self._store / "sets" / f"{made.name}.json", lambda sink: sink.write(data))
        self._forget_own_but(made.name)
        if self._losses >= _LOSSES:
            self._stage(made)

    def _made(self, found: Look) -> FileSet:
        files = []
        for path, seen in found.files.items():
            size, digest = self._digests.of(path, seen)
            files.append(File(path, size, digest, seen.mode, max(0, seen.mtime_ns)))
        number = max(self._shelf.next_number, next_number(own_sets(self._store)))
        folders = {path: max(0, mtime_ns) for path, mtime_ns in found.folders.items()}
        return FileSet(number=number, session=self.session, created=self._now(), files=tuple(files), folders=folders)

    def _stage(self, made: FileSet) -> None:
        """Copy what is to be sent."""
        with as_store_error(self._store):
            make_folder(self._store / "staged")
        for file in self._shelf.lacking(made):
            copy_of(self.root / file.path, file.size, file.digest, self._store / "staged" / file.blob)

    def _send(self, made: FileSet, check: Callable[[], None], hurry: Callable[[], bool]) -> None:
        while lacking := list(islice(self._shelf.lacking(made), _AT_A_TIME)):
            if hurry():
                return
            try:
                jobs = [partial(self._send_content, file) for file in lacking]
                abreast(jobs, lambda _: None, what="transfer", at_a_time=_AT_A_TIME)
            except RemoteFull:
                check()
                if not self._shelf.make_room(made):
                    raise
        check()
        self._shelf.put_set(made)
        self._sent, self._losses = made, 0
        self._let_go()
        self._shelf.sweep(self._keep)

    def _send_content(self, file: File, tell: Tell) -> None:
        staged = self._store / "staged" / file.blob
        path = staged if staged.exists() else self.root / file.path
        self._shelf.put_content(file, ContentSource(path, file.size, file.digest, tell))

    def _let_go(self) -> None:
        """The set in hand is sent, or lost."""
        self._pending = self._settled = None
        self.rests = False
        shutil.rmtree(self._store / "staged", ignore_errors=True)

    def _forget_own_but(self, made: str) -> None:
        for name in own_sets(self._store).keys() - {made}:
            (self._store / "sets" / f"{name}.json").unlink()

    def _newest_sent(self) -> FileSet | None:
        return max(self._shelf.whole(), key=lambda one: one.rank, default=None)

    def _tell_left_out(self, found: Look) -> None:
        """Once, and only what is there when all else has settled: it is not on its way to become something else."""
        if self._told_left_out or not (found.links or found.unfinished):
            return
        self._told_left_out = True
        for paths, what in ((found.links, "symbolic links"), (tuple(found.unfinished), "files that seem unfinished")):
            if paths:
                self._tell(f"folder {self.name}: {what} are not mirrored ({len(paths)}, for example {paths[0]})")


def _restless(name: str, seconds: float) -> str:
    return (
        f"folder {name} has been written to without a pause for {seconds:.0f} s, so nothing of it is mirrored meanwhile"
        f"\n  -> let whatever writes there rest for {SETTLE_SECONDS:.0f} s now and then"
    )
