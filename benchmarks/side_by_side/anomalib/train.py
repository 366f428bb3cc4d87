# Learns from the normal films alone: that is what the library is for.
from anomalib.data import Folder
from anomalib.engine import Engine
from anomalib.models import Padim

films = Folder("films", "train/negative", "films", "valid/positive", "valid/negative")
engine = Engine()
engine.fit(Padim(pre_trained=False), datamodule=films)
engine.trainer.save_checkpoint("padim.ckpt")
