"""Where networks run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lsdc.runtime.distributed import local_rank, world
from lsdc.runtime.errors import ConfigError

if TYPE_CHECKING:
    import torch


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
