# %% [markdown]
# # Any script that writes checkpoints
#
# YOLO, fastai, a repository that you cloned: they write a folder of checkpoints, and know how to go on from it.
# `run.folder` brings the folder back before they look, and sends it to Drive whenever it has settled, complete or not
# at all. The script stays as it is; the lines that were added to the notebook end with `# touched`.

# %%
from pathlib import Path

EPOCHS = 4  # @param {type:"integer"}
PAUSE = 4  # @param {type:"number"}

REMOTE = "my_drive"  # what is saved here survives the machine
if Path("/var/colab/hostname").exists():
    # %pip install -q colab-resume
    REMOTE = "/content/drive/MyDrive/colab_resume"

# %% [markdown]
# A script like many others: after each epoch it writes a file, and at its start it goes on from the newest one. `pause`
# stands for the minutes that an epoch takes elsewhere.

# %% [writefile train.py]
import sys
import time
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import nn

folder, epochs, pause = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
pixels, labels = load_digits(return_X_y=True)
x, y = torch.tensor(pixels / 16, dtype=torch.float32), torch.tensor(labels)
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
opt = torch.optim.Adam(model.parameters())

folder.mkdir(exist_ok=True)
begin = 0
if saved := sorted(folder.glob("epoch-*.pt")):
    state = torch.load(saved[-1])
    model.load_state_dict(state["model"])
    opt.load_state_dict(state["opt"])
    begin = state["epoch"] + 1
    print(f"going on with epoch {begin}", flush=True)

for epoch in range(begin, epochs):
    torch.manual_seed(epoch)
    for rows in torch.randperm(len(x)).split(32):
        loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
        opt.zero_grad()
        loss.backward()
        opt.step()
    state = {"model": model.state_dict(), "opt": opt.state_dict(), "epoch": epoch}
    torch.save(state, folder / f"epoch-{epoch:03}.pt")
    print(f"epoch {epoch:2}   loss {loss.item():.4f}", flush=True)
    time.sleep(pause)

# %%
import colab_resume

run = colab_resume.setup("any_script", remote=REMOTE)  # touched
folder = run.folder("checkpoints")  # touched: brought back here, and mirrored from now on

# %%
# !python train.py {folder} {EPOCHS} {PAUSE}

# %% [markdown]
# `finish` waits until the folder has settled and is on the remote.

# %%
run.finish()  # touched
for file in sorted(folder.glob("*.pt")):
    print(f"{file.name}   {file.stat().st_size / 1e3:.0f} kB")

# %% [markdown]
# ## What next
#
# - Take the machine away while the script runs, and run all cells again: the files are back, and it goes on from the
#   newest one that was whole.
# - What such a script does not save (the place in the data, random numbers) nobody can bring back. In a loop of your
#   own the four lines of notebook 1 do.
# - `run.folder` takes any folder: `runs/detect/train` of YOLO, a SavedModel, what `tf.train.CheckpointManager` writes.
