"""lightly's loop, timed: run by an interpreter that has lightly, with this repository's ``lib`` on its path.

``python -P peer_loop.py FILE STEPS WORKERS`` trains our default network on the images in FILE, a numpy array of bytes
(n, height, width, channels), and prints seconds of processor time, of its workers too, for each image.
"""

import os
import sys
from collections.abc import Callable

import numpy as np
import torch
from lightly.loss import NTXentLoss
from lightly.transforms import SimCLRTransform
from lightly.transforms.multi_view_transform import MultiViewTransform
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from sslens.encoders import ConvNet, Projector

BATCH, TEMPERATURE, RATE, DECAY = 256, 0.2, 2e-3, 1e-4


class Pictures(Dataset):
    """Pillow images with their views, as torchvision's data sets hand them out."""

    def __init__(self, images: np.ndarray, views: Callable) -> None:
        self.images, self.views = images.squeeze(-1) if images.shape[-1] == 1 else images, views

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> list[torch.Tensor]:
        return self.views(Image.fromarray(self.images[index]))


def views_of(side: int, channels: int) -> Callable:
    """lightly's SimCLR views for colour, its two views of our digits' recipe for grey; ranges as in `sslens.views`."""
    if channels == 3:
        ranges = {"cj_bright": 0.4, "cj_contrast": 0.4, "cj_sat": 0.4, "cj_hue": 0.1, "min_scale": 0.3}
        chances = {"cj_prob": 1.0, "random_gray_scale": 0.2, "gaussian_blur": 0.0, "hf_prob": 0.5}
        return SimCLRTransform(side, **ranges, **chances, normalize=None)
    moved = transforms.RandomAffine(20, translate=(0.2, 0.2))
    noisy = transforms.Lambda(lambda image: (image + 0.15 * torch.randn_like(image)).clamp(0, 1))
    view = transforms.Compose([moved, transforms.ColorJitter(contrast=0.3), transforms.ToTensor(), noisy])
    return MultiViewTransform([view, view])


def main(file: str, steps: int, workers: int) -> None:
    """Train for one pass that warms up and then for so many steps; print what each image took."""
    images = np.load(file)
    channels = images.shape[-1]
    torch.manual_seed(0)
    encoder = ConvNet().build((channels, *images.shape[1:3]))
    model = torch.nn.Sequential(encoder, Projector().build(64)).train()
    loss_of = NTXentLoss(temperature=TEMPERATURE)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=DECAY)
    pictures = Pictures(images, views_of(images.shape[1], channels))
    loader = DataLoader(pictures, batch_size=BATCH, shuffle=True, drop_last=True, num_workers=workers)

    def one_pass() -> int:
        for first, second in loader:
            loss = loss_of(model(first), model(second))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return len(loader)

    one_pass()
    before, done = processor_time(), 0
    while done < steps:
        done += one_pass()
    print((processor_time() - before) / (done * BATCH))


def processor_time() -> float:
    """Seconds of this process and of the workers that have ended."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
