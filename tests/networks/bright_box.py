"""Whether a network learns anything: a bright box in noise."""

import torch
from torch import nn
from torch.nn import functional as F


def dice_after(network: nn.Module, steps: int) -> float:
    """Dice of the box (in an image of 16^3) after some steps of AdamW on it alone."""
    torch.manual_seed(0)
    image = torch.randn(1, 1, 16, 16, 16) * 0.1
    image[..., 4:10, 5:12, 3:9] += 2
    truth = (image > 1)[:, 0].long()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    for _ in range(steps):
        loss = F.cross_entropy(network(image), truth)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    found = network.eval()(image).argmax(1)
    return float(2 * (found & truth).sum() / (found.sum() + truth.sum()))
