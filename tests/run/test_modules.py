"""What a training changes in a module, in or beside its state_dict, is there again after a restart."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import Any

import numpy as np
import pytest
import torch
from run.conftest import Place
from run.scenes import STOPS, Scene, assert_goes_on, train
from torch import nn
from torch.ao import quantization
from torch.nn.utils import parametrizations
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

import colab_resume
from colab_resume.errors import EncodingError, StateMismatch
from colab_resume.training.tracking import MODULES, Tracking

pytestmark = [
    pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:torch.ao.quantization is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Please use quant_min and quant_max:UserWarning"),
]


class Net(nn.Module):
    """A body, a dropout and a head, with a normalization between them."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(3, 4)
        self.norm = nn.BatchNorm1d(4)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.head(self.drop(self.norm(self.body(x)).relu()))
        return found


class Plain(Scene):
    """`Net` and an optimizer of all its parameters."""

    def __init__(self) -> None:
        self.net: Any = Net()
        self.opt = torch.optim.AdamW(self.net.parameters(), 0.05)


class Thawed(Plain):
    """The body is frozen from the beginning, and trained from epoch 2 on."""

    def __init__(self) -> None:
        super().__init__()
        self.net.body.requires_grad_(False)

    def begin(self, epoch: int) -> None:
        if epoch == 2:
            self.net.body.requires_grad_(True)


class Frozen(Plain):
    """The body is frozen in epoch 2, parameter by parameter, its gradients forgotten."""

    def begin(self, epoch: int) -> None:
        if epoch == 2:
            for parameter in self.net.body.parameters():
                parameter.requires_grad = False


class FrozenAfterTracking(Plain):
    """The code before the loop freezes what epoch 2 thaws; it runs again in each session, epoch 2 does not."""

    def objects(self) -> dict[str, Any]:
        self.net.body.requires_grad_(True)
        return super().objects()

    def begin(self, epoch: int) -> None:
        if epoch < 2:
            self.net.body.requires_grad_(False)
        if epoch == 2:
            self.net.body.requires_grad_(True)


class NormInEval(Plain):
    """From epoch 2 on the normalization keeps its statistics while the rest trains."""

    def begin(self, epoch: int) -> None:
        if epoch == 2:
            self.net.norm.eval()


class Validating(Plain):
    """Each epoch begins with a look at the validation loss, and it forgets to turn the training mode on again."""

    def begin(self, epoch: int) -> None:
        if epoch == 2:
            self.net.eval()


class DropoutAnnealed(Plain):
    """By hand, relative to what it was: the code on the way back does it once more."""

    def begin(self, epoch: int) -> None:
        if epoch == 2:
            self.net.drop.p /= 2

    def step(self, x: torch.Tensor) -> float:
        self.net.drop.p *= 0.95
        return super().step(x)


class WarmingUp(Plain):
    """A flag that is set when epoch 2 begins, and put back to what it was in the constructor one step later."""

    def __init__(self) -> None:
        super().__init__()
        self.net.warm = False

    def begin(self, epoch: int) -> None:
        self.net.warm = epoch == 2

    def loss(self, x: torch.Tensor) -> torch.Tensor:
        found = super().loss(x) * (10 if self.net.warm else 1)
        self.net.warm = False
        return found


class Mood(Enum):
    CALM = 1
    WILD = 2


