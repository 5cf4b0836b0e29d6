"""The ways of saving that are compared, by the names they have in the tables."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from .distributed import DCP_ASYNCHRONOUS, DCP_CACHED, DCP_THREAD, DCP_WAYS
from .frameworks import huggingface_trainer, lightning_async
from .ours import RunSaver, colab_resume_alone, colab_resume_slow_drive, new_run
from .plain import no_saving, safetensors_save_file, torch_save, torch_save_fsync
from .saver import LeftOut, Saver, Way

__all__ = [
    "DCP_ASYNCHRONOUS",
    "DCP_CACHED",
    "DCP_THREAD",
    "HUGGINGFACE",
    "LIGHTNING",
    "LeftOut",
    "NOTHING",
    "OURS",
    "RunSaver",
    "Saver",
    "TORCH_SAVE",
    "WAYS",
    "Way",
    "new_run",
    "slow_drive",
]

NOTHING = "no saving"
OURS = "colab_resume"
TORCH_SAVE = "torch.save"
LIGHTNING = "Lightning AsyncCheckpointIO"
HUGGINGFACE = "transformers Trainer"

WAYS: Mapping[str, Way] = {
    NOTHING: no_saving,
    TORCH_SAVE: torch_save,
    "torch.save and fsync": torch_save_fsync,
    "safetensors save_file": safetensors_save_file,
    **DCP_WAYS,
    LIGHTNING: lightning_async,
    HUGGINGFACE: huggingface_trainer,
    OURS: colab_resume_alone,
}


def slow_drive(rate: int) -> tuple[str, Way]:
    """colab_resume with an upload going on behind it."""
    return f"{OURS}, a Drive of {rate} MB/s behind it", partial(colab_resume_slow_drive, rate=rate)
