# %% [markdown]
# # Start here: a training that survives its machine
#
# Colab may take the machine away at any second. This notebook learns handwritten digits in about ten seconds, and you
# can stop it wherever you like: run all cells again, and it goes on **bit for bit** as if nothing had happened. The
# lines that make it so end with `# touched`; everything else is an ordinary PyTorch training.

# %%
from pathlib import Path

EPOCHS = 20  # @param {type:"integer"}

REMOTE = "my_drive"  # what is saved here survives the machine
if Path("/var/colab/hostname").exists():
    # %pip install -q colab-resume
    REMOTE = "/content/drive/MyDrive/colab_resume"

# %% [markdown]
# `setup` mounts Google Drive (allow it in the window that opens), looks for the newest checkpoint of the run called
# `digits`, checks every byte of it, and says what happened since.
# `every=100` saves every 100 steps, because this training is so short; leave it out, and it saves as often as is worth
# its cost.

# %%
import colab_resume

run = colab_resume.setup("digits", remote=REMOTE, every=100)  # touched

# %% [markdown]
# Data, model, optimizer and schedule stay as they are.

# %%
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)

pixels, labels = load_digits(return_X_y=True)
images = torch.tensor(pixels / 16, dtype=torch.float32).reshape(-1, 1, 8, 8)
labels = torch.tensor(labels)
loader = DataLoader(TensorDataset(images[:1440], labels[:1440]), batch_size=16, shuffle=True)

model = nn.Sequential(
    *(nn.Conv2d(1, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU()),
    *(nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2)),
    *(nn.Flatten(), nn.Dropout(0.3), nn.Linear(64 * 4 * 4, 10)),
)
opt = torch.optim.AdamW(model.parameters(), lr=1e-3)
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, EPOCHS * len(loader))

# %% [markdown]
# `track` names what belongs to the training. If there is a checkpoint, its state is put into these objects here. Random
# numbers and the place in the data need no line: they are always saved.

# %%
run.track(model=model, opt=opt, sched=sched)  # touched

# %% [markdown]
# - `run.epochs` skips the epochs that are done.
# - `run.batches` skips the batches that were trained on, and saves between two steps.
# - `run.log` keeps the history, without double points after a restart.

# %%
for epoch in run.epochs(EPOCHS):  # touched
    model.train()
    for x, y in run.batches(loader):  # touched
        loss = nn.functional.cross_entropy(model(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        sched.step()
        run.log(loss=loss)  # touched

    model.eval()
    with torch.no_grad():
        accuracy = (model(images[1440:]).argmax(1) == labels[1440:]).float().mean()
    run.log(accuracy=accuracy)  # touched
    print(f"epoch {epoch:2}   accuracy {accuracy.item():.1%}")

# %% [markdown]
# The whole history, from every machine that worked on it. Each point knows its session, so a restart is where the
# session changes.

# %%
from itertools import pairwise

points = [point for point in run.history() if "loss" in point.values]
restarts = [after.step for before, after in pairwise(points) if before.session != after.session]
print(f"{len(points)} losses; restarted before steps {restarts}" if restarts else f"{len(points)} losses; no restart")

try:
    import matplotlib.pyplot as plt
except ModuleNotFoundError:
    for point in points:
        if point.step % len(loader) == 0:
            print(f"step {point.step:4}   loss {point.values['loss']:.4f}")
else:
    plt.semilogy([point.step for point in points], [point.values["loss"] for point in points], linewidth=0.5)
    for step in restarts:
        plt.axvline(step, color="red", linestyle="--")
    plt.title("dashed red lines: restarts")
    plt.xlabel("step")
    plt.ylabel("loss")
    plt.show()

# %% [markdown]
# `finish` saves the final state, and returns when it lies on the remote.

# %%
run.finish()  # touched
print(f"finished at step {points[-1].step}, saved: {run.status().place}")

# %% [markdown]
# ## What to try
#
# While the loop runs:
#
# 1. **Stop the loop, then run all cells again.** The training goes back to the newest checkpoint, in the middle of an
#    epoch, and goes on from there.
# 2. **Runtime → Disconnect and delete runtime, then run all cells again.** A new machine with an empty disk: the
#    checkpoint comes back from Drive. (In Jupyter, restart the kernel; for an empty disk, also delete
#    `.colab_resume/digits` in your home folder.)
#
# Then leave it alone under another name in `setup`, and compare: the losses are the same in every digit.
#
# ## What to know
#
# - On Colab, checkpoints outlive the machine because they go to Google Drive. It uploads in the background: what was
#   saved just before the machine vanished may be missing, and then an older checkpoint is used.
# - The steps after the newest checkpoint are lost and run again. `setup` says how many; once they have run again, the
#   line `replay` says whether they came out the same.
# - After a restart in the middle of an epoch, code before the inner loop runs again (here `model.train()`). There may
#   even be no batch left: after the inner loop, use nothing that only its body sets (here `loss`).
#   `enumerate(run.batches(loader))` counts on where it was.
# - "Bit for bit" holds on the same kind of hardware, with deterministic kernels.
#
# ## What next
#
# The other notebooks show the same for what you may have already: 2 an image classifier, 3 Faster R-CNN, 4 Keras,
# 5 Hugging Face's Trainer, 6 LoRA, 7 any script that writes checkpoints. Number 8 kills a training itself, and compares
# what comes out.
