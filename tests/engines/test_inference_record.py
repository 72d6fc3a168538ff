"""The record of each case of an inference, with ignite's engine around a hand-made one."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
import torch
from ignite.engine import Engine
from monai.data import DataLoader, Dataset, MetaTensor
from monai.engines import SupervisedEvaluator
from monai.inferers import SimpleInferer
from monai.transforms import LoadImaged, SaveImaged

from custom.datalist.output_names import output_name
from custom.engines import CaseRecord, inference_record
from custom.io.atomic_write import write_json

NAMES = ["liver", "spleen", "tumour"]
REPORTS = {
    "a.1": {"windows": 4, "windows_all": 9, "confidence": {1: 0.912345, 3: 0.5}},
    "b": {"windows": 9, "windows_all": 9, "confidence": {0: 0.99, 2: 1.0}},
    "empty": {"windows": 1, "windows_all": 9, "confidence": {}},
}


@pytest.fixture
def record(tmp_path):
    """Runs an engine over the scans; gives the records by name."""

    def run(prefix="", **options):
        inferer = SimpleNamespace(report={})

        def step(_: Engine, name: str) -> list:
            inferer.report = REPORTS[name]
            meta = {"filename_or_obj": f"/scans/{name}.nii.gz", "output_name": f"{prefix}{name}.nii.gz"}
            pred = torch.full((1, 2, 2, 2), float(name == "a.1"))
            return [{"image": MetaTensor(torch.zeros(1, 2, 2, 2), meta=meta), "pred": pred}]

        engine = Engine(step)
        CaseRecord(tmp_path, inferer, NAMES, **options).attach(engine)
        engine.run(list(REPORTS))
        return {file.stem: json.loads(file.read_text()) for file in sorted(tmp_path.glob("*.json"))}

    return run


def test_one_record_a_case(record):
    found = record(facts={"stage": "2_both", "model": {"stage": "1_organs", "sha256": "c0ffee"}})
    assert list(found) == ["a.1", "b", "empty"]
    assert 0 <= found["a.1"].pop("seconds") < 60
    assert found["a.1"] == {
        "case": "a.1",
        "image": "/scans/a.1.nii.gz",
        "label": "a.1.nii.gz",
        "windows": 4,
        "windows_all": 9,
        "confidence": {"liver": 0.9123, "tumour": 0.5},
        "unusual_input": "",
        "stage": "2_both",
        "model": {"stage": "1_organs", "sha256": "c0ffee"},
    }
    assert found["b"]["confidence"] == {"spleen": 1.0}, "of the background nobody asks"
    assert found["empty"]["confidence"] == {}


def test_a_label_map_that_consensus_has_emptied_has_no_confidence(record, monkeypatch):
    """The inferer has measured one on what was dropped since."""
    for name, confidence in (("a.1", [0.98765]), ("b", [0.9]), ("empty", None)):
        monkeypatch.setitem(REPORTS, name, {**REPORTS[name], "tempered_confidence": confidence})
    found = {name: one["calibrated_confidence"] for name, one in record().items()}
    assert found == {"a.1": 0.9877, "b": None, "empty": None}


def test_a_record_has_the_name_of_the_label_beside_it(record):
    assert list(record(prefix="AMOS_")) == ["AMOS_a.1", "AMOS_b", "AMOS_empty"]


def test_the_record_comes_after_the_label_and_never_without_it(tmp_path, monkeypatch):
    """In MONAI's evaluator, which saves label maps in its postprocessing."""
    scans = [tmp_path / f"{name}.nii.gz" for name in ("a", "torn", "c")]
    for scan in scans:
        nib.save(nib.Nifti1Image(np.zeros((2, 2, 2), np.float32), np.eye(4)), scan)
    data = Dataset([{"image": str(scan)} for scan in scans], LoadImaged("image", ensure_channel_first=True))
    out = tmp_path / "out"
    on_disk = []

    def write(file: Path, content: dict) -> None:
        on_disk.append(sorted(one.name for one in out.iterdir()))
        write_json(file, content)

    monkeypatch.setattr(inference_record, "write_json", write)
    inferer = SimpleInferer()
    inferer.report = REPORTS["b"]
    evaluator = SupervisedEvaluator(
        device="cpu",
        val_data_loader=DataLoader(data, batch_size=1),
        network=torch.nn.Identity(),
        inferer=inferer,
        postprocessing=SaveImaged(
            "pred",
            output_dir=out,
            output_postfix="",
            separate_folder=False,
            output_name_formatter=output_name,
            print_log=False,
        ),
        val_handlers=[CaseRecord(out, inferer, NAMES)],
    )
    scans[1].write_bytes(b"torn")
    with pytest.raises(RuntimeError):
        evaluator.run()
    assert on_disk == [["a.nii.gz"]]
    assert sorted(file.name for file in out.iterdir()) == ["a.json", "a.nii.gz"]
