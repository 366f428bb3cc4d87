# The library scores masks; of films scikit-learn has the AUROC.
import segmentation_models_pytorch as smp
import torch
from sklearn.metrics import roc_auc_score
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import Compose, Grayscale, Resize, ToTensor

model = smp.from_pretrained("unet")
prepare = Compose([Grayscale(), Resize((224, 224)), ToTensor()])
films = ImageFolder("films/valid", transform=prepare)
answers = [model.predict(film)[1][:, 0] for film, _ in DataLoader(films, batch_size=16)]
print(roc_auc_score(films.targets, torch.cat(answers)))
