"""What is trained on, and what is trained: tiny, and full of chance."""

from __future__ import annotations

import os
import random
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from frameworks.rows import ROWS, NoisyRows
from torch import Tensor, nn
from torch.utils.data import Dataset, IterableDataset
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainerCallback

__all__ = ["Counting", "CutsShort", "Net", "Reusing", "Rows", "Stream", "Texts", "masked", "tiny_gpt2"]


class Rows(NoisyRows, Dataset[dict[str, Tensor]]):
    """One by one."""

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        x, labels = self.read(index)
        return {"x": x, "labels": labels}


class Stream(IterableDataset[dict[str, Tensor]]):
    """The same without a length, in an order that chance decides."""

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        rows = Rows()
        return (rows[index] for index in torch.randperm(len(rows)).tolist())


class Texts(Dataset[dict[str, list[int]]]):
    """Token lists of different lengths."""

    def __init__(self) -> None:
        choose = random.Random(1)
        self._texts = [[choose.randrange(1, 30) for _ in range(choose.randint(3, 12))] for _ in range(ROWS)]

    def __len__(self) -> int:
        return len(self._texts)

    def __getitem__(self, index: int) -> dict[str, list[int]]:
        return {"input_ids": self._texts[index]}


def masked(items: list[dict[str, list[int]]]) -> dict[str, Tensor]:
    """Padded to the longest, with one token in five replaced by chance."""
    longest = max(len(item["input_ids"]) for item in items)
    ids = torch.tensor([item["input_ids"] + [0] * (longest - len(item["input_ids"])) for item in items])
    shown = torch.where(torch.rand(ids.shape) < 0.2, torch.randint(1, 30, ids.shape), ids)
    return {"input_ids": shown, "attention_mask": (ids > 0).long(), "labels": ids.masked_fill(ids == 0, -100)}


class Net(nn.Module):
    """Dropout draws in each step, batch norm keeps buffers."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 1))

    def forward(self, x: Tensor, labels: Tensor) -> dict[str, Tensor]:
        found = self.layers(x)[:, 0]
        return {"loss": (found - labels).square().mean(), "logits": found}


def tiny_gpt2() -> GPT2LMHeadModel:
    return GPT2LMHeadModel(
        GPT2Config(vocab_size=30, n_positions=16, n_embd=8, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=0)
    )


class Counting(TrainerCallback):
    """A callback of the user's own, with values that it says nothing of."""

    def __init__(self) -> None:
        self.steps = 0
        self.best = float("inf")

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.steps += 1

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **_: Any) -> None:
        self.best = min(self.best, metrics["eval_loss"])


class CutsShort(TrainerCallback):
    """Ends the first epoch in its middle."""

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        control.should_epoch_stop = state.global_step == 6


class Reusing(Trainer):
    """As TRL's: what was drawn is used for several steps, and sums are kept from one log to the next."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.calls = 0
        self.drawn: Tensor | None = None
        self.sums: dict[str, defaultdict[str, list[float]]] = {"train": defaultdict(list)}

    def compute_loss(self, model: Any, inputs: Any, *args: Any, **options: Any) -> Any:
        if self.calls % 5 == 0:
            self.drawn = torch.rand(3)
        self.calls += 1
        loss = super().compute_loss(model, inputs, *args, **options) * self.drawn[self.calls % 3]
        self.sums["train"]["loss"].append(loss.item())
        return loss

    def log(self, logs: dict[str, float], *args: Any, **options: Any) -> None:
        super().log(
            {**logs, "calls": self.calls, **{k: sum(v) for k, v in self.sums["train"].items()}}, *args, **options
        )
        self.sums["train"].clear()
