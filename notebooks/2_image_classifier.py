# %% [markdown]
# # An image classifier
#
# A small convolutional net with what such trainings have: random augmentation in worker processes, mixed precision on a
# GPU, a schedule for the learning rate, and an average of the weights. All of it comes back after a restart. The lines
# that make it so end with `# touched`.
#
# `FAST` learns scikit-learn's handwritten digits in seconds; without it the notebook downloads CIFAR-10.

# %%
from pathlib import Path

FAST = True  # @param {type:"boolean"}
EPOCHS = 8  # @param {type:"integer"}
WORKERS = 2  # @param {type:"integer"}

REMOTE = "my_drive"  # what is saved here survives the machine
if Path("/var/colab/hostname").exists():
    # %pip install -q colab-resume
    REMOTE = "/content/drive/MyDrive/colab_resume"

# %% [markdown]
# The digits are learned so quickly that `every` says when to save. Leave it out, and the run saves as often as is worth
# its cost.

# %%
import colab_resume

run = colab_resume.setup("image_classifier", remote=REMOTE, every=25 if FAST else None)  # touched

# %% [markdown]
# Pictures that are shifted by chance, another way in each epoch. The chance is drawn in the worker processes.

# %%
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, Dataset


def pictures() -> tuple[Tensor, Tensor]:
    if FAST:
        pixels, labels = load_digits(return_X_y=True)
        return torch.tensor(pixels / 16, dtype=torch.float32).reshape(-1, 1, 8, 8), torch.tensor(labels)
    from torchvision.datasets import CIFAR10

    cifar = CIFAR10("cifar", download=True)
    return torch.tensor(cifar.data).permute(0, 3, 1, 2) / 255, torch.tensor(cifar.targets)


class Shifted(Dataset):
    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self.images, self.labels = images, labels

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image = self.images[index]
        height, width = image.shape[1:]
        top, left = torch.randint(0, 3, (2,)).tolist()
        padded = nn.functional.pad(image, (1, 1, 1, 1))
        return padded[:, top : top + height, left : left + width], self.labels[index]


images, labels = pictures()
held_back = len(images) // 5
train = Shifted(images[held_back:], labels[held_back:])
loader = DataLoader(train, batch_size=32 if FAST else 128, shuffle=True, num_workers=WORKERS)

# %% [markdown]
# Model, optimizer and schedule, and the average of the weights that is measured after each epoch.

# %%
torch.manual_seed(0)
device = "cuda" if torch.cuda.is_available() else "cpu"

model = nn.Sequential(
    *(nn.Conv2d(images.shape[1], 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU()),
    *(nn.Conv2d(32, 64, 3, padding=1, stride=2), nn.BatchNorm2d(64), nn.ReLU()),
    *(nn.Conv2d(64, 64, 3, padding=1, stride=2), nn.BatchNorm2d(64), nn.ReLU()),
    *(nn.Flatten(), nn.Dropout(0.3), nn.LazyLinear(10)),
)
model(images[:2])  # now the last layer knows its size
model.to(device)
averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.98), use_buffers=True)
opt = torch.optim.AdamW(model.parameters())
sched = torch.optim.lr_scheduler.OneCycleLR(opt, max_lr=0.01, total_steps=EPOCHS * len(loader))
scaler = torch.amp.GradScaler(device, enabled=device == "cuda")

# %%
run.track(model=model, averaged=averaged, opt=opt, sched=sched, scaler=scaler)  # touched
run.best("accuracy", "max")  # touched: the best checkpoint is kept, whatever comes after it

# %%
for epoch in run.epochs(EPOCHS):  # touched
    model.train()
    for x, y in run.batches(loader):  # touched
        with torch.autocast(device, enabled=device == "cuda"):
            loss = nn.functional.cross_entropy(model(x.to(device)), y.to(device))
        opt.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(opt)
        scaler.update()
        sched.step()
        averaged.update_parameters(model)
        run.log(loss=loss)  # touched

    averaged.eval()
    with torch.no_grad():
        found = averaged(images[:held_back].to(device)).argmax(1).cpu()
    accuracy = (found == labels[:held_back]).float().mean()
    run.log(accuracy=accuracy)  # touched
    print(f"epoch {epoch:2}   accuracy {accuracy.item():.1%}")

# %%
run.finish()  # touched
best = max(run.history(), key=lambda point: point.values.get("accuracy", 0.0))
print(f"finished; the best accuracy was {best.values['accuracy']:.1%}, at step {best.step}")

# %% [markdown]
# ## What next
#
# - Stop it in the middle, or take the machine away (Runtime → Disconnect and delete runtime), and run all cells again.
# - Another number of `WORKERS` after a restart changes nothing: the chance hangs on the batch, not on the worker.
# - On a GPU, "bit for bit" needs deterministic kernels: `torch.use_deterministic_algorithms(True)`, and
#   `os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"` before torch is imported.
# - Put your own pictures into `pictures()`. In the next notebook, 3, most of the model is frozen.