class Remembering(nn.Module):
    """Attributes of all kinds that a forward pass changes, and whose values matter in the next one."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 1)
        self.calls = 0
        self.mean = float("inf")
        self.name: str | None = None
        self.h: torch.Tensor | None = None
        self.pair = (torch.zeros(1), torch.zeros(1))
        self.window: list[float] = []
        self.extremes: dict[str, torch.Tensor] = {}
        self.sums, self.last = np.zeros(2), np.zeros((2, 1), order="F")
        self.met: set[int] = set()
        self.rounds: Counter[str] = Counter()
        self.mood = Mood.CALM
        self.alpha = torch.ones(1, requires_grad=True)
        self.register_buffer("in_place", torch.zeros(1), persistent=False)
        self.register_buffer("replaced", None, persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.layer(x) * self.alpha
        self.calls += 1
        self.mean = out.mean().item() if self.mean == float("inf") else (self.mean + out.mean().item()) / 2
        self.name = f"{self.name}{self.calls % 3}"
        self.h = out.detach().mean(0) if self.h is None else (self.h + out.detach().mean(0)) / 2
        self.pair = (self.pair[1], out.mean(0))  # not detached before it is used again
        self.window = [*self.window[-2:], out.max().item()]
        self.extremes["min"] = torch.minimum(self.extremes.get("min", out.detach().min()), out.detach().min())
        self.in_place += out.detach().mean(0)
        self.replaced = self.in_place * 2 if self.replaced is None else self.replaced * 0.5 + self.in_place
        self.lazily = getattr(self, "lazily", 1.0) * 0.9
        self.sums += out.detach().numpy()[:2, 0]
        self.last = self.last + self.sums[:1]
        self.met.add(self.calls // 3)
        self.rounds[str(self.calls % 2)] += self.calls
        self.mood = Mood.CALM if self.calls % 3 else Mood.WILD
        out = out + float(self.sums.sum()) / 10 + float(self.last.mean()) / 10 + len(self.met) + self.rounds["1"]
        return (
            out * self.mood.value
            + self.calls / 10
            + self.mean
            + int(self.name[-1])
            + self.h
            + self.pair[0].detach()
            + sum(self.window) / 10
            + self.extremes["min"]
            + self.in_place
            + self.replaced
            + self.lazily
        )


class RememberingScene(Scene):
    def __init__(self) -> None:
        self.net: Any = Remembering()
        self.opt = torch.optim.AdamW([*self.net.parameters(), self.net.alpha], 0.05)


class _Noise(nn.Module):
    """Draws from generators of its own, of each kind."""

    def __init__(self) -> None:
        super().__init__()
        self.torchs, self.numpys = torch.Generator().manual_seed(1), np.random.default_rng(2)
        self.legacy, self.pythons = np.random.RandomState(3), random.Random(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        drawn = [float(self.numpys.random()), float(self.legacy.rand()), self.pythons.gauss(0, 1)]
        return x + torch.rand(x.shape, generator=self.torchs) * sum(drawn)


class DrawingItself(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.net.drop = _Noise()


class HiddenInRunState(Scene):
    """The hidden state of a recurrent net is a value of the run."""

    def __init__(self) -> None:
        self.net = nn.LSTM(3, 1)
        self.opt = torch.optim.AdamW(self.net.parameters(), 0.05)

    def starts(self, run: colab_resume.Run) -> None:
        self.values = run.state(hidden=None)

    def loss(self, x: torch.Tensor) -> torch.Tensor:
        out, hidden = self.net(x[None] + torch.randn(3), self.values.hidden)
        self.values.hidden = tuple(one.detach() for one in hidden)
        found: torch.Tensor = (out - x.sum(1)).square().mean()
        return found


class Tied(Scene):
    """The decoder's weight is the encoder's."""

    def __init__(self) -> None:
        self.net: Any = nn.ModuleDict({"encode": nn.Linear(3, 3), "decode": nn.Linear(3, 3)})
        self.net["decode"].weight = self.net["encode"].weight
        self.opt = torch.optim.AdamW(self.net.parameters(), 0.05)

    def begin(self, epoch: int) -> None:
        assert self.net["decode"].weight is self.net["encode"].weight
        if epoch == 2:
            self.net["encode"].weight.requires_grad_(False)

    def loss(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = (self.net["decode"](self.net["encode"](x + torch.randn(3)).relu()) - x).square().mean()
        return found


class Averaged(Plain):
    """A moving average of the weights, and of the buffers, begun in epoch 1."""

    def __init__(self) -> None:
        super().__init__()
        self.ema = AveragedModel(self.net, multi_avg_fn=get_ema_multi_avg_fn(0.8), use_buffers=True)
        self.epoch = 0

    def objects(self) -> dict[str, Any]:
        return {**super().objects(), "ema": self.ema}

    def begin(self, epoch: int) -> None:
        self.epoch = epoch

    def step(self, x: torch.Tensor) -> float:
        loss = super().step(x)
        if self.epoch:
            self.ema.update_parameters(self.net)
        return loss


class AveragedEqually(Averaged):
    """As in SWA, which counts."""

    def __init__(self) -> None:
        super().__init__()
        self.ema = AveragedModel(self.net)


class Momentum32(torch.optim.Optimizer):
    """Momentum in fp32 for parameters of any type."""

    def __init__(self, parameters: Iterator[nn.Parameter]) -> None:
        super().__init__(parameters, {"lr": 0.05})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for parameter in group["params"]:
                state = self.state[parameter]
                state["m"] = state.get("m", torch.zeros(parameter.shape)) * 0.9 + parameter.grad.float()
                parameter.copy_(parameter.float() - group["lr"] * state["m"])


class HalfPrecision(Scene):
    """bf16 parameters with fp32 moments."""

    def __init__(self) -> None:
        self.net = nn.Sequential(nn.Linear(3, 4), nn.Dropout(), nn.Linear(4, 1)).bfloat16()
        self.opt = Momentum32(self.net.parameters())

    def loss(self, x: torch.Tensor) -> torch.Tensor:
        return (self.net((x + torch.randn(3)).bfloat16()) - x.sum(1, keepdim=True)).float().square().mean()  # type: ignore[no-any-return]


class Parametrized(Scene):
    """weight_norm, and spectral_norm with its power iteration."""

    def __init__(self) -> None:
        first = parametrizations.weight_norm(nn.Linear(3, 4))
        second = parametrizations.spectral_norm(nn.Linear(4, 1))
        self.net = nn.Sequential(first, nn.Tanh(), second)
        self.opt = torch.optim.AdamW(self.net.parameters(), 0.05)


class SpectralNormOfOld(Scene):
    """The older one keeps what it computes as a plain attribute, which hangs on the graph of the last step."""

    def __init__(self) -> None:
        self.net = nn.Sequential(nn.utils.spectral_norm(nn.Linear(3, 4)), nn.Tanh(), nn.Linear(4, 1))
        self.opt = torch.optim.AdamW(self.net.parameters(), 0.05)


class Closure(Scene):
    """LBFGS asks for the loss as often as it wants."""

    def __init__(self) -> None:
        self.net: Any = Remembering()
        self.opt = torch.optim.LBFGS(self.net.parameters(), 0.1, max_iter=4, history_size=3)

    def step(self, x: torch.Tensor) -> float:
        def closure() -> torch.Tensor:
            self.opt.zero_grad()
            loss = self.loss(x)
            loss.backward()
            return loss

        return self.opt.step(closure).item()  # type: ignore[no-any-return]


class Adversarial(Scene):
    """Two nets and two optimizers; one is frozen while the other one steps, and left so for a while from epoch 2 on."""

    def __init__(self) -> None:
        self.net, self.critic = Net(), nn.Sequential(nn.Linear(1, 4), nn.Dropout(), nn.Linear(4, 1))
        self.opt = torch.optim.AdamW(self.net.parameters(), 0.05)
        self.second = torch.optim.RMSprop(self.critic.parameters(), 0.01, momentum=0.5)
        self.often = True

    def objects(self) -> dict[str, Any]:
        return {**super().objects(), "critic": self.critic, "second": self.second}

    def begin(self, epoch: int) -> None:
        self.often = epoch < 2

    def step(self, x: torch.Tensor) -> float:
        if self.often:
            self.critic.requires_grad_(True)
        if any(parameter.requires_grad for parameter in self.critic.parameters()):
            self.second.zero_grad()
            (self.critic(self.net(x).detach()).mean() - self.critic(x.sum(1, keepdim=True)).mean()).backward()
            self.second.step()
        self.critic.requires_grad_(False)
        self.opt.zero_grad()
        loss = -self.critic(self.net(x)).mean()
        loss.backward()
        self.opt.step()
        return loss.item()  # type: ignore[no-any-return]


class Mixed(Plain):
    """Autocast, and a scaler that soon finds an overflow."""

    dtype = torch.float16

    def __init__(self) -> None:
        super().__init__()
        self.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**15, growth_interval=2)

    def objects(self) -> dict[str, Any]:
        return {**super().objects(), "scaler": self.scaler}

    def step(self, x: torch.Tensor) -> float:
        self.opt.zero_grad()
        with torch.autocast("cpu", self.dtype):
            loss = self.loss(x)
        self.scaler.scale(loss).backward()
        self.scaler.step(self.opt)
        self.scaler.update()
        return loss.item() + self.scaler.get_scale()


class MixedInBfloat16(Mixed):
    dtype = torch.bfloat16


class Quantizing(Scene):
    """Made aware of quantization: observers that resize their buffers in the first forward pass."""

    def __init__(self) -> None:
        layers = (quantization.QuantStub(), nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 1), quantization.DeQuantStub())
        self.net: Any = nn.Sequential(*layers)
        self.net.qconfig = quantization.get_default_qat_qconfig("fbgemm")
        quantization.prepare_qat(self.net, inplace=True)
        self.opt = torch.optim.SGD(self.net.parameters(), 0.05, momentum=0.9)


class QuantizingLater(Quantizing):
    """From epoch 2 on; in epoch 3 what is observed is settled."""

    def __init__(self) -> None:
        super().__init__()
        self.net.apply(quantization.disable_fake_quant).apply(quantization.disable_observer)

    def begin(self, epoch: int) -> None:
        if epoch == 2:
            self.net.apply(quantization.enable_fake_quant).apply(quantization.enable_observer)
        if epoch == 3:
            self.net.apply(quantization.disable_observer)


SCENES: list[type[Scene]] = [
    Thawed,
    Frozen,
    FrozenAfterTracking,
    NormInEval,
    Validating,
    DropoutAnnealed,
    WarmingUp,
    RememberingScene,
    DrawingItself,
    HiddenInRunState,
    Tied,
    Averaged,
    AveragedEqually,
    HalfPrecision,
    Parametrized,
    SpectralNormOfOld,
    Closure,
    Adversarial,
    Mixed,
    MixedInBfloat16,
    Quantizing,
    QuantizingLater,
]


@pytest.mark.slow
@pytest.mark.parametrize("stops", STOPS.values(), ids=STOPS)
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_what_the_training_changes_in_a_module_goes_on(
    place: Place, scene: type[Scene], stops: tuple[int, ...]
) -> None:
    """Wherever it dies, the end is that of a training that was never interrupted, bit for bit."""
    assert_goes_on(place, scene, stops)


def _compiled(net: nn.Module) -> nn.Module:
    return torch.compile(net, backend="eager")  # type: ignore[return-value]


def _steps(run: colab_resume.Run, n: int) -> Iterator[int]:
    """Each of them saved before the next one begins."""
    for step in run.steps(n):
        run._saving.writer.wait(None)
        yield step


class Wrapped(nn.Module):
    """As other wrappers do it: `module` is what is wrapped. It has a counter as what it wraps has."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.module = net
        self.calls = 100

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        found: torch.Tensor = self.module(x)
        return found


