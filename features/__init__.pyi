from .crop_dataset import CropDataset as CropDataset
from .encoder import Encoder as Encoder
from .extraction import Extraction as Extraction
from .extraction import extract as extract
from .store import FeatureStore as FeatureStore
from .store_settings import Settings as Settings
from .store_tables import TrainingTable as TrainingTable
from .writer import write_store as write_store
