"""A script of the kind that knows nothing of us: it writes `last.pt` in place and `best.pt` after each epoch."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

__all__ = ["train"]


def train(weights: Path, epochs: int, saved: Callable[[int], None] = lambda _: None) -> Path:
    """Go on from `last.pt` if it is there, as such scripts do; where that is. `saved` hears of each epoch."""
    torch.manual_seed(0)
    x = torch.randn(64, 4)
    net = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 1))
    opt = torch.optim.AdamW(net.parameters(), lr=1e-2)
    begin, best, last = 0, float("inf"), weights / "last.pt"
    weights.mkdir(parents=True, exist_ok=True)
    if last.exists():
        state = torch.load(last)
        net.load_state_dict(state["net"])
        opt.load_state_dict(state["opt"])
        begin, best = state["epoch"] + 1, state["best"]
    for epoch in range(begin, epochs):
        torch.manual_seed(epoch)
        for batch in x[torch.randperm(64)].split(16):
            opt.zero_grad()
            loss = (net(batch + 0.1 * torch.randn_like(batch)) - batch.sum(1, keepdim=True)).square().mean()
            loss.backward()
            opt.step()
        better, best = loss.item() < best, min(best, loss.item())
        torch.save({"epoch": epoch, "best": best, "net": net.state_dict(), "opt": opt.state_dict()}, last)
        if better:
            shutil.copyfile(last, weights / "best.pt")
        saved(epoch)
    return last
