from anomalib.data import Folder
from anomalib.engine import Engine
from anomalib.models import Padim

films = Folder("films", "train/negative", "films", "valid/positive", "valid/negative")
Engine().test(Padim(pre_trained=False), datamodule=films, ckpt_path="padim.ckpt")
