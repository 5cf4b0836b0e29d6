"""The run as a user meets it: what is restored when, what is refused and how, what a second try does."""

from __future__ import annotations

import _thread
import json
import random
import threading
from collections import deque
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints.drafts import sealed
from run.conftest import Counter, Place
from run_folders import manifests
from torch import nn
from torch.utils.data import DataLoader

import colab_resume
import colab_resume.run
from colab_resume.errors import CheckpointError, EncodingError, NotSafe, RemoteRefused, StateMismatch, UsageError
from colab_resume.remotes import BytesSource, Receipt, Source
from colab_resume.testing import FaultyRemote, MemoryRemote
from colab_resume.training.cadence import Cadence


def _written(run: colab_resume.Run) -> None:
    """These steps take microseconds: without a wait, most boundaries would find the writer busy."""
    run._saving.writer.wait(None)


def _count(run: colab_resume.Run, counter: Counter, n: int) -> None:
    for _ in run.steps(n):
        counter.n += 1
        run.log(n=counter.n)


def test_what_is_tracked_is_restored_at_once(place: Place) -> None:
    """`track` puts back what the last session saved; nothing waits for a loop."""
    counter = Counter()
    run = place.setup()
    run.track(counter=counter)
    _count(run, counter, 3)
    run.finish()
    again = Counter()
    place.setup().track(counter=again)
    assert again.n == 3


def test_a_finished_loop_does_not_run_again(place: Place) -> None:
    """And a longer one goes on where the shorter one ended."""
    for n, expected in ((3, 3), (3, 3), (5, 5)):
        run, counter = place.setup(), Counter()
        run.track(counter=counter)
        _count(run, counter, n)
        run.finish()
        assert counter.n == expected
        assert [record.values for record in run.history()] == [{"n": k + 1} for k in range(expected)]


def test_setup_again_in_the_same_process_is_the_same_run(place: Place) -> None:
    """Running the first cell twice is harmless; other options are refused with the reason."""
    run = place.setup()
    assert colab_resume.setup("r", store=place.store, remote=place.remote, every=1) is run
    with pytest.raises(UsageError, match="every=1 would become 2"):
        colab_resume.setup("r", store=place.store, remote=place.remote, every=2)


def test_a_cell_that_was_interrupted_and_run_again_goes_back_to_a_boundary(place: Place) -> None:
    """The half-done step is undone: the counter is what it was at the last boundary, and the end is right."""
    run, counter = place.setup(), Counter()
    run.track(counter=counter)
    with pytest.raises(KeyboardInterrupt):
        for step in run.steps(5):
            counter.n += 1
            if step == 2:
                raise KeyboardInterrupt
    run.flush()
    assert counter.n == 3
    _count(run, counter, 5)
    assert counter.n == 5
    assert run.status().step == 5


def test_a_cell_run_again_with_new_objects_restores_into_them(place: Place) -> None:
    """The cell that builds the model is run again as well: the new objects get the state, not the old ones."""
    run, old = place.setup(), Counter()
    run.track(counter=old)
    with pytest.raises(ZeroDivisionError):
        for step in run.steps(5):
            old.n += 1
            _ = 1 // (3 - step)
    new = Counter()
    assert colab_resume.setup("r", store=place.store, remote=place.remote, every=1) is run
    run.track(counter=new)
    _count(run, new, 5)
    assert new.n == 5


def test_a_name_that_stands_for_another_object_is_refused_between_loops(place: Place) -> None:
    """A new optimizer for a second phase must not get the old one's state; a cell that runs again says so by setup."""
    run, counter = place.setup(), Counter()
    run.track(counter=counter)
    _count(run, counter, 2)
    with pytest.raises(UsageError, match="counter already stands for another object"):
        run.track(counter=Counter())
    run.track(second=Counter())
    colab_resume.setup("r", store=place.store, remote=place.remote, every=1)
    run.track(counter=Counter())


def test_an_interrupt_while_data_is_loaded_is_no_end_of_the_pass(place: Place) -> None:
    """The pass is not complete: run again, it goes on from a boundary, also without any loop around it."""

    class Data:
        interrupts = True

        def __len__(self) -> int:
            return 6

        def __getitem__(self, index: int) -> int:
            if index == 4 and self.interrupts:
                raise KeyboardInterrupt
            return index

    run, counter, data = place.setup(), Counter(), Data()
    run.track(counter=counter)
    loader = DataLoader(data, 1)  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        for _ in run.batches(loader):
            counter.n += 1
    data.interrupts = False
    for _ in run.batches(loader):
        counter.n += 1
    run.finish()
    assert (counter.n, run.status().step) == (6, 6)


