"""The places as they look: folders and environments, as the facts describe them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

__all__ = ["HOSTED", "Looks", "kernel", "terminal"]

HOSTED = {
    "COLAB_RELEASE_TAG": "release-colab_20250902-060114_RC00",
    "COLAB_GPU": "",
    "COLAB_JUPYTER_IP": "172.28.0.12",
    "COLAB_JUPYTER_TOKEN": "",
    "CLOUDSDK_CONFIG": "/content/.config",
    "MODEL_PROXY_HOST": "https://mp.kaggle.net",
    "USE_AUTH_EPHEM": "1",
    "TBE_EPHEM_CREDS_ADDR": "172.28.0.1:8009",
}
"""The variables of a hosted VM that tell something, or seem to: the last but two is no sign of Kaggle."""


@dataclass(frozen=True)
class Looks:
    """What is there: files with their content (a name with a slash at its end is a folder), and variables."""

    files: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    modules: Mapping[str, Any] = field(default_factory=dict)
    google_colab: bool = False

    def build(self, root: Path) -> Path:
        for name, content in self.files.items():
            path = root / name
            if name.endswith("/"):
                path.mkdir(parents=True)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content)
        if self.google_colab:
            package = root / "packages" / "google" / "colab"
            package.mkdir(parents=True)
            (package / "__init__.py").touch()
        return root


def kernel() -> dict[str, Any]:
    """What `sys.modules` holds of IPython in a kernel."""
    return {"IPython": SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=object()))}


def terminal() -> dict[str, Any]:
    """The same in a terminal, where IPython has no kernel."""
    return {"IPython": SimpleNamespace(get_ipython=SimpleNamespace)}
