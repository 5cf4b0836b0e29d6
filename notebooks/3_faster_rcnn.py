# %% [markdown]
# # Fine-tuning a Faster R-CNN
#
# A detector of torchvision learns to find rectangles and ellipses. Its backbone and the large layers of its head are
# frozen: what does not change is saved once, and then only the little that is trained. The last cells show how little.
#
# `FAST` takes a model without weights and tiny pictures, to try the notebook out; without it the weights that were
# trained on COCO are downloaded.

# %%
from pathlib import Path

FAST = True  # @param {type:"boolean"}
EPOCHS = 3  # @param {type:"integer"}
PICTURES = 40  # @param {type:"integer"}

REMOTE = "my_drive"  # what is saved here survives the machine
if Path("/var/colab/hostname").exists():
    # %pip install -q colab-resume
    REMOTE = "/content/drive/MyDrive/colab_resume"

# %%
import colab_resume

run = colab_resume.setup("faster_rcnn", remote=REMOTE, every=5 if FAST else None)  # touched

# %% [markdown]
# The pictures are drawn, and mirrored by chance. Put your own data set here: what `__getitem__` gives is what every
# detector of torchvision takes.

# %%
import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

KINDS = ("background", "rectangle", "ellipse")
SIZE = 64 if FAST else 320


class Shapes(Dataset):
    def __len__(self) -> int:
        return PICTURES

    def __getitem__(self, index: int) -> tuple[Tensor, dict[str, Tensor]]:
        chance = np.random.default_rng(index)
        image = Image.fromarray(chance.integers(0, 90, (SIZE, SIZE, 3), np.uint8))
        pen = ImageDraw.Draw(image)
        left, top = chance.integers(0, SIZE // 2, 2).tolist()
        width, height = chance.integers(SIZE // 4, SIZE // 2, 2).tolist()
        label = 1 + index % 2
        draw = pen.rectangle if label == 1 else pen.ellipse
        draw((left, top, left + width, top + height), fill=tuple(chance.integers(120, 255, 3).tolist()))

        pixels = torch.tensor(np.asarray(image)).permute(2, 0, 1) / 255
        if torch.rand(1) < 0.5:
            pixels = pixels.flip(2)
            left = SIZE - left - width
        box = torch.tensor([[left, top, left + width, top + height]], dtype=torch.float32)
        return pixels, {"boxes": box, "labels": torch.tensor([label])}


loader = DataLoader(Shapes(), batch_size=4, shuffle=True, collate_fn=lambda items: tuple(zip(*items, strict=True)))

# %% [markdown]
# The head gets a new last layer for our kinds. Backbone and box head are frozen.

# %%
from torchvision.models.detection import fasterrcnn_mobilenet_v3_large_320_fpn
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor

torch.manual_seed(0)
device = "cuda" if torch.cuda.is_available() else "cpu"

proposals = {"rpn_pre_nms_top_n_train": 50, "rpn_post_nms_top_n_train": 20} if FAST else {}
model = fasterrcnn_mobilenet_v3_large_320_fpn(
    weights=None if FAST else "DEFAULT", weights_backbone=None, min_size=SIZE, max_size=SIZE, **proposals
)
model.roi_heads.box_predictor = FastRCNNPredictor(1024, len(KINDS))
model.backbone.requires_grad_(False)
model.roi_heads.box_head.requires_grad_(False)
model.to(device)

trained = [weights for weights in model.parameters() if weights.requires_grad]
opt = torch.optim.SGD(trained, lr=0.005, momentum=0.9)
sched = torch.optim.lr_scheduler.StepLR(opt, 2, 0.5)

# %%
run.track(model=model, opt=opt, sched=sched)  # touched

# %%
for epoch in run.epochs(EPOCHS):  # touched
    model.train()
    model.backbone.eval()  # it keeps its statistics as well
    for images, targets in run.batches(loader):  # touched
        losses = model(
            [image.to(device) for image in images],
            [{name: value.to(device) for name, value in target.items()} for target in targets],
        )
        loss = sum(losses.values())
        opt.zero_grad()
        loss.backward()
        opt.step()
        run.log(loss=loss)  # touched
    sched.step()
    points = [point.values["loss"] for point in run.history() if point.epoch == epoch]
    print(f"epoch {epoch:2}   loss {sum(points) / len(points):.4f}")

# %% [markdown]
# `finish` returns when all is on the remote.

# %%
run.finish()  # touched

# %% [markdown]
# What went there: the whole model once, and then only what is trained. Checkpoints that are no longer needed are gone
# by now; the file that holds the frozen layers stays as long as one needs it.

# %%
for file in sorted(Path(REMOTE, "faster_rcnn", "packs").iterdir()):
    print(f"step {int(file.name.split('-')[0]):4}   {file.stat().st_size / 1e6:6.1f} MB")

frozen = sum(weights.numel() for weights in model.parameters()) - sum(weights.numel() for weights in trained)
print(f"frozen: {frozen / 1e6:.1f} million weights; trained: {sum(weights.numel() for weights in trained) / 1e6:.1f}")

# %% [markdown]
# ## What next
#
# - Unfreeze the box head, and the checkpoints grow by what is trained then.
# - Some kernels of a detector are not deterministic on a GPU. `run.check(step, loader)` says which; with them training
#   goes on correctly after a restart, but not with the same bits.
# - `colab-resume export` makes one file of weights out of a checkpoint, `colab-resume --help` tells the rest.
