from anomalib.engine import Engine
from anomalib.models import Padim

model = Padim(pre_trained=False)
(answer,) = Engine().predict(model, ckpt_path="padim.ckpt", data_path="film.png")
print(answer.pred_score.item())
