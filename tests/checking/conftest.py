"""Trainings as they stand in a notebook: cells of code, run as the top level of a module or inside of a function."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from types import ModuleType
from typing import Any, Literal

import pytest
import torch

from colab_resume.checking import Report, check
from colab_resume.training.tracking import Tracking

__all__ = ["Notebook"]

torch.set_num_threads(1)

Style = Literal["global", "nonlocal"]

USUAL = """
import os, random
import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader
from trainings import Points

torch.manual_seed(5); np.random.seed(6); random.seed(7)
net = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 2))
opt = torch.optim.AdamW(net.parameters(), 0.05)
loader = DataLoader(Points(), 8, shuffle=True)

def learn(x, y, scale=1.0):
    opt.zero_grad()
    loss = cross_entropy(net(x), y) * scale
    loss.backward()
    opt.step()
    return loss
"""


class Notebook:
    """Cells that were run one after another. Where a step assigns to a variable, the cells say SHARED for `global`."""

    def __init__(self, style: Style) -> None:
        self._style = style
        self._cells = [USUAL]

    def run(self, *cells: str) -> dict[str, Any]:
        """The variables, after these cells have run below the usual ones."""
        text = "\n".join([*self._cells, *map(textwrap.dedent, cells)]).replace("SHARED", self._style)
        module = ModuleType("notebook")
        if self._style == "nonlocal":
            inside = textwrap.indent(text, "    ")
            text = f"def main():\n{inside}\n    return lambda: dict(locals(), {_all_names(inside)})\n"
            exec(compile(text, "<cell>", "exec"), vars(module))
            return dict(module.main()())
        exec(compile(text, "<cell>", "exec"), vars(module))
        return vars(module)

    def check(self, names: str, *cells: str, **options: Any) -> Report:
        """Run the cells, track the objects of these names, and check `train_step`."""
        return checked(self.run(*cells), names, **options)


def _all_names(text: str) -> str:
    """Every variable of the function, so that the function that is given back has them all at hand."""
    code = compile(f"def main():\n{text}\n", "<cell>", "exec").co_consts[0]
    return ", ".join(f"{name}={name}" for name in (*code.co_varnames, *code.co_cellvars))


def tracked(variables: dict[str, Any], names: str) -> Tracking:
    tracking = Tracking()
    tracking.add({name: variables[name] for name in names.split()})
    return tracking


def checked(variables: dict[str, Any], names: str, **options: Any) -> Report:
    given = {"loader": variables["loader"], **options}
    return check(tracked(variables, names), variables["train_step"], **given)


@pytest.fixture(params=["global", "nonlocal"])
def notebook(request: pytest.FixtureRequest) -> Notebook:
    return Notebook(request.param)


@pytest.fixture
def cells() -> Callable[..., dict[str, Any]]:
    return Notebook("global").run
