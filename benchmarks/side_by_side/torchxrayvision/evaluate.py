# The library has no scores: scikit-learn has.
import torch
import torchxrayvision as xrv
from sklearn.metrics import roc_auc_score
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import Compose

model = torch.load("xrv.pt", weights_only=False)
prepare = Compose([xrv.datasets.XRayCenterCrop(), xrv.datasets.XRayResizer(224)])
films = ImageFolder("films/valid", loader=xrv.utils.load_image, transform=prepare)
with torch.inference_mode():
    answers = torch.cat([model(film)[:, 0] for film, _ in DataLoader(films, batch_size=16)])
print(roc_auc_score(films.targets, answers))