WRAPPERS: dict[str, Callable[[nn.Module], nn.Module]] = {
    "plain": lambda net: net,
    "compiled": _compiled,
    "parallel": nn.DataParallel,
    "wrapped": Wrapped,
    "both": lambda net: nn.DataParallel(_compiled(net)),
}


class Changing(Plain):
    """All at once: the body is thawed, the normalization stays in eval mode, the dropout is annealed."""

    wrap = WRAPPERS["plain"]

    def __init__(self) -> None:
        super().__init__()
        self.bare = self.net
        self.bare.body.requires_grad_(False)
        self.bare.calls = 0
        self.net = type(self).wrap(self.bare)

    def objects(self) -> dict[str, Any]:
        return {**super().objects(), "net": self.net}

    def begin(self, epoch: int) -> None:
        if epoch == 2:
            self.bare.body.requires_grad_(True)
            self.bare.norm.eval()
            self.bare.drop.p /= 2
        if epoch == 3:
            self.net.eval()

    def loss(self, x: torch.Tensor) -> torch.Tensor:
        self.bare.calls += 1
        return super().loss(x) * self.bare.calls


@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "after"),
    [
        *(("plain", how) for how in ("compiled", "parallel", "wrapped")),
        *((how, "plain") for how in ("compiled", "parallel", "wrapped")),
        ("compiled", "both"),
        ("both", "parallel"),
    ],
)
def test_it_goes_on_with_and_without_a_wrapper(place: Place, before: str, after: str) -> None:
    """`torch.compile` and `DataParallel` may come and go: the names of what was frozen fit on either side."""
    sessions = [
        type(how, (Changing,), {"wrap": staticmethod(WRAPPERS[how])}) for how in (before, after, "plain", after)
    ]
    for stop, session in zip((4, 8, 10, 11), sessions, strict=True):
        train(place, session, stop=stop)
    _, flags, *found = train(place, Changing)
    place.move("elsewhere")
    _, expected_flags, *expected = train(place, Changing)
    assert (flags, found) == (expected_flags, expected)


