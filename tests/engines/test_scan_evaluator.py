"""An evaluator of numbers: scans that fail in each of the places where one can."""

import errno
import os
import signal

import pytest
import torch
from ignite.engine import Events
from monai.handlers import IgniteMetricHandler, from_engine
from monai.transforms import Compose, Lambdad

from custom.data import ScanDataset, ScanLoader
from custom.datalist.left_out import LeftOut
from custom.engines import MetricsReport, ScanEvaluator
from custom.errors import InputError, ScansLeftOutError
from custom.metrics import ClassMeanDice

from ..test_processes import in_two_processes

SHAPE = (1, 4, 4, 4)
FAULTS = {
    "reading": ValueError("torn"),
    "network": RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    "writing": InputError("b.nii.gz cannot be written (Is a directory): pass another --output_dir"),
    "scores": MemoryError("Unable to allocate 9 GiB"),
    "report": ValueError("odd"),
}


class Network(torch.nn.Module):
    """Answers with the label that it is given, but for one scan."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.fault = ""

    def forward(self, image):
        if self.fault == "network" and image[0, 0, 0, 0, 0] == 9:
            raise FAULTS["network"]
        return (image > 0).byte()


class Scores(ClassMeanDice):
    """Fails for one scan after another metric has taken it."""

    fault = ""

    def __call__(self, y_pred, y):
        if self.fault == "scores" and y[0].max() == 2:
            raise FAULTS["scores"]
        return super().__call__(y_pred, y)


class Picture:
    """A handler that fails for one scan after the report has taken it."""

    fault = ""

    def attach(self, engine):
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)
        engine.add_event_handler(Events.EPOCH_COMPLETED, lambda engine: self.seen.append("end"))

    def __init__(self) -> None:
        self.seen: list = []

    def __call__(self, engine):
        if self.fault == "report" and engine.state.batch[0]["label"].max() == 2:
            raise FAULTS["report"]
        self.seen.append(engine.state.batch[0]["image"].flatten()[1].item())


def evaluator(folder, names="abc", bad="b", fault="", num_workers=0, **options):
    """Of scans with an image of ones and a label of class 1; of the bad one image and label begin with other values."""

    def load(name):
        if fault == "killed" and name in bad:
            os.kill(os.getpid(), signal.SIGKILL)
        if fault == "reading" and name in bad:
            raise FAULTS["reading"]
        image = torch.ones(SHAPE)
        image[0, 0, 0, 0] = 9 if name in bad else 1
        return image

    def label(name):
        value = torch.ones(SHAPE, dtype=torch.uint8)
        value[0, 0, 0, 0] = 2 if name in bad else 1
        return value

    def write(pred):
        if fault == "writing" and written.append(1) is None and "b" in bad and len(written) == 2:
            raise FAULTS["writing"]
        return pred

    written: list = []
    cases = [{"image": name, "label": name} for name in names]
    transform = Compose([Lambdad("image", load), Lambdad("label", label)])
    loader = ScanLoader(ScanDataset(cases, transform), batch_size=1, num_workers=num_workers)
    network, second, picture = Network(), Scores(num_classes=3), Picture()
    network.fault = second.fault = picture.fault = fault
    output = from_engine(["pred", "label"])
    report = MetricsReport(folder, ["one", "two"], metrics=["dice", "again"])
    return ScanEvaluator(
        left_out=LeftOut(folder / "left_out.json", verb="scored"),
        device="cpu",
        val_data_loader=loader,
        network=network,
        postprocessing=Lambdad("pred", write),
        key_val_metric={"dice": IgniteMetricHandler(ClassMeanDice(num_classes=3), output_transform=output)},
        additional_metrics={"again": IgniteMetricHandler(second, output_transform=output)},
        val_handlers=[report, picture],
        **options,
    )


@pytest.mark.parametrize("fault", FAULTS)
def test_a_scan_that_fails_anywhere_is_left_out_and_all_others_scored(tmp_path, fault):
    engine = evaluator(tmp_path, fault=fault)
    engine.run()
    (reason,) = engine.left_out.reasons.values()
    assert str(FAULTS[fault]) in reason
    assert engine.state.metrics == {"dice": 1.0, "again": 1.0}
    assert engine.state.metric_details["again"].shape == (2, 2)
    with pytest.raises(ScansLeftOutError, match=r"^2 of 3 scored, 1 left out: b; reasons in"):
        engine.left_out.close()
    text = (tmp_path / "metrics.json").read_text()
    assert '"cases": 2' in text
    assert "1 of 3 cases left out" in text


def test_the_next_run_counts_anew(tmp_path):
    engine = evaluator(tmp_path, fault="scores")
    engine.run()
    engine.run()
    assert engine.state.metric_details["again"].shape == (2, 2)
    assert list(engine.left_out.reasons) == ["b"]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_scan_that_fails_in_a_loading_process(tmp_path, workers):
    engine = evaluator(tmp_path, fault="reading", num_workers=workers)
    engine.run()
    assert engine.left_out.reasons == {"b": "b: ValueError: torn"}
    assert engine.state.metrics["dice"] == 1.0


@pytest.mark.skipif(os.name != "posix", reason="only POSIX kills so")
@pytest.mark.parametrize("bad", ["a", "bd"])
def test_a_loading_process_that_is_killed_for_its_memory(tmp_path, bad):
    engine = evaluator(tmp_path, names="abcde", bad=bad, fault="killed", num_workers=2)
    engine.run()
    killed = "needs more memory than there is (the system killed the process that prepared it)"
    assert engine.left_out.reasons == {name: f"{name}: {killed}" for name in bad}
    assert engine.state.metric_details["dice"].shape == (5 - len(bad), 2)


def test_several_in_a_row_do_not_keep_the_others_from_being_scored(tmp_path):
    engine = evaluator(tmp_path, names="abcdefg", bad="abcdef", fault="network")
    engine.run()
    assert list(engine.left_out.reasons) == list("abcdef")
    assert engine.state.metrics["dice"] == 1.0


def test_without_any_there_are_no_scores(tmp_path):
    engine = evaluator(tmp_path, bad="abc", fault="network")
    with pytest.raises(ScansLeftOutError, match=r"^0 of 3 scored, 3 left out: a, b, c"):
        engine.run()


def test_a_full_disk_ends_the_run(tmp_path, monkeypatch):
    monkeypatch.setitem(FAULTS, "writing", OSError(errno.ENOSPC, "No space left on device", "/labels/b.nii.gz"))
    with pytest.raises(InputError, match=r"^/labels/b.nii.gz cannot be written \(No space left on device\)"):
        evaluator(tmp_path, fault="writing").run()


def test_weights_that_are_not_finite_are_no_fault_of_a_scan(tmp_path):
    engine = evaluator(tmp_path, fault="network")
    torch.nn.init.constant_(engine.network.weight, float("nan"))
    with pytest.raises(InputError, match=r"^the network's weights are not finite: the training diverged"):
        engine.run()


def test_two_processes_count_together(tmp_path):
    def work():
        first = torch.distributed.get_rank() == 0
        engine = evaluator(tmp_path, names="ab" if first else "cd", fault="network")
        engine.run()
        return engine.state.metrics["dice"], str(engine.left_out.ending())

    answers = in_two_processes(work, tmp_path)
    assert answers[0] == answers[1] == [1.0, f"3 of 4 scored, 1 left out: b; reasons in {tmp_path / 'left_out.json'}"]


def test_a_process_without_a_scan_left_is_named_in_all(tmp_path):
    def work():
        first = torch.distributed.get_rank() == 0
        with pytest.raises(InputError) as error:
            evaluator(tmp_path, names="b" if first else "cd", fault="network").run()
        return str(error.value)

    for line in in_two_processes(work, tmp_path):
        assert line.startswith("all scans of process 0 of 2 were left out, the first: b: needs more memory")
