"""Every planted mistake is found and named, with the line that mends it; a correct training has no line at all."""

from __future__ import annotations

import weakref
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader
from trainings import Points

from colab_resume.checking import Report, Row

from .conftest import Notebook, checked

STEP = """
def train_step(batch):
    return learn(*batch)
"""
EMA = """
ema = torch.optim.swa_utils.AveragedModel(net)
def train_step(batch):
    loss = learn(*batch)
    ema.update_parameters(net)
    return loss
"""
SCHEDULER = """
sched = torch.optim.lr_scheduler.StepLR(opt, 1, 0.7)
def train_step(batch):
    loss = learn(*batch)
    sched.step()
    return loss
"""
GENERATOR = """
noise = torch.Generator().manual_seed(3)
def train_step(batch):
    return learn(batch[0] + torch.randn(2, generator=noise), batch[1])
"""
COUNTER = """
counter = 0
def train_step(batch):
    SHARED counter
    counter += 1
    return learn(*batch, scale=1 / counter)
"""
AUGMENTATION = """
rng = np.random.default_rng(3)
def augment(x):
    return x * float(rng.choice([-1, 1]))
def train_step(batch):
    return learn(augment(batch[0]), batch[1])
"""
SECOND_MODEL = """
stem = nn.BatchNorm1d(2, affine=False)
def train_step(batch):
    return learn(stem(batch[0]), batch[1])
"""
OWN_AVERAGE = """
class Average:
    def __init__(self, net):
        self.shadow = {name: p.detach().clone() for name, p in net.named_parameters()}
    def update(self, net):
        for name, p in net.named_parameters():
            self.shadow[name].mul_(0.9).add_(p.detach(), alpha=0.1)
ema = Average(net)
def train_step(batch):
    loss = learn(*batch)
    ema.update(net)
    return loss
"""


def only(report: Report) -> Row:
    assert len(report.rows) == 1, str(report)
    return report.rows[0]


@pytest.mark.parametrize(
    ("cell", "what", "advice"),
    [
        (EMA, "ema", "run.track(ema=ema)"),
        (SCHEDULER, "sched", "run.track(sched=sched)"),
        (GENERATOR, "noise", "run.track(noise=noise)"),
        (AUGMENTATION, "rng", "run.track(rng=rng)"),
        (SECOND_MODEL, "stem", "run.track(stem=stem)"),
    ],
)
def test_an_object_that_is_not_tracked_is_named_with_the_line_to_add(
    notebook: Notebook, cell: str, what: str, advice: str
) -> None:
    """An average, a scheduler, a generator, and batch statistics of a second model are lost unless they are tracked."""
    row = only(notebook.check("net opt", cell))
    assert (row.level, row.what, row.advice) == ("mistake", what, advice)
    assert row.found == "is not tracked; a restart loses its state"


@pytest.mark.parametrize("cell", [EMA, SCHEDULER, GENERATOR, AUGMENTATION, SECOND_MODEL])
def test_tracking_it_makes_the_line_go_away(notebook: Notebook, cell: str) -> None:
    """What the report says to do is what helps."""
    names = {EMA: "ema", SCHEDULER: "sched", GENERATOR: "noise", AUGMENTATION: "rng", SECOND_MODEL: "stem"}[cell]
    report = notebook.check(f"net opt {names}", cell)
    assert report.ok
    assert not report.rows


def test_a_counter_that_the_loss_depends_on_is_a_mistake(notebook: Notebook) -> None:
    """A plain variable of the notebook is not brought back."""
    row = only(notebook.check("net opt", COUNTER))
    assert (row.level, row.what) == ("mistake", "counter")
    assert row.found == "is not tracked, and the training depends on it"
    assert row.advice == "keep it in run.state: s = run.state(counter=0), and use s.counter"


def test_a_counter_that_nothing_depends_on_is_only_noted(notebook: Notebook) -> None:
    """What is lost without harm is said, but it is no mistake."""
    cell = """
        seen, losses = 0, []
        def train_step(batch):
            SHARED seen
            seen += 1
            loss = learn(*batch)
            losses.append(loss.item())
            return loss
        """
    report = notebook.check("net opt", cell)
    assert report.ok
    row = only(report)
    assert (row.level, set(row.what.split(", "))) == ("note", {"losses", "seen"})


def test_each_of_two_counters_is_judged_by_itself(notebook: Notebook) -> None:
    """That one variable counts does not make another one suspect."""
    cell = """
        counter, seen = 0, 0
        def train_step(batch):
            SHARED counter, seen
            counter, seen = counter + 1, seen + 1
            return learn(*batch, scale=1 / counter)
        """
    report = notebook.check("net opt", cell)
    assert [(row.level, row.what) for row in report.rows] == [("mistake", "counter"), ("note", "seen")]


