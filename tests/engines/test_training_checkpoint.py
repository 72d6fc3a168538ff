"""N epochs equal k + (N - k): weights, momentum, schedule, epochs; and what is on disk."""

import pytest
import torch
from ignite.engine import Events

from custom.engines import StopAfterEpoch, TrainingCheckpoint
from custom.errors import InputError
from custom.plans import checked, read_plan

from ..plans.test_plan import PLAN


def run(training, folder, epochs=4, stop=None, resume=False, fold=0, interval=1, learning_rate=0.01, before=()):
    def handlers(parts):
        return [
            *before,
            StopAfterEpoch(stop),
            TrainingCheckpoint(
                str(folder),
                parts.network,
                parts.optimizer,
                parts.schedule,
                parts.evaluator,
                plan={**PLAN, "training": {"fold": fold}},
                resume=resume,
                interval=interval,
            ),
        ]

    parts = training(epochs, handlers, learning_rate)
    parts.trainer.run()
    return parts


def state(parts):
    momentum = [entry["momentum_buffer"] for entry in parts.optimizer.state_dict()["state"].values()]
    return [*parts.network.state_dict().values(), *momentum, torch.tensor(parts.optimizer.param_groups[0]["lr"])]


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_interrupted_training_ends_like_an_uninterrupted_one(training, tmp_path, stop):
    whole = run(training, tmp_path / "whole")
    first = run(training, tmp_path / "parts", stop=stop)
    assert first.trainer.state.epoch == stop
    second = run(training, tmp_path / "parts", resume=True)
    assert second.trainer.state.epoch == whole.trainer.state.epoch == 4
    assert second.trainer.state.iteration == whole.trainer.state.iteration == 8
    assert second.schedule.last_epoch == whole.schedule.last_epoch == 4
    assert all(torch.equal(a, b) for a, b in zip(state(whole), state(second), strict=True))


def test_it_stops_at_the_asked_epoch_even_between_two_saves(training, tmp_path):
    run(training, tmp_path, stop=3, interval=10)
    checkpoint = torch.load(tmp_path / "resume" / "checkpoint.pt", weights_only=True)
    assert checkpoint["epoch"] == 3


def test_a_finished_training_goes_on_with_more_epochs(training, tmp_path):
    """The schedule is that of the new length: it does not stay at 0."""
    run(training, tmp_path, epochs=2)
    longer = run(training, tmp_path, epochs=4, resume=True)
    assert longer.trainer.state.epoch == 4
    assert longer.schedule.get_last_lr() == [0.0]
    assert longer.trainer.state.iteration == 8


def test_weights_are_a_flat_dictionary_of_tensors(training, tmp_path):
    parts = run(training, tmp_path)
    weights = torch.load(tmp_path / "model.pt", weights_only=True)
    parts.network.load_state_dict(weights, strict=True)
    assert all(isinstance(value, torch.Tensor) for value in weights.values())
    assert not list(tmp_path.rglob(".tmp_*"))


def test_best_weights_are_those_of_the_best_validation_also_after_resuming(training, tmp_path):
    def session(resume, stop, scores):
        def handlers(parts):
            checkpoint = TrainingCheckpoint(
                str(tmp_path), parts.network, parts.optimizer, parts.schedule, parts.evaluator, resume=resume
            )

            class Score:
                def attach(self, engine):
                    engine.add_event_handler("EPOCH_COMPLETED", self)

                def __call__(self, engine):
                    evaluator, epoch = parts.evaluator.state, engine.state.epoch
                    if scores[epoch] > evaluator.best_metric:
                        evaluator.best_metric, evaluator.best_metric_epoch = scores[epoch], epoch
                        kept.append(parts.network.weight.item())

            return [Score(), StopAfterEpoch(stop), checkpoint]

        parts = training(4, handlers)
        parts.trainer.run()
        return parts

    kept: list[float] = []
    scores = {1: 0.2, 2: 0.9, 3: 0.5, 4: 0.6}
    session(False, 2, scores)
    parts = session(True, None, scores)
    best = torch.load(tmp_path / "model_best.pt", weights_only=True)
    assert best["weight"].item() == kept[1]
    assert len(kept) == 2, "epochs 3 and 4 are no new best after resuming"
    assert parts.evaluator.state.best_metric_epoch == 2


def test_resuming_nothing_starts_at_the_beginning(training, tmp_path):
    assert run(training, tmp_path, resume=True).trainer.state.epoch == 4


def test_starting_anew_keeps_the_old_checkpoint(training, tmp_path):
    run(training, tmp_path, epochs=2)
    old = torch.load(tmp_path / "resume" / "checkpoint.pt", weights_only=True)
    run(training, tmp_path, epochs=3)
    kept = torch.load(tmp_path / "resume" / "checkpoint_previous.pt", weights_only=True)
    assert kept["epoch"] == old["epoch"] == 2
    assert torch.equal(kept["network"]["weight"], old["network"]["weight"])