def test_a_wrapper_keeps_what_is_its_own(place: Place) -> None:
    """Its counter is not that of the module which it wraps."""
    for calls in (0, 2):
        run, bare = place.setup(), Net()
        bare.calls = 0  # type: ignore[assignment]
        wrapped = Wrapped(bare)
        run.track(net=wrapped)
        for _ in _steps(run, calls + 2):
            assert wrapped.calls == 100 + bare.calls  # type: ignore[operator]
            wrapped(torch.ones(2, 3))
            bare.calls += 1  # type: ignore[operator]
    assert wrapped.calls == 104


def test_what_looks_at_a_parameter_still_does(place: Place) -> None:
    """An attribute that shares memory with a parameter comes back with it, and not as a copy of its own."""
    for stop in (2, 4):
        run, net = place.setup(), nn.Linear(3, 1)
        net.first = net.weight.data[:, :1]  # type: ignore[assignment]
        net.both = [net.weight, net.weight.detach()]  # type: ignore[assignment]
        run.track(net=net)
        for _ in _steps(run, stop):
            with torch.no_grad():
                net.weight += 1
    assert run.status().restored == 2
    assert net.first.data_ptr() == net.both[1].data_ptr() == net.weight.data_ptr()  # type: ignore[operator, index, union-attr]
    assert net.both[0] is net.weight  # type: ignore[index]


