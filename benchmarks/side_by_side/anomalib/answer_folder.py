# `data_path="mixed"` answers for a folder in one call, but a file that cannot be read ends it
# without any answer.
from pathlib import Path

from anomalib.engine import Engine
from anomalib.models import Padim

engine, model = Engine(), Padim(pre_trained=False)
for path in sorted(Path("mixed").iterdir()):
    try:
        (answer,) = engine.predict(model, ckpt_path="padim.ckpt", data_path=path)
        print(path.name, answer.pred_score.item())
    except OSError as error:
        print(path.name, error)
