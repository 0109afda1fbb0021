"""What decides the content of a store."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from lsdc.runtime import ConfigError

if TYPE_CHECKING:
    import torch

    from lsdc.features.encoder import Encoder
    from lsdc.features.store import FeatureStore


@dataclass(frozen=True)
class Settings:
    """What decides the content of a store, besides the data.

    Parameters
    ----------
    backbone : str
        A timm model's name.
    weights : str
        `bundled`, `imagenet`, `random`, or a safetensors file.
    folds : int
        Folds of the cross-fitting.
    seed : int
        For everything random.
    crop_px : int
        Side of a crop, px.
    volume_slices, volume_px : int
        Size of the small volumes.
    preview_px : int
        Side of a preview picture, px.
    """

    backbone: str = "regnetx_002"
    weights: str = "bundled"
    folds: int = 5
    seed: int = 0
    crop_px: int = 96
    volume_slices: int = 16
    volume_px: int = 128
    preview_px: int = 192

    def __post_init__(self) -> None:
        """Refuse sizes that cannot work."""
        for name, least in (("crop_px", 16), ("volume_slices", 1), ("volume_px", 16), ("folds", 2)):
            if getattr(self, name) < least:
                flag = name.replace("_", "-")
                raise ConfigError(f"--{flag} must be at least {least}, not {getattr(self, name)}")

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        """Crop px, volume slices, volume px, preview px."""
        return self.crop_px, self.volume_slices, self.volume_px, self.preview_px

    def like(self, store: FeatureStore) -> Settings:
        """The settings of another store.

        Raises
        ------
        ConfigError
            When a setting was given that contradicts it.
        """
        theirs: dict[str, Any] = store.manifest["configuration"]
        if not {item.name for item in fields(self)} <= theirs.keys():
            raise ConfigError(f"--like {store.path}: not made by `lsdc-features extract`; give one that was")
        default = Settings()
        for item in fields(self):
            name, mine = item.name, getattr(self, item.name)
            if mine not in (getattr(default, name), theirs[name]):
                raise ConfigError(
                    f"--{name.replace('_', '-')} {mine} contradicts --like {store.path}, which was made with "
                    f"{theirs[name]}; leave it out"
                )
        made = replace(self, **{item.name: theirs[item.name] for item in fields(self)})
        return replace(made, weights=str(store.path / "encoder.safetensors"))

    def encoder(self, device: torch.device) -> Encoder:
        """The encoder these settings name."""
        from lsdc.features.encoder import Encoder

        return Encoder.build(self.backbone, self.weights, device, self.seed)

    def content(self) -> dict[str, Any]:
        """All of it as JSON holds it, with the sizes that are built in."""
        from lsdc.features.crops import CROP_MM

        sizes = {family.value: {v.value: mm for v, mm in views.items()} for family, views in CROP_MM.items()}
        return asdict(self) | {"crop_mm": sizes}