@pytest.mark.parametrize(
    ("before", "now", "changed"),
    [
        (0.0, -0.0, True),
        (1, True, True),
        (1, 1.0, True),
        ((1, [2]), (1, [2.0]), True),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        (torch.zeros(2), -torch.zeros(2), True),
        (torch.zeros(2), torch.zeros(2, dtype=torch.int32), True),
        (torch.zeros(2), torch.zeros(0), True),
        (float("nan"), float("nan"), False),
        (torch.tensor([float("nan")]), torch.tensor([float("nan")]), False),
        ({"a": (None, "x")}, {"a": (None, "x")}, False),
        (np.float32(1), np.float32(1), False),
        (object(), object(), False),
        (1, object(), False),
        (torch.eye(2).to_sparse(), torch.eye(2).to_sparse() * 2, False),
    ],
)
def test_only_what_has_changed_is_saved(before: Any, now: Any, changed: bool) -> None:
    """To the bit; and only plain values, since others cannot be stored."""
    tracking, net = Tracking(), nn.Linear(1, 1)
    net.register_buffer("empty", torch.empty(0))  # it lies nowhere, as all empty tensors do
    net.value = before
    tracking.add({"net": net})
    net.value = now
    extras = next(state for name, _, state in tracking.states() if name == MODULES)
    assert ("value" in extras["net"]["attributes"].get("", {})) == changed


