"""Checkpoints a training resumes from exactly, and the weights it leaves for inference."""

import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Events
from torch import nn

from ..data.training_scans import SCANS
from ..errors import InputError
from ..io.atomic_write import replacing
from ..io.run_lock import let_go
from ..io.torch_file import load_mapping
from ..io.write_errors import reporting_unwritable
from ..networks.distance_head import FIELD_RESPONSE
from ..plans import PLAN_FILE, refuse_other_training, write_plan
from ..processes import is_first

logger = logging.getLogger(__name__)

GOING_ON = "move its folder to another disk (--ckpt_dir), then go on with --resume true: the last checkpoint is whole"
OF_ONE_TRAINING = ("model_best.pt", "typing.json", "temperature.json")
KEYS = ("network", "optimizer", "lr_scheduler", "scaler", "epoch", "best_metric", "best_metric_epoch", "plan")


class TrainingCheckpoint:
    """Save everything a training needs to go on, load it again, and keep `model.pt` ready for inference.

    Files in `ckpt_dir`, each written atomically:
    - `model.pt`: the latest weights, a flat dictionary of tensors; the figures to report are these weights'.
    - `model_best.pt`: the weights of the best validation, whose score is optimistic: it chose them on that fold.
    - `plan.yaml`: what the network is for, what the training used, the epoch, and what a distance head answers.
    - `resume/checkpoint.pt`: weights, optimizer, schedule, loss scale, epoch and best score. Only tensors, numbers,
      strings and lists, so it loads with `weights_only=True`; MONAI's `CheckpointSaver` stores handlers' state that
      does not, and leaves out the best score.

    Args:
        ckpt_dir: folder of the files.
        network, optimizer, lr_scheduler: what is trained; the network may be wrapped for several processes.
        evaluator: validates during training; its best score is tracked.
        plan: what the training uses, which must be equal when it resumes, see `custom.plans.used_plan`.
        resume: go on from the checkpoint, if there is one; otherwise it, the best weights and what was fitted
            to them are kept as `..._previous`.
        interval: epochs between two saves; the last epoch is always saved.
        scans: what the training scans are like, for the plan's fingerprint, see `custom.data.training_scans`.
    """

    def __init__(
        self,
        ckpt_dir: str,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        lr_scheduler: torch.optim.lr_scheduler.LambdaLR,
        evaluator: Any = None,
        plan: Mapping[str, Any] | None = None,
        resume: bool = False,
        interval: int = 1,
        scans: Mapping[str, Any] | None = None,
    ) -> None:
        self.folder = Path(ckpt_dir)
        self.checkpoint = self.folder / "resume" / "checkpoint.pt"
        self.network = network
        self.optimizer = optimizer
        self.lr_scheduler = lr_scheduler
        self.evaluator = evaluator
        self.plan = dict(plan or {})
        self.resume = resume
        self.interval = interval
        self.scans = dict(scans or {})

    def attach(self, engine: Any) -> None:
        """Load when `engine` starts, save when epochs end; attach after validation, schedule and `StopAfterEpoch`."""
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.epoch_completed)
        engine.add_event_handler(Events.COMPLETED, self.completed)
        engine.add_event_handler(Events.COMPLETED | Events.TERMINATE, let_go)  # another training may follow here

    def start(self, engine: Any) -> None:
        """Resume, or rename what an earlier training left, which is not of the plan that this one writes."""
        if self.resume and self.checkpoint.exists():
            self.load(engine)
        elif self.resume:
            logger.info("nothing to resume in %s: the training starts at epoch 1", self.folder)
        elif is_first():
            for file in (self.checkpoint, *(self.folder / name for name in OF_ONE_TRAINING)):
                if file.exists():
                    kept = file.replace(file.with_stem(f"{file.stem}_previous"))
                    what = "the training begins at epoch 1 (pass --resume true to go on)"
                    logger.warning("%s; what an earlier one left is now %s", what, kept)

    def load(self, engine: Any) -> None:
        """Restore every state from the checkpoint."""
        remedy = "restore it, or remove it to begin again"
        state = load_mapping(self.checkpoint, remedy)
        missing = [key for key in KEYS if key not in state]
        if missing:
            raise InputError(f"{self.checkpoint} is no checkpoint to resume from, without {missing[0]}: {remedy}")
        refuse_other_training(self.checkpoint, state["plan"], self.plan)
        if state["epoch"] > engine.state.max_epochs:
            done = state["epoch"]
            raise InputError(f"{self.checkpoint} has {done} epochs: pass --epochs {done} or more to go on")
        saved = state["optimizer"]
        self.refuse_other_options(saved.get("param_groups", ()) if isinstance(saved, dict) else ())
        base_rates = [float(rate) for rate in self.lr_scheduler.base_lrs]
        try:
            unwrapped(self.network).load_state_dict(state["network"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.lr_scheduler.load_state_dict(state["lr_scheduler"])
        except (RuntimeError, ValueError, LookupError, TypeError, AttributeError) as error:
            what = f"{self.checkpoint} is of another network or optimizer"
            raise InputError(f"{what}: pass the overlays it was trained with") from error
        self.set_learning_rate(base_rates)
        if engine.scaler is not None and state["scaler"]:
            engine.scaler.load_state_dict(state["scaler"])
        engine.state.epoch = state["epoch"]
        engine.state.iteration = state["epoch"] * engine.state.epoch_length
        if self.evaluator is not None:
            self.evaluator.state.best_metric = state["best_metric"]
            self.evaluator.state.best_metric_epoch = state["best_metric_epoch"]
        logger.info("resumed from %s at epoch %d", self.checkpoint, state["epoch"])

    def refuse_other_options(self, saved: Sequence[Mapping[str, Any]]) -> None:
        """Refuse options of the optimizer, rates apart, that the checkpoint's would replace without a word."""
        for before, now in zip(saved, self.optimizer.param_groups, strict=False):
            if {"momentum", "betas"} & (before.keys() ^ now.keys()):
                raise InputError(f"{self.checkpoint} is of another optimizer: pass the overlays it was trained with")
            for key in sorted((before.keys() & now.keys()) - {"params", "lr", "initial_lr"}):
                if before[key] != now[key]:
                    what = f"{self.checkpoint} was trained with {key} {before[key]}, not {now[key]}"
                    raise InputError(f"{what}: pass --optimizer#{key} {before[key]}, or begin another training")

    def set_learning_rate(self, base_rates: list[float]) -> None:
        """Go on with the configured rates, which the states just loaded replaced by those of the earlier session."""
        scheduler = self.lr_scheduler
        if list(scheduler.base_lrs) != base_rates:
            logger.info("initial learning rate %s instead of the checkpoint's %s", base_rates, scheduler.base_lrs)
        scheduler.base_lrs[:] = base_rates
        factors = (factor(scheduler.last_epoch) for factor in scheduler.lr_lambdas)
        for group, base, factor in zip(self.optimizer.param_groups, base_rates, factors, strict=True):
            group["initial_lr"], group["lr"] = base, base * factor

    def epoch_completed(self, engine: Any) -> None:
        """Save every `interval` epochs and before the session ends, and the weights of the best validation."""
        epoch = engine.state.epoch
        self.refuse_diverged(epoch, engine.state.metrics.get("train_loss", 0.0))
        if not is_first():
            return
        if self.evaluator is not None and self.evaluator.state.best_metric_epoch == epoch:
            save(self.folder / "model_best.pt", weights(self.network))
        if epoch % self.interval == 0 or epoch == engine.state.max_epochs or engine.should_terminate:
            self.save(engine)

    def completed(self, engine: Any) -> None:
        """Say which weights are where, the last epoch's first."""
        if not is_first():
            return
        logger.info("weights of epoch %d: %s", engine.state.epoch, self.folder / "model.pt")
        best = self.evaluator.state if self.evaluator is not None else None
        if best is not None and best.best_metric_epoch > 0:
            score = f"epoch {best.best_metric_epoch}, {best.best_metric:.3f}, optimistic: chosen on the validated cases"
            logger.info("weights of the best validation (%s): %s", score, self.folder / "model_best.pt")

    def save(self, engine: Any) -> None:
        """Write the weights and the checkpoint, which comes last: after a kill in between, the epoch is done again."""
        best = self.evaluator.state if self.evaluator is not None else None
        state = {
            "network": weights(self.network),
            "optimizer": self.optimizer.state_dict(),
            "lr_scheduler": self.lr_scheduler.state_dict(),
            "scaler": engine.scaler.state_dict() if engine.scaler is not None else {},
            "epoch": engine.state.epoch,
            "best_metric": float(best.best_metric) if best is not None else -1.0,
            "best_metric_epoch": int(best.best_metric_epoch) if best is not None else -1,
            "plan": self.plan,
        }
        save(self.folder / "model.pt", state["network"])
        if self.plan:
            training = {**self.plan.get("training", {}), "epoch": engine.state.epoch}
            if response := getattr(engine.state, "field_response", None):
                training[FIELD_RESPONSE] = {name: round(value, 4) for name, value in response.items()}
            fingerprint = {**self.plan.get("fingerprint", {}), **({SCANS: self.scans} if self.scans else {})}
            write_plan(self.folder / PLAN_FILE, {**self.plan, "training": training, "fingerprint": fingerprint})
        save(self.checkpoint, state)

    def refuse_diverged(self, epoch: int, loss: float = 0.0) -> None:
        """Stop a training whose weights or loss are no longer numbers before it overwrites a good checkpoint.

        In mixed precision on CUDA the weights stay finite, since steps with other gradients are left out.
        """
        finite = all(bool(torch.isfinite(parameter).all()) for parameter in self.network.parameters())
        if not finite or not math.isfinite(loss):
            what = f"epoch {epoch} ({f'the loss is {loss}' if finite else 'weights are not finite'})"
            remedy = "lower --learning_rate and go on from the last good epoch with --resume true"
            raise InputError(f"the training diverged in {what}; nothing of it was saved in {self.folder}: {remedy}")


def unwrapped(network: nn.Module) -> nn.Module:
    """The network inside `DistributedDataParallel`, or itself."""
    return network.module if isinstance(network, nn.parallel.DistributedDataParallel) else network


def weights(network: nn.Module) -> dict[str, torch.Tensor]:
    """A flat dictionary of the network's tensors, on the CPU."""
    return {key: value.detach().cpu() for key, value in unwrapped(network).state_dict().items()}


def save(path: Path, content: dict[str, Any]) -> None:
    """`torch.save`, atomically.

    Through an open file, since the archive would hold a path's name: so equal weights have equal checksums. Raises
    InputError: the disk is full or cannot be written; what was there stays.
    """
    with reporting_unwritable(path, GOING_ON), replacing(path) as temporary, temporary.open("wb") as file:
        torch.save(content, file)
