# %% [markdown]
# # See it survive
#
# This notebook kills a training itself, again and again, with the signal that no program can catch, and deletes the
# disk of its machine. Then it compares what came out with a training that nobody has touched, byte by byte.
#
# Nothing of it is acted: processes, SIGKILL and files are real. Two folders stand for the disk of a VM and for Drive.

# %%
from pathlib import Path

KILLS = 3  # @param {type:"integer"}
EPOCHS = 5  # @param {type:"integer"}
SEED = 0  # @param {type:"integer"}

DRIVES = Path("drives")
if Path("/var/colab/hostname").exists():
    # %pip install -q colab-resume
    DRIVES = Path("/content/drives")

# %% [markdown]
# The training: shuffled data, Dropout, Adam. It says each step that it has done.

# %% [writefile survivor.py]
import sys
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import colab_resume

vm, drive, epochs = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
run = colab_resume.setup("survivor", store=vm, remote=drive, every=10)

torch.manual_seed(0)
torch.set_num_threads(1)
pixels, labels = load_digits(return_X_y=True)
data = TensorDataset(torch.tensor(pixels / 16, dtype=torch.float32), torch.tensor(labels))
loader = DataLoader(data, batch_size=32, shuffle=True)
model = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Dropout(0.3), nn.Linear(256, 10))
opt = torch.optim.Adam(model.parameters())

run.track(model=model, opt=opt)
for _ in run.epochs(epochs):
    for x, y in run.batches(loader):
        loss = nn.functional.cross_entropy(model(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        run.log(loss=loss)
        print("step", run.status().step + 1, flush=True)
run.finish()

with Path(drive, "end.txt").open("w") as end:
    for name, value in model.state_dict().items():
        print(name, value.numpy().tobytes().hex(), file=end)
    for point in run.history():
        print(point.step, point.values["loss"].hex(), file=end)

# %% [markdown]
# `live` is one machine: it trains until the process has said this step, and then everything is gone but Drive.

# %%
import hashlib
import random
import shutil
import subprocess
import sys
import tempfile


def live(drive: Path, dies_at: int | None = None) -> int:
    """The last step that this machine has done."""
    step = 0
    with tempfile.TemporaryDirectory() as vm:
        command = [sys.executable, "survivor.py", vm, str(drive), str(EPOCHS)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout:
                if line.startswith("step "):
                    step = int(line.split()[1])
                elif "restored" in line or "replay" in line:
                    print(line, end="")
                if step == dies_at:
                    process.kill()  # SIGKILL
    return step


def digest(drive: Path) -> str:
    """Of every bit of the weights and of every loss."""
    return hashlib.sha256(Path(drive, "end.txt").read_bytes()).hexdigest()


# %% [markdown]
# First the training that nobody touches.

# %%
untouched = DRIVES / "untouched"
shutil.rmtree(untouched, ignore_errors=True)
untouched.mkdir(parents=True)
steps = live(untouched)
print(f"nobody touched it: {steps} steps\n{digest(untouched)}")

# %% [markdown]
# Then the one that dies, each time on a new machine with an empty disk.

# %%
killed = DRIVES / "killed"
shutil.rmtree(killed, ignore_errors=True)
killed.mkdir(parents=True)

moments = random.Random(SEED).sample(range(1, steps), KILLS)
for moment in sorted(moments):
    print(f"killed at step {live(killed, moment)}")
print(f"reached the end: {live(killed)} steps\n{digest(killed)}")

# %%
assert digest(killed) == digest(untouched)
print(f"killed {KILLS} times, and every bit is the same")

# %% [markdown]
# ## What next
#
# - Change `SEED`, `KILLS` or the training, and run all cells again.
# - `colab-resume demo` in a terminal does the same with a table of what each death has cost.
# - Put the lines into your own training: notebook 1.
