"""What decides the content of a store, besides the data."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from lsdc.runtime.errors import ConfigError

if TYPE_CHECKING:
    import torch

    from lsdc.features.array_files import ArraySizes
    from lsdc.features.encoder import Encoder
    from lsdc.features.extractor import Extractor

Precision = Literal["float32", "int8"]
"""In what an encoder computes."""
_LEAST = {"folds": 2, "seed": 0, "crop_px": 16, "volume_slices": 1, "volume_px": 16, "preview_px": 16}
"""The smallest value of each number that can work."""


@dataclass(frozen=True)
class Settings:
    """What decides the content of a store, besides the data.

    Models fitted on one store read another when `backbone`, the encoder's weights and `crop_px` agree.

    Raises
    ------
    ConfigError
        When a value cannot work.

    Examples
    --------
    >>> Settings(crop_px=64).volume_px
    128
    >>> Settings(crop_px=4)
    Traceback (most recent call last):
    ...
    lsdc.runtime.errors.ConfigError: crop_px must be at least 16, not 4
    """

    backbone: str = "regnetx_002"
    """any timm model, by its name"""
    weights: str = "bundled"
    """bundled, imagenet (timm's hub), random, or a safetensors file"""
    folds: int | Path = 5
    """folds for cross-fitting, by study: how many, or a CSV with study_id and fold for every labeled study"""
    seed: int = 0
    """for folds and everything fitted"""
    crop_px: int = 96
    """side of a crop in pixels"""
    volume_slices: int = 16
    """slices of the small volumes"""
    volume_px: int = 128
    """side of the small volumes in pixels"""
    preview_px: int = 192
    """side of the previews in pixels"""
    precision: Precision = "float32"
    """of the encoder: float32, or int8 for the bundled weights on a CPU, faster and a little less exact"""

    def __post_init__(self) -> None:
        """Refuse values that cannot work."""
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if isinstance(value, int) and value < least:
                raise ConfigError(f"{name} must be at least {least}, not {value}")
        for name in ("backbone", "weights"):
            if not getattr(self, name):
                raise ConfigError(f"{name} must not be empty")
        if self.precision not in get_args(Precision):
            raise ConfigError(f"precision must be 'float32' or 'int8', not {self.precision!r}")

    @property
    def sizes(self) -> ArraySizes:
        """The sizes of the store's arrays."""
        from lsdc.features.array_files import ArraySizes

        return ArraySizes(self.crop_px, self.volume_slices, self.volume_px, self.preview_px)

    def matched_to(self, extractor: Extractor) -> Settings:
        """Take over the settings of a store or a model, so that models fitted with them read the new store.

        Parameters
        ----------
        extractor : Extractor
            That of the store or the model.

        Returns
        -------
        Settings
            Those of the extractor, with its encoder file as `weights`.

        Raises
        ------
        ConfigError
            When the store was not made by `extract`, when a value here is neither the default nor the extractor's, or
            when that names a backbone of a hub.
        ArtifactError
            When the encoder is missing or damaged.
        """
        # What stores did not say before there was a choice.
        theirs: dict[str, Any] = {"precision": "float32", **extractor.configuration}
        names = [item.name for item in fields(self)]
        if not set(names) <= theirs.keys():
            raise ConfigError(
                f"like: {extractor.path} was not made by `lsdc-features extract`; give a store that was"
            )
        default = Settings()
        # A table of folds belongs to the studies of one store, and so contradicts no other.
        if not isinstance(self.folds, int) or isinstance(theirs["folds"], str):
            names.remove("folds")
        for name in names:
            mine = getattr(self, name)
            if mine not in (getattr(default, name), theirs[name]):
                raise ConfigError(
                    f"{name}={mine!r} contradicts {str(extractor.path)!r}, which was made with {theirs[name]!r}; "
                    "leave it out"
                )
        if ":" in theirs["backbone"] and self.backbone != theirs["backbone"]:
            raise ConfigError(
                f"like={str(extractor.path)!r} has the backbone {theirs['backbone']!r}, which would be fetched from a "
                "hub or a folder; where you trust it, give the backbone too"
            )
        made = replace(self, **{name: theirs[name] for name in names})
        return replace(made, weights=str(extractor.encoder))

    def encoder(self, device: str | torch.device) -> Encoder:
        """Build the encoder that `backbone` and `weights` name.

        Parameters
        ----------
        device : str or torch.device
            Where it runs.

        Returns
        -------
        Encoder
            Ready to embed.

        Raises
        ------
        LsdcError
            When there is no such backbone, or its weights cannot be had or do not fit.
        """
        from lsdc.features.encoder import Encoder

        return Encoder.build(self.backbone, self.weights, device, self.seed, self.precision)

    def content(self) -> dict[str, Any]:
        """List all settings as JSON holds them, with the sizes of the crops in the patient.

        Returns
        -------
        dict of str to JSON value
            The fields, and `crop_mm`: mm by family and view.
        """
        from lsdc.features.crops import CROP_MM

        sizes = {family.value: {v.value: mm for v, mm in views.items()} for family, views in CROP_MM.items()}
        folds = self.folds if isinstance(self.folds, int) else str(self.folds)
        content = asdict(self) | {"folds": folds, "crop_mm": sizes}
        if self.precision == "float32":
            del content[
                "precision"
            ]  # as in stores from before there was a choice, so that runs are found again
        return content


DEFAULT = Settings()
"""The settings that the bundled weights and the published figures go with."""
