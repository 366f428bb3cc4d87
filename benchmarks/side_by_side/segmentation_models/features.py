from pathlib import Path

import segmentation_models_pytorch as smp
import torch
from PIL import Image
from torchvision.transforms import Compose, Grayscale, Resize, ToTensor

model = smp.from_pretrained("unet").eval()
prepare = Compose([Grayscale(), Resize((224, 224)), ToTensor()])
paths = sorted(Path("films/valid").rglob("*.png"))
films = torch.stack([prepare(Image.open(path)) for path in paths])
with torch.inference_mode():
    features = model.encoder(films)[-1].mean((2, 3)).numpy()
print(features.shape)