def test_what_each_step_makes_anew_is_not_mentioned(notebook: Notebook) -> None:
    """A variable that is written before it is read carries nothing over a restart."""
    cell = """
        last, outputs = None, {}
        def train_step(batch):
            SHARED last
            last = learn(*batch)
            outputs["loss"] = last.detach()
            return last
        """
    assert not notebook.check("net opt", cell).rows


def test_an_average_kept_by_hand_is_a_mistake(notebook: Notebook) -> None:
    """A dict of tensors that are carried from step to step is as much a state as a module is."""
    row = only(notebook.check("net opt", OWN_AVERAGE))
    assert (row.level, row.what) == ("mistake", "ema.shadow")
    assert row.found == "is not tracked; a restart loses what it has gathered"


def test_a_tensor_kept_by_hand_comes_with_a_pair_that_tracks_it(notebook: Notebook) -> None:
    """The advice for a bare tensor can be pasted, and helps."""
    cell = """
        center = torch.zeros(2)
        def train_step(batch):
            center.mul_(0.9).add_(batch[0].mean(0), alpha=0.1)
            return learn(batch[0] - center, batch[1])
        box = (lambda: center, center.data.copy_)
        """
    row = only(notebook.check("net opt", cell))
    assert (row.what, row.advice) == ("center", "run.track(center=(lambda: center, center.data.copy_))")
    assert not notebook.check("net opt box", cell).rows


def test_an_attribute_of_a_trainer_is_named_as_the_trainer_names_it(notebook: Notebook) -> None:
    """A step may be a method, and then what it uses are attributes."""
    cell = """
        class Trainer:
            def __init__(self):
                self.ema = torch.optim.swa_utils.AveragedModel(net)
                self.count = 0
            def train_step(self, batch):
                self.count += 1
                loss = learn(*batch, scale=1 / self.count)
                self.ema.update_parameters(net)
                return loss
        train_step = Trainer().train_step
        """
    report = notebook.check("net opt", cell)
    assert {(row.what, row.advice.partition(":")[0]) for row in report.rows} == {
        ("self.ema", "run.track(ema=self.ema)"),
        ("self.count", "keep it in run.state"),
    }


def test_what_the_state_of_a_tracked_object_leaves_out_is_named(notebook: Notebook) -> None:
    """That an object is tracked does not mean that all of it is saved."""
    cell = """
        class Meter:
            def __init__(self):
                self.n, self.scale = 0, 1.0
            def state_dict(self):
                return {"n": self.n}
            def load_state_dict(self, state):
                self.n = state["n"]
        meter = Meter()
        def train_step(batch):
            meter.n += 1
            meter.scale *= 0.9
            return learn(*batch, scale=meter.scale / meter.n)
        """
    row = only(notebook.check("net opt meter", cell))
    assert (row.level, row.what) == ("mistake", "meter.scale")
    assert row.found == "is not in the state of meter, and the training depends on it"
    assert row.advice == "put it into the state_dict of meter, or keep it in run.state(...)"


def test_what_is_saved_does_not_count_as_left_out(notebook: Notebook) -> None:
    """Of a dict that is saved in part, only the rest could be missed, and here nothing depends on that."""
    cell = """
        class Meter:
            def __init__(self):
                self.values = {"n": 0, "seen": 0}
            def state_dict(self):
                return {"n": self.values["n"]}
            def load_state_dict(self, state):
                self.values.update(state)
        meter, counter = Meter(), 0
        def train_step(batch):
            SHARED counter
            counter += 1
            meter.values["n"] += 1
            meter.values["seen"] += 1
            return learn(*batch, scale=1 / (counter + meter.values["n"]))
        """
    assert only(notebook.check("net opt meter", cell)).what == "counter"


def test_what_a_tracked_module_keeps_beside_its_state_is_no_mistake(notebook: Notebook) -> None:
    """A run keeps plain attributes of modules, and buffers that are not persistent, by itself."""
    cell = """
        class Memory(nn.Module):
            def __init__(self):
                super().__init__()
                self.register_buffer("seen", torch.zeros(2), persistent=False)
                self.calls = 0
            def forward(self, x):
                self.calls += 1
                self.seen.add_(x.mean(0))
                return x + self.seen + self.calls
        stem = Memory()
        def train_step(batch):
            return learn(stem(batch[0]), batch[1])
        """
    assert not notebook.check("net opt stem", cell).rows


