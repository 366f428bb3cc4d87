import segmentation_models_pytorch as smp
from PIL import Image
from torchvision.transforms import Compose, Grayscale, Resize, ToTensor

model = smp.from_pretrained("unet")
prepare = Compose([Grayscale(), Resize((224, 224)), ToTensor()])
_, logit = model.predict(prepare(Image.open("film.png"))[None])
print(logit.sigmoid().item())
