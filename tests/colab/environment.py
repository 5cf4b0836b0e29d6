"""The environment variables of a hosted VM: all that are known, with the values that tell VMs and notebooks apart.

From dumps that users have published; COLAB_GPU is there and empty where there is no GPU.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from colab.machine import CGROUP_EVENTS, Plan
from colab.zygote import PATHS

__all__ = ["environment"]

_BACKEND = "172.28.0.1"
_ITSELF = "172.28.0.12"


def environment(plan: Plan, *, notebook: str) -> dict[str, str]:
    """For a kernel of this notebook."""
    save_at = f"https://colab.research.google.com/tun/m/cc48301118ce562b961b3c22d803539adc1e0c19/{plan.endpoint}"
    arguments = {
        "listen_host": _ITSELF,
        "target_host": _ITSELF,
        "tunnel_background_save_url": save_at,
        "tunnel_background_save_delay": "10s",
        "tunnel_periodic_background_save_frequency": "30m0s",
        "enable_output_coalescing": "true",
        "output_coalescing_required": "true",
    }
    return {
        "CGROUP_MEMORY_EVENTS": " ".join(map(str, CGROUP_EVENTS)),
        "CLOUDSDK_CONFIG": "/content/.config",
        "COLAB_BACKEND_VERSION": "next",
        "COLAB_GPU": "1" if plan.gpu else "",
        "COLAB_JUPYTER_IP": _ITSELF,
        "COLAB_JUPYTER_TOKEN": "",
        "COLAB_JUPYTER_TRANSPORT": "ipc",
        "COLAB_KERNEL_MANAGER_PROXY_HOST": _ITSELF,
        "COLAB_KERNEL_MANAGER_PROXY_PORT": "6000",
        "COLAB_NOTEBOOK_ID": notebook,
        "COLAB_RELEASE_TAG": "release-colab-external-images_20260819-060114_RC00",
        "COLAB_TPU_1VM": "",
        "COLAB_WARMUP_DEFAULTS": "1",
        "HOME": "/root",
        "HOSTNAME": plan.host_name,
        "JPY_PARENT_PID": "2",
        "JPY_SESSION_NAME": notebook,
        "KMP_EXTRA_ARGS": " ".join(["--logtostderr", *(f"--{name}={value}" for name, value in arguments.items())]),
        "KMP_TARGET_PORT": "9000",
        "LANG": "en_US.UTF-8",
        "MODEL_PROXY_HOST": "https://mp.kaggle.net",
        "PATH": os.pathsep.join(
            [str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/usr/sbin", "/bin", "/sbin"]
        ),
        "PWD": "/",
        "PYTHONPATH": os.pathsep.join(map(str, PATHS)),
        "SHELL": "/bin/bash",
        "TBE_CREDS_ADDR": f"{_BACKEND}:8008",
        "TBE_EPHEM_CREDS_ADDR": f"{_BACKEND}:8009",
        "TBE_RUNTIME_ADDR": f"{_BACKEND}:8011",
        "USE_AUTH_EPHEM": "1",
        "UV_SYSTEM_PYTHON": "true",
    }