def test_what_was_chosen_by_or_fitted_to_an_earlier_training_is_renamed(training, tmp_path):
    """Else its best weights would be scored on the fold that they were trained on."""
    for name in ("model_best.pt", "typing.json", "temperature.json"):
        (tmp_path / name).write_text(f"{name} of an earlier training")
    run(training, tmp_path, epochs=1)
    for name in ("model_best_previous.pt", "typing_previous.json", "temperature_previous.json"):
        assert (tmp_path / name).read_text().endswith("of an earlier training")
        assert not (tmp_path / name.replace("_previous", "")).exists()
    (tmp_path / "typing.json").write_text("of this one")
    run(training, tmp_path, epochs=2, resume=True)
    assert (tmp_path / "typing.json").exists()


def test_other_options_of_the_optimizer_are_not_passed_over(training, tmp_path):
    """PyTorch would replace them by the checkpoint's, or fail in the first step."""
    run(training, tmp_path, stop=2)

    class Change:
        def __init__(self, change):
            self.change = change

        def attach(self, engine):
            engine.add_event_handler(Events.STARTED, lambda one: self.change(one.optimizer.param_groups[0]))

    with pytest.raises(
        InputError, match=r"was trained with momentum 0\.\d+, not 0.5: pass --optimizer#momentum 0\.\d+"
    ):
        run(training, tmp_path, resume=True, before=[Change(lambda group: group.update(momentum=0.5))])

    def adam(group):
        group.pop("momentum")
        group["betas"] = (0.9, 0.999)

    with pytest.raises(InputError, match="is of another optimizer: pass the overlays it was trained with"):
        run(training, tmp_path, resume=True, before=[Change(adam)])


def test_another_fold_is_refused(training, tmp_path):
    run(training, tmp_path, epochs=2)
    with pytest.raises(InputError, match=r"checkpoint.pt was trained with fold 0, not 1: pass --fold 0, or another"):
        run(training, tmp_path, resume=True, fold=1)


def test_another_learning_rate_is_followed(training, tmp_path):
    run(training, tmp_path, stop=2)
    parts = run(training, tmp_path, stop=3, resume=True, learning_rate=0.002)
    assert parts.optimizer.param_groups[0]["lr"] == pytest.approx(0.002 * 0.25**0.9)


def test_a_damaged_checkpoint_is_named(training, tmp_path):
    run(training, tmp_path, stop=1)
    file = tmp_path / "resume" / "checkpoint.pt"
    whole = torch.load(file, weights_only=True)
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(InputError, match=r"checkpoint.pt cannot be read \(it is damaged.*\): restore it, or remove it"):
        run(training, tmp_path, resume=True)
    for content, said in (
        ({"state_dict": whole["network"]}, "is no checkpoint to resume from, without network: restore it, or remove"),
        ({**whole, "optimizer": {}}, "is of another network or optimizer"),
        ({**whole, "network": [1]}, "is of another network or optimizer"),
    ):
        torch.save(content, file)
        with pytest.raises(InputError, match=f"^[^\\n]*checkpoint.pt {said}"):
            run(training, tmp_path, resume=True)


def test_the_plan_lies_next_to_the_weights_and_says_their_epoch(training, tmp_path):
    run(training, tmp_path, stop=3)
    assert read_plan(tmp_path / "plan.yaml") == checked({**PLAN, "training": {"fold": 0, "epoch": 3}}, "")


class Responding:
    """In the place of `FieldResponse`."""

    def __init__(self, of_epoch):
        self.of_epoch = of_epoch

    def attach(self, engine):
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)

    def __call__(self, engine):
        engine.state.field_response = self.of_epoch.get(engine.state.epoch, {})


def test_the_plan_says_what_the_distance_head_answers(training, tmp_path):
    """Of the epoch whose weights they are; no statement of the training that would have to be equal when it resumes."""
    response = Responding({2: {"cord": 0.25}, 3: {"cord": 0.123456}})
    run(training, tmp_path, stop=2, before=[response])
    assert read_plan(tmp_path / "plan.yaml")["training"] == {"fold": 0, "epoch": 2, "field_response": {"cord": 0.25}}
    run(training, tmp_path, stop=3, resume=True, before=[response])
    assert read_plan(tmp_path / "plan.yaml")["training"]["field_response"] == {"cord": 0.1235}


def test_fewer_epochs_than_done_are_refused(training, tmp_path):
    run(training, tmp_path, epochs=3)
    with pytest.raises(InputError, match=r"has 3 epochs: pass --epochs 3 or more"):
        run(training, tmp_path, epochs=2, resume=True)


def test_a_diverged_training_keeps_its_last_good_checkpoint(training, tmp_path):
    run(training, tmp_path, stop=2)
    good = (tmp_path / "model.pt").read_bytes()
    with pytest.raises(InputError, match=r"diverged in epoch 3 .* lower --learning_rate"):

        def break_weights(parts):
            class Break:
                def attach(self, engine):
                    engine.add_event_handler("EPOCH_STARTED", lambda _: parts.network.weight.data.fill_(float("nan")))

            checkpoint = TrainingCheckpoint(
                str(tmp_path), parts.network, parts.optimizer, parts.schedule, None, resume=True
            )
            return [Break(), checkpoint]

        training(4, break_weights).trainer.run()
    assert (tmp_path / "model.pt").read_bytes() == good
