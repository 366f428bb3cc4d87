import matplotlib.pyplot as plt
import segmentation_models_pytorch as smp
from PIL import Image
from torchvision.transforms import Compose, Grayscale, Resize, ToTensor

model = smp.from_pretrained("unet")
prepare = Compose([Grayscale(), Resize((224, 224)), ToTensor()])
film = prepare(Image.open("film.png"))
map_logit, _ = model.predict(film[None])
plt.imshow(film[0], cmap="gray")
plt.imshow(map_logit[0, 0].sigmoid(), cmap="jet", alpha=0.4, vmin=0, vmax=1)
plt.savefig("heat_smp.png")
