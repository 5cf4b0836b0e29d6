"""What a file's name says about it, where its content cannot: whether it is finished, and whether it only grows.

*Unfinished*: frameworks write beside the place and rename, or mark a folder as incomplete until its last file is there.
What is named so is never part of a set, nor is a folder with such a mark in it; as long as it changes, the folder is
being written to, and nothing of it has settled.

*Logs* grow as long as a training lives, and many are never closed. They settle at no time and say nothing about what
the rest is worth, so they are part of a set up to the last whole line, or the length, that they had at that moment.
"""

from __future__ import annotations

import re

__all__ = ["INCOMPLETE_MARK", "is_log", "is_text_log", "is_unfinished"]

INCOMPLETE_MARK = "checkpoint-is-incomplete.txt"
"""transformers puts it into a checkpoint's folder while it writes there."""

_UNFINISHED = re.compile(
    r""".+\.(tmp|temp|part|partial|incomplete|crdownload|swp)   # writers that rename, downloads, editors
    | .+\.tmp[-_.]?[0-9A-Za-z]{4,}        # TensorFlow's atomic files (checkpoint.tmp1f0c...), mkstemp beside the place
    | .+\.tempstate[0-9]+                 # TensorFlow's bundles
    | .+\.orbax-checkpoint-tmp(-.*)?      # Orbax
    | tmp[-_].+                           # tmp-checkpoint-500 of transformers, tmp_... of many
    | .+_temp                             # variables_temp/ of SavedModel, <prefix>_temp/ of tf.train.Saver
    | \.~.+ | ~\$.+ | .+~ | \.nfs[0-9a-f]+ | \.fuse_hidden[0-9a-f]+
    | \..+\.bringing-[0-9a-f]+            # our own, see bringing_back.py
    """,
    re.VERBOSE,
)
_TEXT_LOG = re.compile(r".+\.(log|csv|tsv|jsonl|ndjson)", re.IGNORECASE)
_LOG = re.compile(r"events\.out\.tfevents\..+|.+\.wandb")


def is_unfinished(name: str) -> bool:
    """Whether a file or a folder of this name is what somebody has not finished writing."""
    return _UNFINISHED.fullmatch(name) is not None


def is_text_log(name: str) -> bool:
    """Whether it is a log that consists of lines."""
    return _TEXT_LOG.fullmatch(name) is not None


def is_log(name: str) -> bool:
    """Whether a file of this name only ever grows."""
    return is_text_log(name) or _LOG.fullmatch(name) is not None
