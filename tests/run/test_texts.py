"""Texts whose numbers are others in another process: told before the first step, and where it has happened."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from run.conftest import Place
from torch import nn
from torch.utils.data import DataLoader, Dataset, Subset

__all__: list[str] = []

SEEDED, MOVED = "in the order in which a `set` gives its texts", "the same texts in another order"
WORDS = [f"word {number * number}" for number in range(60)]


class Words(Dataset[Any]):
    def __init__(self, held: Any) -> None:
        self.held = held

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.full((3,), float(index))


class Dictionary:
    def __init__(self, words: list[str]) -> None:
        self.numbers = {word: number for number, word in enumerate(words)}


def train(place: Place, held: Any, wrapped: Callable[[Any], Any] = Words, stop: int = -1) -> None:
    """Two passes of three steps over data that hold this."""
    torch.manual_seed(3)
    run, net = place.setup(), nn.Linear(3, 1)
    opt = torch.optim.SGD(net.parameters(), 0.1)
    run.track(net=net, opt=opt)
    loader = DataLoader(wrapped(held), batch_size=4, shuffle=True)
    for _ in run.epochs(2):
        for x in run.batches(loader):
            run._saving.writer.wait(None)
            if run.status().step == stop:
                return
            opt.zero_grad()
            (net(x) - 1.0).square().mean().backward()
            opt.step()


KINDS: dict[str, tuple[str, Callable[[list[str]], Any]]] = {
    "a list": ("held", list),
    "a tuple": ("held", tuple),
    "numbers of words": ("held", lambda words: {word: number for number, word in enumerate(words)}),
    "numbers from 2 on": ("held", lambda words: {word: number for number, word in enumerate(words, 2)}),
    "words by number": ("held", lambda words: dict(enumerate(words))),
    "files": ("held", lambda words: [Path("/content/data") / word for word in words]),
    "files and classes": ("held", lambda words: [(f"/content/data/{word}", 1) for word in words]),
    "a dictionary of one's own": ("held.numbers", Dictionary),
}


@pytest.mark.parametrize("kind", KINDS)
def test_another_order_is_told_in_the_life_that_has_it(
    kind: str, place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    """Also at the end of an epoch, where no next batch could tell; and not where it is the same again."""
    name, make = KINDS[kind]
    for stop, words, told in ((2, WORDS, False), (3, WORDS[::-1], True), (5, WORDS, False)):
        caplog.clear()
        train(place, make(words), stop=stop)
        names, found, _ = caplog.text.partition(f": {MOVED}")
        assert bool(found) is told, caplog.text
        assert not told or name in names


@pytest.mark.parametrize(
    "other", [WORDS[:-1], [*WORDS[:-1], "another"], [f"/content/elsewhere/{word}" for word in WORDS], 5, [1, 2]]
)
def test_other_texts_are_no_other_order(other: Any, place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """More data, or fewer: people do that, and say so to themselves."""
    train(place, WORDS, stop=3)
    train(place, other)
    assert MOVED not in caplog.text


def test_numbers_that_hang_on_no_order_are_not_told(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """The same number for each word, put in in another order; and how often each has come."""
    numbers = {word: number for number, word in enumerate(WORDS)}
    train(place, [numbers, {word: len(word) for word in WORDS}], stop=3)
    train(place, [dict(reversed(numbers.items())), {word: len(word) for word in WORDS[::-1]}])
    assert MOVED not in caplog.text


@pytest.mark.parametrize(
    ("where", "wrapped"),
    [
        ("loader.dataset.held", Words),
        ("loader.dataset.dataset.held", lambda held: Subset(Words(held), range(12))),
    ],
)
def test_what_a_dataset_holds_is_told_before_the_first_step(
    where: str, wrapped: Callable[[Any], Any], place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    words = WORDS

    def made(words: Callable[[], list[str]]) -> Callable[[Any], Any]:
        return lambda _: wrapped(words())

    train(place, None, made(lambda: list(set(words))), stop=0)
    assert f" {where}: {SEEDED}" in caplog.text
    caplog.clear()
    place.move("other")
    train(place, None, made(lambda: sorted(set(words))))
    assert SEEDED not in caplog.text


SCRIPT = """
import os, sys, torch, colab_resume
from torch.utils.data import DataLoader
run = colab_resume.setup("letters", store=sys.argv[1], every=1)
text = "the quick brown fox jumps over the lazy dog, and then it sleeps until the next morning"
letters = list(set(text))
numbers = {letter: number for number, letter in enumerate(letters)}
data = torch.tensor([numbers[letter] for letter in text])
torch.manual_seed(1)
net = torch.nn.Embedding(len(letters), 2)
opt = torch.optim.SGD(net.parameters(), 0.1)
run.track(net=net, opt=opt)
for epoch in run.epochs(2):
    for batch in run.batches(DataLoader(data, batch_size=20)):
        run._saving.writer.wait(None)
        if run.status().step == int(sys.argv[2]):
            os._exit(9)
        opt.zero_grad()
        net(batch).square().mean().backward()
        opt.step()
"""


@pytest.mark.slow
def test_letters_of_a_set_in_two_processes(tmp_path: Path) -> None:
    """As many a text on character models has it."""
    (tmp_path / "letters.py").write_text(SCRIPT)

    def life(seed: int, stop: int) -> str:
        command = [sys.executable, "letters.py", str(tmp_path / "store"), str(stop)]
        environment = {**os.environ, "PYTHONHASHSEED": str(seed)}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        return done.stderr

    first, second = life(1, 2), life(2, -1)
    assert f"letters, numbers: {SEEDED}" in first
    assert MOVED not in first
    assert f"letters, numbers: {MOVED}" in second
    assert "the batch that comes next is not the one" in second
