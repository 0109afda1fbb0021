from .encoder import Encoder as Encoder
from .extraction import Extraction as Extraction
from .store import FeatureStore as FeatureStore
from .store_settings import Settings as Settings
from .writer import write_store as write_store
