"""The untrained score is measured before the first step, once, and forgotten by the best score."""

import json

import torch

from custom.engines import TrainingCheckpoint, UntrainedBaseline


def test_measured_before_training_and_not_when_resuming(training, tmp_path):
    file = tmp_path / "baselines.json"
    runs = []

    def handlers(parts):
        def evaluate():
            runs.append(parts.network.weight.item())
            parts.evaluator.state.metric_details = {"dice": torch.tensor([[0.2, float("nan")], [0.4, 0.6]])}
            parts.evaluator.state.best_metric, parts.evaluator.state.best_metric_epoch = 0.9, 0

        parts.evaluator.run = evaluate
        checkpoint = TrainingCheckpoint(
            str(tmp_path), parts.network, parts.optimizer, parts.schedule, parts.evaluator, resume=True
        )
        return [UntrainedBaseline(parts.evaluator, str(file), ["a", "b"]), checkpoint]

    first = training(2, handlers)
    untrained = first.network.weight.item()
    first.trainer.run()
    assert runs == [untrained]
    scores = json.loads(file.read_text())["untrained network"]
    assert torch.allclose(torch.tensor([scores["a"], scores["b"]]), torch.tensor([0.3, 0.6]))
    assert first.evaluator.state.best_metric == -1
    training(3, handlers).trainer.run()
    assert len(runs) == 1
