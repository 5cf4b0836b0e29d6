"""Parameter groups that are added in the middle of a training are there after a restart, with their moments."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from exactness import picture
from run.conftest import Place
from run.scenes import STOPS, Scene, assert_goes_on, train
from torch import nn
from torch.optim import lr_scheduler as schedules

import colab_resume
from colab_resume.errors import StateMismatch


def _net() -> Any:
    return nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.2), nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 1))


class Added(Scene):
    """The body is thawed in epoch 2, and its parameters become a group of their own."""

    def __init__(self) -> None:
        self.net: Any = _net()
        self.net[0].requires_grad_(False)
        self.opt = torch.optim.AdamW([p for p in self.net.parameters() if p.requires_grad], 0.05)

    def begin(self, epoch: int) -> None:
        if epoch == 2:
            self.net[0].requires_grad_(True)
            self.opt.add_param_group({"params": self.net[0].parameters(), "lr": 0.01, "weight_decay": 0.2})


class LayerByLayer(Scene):
    """Each epoch thaws one more layer: in epoch 3 the code adds the third group, but no more the second one."""

    def __init__(self) -> None:
        self.net: Any = _net()
        self.opt = torch.optim.SGD(self.net[4].parameters(), 0.05, momentum=0.9)

    def begin(self, epoch: int) -> None:
        if epoch > 1:
            layer = {2: 2, 3: 0}[epoch]
            self.opt.add_param_group({"params": self.net[layer].parameters(), "lr": 0.05 / epoch})


class InMidEpoch(LayerByLayer):
    """The group is added in a step, which does not come again."""

    steps = 0

    def begin(self, epoch: int) -> None:
        self.steps = 3 * epoch

    def step(self, x: torch.Tensor) -> float:
        if len(self.opt.param_groups) == 1 and x.abs().max() > 1 and self.steps == 6:
            self.opt.add_param_group({"params": self.net[0].parameters()})
        return super().step(x)


class WithNames(Added):
    """An optimizer that was given names with its parameters."""

    def __init__(self) -> None:
        super().__init__()
        named = [(name, p) for name, p in self.net.named_parameters() if p.requires_grad]
        self.opt = torch.optim.AdamW(named, 0.05)

    def begin(self, epoch: int) -> None:
        if epoch == 2:
            self.net[0].requires_grad_(True)
            self.opt.add_param_group({"params": [(f"body.{n}", p) for n, p in self.net[0].named_parameters()]})


class Scheduled(Added):
    """A schedule that is told of the later group, or need not be."""

    def __init__(self) -> None:
        super().__init__()
        self.schedule: Any = schedules.StepLR(self.opt, 2, 0.7)

    def objects(self) -> dict[str, Any]:
        return {**super().objects(), "schedule": self.schedule}

    def step(self, x: torch.Tensor) -> float:
        loss = super().step(x)
        self.schedule.step()
        return loss + sum(100 * group["lr"] for group in self.opt.param_groups)


class ScheduledFirst(Scheduled):
    """The schedule is tracked before the optimizer."""

    def objects(self) -> dict[str, Any]:
        return dict(reversed(super().objects().items()))


class WithMilestones(Scheduled):
    def __init__(self) -> None:
        super().__init__()
        self.schedule = schedules.MultiStepLR(self.opt, [2, 5, 7, 8], 0.7)


class WithBaseRates(Scheduled):
    """The later group joins the list of base rates, as schedules in closed form want it."""

    def __init__(self) -> None:
        super().__init__()
        self.schedule = schedules.CosineAnnealingLR(self.opt, 12)

    def begin(self, epoch: int) -> None:
        super().begin(epoch)
        if epoch == 2:
            self.opt.param_groups[1]["initial_lr"] = 0.01
            self.schedule.base_lrs.append(0.01)


class WithAnotherOptimizer(Added):
    """It shares the later parameters with a second optimizer, which goes on without them."""

    def __init__(self) -> None:
        super().__init__()
        self.second = torch.optim.SGD(self.net[0].parameters(), 0.01, momentum=0.9)

    def objects(self) -> dict[str, Any]:
        return {"second": self.second, **super().objects()}

    def step(self, x: torch.Tensor) -> float:
        loss = super().step(x)
        self.second.step()
        return loss


SCENES: list[type[Scene]] = [
    Added,
    LayerByLayer,
    InMidEpoch,
    WithNames,
    Scheduled,
    ScheduledFirst,
    WithMilestones,
    WithBaseRates,
    WithAnotherOptimizer,
]


@pytest.mark.slow
@pytest.mark.parametrize("stops", STOPS.values(), ids=STOPS)
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_later_groups_go_on(place: Place, scene: type[Scene], stops: tuple[int, ...]) -> None:
    """Whether the code on the way back adds the group or does not come by, the end is the same to the bit."""
    assert_goes_on(place, scene, stops)


@pytest.mark.parametrize("stop", [4, 7, 10])
def test_a_loop_that_is_entered_again_adds_its_groups_again(place: Place, stop: int) -> None:
    """In the same process the optimizer has the group already: it is taken away, as if the code had just begun."""

    def session(stops: tuple[int, ...]) -> Any:
        torch.manual_seed(0)
        scene = LayerByLayer()
        run = place.setup()
        run.track(**scene.objects())
        for until in stops:
            for epoch in run.epochs(4):
                scene.begin(epoch)
                for x in run.batches([torch.ones(4, 3) * k for k in range(3)]):
                    run._saving.writer.wait(None)
                    if run.status().step == until:
                        break
                    scene.step(x)
                else:
                    continue
                break
        return picture({name: thing.state_dict() for name, thing in scene.objects().items()})

    found = session((stop, -1))
    place.move("elsewhere")
    assert found == session((-1,))


def _with_late_group(run: colab_resume.Run, *, track: bool = True, late: str = "late") -> dict[str, Any]:
    """Steps that add a group in the first one; everything as it was when `track` had returned."""
    torch.manual_seed(run.status().step)
    modules = {"early": nn.Linear(2, 1), late: nn.Linear(2, 1)}
    opt = torch.optim.SGD(modules["early"].parameters(), 0.1, momentum=0.9)
    run.track(**(modules if track else {"early": modules["early"]}), opt=opt)
    before = picture({name: thing.state_dict() for name, thing in {**modules, "opt": opt}.items()})
    for step in run.steps(3):
        run._saving.writer.wait(None)
        if step == 0:
            opt.add_param_group({"params": modules[late].parameters()})
        if step == 2:
            break
        opt.zero_grad()
        sum(module(torch.ones(1, 2)).sum() for module in modules.values()).backward()  # type: ignore[union-attr]
        opt.step()
    return {**modules, "opt": opt, "before": before}


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"track": False}, r"late\.weight \(1, 2\) float32 of group 1, which was added later, is in no tracked module"),
        ({"late": "other"}, r"late\.bias \(1,\) float32 of group 1, which was added later, is in no tracked module"),
    ],
)
def test_a_later_group_whose_parameters_are_not_there_is_refused(
    place: Place, options: dict[str, Any], complaint: str
) -> None:
    """By name, before anything has changed, and with what to do."""
    _with_late_group(place.setup())
    with pytest.raises(StateMismatch, match=complaint) as caught:
        _with_late_group(place.setup(), **options)
    assert "track the module" in str(caught.value)


def test_a_later_group_without_names_is_refused(place: Place) -> None:
    """What belongs to no tracked module cannot be found again; the group must be there when it is tracked."""
    weights = [nn.Parameter(torch.ones(size)) for size in (2, 3)]
    run, opt = place.setup(), torch.optim.SGD(weights[:1], 0.1)
    run.track(opt=opt)
    for step in run.steps(2):
        run._saving.writer.wait(None)
        if step == 1:
            break
        opt.add_param_group({"params": weights[1:]})
    run, opt = place.setup(), torch.optim.SGD(weights[:1], 0.1)
    run.track(opt=opt)
    with pytest.raises(StateMismatch, match=r"a parameter \(3,\) float32 of group 1.*is in no tracked module"):
        list(run.steps(2))
    run, opt = place.setup(), torch.optim.SGD([{"params": [weight]} for weight in weights], 0.1)
    run.track(opt=opt)
    assert list(run.steps(2)) == [1]


def test_fewer_groups_in_the_checkpoint_are_still_refused(place: Place) -> None:
    """A group that is new in the code has no moments; that is said when it is tracked, or when the loop begins."""
    net = _net()
    for groups in (1, 2):
        run = place.setup()
        opt = torch.optim.SGD([{"params": net[k].parameters()} for k in (0, 2)[:groups]], 0.1)
        if groups == 1:
            run.track(net=net, opt=opt)
            list(run.steps(1))
    with pytest.raises(StateMismatch, match="opt: 1 parameter groups in the checkpoint, 2 now"):
        run.track(net=net, opt=opt)
    run, opt = place.setup(), torch.optim.SGD(net[0].parameters(), 0.1)
    run.track(net=net, opt=opt)
    opt.add_param_group({"params": net[2].parameters()})
    with pytest.raises(StateMismatch, match="opt: 1 parameter groups in the checkpoint, 2 now"):
        list(run.steps(2))


def test_another_later_group_is_refused(place: Place) -> None:
    """Both have as many parameters of the same shapes; the names tell them apart."""

    def session(layer: int) -> None:
        net: Any = nn.ModuleList(nn.Linear(2, 2) for _ in range(3))
        run, opt = place.setup(), torch.optim.SGD(net[2].parameters(), 0.1)
        run.track(net=net, opt=opt)
        for _ in run.epochs(1):
            opt.add_param_group({"params": net[layer].parameters()})
            for batch in run.batches([1, 2, 3]):
                run._saving.writer.wait(None)
                if batch == 3:
                    return
                torch.nn.init.ones_(net[2].weight)

    session(1)
    with pytest.raises(StateMismatch, match=r"is net\.1\.weight .*net\.0\.weight .* now"):
        session(0)


def test_a_later_group_that_the_checkpoint_does_not_have_is_refused(place: Place) -> None:
    """The code of epoch 3 adds another one than it did, while that of epoch 2 is still missing."""

    class Changed(LayerByLayer):
        def begin(self, epoch: int) -> None:
            if epoch == 3:
                self.opt.add_param_group({"params": [self.net[0].weight]})

    train(place, LayerByLayer, stop=11)
    with pytest.raises(StateMismatch, match=r"no group of the checkpoint consists of net\.0\.weight \(4, 3\) float32"):
        train(place, Changed)


def test_nothing_is_applied_if_a_group_cannot_be_found(place: Place) -> None:
    """Neither the weights nor the first group's moments, which would have fitted."""
    train(place, Added, stop=10)
    run, scene = place.setup(), Added()
    run.track(opt=scene.opt)
    before = picture(scene.opt.state_dict())
    with pytest.raises(StateMismatch):
        for _ in run.epochs(4):
            for _ in run.batches([torch.ones(4, 3)] * 3):
                pass
    assert picture(scene.opt.state_dict()) == before