def test_a_weight_that_each_forward_pass_makes_anew_is_not_saved_twice() -> None:
    """The older spectral_norm keeps it as a plain attribute."""
    tracking, net = Tracking(), SpectralNormOfOld().net
    tracking.add({"net": net})
    net(torch.ones(2, 3))
    extras = next(state for name, _, state in tracking.states() if name == MODULES)
    assert extras["net"]["attributes"] == {}


def test_an_object_that_took_the_place_of_a_plain_value_stays() -> None:
    """What the code made on the way back is no value that could be put back."""
    tracking, net = Tracking(), Net()
    net.helper = None
    tracking.add({"net": net})
    net.helper = helper = object()  # type: ignore[assignment]
    extras = {"net": {"frozen": [], "eval": [], "attributes": {}, "buffers": {}}}
    saved = Saved(net=("module", net.state_dict()), run__modules=("modules", extras))
    tracking.apply(saved, ["net"], final=True)
    assert net.helper is helper


def test_what_changes_in_place_has_changed() -> None:
    """Tensors and lists are compared with a copy."""
    tracking, net = Tracking(), nn.Linear(1, 1)
    net.h, net.losses = torch.zeros(1), []  # type: ignore[assignment]
    tracking.add({"net": net})
    net.h.data += 1  # type: ignore[operator, union-attr]
    net.losses.append(1.0)  # type: ignore[operator, union-attr]
    extras = next(state for name, _, state in tracking.states() if name == MODULES)
    assert extras["net"]["attributes"] == {"": {"h": torch.ones(1), "losses": [1.0]}}


def test_a_sparse_parameter_is_still_refused_by_name(place: Place) -> None:
    """Nobody asks for the address of its memory first, which would be an error without a hint."""
    net = nn.ParameterDict({"table": nn.Parameter(torch.eye(2).to_sparse())})
    with pytest.raises(EncodingError, match=r"net\['table'\] is a sparse tensor"):
        place.setup().track(net=net)


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is:DeprecationWarning")
def test_a_scripted_module_is_tracked(place: Place) -> None:
    """Its attributes live outside of Python; its weights and flags come back."""
    for frozen in (False, True):
        run, net = place.setup(), torch.jit.script(Net())
        run.track(net=net)
        for _ in _steps(run, 2):
            assert not frozen
            net.head.weight.requires_grad_(False)
        run.finish()
    assert not net.head.weight.requires_grad


def test_a_constructors_argument_may_be_changed_between_two_sessions(place: Place) -> None:
    """What the training has not changed is not saved, so the new value is not overridden."""
    for p in (0.5, 0.1):
        run, net = place.setup(), Net()
        net.drop.p = p
        net.norm.eval()
        run.track(net=net)
        for step in _steps(run, 4):
            net.norm.momentum = 0.5
            if step == 2 and p == 0.5:
                break
    assert run.status().restored == 2
    assert (net.drop.p, net.norm.momentum, net.norm.training) == (0.1, 0.5, False)


def test_the_code_before_the_loop_sees_the_module_as_constructed(place: Place) -> None:
    """An optimizer of the parameters that require grad is built as in the first session, whatever was thawed since."""
    for seen in (2, 2):
        run, net = place.setup(), nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
        net[0].requires_grad_(False)
        run.track(net=net)
        assert sum(parameter.requires_grad for parameter in net.parameters()) == seen
        for step in _steps(run, 4):
            net.requires_grad_(True)
            if step == 2:
                break
    assert run.status().restored == 2


def test_going_back_within_one_process_undoes_what_came_after(place: Place) -> None:
    """A loop that was left and is entered again begins at the newest checkpoint, here that of the first step."""
    run, net = place.setup(every="10 h"), Remembering()
    net.layer.requires_grad_(False)
    run.track(net=net)
    found = []
    for stop in (1, 3, -1):
        torch.manual_seed(0)
        for step in run.steps(3):
            assert net.layer.weight.requires_grad == (step > 0)
            assert net.layer.training == (step == 0)
            assert hasattr(net, "lazily") == (step > 0)
            found.append(net(torch.full((2, 3), step / 3)).tolist())
            net.layer.requires_grad_(True)
            net.layer.eval()
            if step + 1 == stop:
                break
    first = found[1:4]
    assert found == [*first[:1], *first, *first]


