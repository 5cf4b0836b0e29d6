# %% [markdown]
# # A large language model, by LoRA
#
# The model stays as it is, and beside some of its layers small ones are trained. Only those are tracked, so only those
# are saved: a few megabytes for a model of gigabytes. The model itself comes from the hub again on each machine.
#
# `FAST` takes a tiny model that is made here instead.

# %%
from pathlib import Path

FAST = True  # @param {type:"boolean"}
MODEL = "Qwen/Qwen2.5-0.5B"  # @param {type:"string"}
EPOCHS = 2  # @param {type:"integer"}
TEXTS = 200  # @param {type:"integer"}

REMOTE = "my_drive"  # what is saved here survives the machine
if Path("/var/colab/hostname").exists():
    # %pip install -q colab-resume
    REMOTE = "/content/drive/MyDrive/colab_resume"

# %%
import colab_resume

run = colab_resume.setup("lora", remote=REMOTE, every=10 if FAST else None)  # touched

# %% [markdown]
# Model and text: Python's own documentation, which every Python has.

# %%
from pydoc_data.topics import topics

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

LENGTH = 64 if FAST else 256
torch.manual_seed(0)
device = "cuda" if torch.cuda.is_available() else "cpu"

text = "\n".join(topics[name] for name in sorted(topics))
if FAST:
    tokens = list(text.encode())
    sizes = {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 4, "num_attention_heads": 4}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=256, max_position_embeddings=LENGTH, **sizes))
else:
    tokens = AutoTokenizer.from_pretrained(MODEL)(text)["input_ids"]
    model = AutoModelForCausalLM.from_pretrained(MODEL).float()

pieces = torch.tensor(tokens[: len(tokens) // LENGTH * LENGTH]).reshape(-1, LENGTH)[:TEXTS]
loader = DataLoader(pieces, batch_size=8, shuffle=True)

# %% [markdown]
# LoRA: the output of a frozen layer, plus that of two thin ones. The second begins with zeros, so that nothing changes
# at first.


# %%
class LoRA(nn.Module):
    def __init__(self, frozen: nn.Linear, rank: int = 8) -> None:
        super().__init__()
        self.frozen = frozen
        self.adapter = nn.Sequential(
            nn.Dropout(0.05),
            nn.Linear(frozen.in_features, rank, bias=False),
            nn.Linear(rank, frozen.out_features, bias=False),
        )
        nn.init.zeros_(self.adapter[2].weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.frozen(x) + self.adapter(x)


torch.manual_seed(1)
model.requires_grad_(False)
for layer in model.model.layers:
    for name in ("q_proj", "v_proj"):
        projection = getattr(layer.self_attn, name)
        setattr(layer.self_attn, name, LoRA(getattr(projection, "frozen", projection)))
model.to(device)

adapters = nn.ModuleDict(
    {name.replace(".", "/"): part.adapter for name, part in model.named_modules() if isinstance(part, LoRA)}
)
opt = torch.optim.AdamW(adapters.parameters(), lr=5e-3 if FAST else 2e-4)

# %%
run.track(adapters=adapters, opt=opt)  # touched: not the model

# %%
for epoch in run.epochs(EPOCHS):  # touched
    model.train()
    for batch in run.batches(loader):  # touched
        x = batch.to(device)
        loss = model(input_ids=x, labels=x).loss
        opt.zero_grad()
        loss.backward()
        opt.step()
        run.log(loss=loss)  # touched
    points = [point.values["loss"] for point in run.history() if point.epoch == epoch]
    print(f"epoch {epoch:2}   loss {sum(points) / len(points):.4f}")

# %%
run.finish()  # touched

# %% [markdown]
# What a checkpoint comes to, beside the model.

# %%
packs = sorted(Path(REMOTE, "lora", "packs").iterdir())
largest = max(file.stat().st_size for file in packs)
size = sum(weights.nbytes for weights in model.parameters())
print(f"the model has {size / 1e6:.2f} MB; the largest checkpoint has {largest / 1e6:.2f} MB")

# %% [markdown]
# ## What next
#
# - With `run.track(model=model, ...)` the frozen weights would go up as well, once. Then no hub is needed afterwards.
# - `colab-resume export` makes one file of the adapters.
