"""When checkpoints are made: what `every` asks for, and what holds whatever it asks for."""

from __future__ import annotations

import time

import pytest
from run.conftest import Counter, Place

import colab_resume
from colab_resume.training.cadence import Cadence


def written(run: colab_resume.Run) -> int | None:
    """The step of the newest checkpoint, once nothing is in hand."""
    run._saving.writer.wait(None)
    return run.status().saved


@pytest.mark.parametrize("every", [None, 1, 10**9, "10 h", "1000 epochs"])
def test_the_first_checkpoint_is_made_within_the_first_minute_whatever_every_says(
    place: Place, every: int | str | None
) -> None:
    """Before the first step the state is saved and sent, so that a remote that does not work shows at once."""
    run = place.setup(every=every)
    run.track(counter=Counter())
    for _ in run.epochs(1):
        for _ in run.batches([1, 2]):
            run.flush(timeout=60)
            assert (run.status().saved, run.status().safe) == (0, 0)
            return
    pytest.fail("there was no first step")


@pytest.mark.parametrize("every", [None, 10**9, "10 h", "1000 epochs"])
def test_a_loop_of_the_users_own_is_saved_at_its_first_boundary(place: Place, every: int | str | None) -> None:
    """Nobody knows of such a loop before its first step is over; then it is saved at once, and not once more."""
    run, counter = place.setup(every=every), Counter()
    run._saving.cadence = Cadence(every, clock=lambda: 1000.0)
    run.track(counter=counter)
    seen = []
    for counter.n in range(1, 4):
        run.boundary()
        seen.append(written(run))
    assert seen == [1, 1, 1]


def epoch_by_epoch(run: colab_resume.Run, epochs: int) -> list[int | None]:
    """The step of the newest checkpoint at the beginning of each epoch of three steps."""
    seen = []
    for _ in run.epochs(epochs):
        seen.append(written(run))
        for _ in run.batches([1, 2, 3]):
            pass
    return seen


@pytest.mark.parametrize(("every", "steps"), [("1 epoch", [0, 3, 6, 9, 12]), ("2 epochs", [0, 0, 6, 6, 12])])
def test_every_epoch_is_saved_where_it_ends(place: Place, every: str, steps: list[int]) -> None:
    """Not a step later, even if the epoch is over before the last checkpoint is written."""
    run = place.setup(every=every)
    run._saving.cadence = Cadence(every, clock=lambda: 1000.0)  # so nothing is saved but what was asked for
    run.track(counter=Counter())
    assert epoch_by_epoch(run, 5) == steps
    assert written(run) == 15


def test_an_epoch_is_saved_where_it_ends_though_a_save_is_in_hand(place: Place) -> None:
    """What is being written then is waited for: the next step would be a step too late."""
    run = place.setup(every="1 epoch")
    run._saving.cadence = Cadence("1 epoch", clock=lambda: 1000.0)
    run.track(counter=Counter())
    for epoch in run.epochs(5):
        assert written(run) == 3 * epoch
        for number in run.batches([1, 2, 3]):
            if number == 2:
                run.save()


def test_an_epoch_is_saved_though_its_last_step_was(place: Place) -> None:
    """What comes after the last step, such as a scheduler's step, belongs to the epoch: so it is saved once more."""
    run = place.setup(every="1 epoch")
    run._saving.cadence = Cadence("1 epoch", clock=lambda: 1000.0)
    run.track(counter=Counter())
    ends = []
    for epoch in run.epochs(3):
        written(run)
        ends.append(run._saving.store.names()[-1].replace(run._saving.session, "x"))
        for step in run.steps(3, name=f"steps of {epoch}"):
            if step == 2:
                written(run)
                run.save()
    assert ends == ["0000000000-x", "0000000003-x.1", "0000000006-x.1"]


def test_an_epoch_whose_end_is_no_place_to_save_is_saved_a_step_later(place: Place) -> None:
    """Where nobody can say yet what belongs to the next epoch, what was asked for is not forgotten."""
    run = place.setup(every="1 epoch")
    run._saving.cadence = Cadence("1 epoch", clock=lambda: 1000.0)
    seen = []
    for _ in run.epochs(2):
        run.track(late=Counter())
        seen += [written(run) for _ in run.batches([1, 2, 3])]
    assert seen == [0, 0, 0, 0, 4, 4]


def test_epochs_are_asked_for_where_there_are_none(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """Ten hours of steps with `every="1 epoch"` would save nothing, so it is said, once; and else not at all."""
    run = place.setup(every="1 epoch")
    run.track(counter=Counter())
    for _ in run.epochs(2):
        for _ in run.batches([1, 2]):
            assert not run.status().problems
    assert not caplog.messages
    for _ in run.steps(3):
        pass
    [told] = caplog.messages
    assert "every='1 epoch', but this loop is not inside" in told


def test_epochs_are_counted_over_restarts(place: Place) -> None:
    """A session that begins in the third epoch saves after the fourth."""
    run = place.setup(every="2 epochs")
    run.track(counter=Counter())
    for epoch in run.epochs(5):
        for _ in run.batches([1, 2, 3]):
            written(run)
        if epoch == 2:
            run.save()
            break
    place.leave()
    run = place.setup(every="2 epochs")
    run._saving.cadence = Cadence("2 epochs", clock=lambda: 1000.0)
    run.track(counter=Counter())
    assert epoch_by_epoch(run, 6)[-2:] == [12, 12]


def test_how_long_uploads_take_is_heard_of(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time from a capture until the remote has it is what the next checkpoint waits for."""
    now = [5000.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    run = place.setup(every=None)
    run.track(counter=Counter())
    for _ in run.batches([1, 2]):
        run.flush(timeout=60)
        now[0] += 50
    assert "sending takes 50 s" in run.status().cadence


def test_how_long_sessions_live_is_learnt_from_those_before(place: Place) -> None:
    """From the second session on it is not supposed any more."""
    for _ in range(2):
        run = place.setup(every=None)
        run.track(counter=Counter())
        run._saving.cadence.saved(1, stall=0.5, write=0.1)
        reason = run.status().cadence
        for _ in run.batches([1, 2]):
            written(run)
            run.save()
        place.leave()
    assert "sessions of this run live 60 min" in reason