def test_a_state_dict_that_forgets_something_out_of_sight_is_named(notebook: Notebook) -> None:
    """What no walk over attributes can see is noticed all the same, once the object has been made anew."""
    cell = """
        class Hidden:
            def __init__(self):
                self.scale = torch.ones(2)
            def state_dict(self):
                return {"scale": self.scale}
            def load_state_dict(self, state):
                pass
        stem = Hidden()
        def train_step(batch):
            return learn(batch[0] * stem.scale, batch[1])
        """
    row = only(notebook.check("net opt stem", cell))
    assert (row.level, row.what) == ("mistake", "stem")
    assert row.found.startswith("is tracked, but its state is incomplete: once restored, step 1 returns")


PUT = """
total = torch.zeros(4)
def train_step(batch):
    total.zero_().put_(torch.tensor([1, 1]), torch.tensor([1.0, 1.0]))
    return learn(*batch) + total.sum()
"""
RESTLESS = """
class Restless(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x + torch.tensor(list(os.urandom(x.numel()))).view_as(x) / 100
    @staticmethod
    def backward(ctx, grad):
        return grad
def train_step(batch):
    return learn(Restless.apply(batch[0]), batch[1])
"""


def test_an_operation_that_torch_calls_non_deterministic_is_a_warning(notebook: Notebook) -> None:
    """Equal bits today prove nothing about tomorrow; the operation is named, and the setting."""
    before = torch.are_deterministic_algorithms_enabled()
    row = only(notebook.check("net opt", PUT))
    assert (row.level, row.what) == ("warning", "put_")
    assert "torch.use_deterministic_algorithms(True)" in row.advice
    assert torch.are_deterministic_algorithms_enabled() == before


def test_steps_that_cannot_be_repeated_are_a_mistake(notebook: Notebook) -> None:
    """If the same steps from the same state give other bits, no restart can be exact, and the report says why."""
    row = only(notebook.check("net opt", RESTLESS))
    assert (row.level, row.what) == ("mistake", "the training")
    assert "step 1 returns another value" in row.found
    assert "os.urandom" in row.advice


def test_an_unrepeatable_operation_is_named_if_torch_knows_it(notebook: Notebook) -> None:
    """Bits that differ, and an operation that torch calls non-deterministic: that is the likely cause."""
    step = PUT.replace("learn(*batch)", "learn(Restless.apply(batch[0]), batch[1])")
    row = notebook.check("net opt", RESTLESS, step).rows[0]
    assert (row.level, row.what) == ("mistake", "put_")
    assert row.found.startswith("is not deterministic: from the same state, step 1 returns")


def test_objects_that_are_not_tracked_are_named_in_restless_trainings_too(notebook: Notebook) -> None:
    """One mistake does not hide another."""
    report = notebook.check(
        "net opt", EMA, RESTLESS.replace("return learn", "ema.update_parameters(net); return learn")
    )
    assert [row.what for row in report.rows] == ["the training", "ema"]


@pytest.mark.parametrize(("workers", "size"), [(0, 8), (2, 8), (0, 40)])
def test_a_loader_that_draws_from_elsewhere_is_named(notebook: Notebook, workers: int, size: int) -> None:
    """A data set whose randomness is not a generator's gives other batches after a restart."""
    cell = f"""
        class Shaken(Points):
            def __getitem__(self, index):
                x, y = super().__getitem__(index)
                return x + os.urandom(1)[0], y
        loader = DataLoader(Shaken(), {size}, num_workers={workers})
        """
    row = only(notebook.check("net opt", cell, STEP))
    assert (row.level, row.what) == ("mistake", "loader")
    assert row.found.startswith("draws from a generator that is not tracked")
    assert "attribute of the data set" in row.advice


def test_what_a_data_set_draws_from_is_named() -> None:
    """The name that the data set's code uses is the best hint there is."""
    cell = """
        class Dice:
            def __init__(self):
                self.value = 1
            def roll(self):
                self.value = self.value * 75 % 65537
                return self.value / 65537
        dice = Dice()
        class Shaken(Points):
            def __getitem__(self, index):
                x, y = super().__getitem__(index)
                return x + dice.roll(), y
        loader = train_loader = DataLoader(Shaken(), 8)
        """
    row = only(Notebook("global").check("net opt", cell, STEP))
    assert row.found == "draws from a generator that is not tracked: dice.value"


def test_a_data_set_that_goes_on_from_pass_to_pass_is_no_mistake(notebook: Notebook) -> None:
    """What a run keeps of it is not held against it: each pass of a check begins where the first one did."""
    cell = """
        from torch.utils.data import IterableDataset
        class Stream(IterableDataset):
            passes = 0
            def __iter__(self):
                self.passes += 1
                for x, y in Points():
                    yield x * self.passes, y
        loader = DataLoader(Stream(), 8)
        """
    assert not notebook.check("net opt", cell, STEP).rows


