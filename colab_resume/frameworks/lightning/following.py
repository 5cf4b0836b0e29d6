"""How a run goes along with `trainer.fit()`: its loops are led by the Trainer's.

An epoch of the run begins where the Trainer begins one, before any hook has heard of it. A boundary lies where the
Trainer asks for its next batch: there the optimizer and the schedules have stepped, and what belongs to the step
(logging, validation, files of `ModelCheckpoint`) is done. On a restart the Trainer's counters are put back before its
loop begins, so it enters the right epoch by itself, and everything else when it asks for its first batch, after all
that a start draws, calls and sets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

from ...display.text import say
from ...errors import UsageError
from ...training.looked_through import looked_through
from ..evaluating import without_trace
from ..host import Host
from .books import Books
from .callbacks import checkpoints_of, states_of
from .checkpoints import KeptCheckpoints
from .hooks import UserHooks
from .logged import Logged
from .refusing import refuse_inexact, refuse_loader, refuse_other_ways
from .tracked import kept_by_callbacks, things_of

__all__ = ["Following"]

_EPOCHS = "epochs"


class Following:
    """Of one trainer."""

    def __init__(self, run: Host, trainer: Any) -> None:
        self.run = run
        self._trainer = trainer
        self._callbacks = states_of(trainer)
        self._books = Books(trainer)
        self._epochs: Any = None
        self._batches: Any = None
        self._kept: dict[str, Any] = {}
        self._in_epoch = False
        self._leading = False

    def take_over(self) -> None:
        """From now on the Trainer's methods come by here."""
        trainer = self._trainer
        loop = trainer.fit_loop
        epoch_loop = loop.epoch_loop
        trainer.fit = self._led(trainer.fit)
        loop.run = self._while_leading(loop.run, self._run_loop)
        loop.on_advance_start = self._while_leading(loop.on_advance_start, self._begin_epoch)
        loop._data_source.dataloader = self._while_leading(loop._data_source.dataloader, self._load)
        epoch_loop.on_run_start = self._while_leading(epoch_loop.on_run_start, self._begin_batches)
        epoch_loop.val_loop.run = without_trace(epoch_loop.val_loop.run, while_=lambda: self._leading)
        connector = trainer._logger_connector
        if any(callback.monitor is None for callback in checkpoints_of(trainer)):
            say(
                f"{self.run.name} · files of ModelCheckpoint are carried along in each checkpoint; where nobody needs "
                "them, enable_checkpointing=False saves that time"
            )
        connector.log_metrics = self._while_leading(connector.log_metrics, self._log)

    def _while_leading(self, original: Callable[..., Any], led: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def either(*args: Any, **options: Any) -> Any:
            return led(original, *args, **options) if self._leading else original(*args, **options)

        return either

    def _led(self, fit: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(fit)
        def led(*args: Any, **options: Any) -> Any:
            refuse_other_ways(fit, args, options)
            refuse_inexact(self._trainer)
            if self.run._loops.cursor.inside:
                raise UsageError(
                    "trainer.fit is called inside a loop of the run",
                    hint="call it outside of run.epochs; the Trainer counts its epochs itself",
                )
            self._callbacks.meet()
            self._books = Books(self._trainer)
            self.run.track(trainer=self._books)
            self._books.draw_as_at_first()
            self._leading = True
            try:
                return fit(*args, **options)
            except SystemExit as left:
                # Lightning makes the end of the process of Ctrl-C; in a notebook it is a cell that ends.
                if isinstance(left.__context__, KeyboardInterrupt):
                    raise left.__context__ from None
                raise
            finally:
                self._leave()

        return led

    def _run_loop(self, run_loop: Callable[[], None]) -> None:
        """Everything that the training changes is there now, but for what hooks are still to make."""
        trainer, loops = self._trainer, self.run._loops
        refuse_other_ways(None, (), {"ckpt_path": trainer.ckpt_path})
        logged = Logged(trainer)
        self._kept = kept_by_callbacks(trainer)
        self.run.track(
            **things_of(trainer),
            callbacks=(self._callbacks.state, self._callbacks.load),
            checkpoints=KeptCheckpoints(trainer),
            logged=logged,
            hooks=UserHooks(trainer, due=lambda: loops.cursor.arrived),
        )
        self._books.lead()
        if self._books.complete and trainer.fit_loop.done:
            for _ in loops.counted("epochs", loops.cursor.turns(_EPOCHS), _EPOCHS):
                raise AssertionError("a training that is over has an epoch left")
            run_loop()
            return
        run_loop()
        self._finish()

    def _begin_epoch(self, on_advance_start: Callable[[], None]) -> None:
        if self._epochs is None:
            self._books.note_size()
            self._track_kept()
            self._epochs = self.run.epochs(self._books.epochs)
        self._end_batches()
        if next(self._epochs, None) is None:
            raise UsageError(
                "max_epochs was raised while the training went on",
                hint="let it be as many from the beginning, and stop earlier",
            )
        on_advance_start()

    def _load(self, dataloader: Callable[[], Any]) -> Any:
        """The user's loader, of which the Trainer's passes are those of the run."""
        loader = dataloader()
        refuse_loader(loader, self._trainer.lightning_module.training_step)
        return looked_through(loader, lambda: self._draw(loader))

    def _begin_batches(self, on_run_start: Callable[[Any], None], fetcher: Any) -> None:
        """Counters stand at the begin of an epoch: from here on batches are drawn to be trained on."""
        self._track_kept()
        self._in_epoch = True
        on_run_start(fetcher)
        if self._batches is None and fetcher.length is None:
            # Without a length the Trainer draws one batch ahead: that of its first epoch long before, and in vain.
            iter(fetcher)

    def _track_kept(self) -> None:
        """Hooks of callbacks may have made models of their own since this was asked last."""
        kept = kept_by_callbacks(self._trainer)
        if new := {name: thing for name, thing in kept.items() if self._kept.get(name) is not thing}:
            self._kept = kept
            self.run.track(**new)

    def _draw(self, loader: Any) -> Iterator[Any]:
        """The batches of the Trainer's epoch, from where the run stopped. The Trainer also begins passes that it never
        draws from."""
        if not self._in_epoch:
            return
        fetcher = self._trainer.fit_loop._data_fetcher
        self._batches = iter(self.run._loops.batches(loader, ahead=fetcher.length is None))
        begun = False
        for batch in self._batches:
            if not begun:
                fetcher.fetched = self._books.batches_done
            begun = True
            yield batch

    def _end_batches(self) -> None:
        items, self._batches, self._in_epoch = self._batches, None, False
        if items is None:
            return
        here = self.run._loops.cursor.open_loops[-1]
        if here.frame.kind == "batches" and here.frame.index == here.size:
            next(items, None)  # the Trainer has counted, and did not ask whether there is more
        items.close()

    def _log(self, log_metrics: Callable[..., None], metrics: dict[str, Any], step: int | None = None) -> None:
        if metrics and not self._trainer.sanity_checking:
            self.run.log(**metrics)
        log_metrics(metrics, step=step)

    def _finish(self) -> None:
        """The training is complete: its last epoch, and the loop, also if it was stopped early."""
        self._end_batches()
        self._books.complete = True
        self.run._loops.end_with_this_turn()
        if self._epochs is not None:
            next(self._epochs, None)

    def _leave(self) -> None:
        for loop in (self._batches, self._epochs):
            if loop is not None:
                loop.close()
        self._batches = self._epochs = None
        self._in_epoch = self._leading = False
