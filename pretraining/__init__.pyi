from .encoder.settings import EncoderSettings as EncoderSettings
from .encoder.train import PretrainedEncoder as PretrainedEncoder
from .encoder.train import pretrain_encoder as pretrain_encoder
from .localizer.settings import LocalizerSettings as LocalizerSettings
from .localizer.train import PretrainedLocalizer as PretrainedLocalizer
from .localizer.train import pretrain_localizer as pretrain_localizer
