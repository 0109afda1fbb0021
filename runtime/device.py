"""Where networks run."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lsdc.runtime.distributed import local_rank, world
from lsdc.runtime.errors import ConfigError

if TYPE_CHECKING:
    import torch


_DRIVERS = ("/proc/driver/nvidia/version", "/dev/nvidiactl", "/dev/dxg", "/dev/kfd", "/dev/nvmap")
"""Of Linux: what NVIDIA's driver shows, that of Windows' subsystem, AMD's, and that of NVIDIA's boards."""


def device_name(name: str = "auto") -> str:
    """Choose a device as `pick_device` does, without importing torch where it is plain that there is but the CPU.

    Parameters
    ----------
    name : str
        `auto`, or a device that must be there: `cpu`, `cuda`, `cuda:1`, `mps`.

    Returns
    -------
    str
        A device that is there, as torch spells it.

    Raises
    ------
    ConfigError
        When the device is unknown or not there.

    Examples
    --------
    >>> device_name("cpu")
    'cpu'
    """
    if name == "cpu" or (name == "auto" and not _may_have_more()):
        return "cpu"
    return str(pick_device(name))


def _may_have_more() -> bool:
    """Tell whether this machine could have a GPU that torch takes; where in doubt, it could."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return False
    from ctypes.util import find_library
    from importlib.metadata import PackageNotFoundError, version

    try:
        if version("torch").endswith("+cpu"):
            return False
    except PackageNotFoundError:
        return True
    if sys.platform.startswith("linux"):
        return any(Path(driver).exists() for driver in _DRIVERS)
    if sys.platform == "win32":
        return find_library("nvcuda") is not None
    return True


def pick_device(name: str = "auto") -> torch.device:
    """Choose a device: CUDA (under torchrun each process its own GPU), then Apple's MPS, then the CPU.

    Parameters
    ----------
    name : str
        `auto`, or a device that must be there: `cpu`, `cuda`, `cuda:1`, `mps`.

    Returns
    -------
    torch.device
        A device that is there.

    Raises
    ------
    ConfigError
        When the device is unknown or not there.

    Examples
    --------
    >>> pick_device("cpu").type
    'cpu'
    """
    import torch

    if name in ("auto", "cuda") and torch.cuda.is_available() and world() > 1:
        return torch.device("cuda", local_rank() % torch.cuda.device_count())
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"device: {name!r} is unknown; expected auto, cpu, cuda or mps") from None
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there.get(device.type, False):
        raise ConfigError(f"device: {name!r} is not available on this machine; use auto or cpu")
    return device


def fast_bfloat16(device: torch.device) -> bool:
    """Tell whether the hardware has instructions for bfloat16; elsewhere it costs time.

    Parameters
    ----------
    device : torch.device
        Where networks run.

    Returns
    -------
    bool
        True on GPUs and CPUs that compute in bfloat16 themselves.
    """
    import torch

    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return device.type == "cpu" and bool(capabilities.get("avx512_bf16") or capabilities.get("bf16"))
