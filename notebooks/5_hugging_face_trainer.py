# %% [markdown]
# # Hugging Face's Trainer
#
# `run.attach(trainer)`, then `trainer.train()` without arguments, the first time and every later one. The Trainer keeps
# its loop; it goes on in the middle of an epoch, with its history, its callbacks and its best model.
#
# `FAST` trains a tiny model from nothing, byte by byte; without it a small one is downloaded from the hub. The text is
# Python's own documentation, which every Python has.

# %%
from pathlib import Path

FAST = True  # @param {type:"boolean"}
MODEL = "distilbert/distilgpt2"  # @param {type:"string"}
EPOCHS = 2  # @param {type:"integer"}
TEXTS = 400  # @param {type:"integer"}

REMOTE = "my_drive"  # what is saved here survives the machine
if Path("/var/colab/hostname").exists():
    # %pip install -q colab-resume
    REMOTE = "/content/drive/MyDrive/colab_resume"

# %%
import colab_resume

run = colab_resume.setup("trainer", remote=REMOTE, every=20 if FAST else None)  # touched

# %%
from pydoc_data.topics import topics

from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM, set_seed

LENGTH = 64 if FAST else 128
set_seed(0)

text = "\n".join(topics[name] for name in sorted(topics))
if FAST:
    tokens = list(text.encode())
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=256, max_position_embeddings=LENGTH, **sizes))
else:
    tokens = AutoTokenizer.from_pretrained(MODEL)(text)["input_ids"]
    model = AutoModelForCausalLM.from_pretrained(MODEL)

pieces = [tokens[at : at + LENGTH] for at in range(0, TEXTS * LENGTH, LENGTH)]
rows = [{"input_ids": piece, "labels": piece} for piece in pieces if len(piece) == LENGTH]
held_back = len(rows) // 10

# %% [markdown]
# `save_strategy="no"`: checkpoints of the Trainer's own are not needed any more.

# %%
from transformers import Trainer, TrainingArguments

args = TrainingArguments(
    "out",
    num_train_epochs=EPOCHS,
    per_device_train_batch_size=8,
    learning_rate=2e-3 if FAST else 5e-5,
    logging_steps=10,
    eval_strategy="epoch",
    save_strategy="no",
    dataloader_pin_memory=not FAST,
    report_to="none",
)
trainer = Trainer(model=model, args=args, train_dataset=rows[held_back:], eval_dataset=rows[:held_back])
run.attach(trainer)  # touched
trainer.train()

# %%
run.finish()  # touched

# %% [markdown]
# The Trainer's own log has every entry once, whatever happened in between.

# %%
for entry in trainer.state.log_history:
    if "eval_loss" in entry:
        print(f"epoch {entry['epoch']:.0f}   loss on texts it has not seen: {entry['eval_loss']:.4f}")

# %% [markdown]
# ## What next
#
# - Stop it in the middle, or take the machine away (Runtime → Disconnect and delete runtime), and run all cells again.
# - `load_best_model_at_end=True` with `save_strategy="epoch"` works as well: the best model's files are on the new
#   machine again.
# - For a model that is too large to train as a whole, see the next notebook, 6.
