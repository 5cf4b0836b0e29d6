"""The data of the demo: the handwritten digits that scikit-learn ships, as one file of arrays.

It is written once: importing scikit-learn takes longer than a VM of the demo lives.
"""

from __future__ import annotations

from pathlib import Path

from ..errors import UsageError

__all__ = ["write_digits"]


def write_digits(path: Path) -> None:
    """1797 images of 8 x 8 pixels from 0 to 1, and their labels."""
    import numpy as np

    try:
        from sklearn.datasets import load_digits
    except ModuleNotFoundError as error:
        raise UsageError(
            f"the demo learns the digits of scikit-learn, and {error}", hint="pip install 'colab-resume[demo]'"
        ) from error

    pixels, labels = load_digits(return_X_y=True)
    np.savez(path, images=(pixels / 16).astype("float32").reshape(-1, 1, 8, 8), labels=labels)
