"""A training of the kind that knows nothing of us: it writes `last.pt` in place and `best.pt` after each epoch.

    python -m folders.yolo STORE REMOTE WORK EPOCHS

What it adds to a script of its own is two lines: `setup` and `run.folder`. It resumes as such scripts do, from
`last.pt`, if that is there, and prints the epochs that it makes.
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

import torch
from torch import nn

import colab_resume

__all__ = ["EPOCHS", "train"]

EPOCHS = 5


def train(weights: Path, epochs: int, pause: float = 0.0) -> Path:
    """The script: returns the path of what it wrote last."""
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
        print(f"epoch {epoch}", flush=True)
        time.sleep(pause)
    return last


def main(store: str, remote: str, work: Path) -> None:
    """One session on one VM."""
    run = colab_resume.setup("yolo", store=store, remote=remote)
    run._course.folders._settle = 0.3
    weights = run.folder(work / "weights")
    print(f"begins with {sorted(path.name for path in weights.iterdir()) if weights.exists() else []}", flush=True)
    train(weights, EPOCHS, pause=2.0)
    run.finish(60)
    print("finished", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
