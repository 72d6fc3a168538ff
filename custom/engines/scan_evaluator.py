"""Inference and evaluation of every scan for itself."""

from collections.abc import Mapping
from typing import Any

import torch
from ignite.engine import Events
from monai.engines import SupervisedEvaluator
from monai.metrics import Cumulative

from ..data.scan_dataset import CASE_NUMBER, LEFT_OUT, is_killed_loader
from ..datalist.left_out import LeftOut, reason_of
from ..errors import InputError
from ..processes import gathered, rank, world_size


class ScanEvaluator(SupervisedEvaluator):
    """MONAI's `SupervisedEvaluator` that leaves a scan out where anything fails for it, and goes on with the next.

    ignite ends a run at the first exception; here those of one scan - reading, memory, network, writing, scores - are
    noted in `left_out`, and the handlers of ITERATION_COMPLETED are not called for it. What fails every scan still ends
    the run: see `left_out.reason_of`, and weights that are not finite.

    Args:
        left_out: takes note of what becomes of each scan.
        arguments: those of `SupervisedEvaluator`; scans come one at a time from a `custom.data.ScanDataset`. Metrics
            are MONAI's; handlers with a method `keep_first` forget by it what they took of a scan that fails later.
    """

    def __init__(self, *, left_out: LeftOut, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.left_out = left_out
        self.cases = arguments["val_data_loader"].dataset.data
        scores = {**(arguments.get("key_val_metric") or {}), **(arguments.get("additional_metrics") or {})}
        self.metrics: list[Cumulative] = [score.metric_fn for score in scores.values()]
        self.takers = [taker for taker in arguments.get("val_handlers") or [] if hasattr(taker, "keep_first")]
        self.case: Mapping[str, Any] = {}
        self.is_left_out = False
        self.completed = 0  # scans of this epoch and process

    def run(self, global_epoch: int = 1) -> None:  # type: ignore[override]
        """Label or score all scans. Raises ScansLeftOutError: none of several could be scored."""
        if self.state.epoch_length:
            super().run(global_epoch)
        self.left_out.write()

    def _iteration(self, engine: SupervisedEvaluator, batchdata: dict[str, Any]) -> dict[str, Any]:
        self.case = self.cases[int(batchdata[CASE_NUMBER])]
        self.is_left_out = LEFT_OUT in batchdata
        if self.is_left_out:
            self.left_out.add(self.case, batchdata[LEFT_OUT][0])
            return {}
        try:
            return super()._iteration(engine, batchdata)
        except Exception as error:
            # PyTorch says so at any moment, of the process that loads a later scan
            if is_killed_loader(error):
                return self._iteration(engine, batchdata)
            self._leave_out(error)
            return {}

    def _fire_event(self, event_name: Any, *event_args: Any, **event_kwargs: Any) -> None:
        """As ignite does, which has no public way to leave out the handlers of one iteration."""
        if event_name == Events.EPOCH_STARTED:
            self.completed = 0
        if event_name == Events.EPOCH_COMPLETED and self.metrics:
            self._gather()
        if event_name != Events.ITERATION_COMPLETED:
            super()._fire_event(event_name, *event_args, **event_kwargs)
        elif not self.is_left_out:
            try:
                super()._fire_event(event_name, *event_args, **event_kwargs)
            except Exception as error:
                if is_killed_loader(error):
                    self._forget()
                    self._fire_event(event_name, *event_args, **event_kwargs)
                else:
                    self._leave_out(error)
            else:
                self.completed += 1
                self.left_out.done(self.case)

    def _leave_out(self, error: Exception) -> None:
        """Note why the scan at hand is left out; raises where it is not to blame."""
        if not all(bool(torch.isfinite(one).all()) for one in self.network.parameters()):
            raise InputError(
                "the network's weights are not finite: the training diverged; use other weights, or train again with "
                "a lower --learning_rate"
            ) from error
        self.left_out.add(self.case, reason_of(error, self.case))
        self.is_left_out = True
        self.state.output = self.state.batch = None  # the memory is for the next
        self._forget()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _forget(self) -> None:
        """Take back what metrics and handlers took of the scan at hand."""
        for metric in self.metrics:
            keep_first(metric, self.completed)
        for taker in self.takers:
            taker.keep_first(self.completed)

    def _gather(self) -> None:
        """Before scores are: they are of all processes, each of which must have some."""
        counts = gathered({str(rank()): self.completed})
        self.left_out.gather()
        if not self.left_out.any_done:
            raise self.left_out.ending()
        lacking = [number for number, count in counts.items() if not count]
        if lacking:
            raise InputError(
                f"all scans of process {lacking[0]} of {world_size()} were left out, the first: "
                f"{next(iter(self.left_out.reasons.values()))}; start fewer processes"
            )


def keep_first(metric: Cumulative, cases: int) -> None:
    """Let a metric forget all cases but the first of this process; MONAI has no way to take one back."""
    kept = [buffer[:cases] for buffer in metric._buffers or []]
    metric.reset()
    metric._buffers = kept if cases else None
