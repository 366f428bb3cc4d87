# Engine.predict draws the map by itself, under results/; here it is told where.
from anomalib.engine import Engine
from anomalib.models import Padim
from anomalib.visualization import ImageVisualizer

model = Padim(pre_trained=False, visualizer=ImageVisualizer(output_dir="heat_anomalib"))
Engine().predict(model, ckpt_path="padim.ckpt", data_path="film.png")
