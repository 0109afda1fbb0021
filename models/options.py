"""What a user may choose about the deep members."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

from lsdc.runtime import ConfigError
from lsdc.runtime.device import pick_device
from lsdc.runtime.schema import Check, flag, optional, record, text, whole

_LARGE_CARD_GB = 60
VolumeArch = Literal["resnet", "swin_unetr", "segresnet", "dynunet", "vit"]
Effort = Literal["quick", "standard", "long"]
Preset = Literal["auto", "tiny", "cpu", "gpu", "gpu24", "gpu140"]


@dataclass(frozen=True)
class Options:
    """How the deep members are made; the others have nothing to choose. `None` leaves it to the member's preset."""

    preset: Preset = "auto"
    """deep members: `tiny` and `cpu` for a CPU, `gpu24` and `gpu140` for cards of so many GB; auto takes what fits"""
    effort: Effort = "standard"
    """deep members: how long they train; quick is minutes on two cores, standard an hour, long a night"""
    backbone: str = "regnetx_002"
    """deep members: any timm model"""
    weights: str = "bundled"
    """deep members start from: bundled, imagenet, random, or a safetensors file"""
    loss: Literal["default", "cross_entropy", "per_side", "official", "ordinal", "binary"] = "default"
    """deep members: the loss; default leaves it to the member"""
    epochs: int | None = None
    """deep members: epochs, instead of the preset's"""
    schedule: Literal["default", "cosine", "exponential", "plateau"] = "default"
    """deep members: how the learning rate falls; default leaves it to the member"""
    per_condition: bool = False
    """crop_cnn: a network per condition"""
    neighbors: Literal["channels", "attention"] = "channels"
    """crop_cnn: neighboring slices as channels, or pooled by attention"""
    super_resolution: Literal["learned", "bicubic", "none"] = "learned"
    """multitask: how crops are enlarged"""
    volume_arch: VolumeArch = "resnet"
    """volume: the 3-D network"""
    detector: Literal["fcos", "retinanet", "yolo"] = "fcos"
    """detect_classify: the detector; yolo needs the extra lsdc-toolkit[yolo], which is AGPL"""
    device: str = "auto"
    """deep members: cpu, cuda, cuda:1, mps"""
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """deep members: auto is bfloat16 on a GPU, and for CNNs on a CPU that computes in it; float32 elsewhere"""
    compile: bool = False
    """deep members: compile networks with torch.compile"""
    tensorboard: bool = False
    """write TensorBoard logs beside the CSV ones; needs the extra lsdc-toolkit[tensorboard]"""

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with, or not be read again."""
        if self.epochs is not None and self.epochs < 1:
            raise ConfigError(f"epochs must be at least 1, not {self.epochs}")
        if ":" in self.backbone or "/" in self.backbone:
            raise ConfigError(
                f"backbone must be one of timm's own names, not {self.backbone!r}: a model that makes its reader "
                "fetch something could not be opened safely"
            )

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Self:
        """Build the options that a manifest holds, on the best device that is here.

        The device that a model was trained on need not exist where it is used.

        Parameters
        ----------
        stored : mapping
            Fields by name.

        Returns
        -------
        Options
            The same options with `device="auto"`.

        Raises
        ------
        TypeError
            When a field is unknown.
        ValueError
            When a field has another type, or the backbone is one that a hub or a folder has: what a stranger's model
            names must not be fetched.
        """
        _STORED(stored, "options")
        return cls(**{**stored, "device": "auto"})

    def resolved(self) -> Self:
        """Replace the presets `auto` and `gpu` by the one that fits the device and the effort.

        Returns
        -------
        Options
            With the preset `tiny`, `cpu`, `gpu24` or `gpu140`. Without a GPU, `auto` is `cpu`, or `tiny` for a quick
            effort; with one it is `gpu140` above 60 GB, else `gpu24`, or `cpu` for a quick effort.

        Raises
        ------
        ConfigError
            When the device is not there.
        """
        if self.preset not in ("auto", "gpu"):
            return self
        device, quick = pick_device(self.device), self.effort == "quick"
        if device.type != "cuda":
            small: Preset = "tiny" if quick else "cpu"
            return replace(self, preset=small if self.preset == "auto" else "gpu24")
        if quick and self.preset == "auto":
            return replace(self, preset="cpu")
        import torch

        gigabytes = torch.cuda.get_device_properties(device).total_memory / 1e9
        return replace(self, preset="gpu140" if gigabytes > _LARGE_CARD_GB else "gpu24")


_STORED: Check = record(
    {},
    {
        **dict.fromkeys(
            ("preset", "effort", "loss", "schedule", "neighbors", "super_resolution", "volume_arch", "detector",
             "device", "precision"),
            text("[A-Za-z0-9_:]+", 50),
        ),
        "backbone": text(r"[A-Za-z0-9_.\-]+", 200),
        "weights": text(),
        "epochs": optional(whole(1, 10**6)),
        **dict.fromkeys(("per_condition", "compile", "tensorboard"), flag()),
    },
)  # fmt: skip
"""What a manifest may hold."""
