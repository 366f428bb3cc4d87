from pathlib import Path

import segmentation_models_pytorch as smp
from PIL import Image
from torchvision.transforms import Compose, Grayscale, Resize, ToTensor

model = smp.from_pretrained("unet")
prepare = Compose([Grayscale(), Resize((224, 224)), ToTensor()])
for path in sorted(Path("mixed").iterdir()):
    try:
        _, logit = model.predict(prepare(Image.open(path))[None])
        print(path.name, logit.sigmoid().item())
    except OSError as error:
        print(path.name, error)