def test_drawing_the_batches_of_a_check_has_no_part_in_it(notebook: Notebook) -> None:
    """A step that looks at its data set sees it in each run as it was before anything was drawn."""
    cell = """
        class Counted(Points):
            calls = 0
            def __getitem__(self, index):
                self.calls += 1
                return super().__getitem__(index)
        loader = DataLoader(Counted(), 8)
        def train_step(batch):
            return learn(*batch, scale=1 / (1 + loader.dataset.calls))
        """
    assert not notebook.check("net opt", cell).rows


CORRECT = """
noise, rng = torch.Generator().manual_seed(3), np.random.default_rng(4)
ema = torch.optim.swa_utils.AveragedModel(net)
sched = torch.optim.lr_scheduler.OneCycleLR(opt, 0.1, total_steps=50)
scaler = torch.amp.GradScaler("cpu", growth_interval=2)
class Meter:
    def __init__(self):
        self.n = 0
    def state_dict(self):
        return {"n": self.n}
    def load_state_dict(self, state):
        self.n = state["n"]
meter = Meter()
def train_step(batch):
    net.train()
    meter.n += 1
    x = batch[0] + torch.randn(2, generator=noise) + float(rng.random()) + random.random() + float(np.random.rand())
    opt.zero_grad()
    loss = cross_entropy(net(x), batch[1]) / meter.n
    scaler.scale(loss).backward()
    scaler.step(opt)
    scaler.update()
    sched.step()
    ema.update_parameters(net)
    return loss.item()
"""


@pytest.mark.parametrize("workers", [0, 2])
def test_a_correct_training_has_no_line(notebook: Notebook, workers: int) -> None:
    """Dropout, batch statistics, schedule, average, scaler, generators, and data with augmentation: all is well."""
    loader = DataLoader(Points(), 8, shuffle=True, num_workers=workers)
    report = notebook.check("net opt noise rng ema sched scaler meter", CORRECT, loader=loader)
    assert report.ok
    assert not report.rows, str(report)


def test_a_step_with_a_closure_for_lbfgs_is_no_mistake(notebook: Notebook) -> None:
    """An optimizer that calls the model itself, with a history of its own."""
    cell = """
        net = nn.Linear(2, 2)
        opt = torch.optim.LBFGS(net.parameters(), 0.5, max_iter=4)
        def train_step(batch):
            def closure():
                opt.zero_grad()
                loss = cross_entropy(net(batch[0]), batch[1])
                loss.backward()
                return loss
            return opt.step(closure)
        """
    assert not notebook.check("net opt", cell).rows


GAN = """
maker, critic = nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
makes, judges = torch.optim.Adam(maker.parameters(), 0.05), torch.optim.RMSprop(critic.parameters(), 0.05)
def train_step(batch):
    fake = maker(torch.randn(8, 2))
    judges.zero_grad()
    judged = critic(fake.detach()).mean() - critic(batch[0]).mean()
    judged.backward()
    judges.step()
    makes.zero_grad()
    made = -critic(fake).mean()
    made.backward()
    makes.step()
    return {"made": made, "judged": judged}
"""


def test_two_models_with_an_optimizer_each_are_no_mistake(notebook: Notebook) -> None:
    """Gradients that one of them leaves in the other's model are no state."""
    assert not notebook.check("maker critic makes judges", GAN).rows


def test_of_two_models_the_forgotten_one_is_named(notebook: Notebook) -> None:
    """By its own name, and not as parameters of the optimizer that is tracked."""
    report = notebook.check("maker makes judges", GAN)
    assert [(row.what, row.advice) for row in report.rows] == [("critic", "run.track(critic=critic)")]


def test_a_difference_that_only_the_log_shows_is_noticed(notebook: Notebook) -> None:
    """What a step logs is compared like what it returns."""
    cell = """
        counter, logged = 0, []
        def log():
            found, logged[:] = list(logged), []
            return found
        def train_step(batch):
            SHARED counter
            counter += 1
            learn(*batch)
            logged.append({"n": counter})
        """
    variables: dict[str, Any] = notebook.run(cell)
    report = checked(variables, "net opt", log=variables["log"])
    assert [(row.level, row.what) for row in report.rows] == [("mistake", "counter")]


def test_what_was_logged_before_the_check_does_not_count(notebook: Notebook) -> None:
    """The log goes on through all runs, and only what a run itself has logged is compared."""

    class Log(list[Any]):
        def taken(self) -> list[Any]:
            taken, self[:] = self[:], []
            return taken

    log = Log([{"n": 1}])
    variables = notebook.run("def one(batch): return learn(*batch).item()")
    # Held weakly, it is not part of what is put back.
    one, held = variables["one"], weakref.ref(log)

    def train_step(batch: Any) -> None:
        held().append({"loss": one(batch)})

    report = checked({**variables, "train_step": train_step}, "net opt", log=log.taken)
    assert not report.rows, str(report)
