# The library has networks and losses; data and the loop are torch's and torchvision's.
import segmentation_models_pytorch as smp
import torch
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.data import DataLoader, StackDataset
from torchvision.datasets import ImageFolder
from torchvision.transforms import Compose, Grayscale, Resize, ToTensor

prepare = Compose([Grayscale(), Resize((224, 224)), ToTensor()])
films = ImageFolder("films/train", transform=prepare)
masks = ImageFolder("masks/train", transform=prepare)
model = smp.Unet(
    "resnet18", encoder_weights=None, in_channels=1, classes=1, aux_params={"classes": 1}
)
dice = smp.losses.DiceLoss("binary")
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
loader = DataLoader(StackDataset(films, masks), batch_size=16, shuffle=True)
for (film, label), (mask, _) in loader:
    map_logit, logit = model(film)
    loss = dice(map_logit, mask) + binary_cross_entropy_with_logits(logit[:, 0], label.float())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
model.save_pretrained("unet")
