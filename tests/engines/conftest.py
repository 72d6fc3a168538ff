"""A training small enough to follow by hand: one linear voxel."""

from types import SimpleNamespace

import pytest
import torch
from monai.engines import SupervisedEvaluator, SupervisedTrainer
from monai.handlers import LrScheduleHandler

from custom.engines import polynomial_decay, prepare_training_batch


def make_training(epochs=4, handlers=lambda parts: [], learning_rate=0.01):
    """A network of one weight and bias that learns y = 3 x; `handlers` makes its handlers from the parts."""
    torch.manual_seed(0)
    network = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(network.parameters(), lr=learning_rate, momentum=0.9)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, polynomial_decay(epochs))
    data = [{"image": torch.tensor([[float(x)]]), "label": torch.tensor([[3.0 * x]])} for x in (1, 2)]
    evaluator = SupervisedEvaluator(device="cpu", val_data_loader=data, network=network, decollate=False)
    parts = SimpleNamespace(network=network, optimizer=optimizer, schedule=schedule, evaluator=evaluator)
    parts.trainer = SupervisedTrainer(
        device="cpu",
        max_epochs=epochs,
        train_data_loader=data,
        network=network,
        optimizer=optimizer,
        loss_function=lambda pred, target: torch.nn.functional.mse_loss(pred, target["label"]),
        prepare_batch=prepare_training_batch,
        train_handlers=[LrScheduleHandler(schedule, print_lr=False), *handlers(parts)],
        decollate=False,
    )
    return parts


@pytest.fixture
def training():
    return make_training