LISTS: dict[str, Any] = {
    "numbers": [1, 2, 3],
    "tensors": [torch.ones(1), torch.ones(2), torch.ones(3)],
    "a tuple": (1, 2, 3),
    "a dict": {1: "a", 2: "b", 3: "c"},
    "a set": {1, 2, 3},
    "pairs": [(1, "a"), (2, "b"), (3, "c")],
    "a deque": deque([1, 2, 3]),
}


@pytest.mark.parametrize("kind", LISTS)
@pytest.mark.parametrize("in_epochs", [True, False])
def test_a_pass_over_a_list_that_has_a_name_is_drawn_by_the_loop_alone(
    kind: str, in_epochs: bool, place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    """And not by whoever looks at what the loop reads, or at what a tracked object holds."""

    class Trainer:
        def __init__(self, run: colab_resume.Run) -> None:
            self.batches = run.batches(LISTS[kind])
            self.seen = 0

    def life(stop: int) -> int:
        run = place.setup()
        trainer, batches = Trainer(run), run.batches(LISTS[kind])
        run.track(trainer=trainer)
        for epoch in run.epochs(2) if in_epochs else [0]:
            for _ in batches if epoch == 0 else trainer.batches:
                run._saving.writer.wait(None)
                if run.status().step == stop:
                    return stop
                trainer.seen += 1
        return run.status().step

    last = 6 if in_epochs else 3
    assert life(2) == 2
    assert life(-1) == last
    assert place.runs[-1]._course.tracking.named()["trainer"].seen == last
    assert not caplog.records


def test_a_glance_at_other_data_that_ends_early_changes_nothing(place: Place) -> None:
    """An evaluation inside a step may be left by `break`; the training still ends whole."""
    run, counter = place.setup(), Counter()
    run.track(counter=counter)
    for _ in run.batches([1, 2, 3]):
        counter.n += 1
        for _ in run.batches([7, 8]):
            break
    run.finish()
    counter = Counter()
    run = place.setup()
    run.track(counter=counter)
    assert counter.n == 3
    assert list(run.batches([1, 2, 3])) == []


def test_what_is_logged_before_the_loop_is_not_doubled(place: Place) -> None:
    """Code before the loops runs in every session; its record is in the history once."""
    for _ in range(3):
        run = place.setup()
        run.log(rate=0.1)
        for step in run.steps(4):
            _written(run)
            if step == 2 and run.status().restored is None:
                break
            run.log(step=step)
    assert [list(record.values) for record in run.history()] == [["rate"], *[["step"]] * 4]


def test_interrupted_in_the_very_first_step_it_goes_back_to_the_beginning(place: Place) -> None:
    """The state before the first step is saved too."""
    run, counter = place.setup(), Counter()
    run.track(counter=counter)
    with pytest.raises(KeyboardInterrupt):
        for _ in run.steps(5):
            counter.n += 100
            raise KeyboardInterrupt
    _count(run, counter, 5)
    assert counter.n == 5


def test_a_complete_loop_entered_once_more_says_so(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """A second loop without a name of its own would silently not run."""
    run, counter = place.setup(), Counter()
    run.track(counter=counter)
    _count(run, counter, 3)
    _count(run, counter, 3)
    assert counter.n == 3
    assert "give it a name=" in caplog.text


def test_leaving_a_loop_early_saves_nothing_half_done(place: Place) -> None:
    """Nobody can tell `break` from an exception, so `finish` keeps the last boundary and the loop stays open."""
    run, counter = place.setup(), Counter()
    run.track(counter=counter)
    for step in run.steps(5):
        _written(run)
        counter.n += 1
        if step == 3:
            break
    run.finish()
    again, counter = place.setup(), Counter()
    again.track(counter=counter)
    assert counter.n == 3
    _count(again, counter, 5)
    assert counter.n == 5


def test_values_survive_and_beat_their_defaults(place: Place) -> None:
    """`run.state(best=0.0)` gives what was kept, and new values begin with their defaults."""
    run = place.setup()
    kept = run.state(best=0.0)
    for _ in run.steps(2):
        kept.best += 0.5
    run.finish()
    kept = place.setup().state(best=0.0, seen=7)
    assert (kept.best, kept.seen) == (1.0, 7)


def test_a_split_that_nobody_seeded_is_the_same_in_every_session(place: Place) -> None:
    """Else a restart would validate on what was trained on; it must only be drawn after `setup`."""

    def session(stop: int) -> list[Any]:
        run = place.setup()
        drawn = [torch.randperm(9).tolist(), np.random.permutation(9).tolist(), random.sample(range(9), 9)]
        run.track(net=nn.Linear(1, 1))
        later = torch.rand(2).tolist()
        for step in run.steps(4):
            _written(run)
            if step == stop:
                break
        return [drawn, later]

    found = []
    for life, stop in enumerate((0, 2, 3)):
        torch.manual_seed(life), np.random.seed(life), random.seed(life)
        found.append(session(stop))
    assert found[1:] == found[:1] * 2


class Drawing(nn.Linear):
    """A module with a generator in an attribute."""

    def __init__(self) -> None:
        super().__init__(1, 1)
        self.rng = np.random.default_rng(8)


def test_what_an_epoch_draws_before_its_first_batch_is_drawn_again(place: Place) -> None:
    """A restart in the middle of an epoch finds the same mask, and goes on with the same numbers after it.

    So with a generator that is tracked; of that nobody has to know the seed.
    """

    def train(stop: int) -> list[list[float]]:
        run, rng, net = place.setup(), np.random.default_rng(life), Drawing()
        run.track(rng=rng, net=net)
        size = float(rng.random())
        for fold in run.epochs(2, name="folds"):
            shift = torch.rand(1).item() + random.random()
            for _ in run.epochs(2, name="epochs"):
                mask = float(np.random.rand() + rng.random() + net.rng.random())
                for _ in run.batches([1, 2]):
                    if run.status().step == stop:
                        return []
                    with torch.no_grad():
                        net.weight += 1.0
                    noise = torch.rand(1).item() + float(rng.random()) + net.rng.random()
                    run.log(fold=fold, size=size, shift=shift, mask=mask, noise=noise)
        return [list(record.values.values()) for record in run.history()]

    def seed(number: int) -> None:
        torch.manual_seed(number), np.random.seed(number), random.seed(number)

    for life, stop in enumerate((1, 3, 5, 6, 7)):
        seed(life)
        train(stop)
        place.leave()
    seed(9)
    found = train(-1)
    assert len(found) == 8
    place.move("elsewhere")
    life = 0
    seed(0)
    assert found == train(-1)


def test_code_before_the_inner_loop_runs_again_and_does_no_harm(place: Place) -> None:
    """A sum that is set to zero at the beginning of each epoch has its value of the boundary when the loop goes on."""

    def train(stop: int) -> tuple[float, list[float]]:
        run = place.setup()
        kept = run.state(total=0.0)
        totals = []
        for _ in run.epochs(2):
            kept.total = 0.0
            torch.rand(5)
            for batch in run.batches([1.0, 2.0, 3.0]):
                if run.status().step == stop:
                    return 0.0, []
                kept.total += batch * torch.rand(1).item()
                run.log(total=kept.total)
            totals.append(kept.total)
        run.finish()
        return kept.total, [record.values["total"] for record in run.history()]

    torch.manual_seed(0)
    train(4)
    place.leave()
    torch.manual_seed(1)
    result = train(-1)
    place.remote, place.store = MemoryRemote(), place.store / "other"
    torch.manual_seed(0)
    assert train(-1) == result


def test_a_changed_model_is_told_in_full_and_nothing_is_applied(place: Place) -> None:
    """One readable list by parameter name: renamed, missing, extra, another shape, another dtype."""
    run = place.setup()
    run.track(net=nn.ModuleDict({"a": nn.Linear(2, 3), "b": nn.Linear(3, 1), "c": nn.Linear(1, 1)}), counter=Counter())
    for _ in run.steps(1):
        pass
    run.finish()
    run = place.setup()
    net = nn.ModuleDict({"a": nn.Linear(4, 3), "d": nn.Linear(3, 1), "c": nn.Linear(1, 1).half()})
    before = {name: value.clone() for name, value in net.state_dict().items()}
    counter = Counter()
    counter.n = -1
    with pytest.raises(StateMismatch) as caught:
        run.track(counter=counter, net=net)
    assert str(caught.value).splitlines() == [
        "the objects are not those of the checkpoint; nothing was applied:",
        "  net: d.weight (1, 3) float32 is not in the checkpoint",
        "  net: d.bias (1,) float32 is not in the checkpoint",
        "  net: b.weight (1, 3) float32 is only in the checkpoint",
        "  net: b.bias (1,) float32 is only in the checkpoint",
        "  net: a.weight is (3, 2) float32 in the checkpoint, (3, 4) float32 now",
        "  net: c.weight is (1, 1) float32 in the checkpoint, (1, 1) float16 now",
        "  net: c.bias is (1,) float32 in the checkpoint, (1,) float16 now",
        "  -> build the same objects as before, also what was added or pruned later, or start a run with another name",
    ]
    assert counter.n == -1
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_what_is_saved_after_a_damaged_newest_one_outranks_it(place: Place) -> None:
    """The damaged one had more steps; the third session must not meet it again, nor fall back behind the second."""

    def session(until: int) -> colab_resume.Run:
        run = place.setup(every=2)
        run.track(counter=Counter())
        for step in run.steps(100):
            _written(run)
            if step == until:
                break
        run.flush()
        return run

    session(9)
    newest = max(place.remote.list("r/checkpoints"), key=lambda entry: entry.name)
    place.remote.put(newest.name, BytesSource(b"{}"))
    place.leave()
    place.store = place.store / "new disk"
    run = session(6)
    assert (run.status().restored, len(run.status().set_aside)) == (6, 1)
    run = session(8)
    assert run.status().restored == 6
    session(9)
    assert place.setup(every=2).status().restored == 8


def test_after_the_last_batch_of_an_epoch_its_variables_exist(place: Place) -> None:
    """`print(loss)` after the inner loop works in every session: none begins between the last batch and it."""

    def session(stop: int) -> None:
        run = place.setup()
        for _ in run.epochs(3):
            for batch in run.batches([1, 2]):
                _written(run)
                loss = batch
            _written(run)
            assert loss
            if run.status().step == stop:
                return

    for stop in (2, 4, 6):
        session(stop)


@pytest.mark.parametrize("name", ["desktop.ini", "0000000003-abc123.1 (1).json", "0000000003-abc123", "copy of x.json"])
def test_strange_files_beside_the_checkpoints_are_left_alone(place: Place, name: str) -> None:
    """Drive and people leave such things; they are neither damage nor ours to delete."""
    place.remote.put(f"r/checkpoints/{name}", BytesSource(b"?"))
    place.remote.put(f"r/packs/{name}", BytesSource(b"?"))
    run = place.setup()
    _count(run, Counter(), 2)
    run.finish()
    assert place.setup().status().set_aside == ()
    names = [entry.name for folder in ("checkpoints", "packs") for entry in place.remote.list(f"r/{folder}")]
    assert {f"r/checkpoints/{name}", f"r/packs/{name}"} <= set(names)


def test_a_checkpoint_that_leaves_out_how_the_loops_stood_is_refused(place: Place) -> None:
    """As one that another version wrote may; the refusal leaves the run free to be tried again."""
    run = place.setup()
    _count(run, Counter(), 1)
    run.finish()
    for path in place.store.glob("r/checkpoints/*.json"):
        document = json.loads(path.read_text())
        del document["sha256"], document["state"]["run.loops"]
        path.write_bytes(sealed(document))
    place.remote = MemoryRemote()
    for _ in range(2):
        with pytest.raises(StateMismatch, match="does not say how its loops stood"):
            place.setup()


@pytest.mark.parametrize(
    ("name", "content"),
    [("run.json", b'{"format":2,"created":1.0}'), ("checkpoints/0000000003-abc123.json", sealed({"format": 2}))],
)
def test_what_a_later_version_wrote_is_not_touched(place: Place, name: str, content: bytes) -> None:
    """To go on from an older checkpoint would fork the run behind the back of who upgraded."""
    run = place.setup()
    _count(run, Counter(), 1)
    run.finish()
    place.remote.put(f"r/{name}", BytesSource(content))
    with pytest.raises(CheckpointError, match="written by a newer colab_resume"):
        place.setup()
    sink = BytesIO()
    place.remote.get(f"r/{name}", sink)
    assert sink.getvalue() == content


ORDER = "the parameters of opt stood in another order than in the checkpoint"


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.LBFGS])
@pytest.mark.parametrize("named", [False, True])
def test_parameters_in_another_order_keep_their_moments(
    place: Place, kind: Any, named: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Torch matches moments by position, and a set of parameters stands in another order in each process."""

    def weights(stops: int, *, backward: bool) -> list[float]:
        torch.manual_seed(5)
        net = nn.Sequential(*(nn.Linear(2, 2) for _ in range(3)))
        found = list(net.named_parameters())[:: -1 if backward else 1]
        opt = kind(found if named else [parameter for _, parameter in found], 0.05)
        run = place.setup()
        run.track(net=net, opt=opt)
        for step in run.steps(8):
            run._saving.writer.wait(None)
            if step == stops:
                break

            def loss() -> torch.Tensor:
                opt.zero_grad()
                lost = (net(torch.ones(2)) - torch.tensor([1.0, -1.0])).square().sum()
                lost.backward()
                return lost

            opt.step(loss)
        return torch.cat([parameter.detach().flatten() for parameter in net.parameters()]).tolist()

    weights(3, backward=False)
    weights(6, backward=True)
    assert ORDER in caplog.text
    caplog.clear()
    ends = weights(-1, backward=False)
    assert not caplog.records
    place.move("elsewhere")
    assert ends == weights(-1, backward=False)


def test_layers_that_changed_groups_are_noticed(place: Place) -> None:
    """Torch matches moments by position: here both shapes fit, and the names do not."""

    def build(swap: bool) -> dict[str, Any]:
        net = nn.ModuleDict({"a": nn.Linear(2, 2, bias=False), "b": nn.Linear(2, 2, bias=False)})
        layers = [net["b"], net["a"]] if swap else [net["a"], net["b"]]
        return {"net": net, "opt": torch.optim.Adam([{"params": [layer.weight]} for layer in layers])}

    run = place.setup()
    run.track(**build(swap=False))
    for _ in run.steps(1):
        pass
    run.finish()
    with pytest.raises(StateMismatch, match=r"opt: group 0 place 0 is net\.a\.weight .* net\.b\.weight"):
        place.setup().track(**build(swap=True))


@pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated:DeprecationWarning")  # torch.compile's own
@pytest.mark.parametrize("before", ["plain", "compiled", "parallel"])
@pytest.mark.parametrize("after", ["plain", "compiled", "parallel"])
def test_a_model_may_be_compiled_or_wrapped_on_either_side(place: Place, before: str, after: str) -> None:
    """`torch.compile` and `DataParallel` put prefixes into the names; the weights and their moments are the same."""
    wrap = {"plain": lambda net: net, "compiled": torch.compile, "parallel": nn.DataParallel}

    def build(how: str) -> tuple[nn.Module, torch.optim.Optimizer]:
        net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
        opt = torch.optim.Adam(net.parameters())
        sum(p.sum() for p in net.parameters()).backward()  # type: ignore[union-attr]
        opt.step()
        opt.zero_grad()
        place.setup().track(net=wrap[how](net), opt=opt)
        return net, opt

    saved, moments = build(before)
    for _ in place.runs[-1].steps(1):
        pass
    net, opt = build(after)
    for name, value in saved.state_dict().items():
        assert torch.equal(net.state_dict()[name], value)
    for one, other in zip(moments.state.values(), opt.state.values(), strict=True):
        assert torch.equal(one["exp_avg"], other["exp_avg"])


def test_fp32_moments_of_a_bf16_parameter_are_not_rounded(place: Place) -> None:
    """`Optimizer.load_state_dict` would cast them."""
    weight = nn.Parameter(torch.ones(3, dtype=torch.bfloat16))
    opt = torch.optim.Adam([weight])
    weight.grad = torch.ones_like(weight)
    opt.step()
    moment = torch.tensor([1.0000001, 2.0000002, 3.0000002])
    opt.state[weight]["exp_avg"] = moment.clone()
    run = place.setup()
    run.track(opt=opt)
    for _ in run.steps(1):
        pass
    run.finish()
    opt = torch.optim.Adam([nn.Parameter(torch.ones(3, dtype=torch.bfloat16))])
    place.setup().track(opt=opt)
    assert torch.equal(next(iter(opt.state.values()))["exp_avg"], moment)


def test_what_cannot_be_tracked_is_refused_at_once(place: Place) -> None:
    """With the name, the reason and what to do."""
    run = place.setup()
    with pytest.raises(UsageError, match=r"thing is a builtins\.object, which has no way to give its state"):
        run.track(thing=object())
    counter = Counter()
    counter.n = object()  # type: ignore[assignment]
    with pytest.raises(EncodingError, match=r"counter\['n'\] is a"):
        run.track(counter=counter)


def test_a_state_that_goes_bad_later_does_not_stop_the_training(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """It is told once, shown in the status, and raises for who waits."""
    run, counter = place.setup(), Counter()
    run.track(counter=counter)
    for step in run.steps(6):
        if step == 3:
            assert "could not be captured" in run.status().problems[0]
        counter.n = object() if step == 2 else step  # type: ignore[assignment]
        _written(run)
    assert run.status().problems == ()
    assert caplog.text.count("could not be captured") == 1


def test_objects_that_come_and_go_are_told(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """One that is new begins as it is; one that is missing loses its state; neither is silent."""
    run = place.setup()
    run.track(one=Counter(), two=Counter())
    for _ in run.steps(1):
        pass
    run.finish()
    run = place.setup()
    run.track(one=Counter(), three=Counter())
    for _ in run.steps(2):
        pass
    assert "three is not in the checkpoint of step 1; it begins as it is" in caplog.text
    assert "two is in the checkpoint but was not tracked again" in caplog.text


def test_tagged_and_best_checkpoints_are_kept(place: Place) -> None:
    """Retention lets the others go, in the store and on the remote."""
    run, counter = place.setup(keep=colab_resume.Keep(last=2)), Counter()
    run.best("loss", "min")
    run.track(counter=counter)
    for step in run.steps(12):
        counter.n += 1
        run.log(loss=abs(step - 4.0))
        if step == 2:
            run.save("before the change")
        _written(run)
    run.finish()
    steps = sorted(int(entry.name.split("/")[-1][:10]) for entry in place.remote.list("r/checkpoints"))
    assert steps[:2] == [3, 5]
    assert len(steps) == 4


class Large:
    """It takes the writer longer than many steps."""

    def state_dict(self) -> dict[str, Any]:
        return {"all": torch.rand(1 << 24)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass


def test_what_was_asked_for_is_saved_and_not_a_later_state(place: Place) -> None:
    """Also while another checkpoint is being written."""
    run, counter = place.setup(keep=colab_resume.Keep(last=2)), Counter()
    run.best("validation", "min")
    run.track(counter=counter, large=Large())
    loader = DataLoader(range(12), 2)
    for epoch in run.epochs(5):
        for _ in run.batches(loader):
            counter.n += 1
            if counter.n == 14:
                run.save("here")
        run.log(validation=[5.0, 1.0, 4.0, 6.0, 7.0][epoch])
    run.finish()
    found = {m.step: [*m.tags, "validation" in m.metrics] for m in manifests(place.store / "r")}
    assert {step: of for step, of in found.items() if step < 28} == {12: [True], 14: ["here", False]}


def test_the_best_is_still_watched_after_an_interrupt(place: Place) -> None:
    """Going back to a boundary opens everything anew, and forgets nothing that was asked for."""
    run, counter = place.setup(every=1000), Counter()
    run.best("loss", "min")
    run.track(counter=counter)
    losses = [5.0, 3.0, 4.0, 6.0, 7.0]
    for stop in (1, -1):
        for step in run.steps(5):
            if step == stop:
                break
            counter.n += 1
            run.log(loss=losses[step])
            _written(run)
    run.finish()
    steps = sorted(int(entry.name.split("/")[-1][:10]) for entry in place.remote.list("r/checkpoints"))
    assert 2 in steps


class Stuck(MemoryRemote):
    """A remote that takes no pack until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.reached, self.let_go = threading.Event(), threading.Event()

    def put(self, name: str, source: Source) -> Receipt:
        if "/packs/" in name:
            self.reached.set()
            self.let_go.wait()
        return super().put(name, source)


def test_an_interrupt_ends_the_wait_for_a_remote_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in `finish` works at once, although the mirror is in the middle of an upload."""
    monkeypatch.setattr("colab_resume.course._CLOSE_SECONDS", 0.01)
    remote = Stuck()
    finishing, left = threading.Event(), threading.Event()
    run = colab_resume.setup("r", store=tmp_path, remote=remote)

    def interrupt() -> None:
        remote.reached.wait()
        finishing.wait()
        _thread.interrupt_main()
        while not left.wait(5):  # one that comes inside a garbage collector's callback is swallowed
            _thread.interrupt_main()

    class Finishing(Counter):
        """Its state is asked for when `finish` makes the last checkpoint, and then `finish` only waits."""

        def state_dict(self) -> dict[str, Any]:
            if run.status().step == 1:
                finishing.set()
            return {}

    run.track(last=Finishing())
    for _ in run.steps(1):
        pass
    finishing.clear()
    impatient = threading.Thread(target=interrupt)
    impatient.start()
    with pytest.raises(KeyboardInterrupt):
        run.finish()
    left.set()
    impatient.join()
    assert run.status().sent is None
    remote.let_go.set()
    assert run._saving.mirror.close(60)


def test_what_could_not_be_cleared_away_while_it_was_sent_goes_in_the_end(tmp_path: Path) -> None:
    """Retention leaves a checkpoint alone while it is uploaded; when the run is closed, it is gone as well."""
    remote = Stuck()
    run = colab_resume.setup("r", store=tmp_path, remote=remote, every=1)
    for step in run.steps(9):
        _written(run)
        remote.reached.wait()
        if step == 6:
            break
    store = run._saving.store
    assert store.names()[0].startswith("0000000000-")
    remote.let_go.set()
    run.finish()
    assert [name[:10] for name in store.names()] == ["0000000004", "0000000005", "0000000006"]


def test_a_save_outside_of_loops_is_made_at_once(place: Place) -> None:
    """Even twice at the same step: each is a checkpoint of its own."""
    run, counter = place.setup(), Counter()
    run.track(counter=counter)
    _count(run, counter, 2)
    counter.n = 50
    run.save("by hand")
    run.finish()
    again = Counter()
    place.setup().track(counter=again)
    assert again.n == 50


def test_accumulated_gradients_are_never_lost(place: Place) -> None:
    """Boundaries at which gradients wait are not saved; if that lasts too long, the gradients are saved too."""
    weight = nn.Parameter(torch.zeros(2))
    opt = torch.optim.SGD([weight], 1.0)
    run = place.setup()
    run.track(net=nn.ParameterList([weight]), opt=opt)
    for step in run.steps(7):
        (weight * (step + 1.0)).sum().backward()
        if step % 3 == 2:
            opt.step()
            opt.zero_grad()
    _written(run)
    place.leave()
    weight = nn.Parameter(torch.ones(2))
    run = place.setup()
    run.track(net=nn.ParameterList([weight]), opt=torch.optim.SGD([weight], 1.0))
    assert weight.tolist() == [-21.0, -21.0]
    assert weight.grad is not None
    assert weight.grad.tolist() == [7.0, 7.0]


def test_a_boundary_outside_of_loops_is_the_users_own(place: Place) -> None:
    """`while True` with `run.boundary()`: steps are counted and resumed."""
    run, counter = place.setup(), Counter()
    run.track(counter=counter)
    for _ in range(3):
        counter.n += 1
        run.boundary(n=counter.n)
        _written(run)
    place.leave()
    run, counter = place.setup(), Counter()
    run.track(counter=counter)
    assert (counter.n, run.status().step) == (3, 3)
    run.boundary(n=9)
    assert [(record.step, record.values["n"]) for record in run.history()] == [(1, 1), (2, 2), (3, 3), (4, 9)]


def test_a_death_in_the_validation_repeats_one_step_and_the_validation(place: Place) -> None:
    """However seldom is saved, there is a checkpoint before the last batch of an epoch, and one after the epoch."""

    def session(*, dies: bool) -> list[tuple[int, int]]:
        run = place.setup(every="10 h")
        run._saving.cadence = Cadence("10 h", clock=lambda: float(run.status().step))
        seen = []
        for epoch in run.epochs(3):
            for batch in run.batches(DataLoader(range(40), 2)):  # type: ignore[arg-type]
                _written(run)
                seen.append((epoch, int(batch[0])))
            _written(run)
            if epoch == 1 and dies:
                break
        return seen

    assert len(session(dies=True)) == 40
    assert place.setup(every="10 h").status().restored == 39
    assert session(dies=False) == [(1, 38), *[(2, n) for n in range(0, 40, 2)]]


@pytest.mark.parametrize("zeroing", ["before", "after"])
def test_the_end_of_an_epoch_is_saved_whatever_gradients_are_left_over(place: Place, zeroing: str) -> None:
    """What the last step has left is no accumulation; what is added to it in the pause is."""
    net = nn.Linear(1, 1)
    opt = torch.optim.SGD(net.parameters(), 0.1)
    run = place.setup()
    run.track(net=net, opt=opt)
    for epoch in run.epochs(3):
        _written(run)
        assert run.status().saved == (3 * epoch if epoch < 2 else 5)
        for x in run.batches(DataLoader(torch.ones(3, 1))):  # type: ignore[arg-type]
            _written(run)
            if zeroing == "before":
                opt.zero_grad()
            net(x).sum().backward()
            opt.step()
            if zeroing == "after":
                opt.zero_grad()
        _written(run)
        if epoch == 1:
            net(torch.ones(1, 1)).sum().backward()


def test_saving_before_a_validation_keeps_the_budget(place: Place) -> None:
    """Epochs that are shorter than a save is worth are not saved one by one."""
    run = place.setup(every="10 h")
    run._saving.cadence = Cadence("10 h", clock=lambda: run.status().step / 100)
    for _ in run.epochs(50):
        for _ in run.batches([1, 2, 3]):
            _written(run)
    assert run.status().saves < 50


def test_a_pass_that_outlives_its_loop_is_refused(place: Place) -> None:
    """After a restart nobody would know where it was; that is said in the first session, not in the second."""
    run = place.setup()
    other = iter(run.batches(DataLoader(range(100), 1)))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="goes on after the loop that it was drawn in has ended"):
        for _ in run.epochs(2):
            for _ in run.batches(DataLoader(range(4), 2)):  # type: ignore[arg-type]
                next(other)


def test_a_loader_may_be_drawn_from_now_and_then(place: Place) -> None:
    """In a loop of one's own, a second loader that is needed every other step is no mistake."""
    run = place.setup()
    often, seldom = iter(run.batches(list(range(9)))), iter(run.batches(list(range(9))))
    for step in range(6):
        next(often)
        if step % 2 == 0:
            next(seldom)
        run.boundary()
    assert run.status().step == 6


def test_without_a_remote_nothing_is_called_safe(tmp_path: Path) -> None:
    """It is saved, for a restart on this disk, and the status says that this is all."""
    run = colab_resume.setup("r", store=tmp_path)
    for _ in run.steps(1):
        pass
    run.finish()
    status = run.status()
    assert (status.saved, status.safe, status.remote) == (1, None, False)


def test_a_finished_run_takes_nothing_more(place: Place) -> None:
    """And finishing twice is harmless."""
    run = place.setup()
    run.finish()
    run.finish()
    with pytest.raises(UsageError, match="is finished"):
        run.log(loss=1.0)


def test_lost_steps_are_replayed_and_compared(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """What ran again gave the same numbers, or the first difference is named."""

    def train(shift: float) -> colab_resume.Run:
        run = place.setup(every=4)
        for step in run.steps(8):
            _written(run)
            run.log(loss=step / 3 + shift)
            if step == 6 and run.status().restored is None:
                break
        return run

    train(0.0)
    assert train(0.0).status().replay == "3 of 3 losses bit-identical"
    assert "replay: 3 of 3 losses bit-identical" in capsys.readouterr().out


def test_a_difference_in_the_replay_is_told(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """Training on differently is never silent."""
    for shift in (0.0, 1e-9):
        run = place.setup(every=4)
        for step in run.steps(8):
            _written(run)
            run.log(loss=step / 3 + shift)
            if step == 6 and run.status().restored is None:
                break
    assert "step 5: loss 1.333333333 before, 1.333333334 now (first difference)" in caplog.text


def test_whoever_waits_in_vain_is_told_why(tmp_path: Path) -> None:
    """A remote that refuses: training goes on, `finish` says that nothing is safe."""
    refusal = RemoteRefused("Drive is full", hint="free some space")
    remote = FaultyRemote(MemoryRemote(), lambda number, verb, name: refusal if verb == "put" else None)
    run = colab_resume.setup("r", store=tmp_path, remote=remote)
    for _ in run.steps(3):
        pass
    with pytest.raises(NotSafe, match="Drive is full"):
        run.finish(timeout=30)


@pytest.mark.parametrize("setup_again", [True, False])
@pytest.mark.parametrize("own_loop", [True, False])
def test_a_cell_that_runs_again_after_a_finished_training_has_what_was_learned(
    place: Place, setup_again: bool, own_loop: bool
) -> None:
    """Nothing is trained any more, and the objects are new ones: they get the final state, and so do the generators."""

    def cell(run: colab_resume.Run) -> tuple[int, float]:
        counter = Counter()
        torch.manual_seed(7)
        run.track(counter=counter)
        if own_loop:
            while counter.n < 3:
                counter.n += 1
                run.boundary(n=counter.n)
        else:
            _count(run, counter, 3)
        return counter.n, torch.rand(1).item()

    run = place.setup()
    cell(run)
    run.finish()
    run = place.setup()
    expected = cell(run)
    assert expected[0] == 3
    for _ in range(2):
        if setup_again:
            assert colab_resume.setup("r", store=place.store, remote=place.remote, every=1) is run
        assert cell(run) == expected


def test_a_cell_with_a_loop_of_its_own_runs_again_with_new_objects(place: Place) -> None:
    """They get the state that was saved last, wherever the cell was left."""

    def cell(run: colab_resume.Run, stop: int) -> list[int]:
        counter, seen = Counter(), list[int]()
        run.track(counter=counter)
        while counter.n < stop:
            counter.n += 1
            seen.append(counter.n)
            run.boundary(n=counter.n)
            _written(run)
        return seen

    run = place.setup()
    assert cell(run, 3) == [1, 2, 3]
    assert colab_resume.setup("r", store=place.store, remote=place.remote, every=1) is run
    assert cell(run, 5) == [4, 5]
    run = place.setup()
    assert cell(run, 5) == []
    assert colab_resume.setup("r", store=place.store, remote=place.remote, every=1) is run
    assert cell(run, 6) == [6]
