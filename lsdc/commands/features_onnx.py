"""`lsdc-features export-onnx`: write an encoder or a member's network for other programs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from tyro.conf import Positional

from lsdc.runtime.commands import Reporting
from lsdc.runtime.errors import ConfigError

if TYPE_CHECKING:
    from lsdc.features.encoder import Encoder


@dataclass(frozen=True)
class ExportedNetwork:
    """An ONNX file that was written.

    Parameters
    ----------
    path : Path
        The file.
    what : str
        The backbone, or the member.
    inputs : dict of str to str
        The graph's inputs, and what they are.
    """

    path: Path
    what: str
    inputs: dict[str, str]


@dataclass(frozen=True)
class ExportOnnx:
    """Write an encoder, or the network of a model's deep member, as an ONNX file.

    SOURCE is a store, a model, or `bundled`. The encoder takes crops in gray values and gives features; a member's
    network takes what is listed of one study, and gives the probabilities of its 25 targets. Needs the extra
    lsdc-toolkit[onnx].

    Examples
    --------
        lsdc-features export-onnx bundled --out encoder.onnx
        lsdc-features export-onnx store/ --out encoder.onnx
        lsdc-features export-onnx model/ --member crop_cnn --fold 2 --out crop_cnn.onnx
    """

    source: Positional[Annotated[Path, tyro.conf.arg(metavar="SOURCE")]]
    """a finished store, a model, or `bundled`"""
    out: Path
    """file to write"""
    member: str | None = None
    """the deep member of a model to write; by default the encoder"""
    fold: int = 0
    """which of the member's fitted networks to write: the one that did not see this fold"""
    reporting: Reporting = Reporting()

    def run(self) -> ExportedNetwork:
        """Write the file.

        Returns
        -------
        ExportedNetwork
            Where it is, and what it takes.
        """
        from lsdc.runtime.console import say
        from lsdc.runtime.onnx_export import check_installed
        from lsdc.runtime.whole_files import check_output_file

        check_output_file(self.out, [self.source])
        check_installed()
        written = self._encoder() if self.member is None else self._member(self.member)
        said = "; ".join(f"{name}: {shape}" for name, shape in written.inputs.items())
        say(f"{written.path}: {written.what}, takes {said}")
        return written

    def _encoder(self) -> ExportedNetwork:
        from lsdc.features.encoder_export import export_encoder

        encoder, px = self._open_encoder()
        return ExportedNetwork(
            export_encoder(encoder, self.out, px), encoder.backbone, {"images": "(n, 3, P, P) uint8"}
        )

    def _open_encoder(self) -> tuple[Encoder, int]:
        """Find the encoder, and the side of its crops."""
        from lsdc.features.extractor import Extractor
        from lsdc.features.store_settings import Settings

        bundled = str(self.source) == "bundled"
        settings = Settings() if bundled else Settings().matched_to(Extractor.of(self.source))
        return settings.encoder("cpu"), settings.crop_px

    def _member(self, name: str) -> ExportedNetwork:
        from tempfile import TemporaryDirectory

        from lsdc.ensemble.model import Model
        from lsdc.models.deep.base import DeepMember
        from lsdc.models.deep.member_export import export_member
        from lsdc.testing.planted_examples import make_examples

        model = Model.open(self.source)
        if name not in model.members:
            raise ConfigError(f"--member {name}: {self.source} has {', '.join(model.members)}")
        kind, folder = model.member_class(name), model.member_folder(name) / f"fold_{self.fold}"
        if not issubclass(kind, DeepMember):
            raise ConfigError(
                f"--member {name}: is no network that looks at images; members that are: "
                "`lsdc-ensemble members` lists those that need images"
            )
        if not folder.is_dir():
            raise ConfigError(f"--fold {self.fold}: {name} has no such fold")
        with TemporaryDirectory() as work:
            shapes = export_member(
                kind.load(folder), make_examples(4, folder=Path(work) / "arrays"), self.out
            )
        inputs = {key: str(shape) for key, shape in shapes.items()}
        return ExportedNetwork(self.out, f"member {name}, fold {self.fold}", inputs)