class Lazy(Scene):
    """A layer that learns its shape from the first batch."""

    def __init__(self) -> None:
        self.net = nn.Sequential(nn.LazyLinear(4), nn.LazyBatchNorm1d(), nn.Tanh(), nn.LazyLinear(1))
        self.opt = torch.optim.AdamW(self.net.parameters(), 0.05)


@pytest.mark.parametrize("stops", STOPS.values(), ids=STOPS)
def test_a_lazy_layer_gets_its_shape_from_the_checkpoint(place: Place, stops: tuple[int, ...]) -> None:
    """It has none when it is tracked, and had one when it was saved; or had none either, before the first step."""
    assert_goes_on(place, Lazy, stops)


class Saved:
    """A checkpoint with these parts."""

    def __init__(self, **parts: tuple[str, Any]) -> None:
        self._parts = {name.replace("__", "."): part for name, part in parts.items()}

    def kinds(self) -> Mapping[str, str]:
        return {name: kind for name, (kind, _) in self._parts.items()}

    def part(self, name: str, *, again: bool = False) -> Any:
        return self._parts[name][1]


@pytest.mark.parametrize(
    "extras",
    [
        [],
        {"frozen": [], "eval": []},
        {"frozen": [[]], "eval": [], "attributes": {}, "buffers": {}},
        {"frozen": [], "eval": [], "attributes": {"drop": {"p": object()}}, "buffers": {}},
        {"frozen": [], "eval": [], "attributes": {"drop": {"p": nn.Parameter(torch.ones(1))}}, "buffers": {}},
        {"frozen": [], "eval": [], "attributes": {"drop": {1: 0.5}}, "buffers": {}},
        {"frozen": [], "eval": [], "attributes": {"drop": [0.5]}, "buffers": {}},
        {"frozen": [], "eval": [], "attributes": {}, "buffers": {"norm": {"mask": 1}}},
    ],
)
def test_extras_that_are_none_are_refused_before_anything_has_changed(extras: Any) -> None:
    """What lies in a shared folder may be anything."""
    tracking, net = Tracking(), Net()
    tracking.add({"net": net})
    other = {key: value + 1 for key, value in net.state_dict().items()}
    saved = Saved(net=("module", other), run__modules=("modules", {"net": extras}))
    with pytest.raises(StateMismatch, match="net: what was saved beside its state"):
        tracking.apply(saved, ["net"], final=True)
    assert not any(torch.equal(value, other[key]) for key, value in net.state_dict().items())


def test_extras_never_take_the_place_of_something_else() -> None:
    """Parameters, submodules, persistent buffers and torch's own attributes stay what they are."""
    tracking, net = Tracking(), Net()
    tracking.add({"net": net})
    names = ("weight", "running_mean", "_parameters", "_forward_hooks", "training")
    attributes = {"": {"body": 1.0}, "norm": dict.fromkeys(names, 1.0), "gone": {"too": 1.0}}
    extras = {"frozen": ["gone"], "eval": ["gone"], "attributes": attributes, "buffers": {"norm": {"bias": None}}}
    before = [net.body, net.norm.training, *(getattr(net.norm, name) for name in names)]
    tracking.apply(
        Saved(net=("module", net.state_dict()), run__modules=("modules", {"net": extras})), ["net"], final=True
    )
    now = [net.body, net.norm.training, *(getattr(net.norm, name) for name in names)]
    assert all(one is other for one, other in zip(before, now, strict=True))
    assert net.norm.bias is not None


def test_a_checkpoint_without_extras_leaves_the_module_alone() -> None:
    """One that was written without them says nothing about what is frozen."""
    tracking, net = Tracking(), Net()
    net.body.requires_grad_(False)
    tracking.add({"net": net})
    net.norm.eval()
    tracking.apply(Saved(net=("module", net.state_dict())), ["net"], final=True)
    assert not net.body.weight.requires_grad
    assert not net.norm.training
