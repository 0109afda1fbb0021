"""What a user may choose about the deep members."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lsdc.runtime import ConfigError

if TYPE_CHECKING:
    import torch

LARGE_CARD_GB = 60
VolumeArch = Literal["resnet", "swin_unetr", "segresnet", "dynunet", "vit"]


@dataclass(frozen=True)
class Options:
    """How the deep members are made; the others have nothing to choose. `None` leaves it to the member's preset."""

    preset: Literal["auto", "tiny", "gpu"] = "auto"
    """deep members: `tiny` for a CPU, `gpu` for a 24 or 140 GB card; auto takes what is there"""
    backbone: str = "regnetx_002"
    """deep members: any timm model"""
    weights: str = "bundled"
    """deep members start from: bundled, imagenet, random, or a safetensors file"""
    loss: Literal["default", "cross_entropy", "per_side", "official", "ordinal", "binary"] = "default"
    """deep members: the loss; default is each member's own"""
    epochs: int | None = None
    """deep members: epochs, instead of the preset's"""
    schedule: Literal["default", "cosine", "exponential", "plateau"] = "default"
    """deep members: how the learning rate falls; default is each member's own"""
    per_condition: bool = False
    """crop_cnn: a network per condition"""
    neighbors: Literal["channels", "attention"] = "channels"
    """crop_cnn: neighboring slices as channels, or pooled by attention"""
    super_resolution: Literal["learned", "bicubic", "none"] = "learned"
    """multitask: how crops are enlarged"""
    volume_arch: VolumeArch = "resnet"
    """volume: the 3-D network"""
    detector: Literal["fcos", "retinanet", "yolo"] = "fcos"
    """detect_classify: the detector; yolo needs the extra lsdc[yolo], which is AGPL"""
    device: str = "auto"
    """deep members: cpu, cuda, cuda:1, mps"""
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """deep members: auto is bfloat16 on a GPU, float32 elsewhere"""
    compile: bool = False
    """deep members: compile networks with torch.compile"""
    tensorboard: bool = False
    """write TensorBoard logs beside the CSV ones; needs the extra lsdc[tensorboard]"""

    def __post_init__(self) -> None:
        """Refuse what cannot be trained."""
        if self.epochs is not None and self.epochs < 1:
            raise ConfigError(f"--epochs must be at least 1, not {self.epochs}")

    def size(self, device: torch.device) -> str:
        """Which of a member's sizes: `tiny`, `gpu24` or `gpu140`."""
        if self.preset == "tiny" or (self.preset == "auto" and device.type != "cuda"):
            return "tiny"
        if device.type != "cuda":
            return "gpu24"
        import torch

        gigabytes = torch.cuda.get_device_properties(device).total_memory / 1e9
        return "gpu140" if gigabytes > LARGE_CARD_GB else "gpu24"
