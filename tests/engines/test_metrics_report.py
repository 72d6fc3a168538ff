import csv
import json
import logging

import ignite.distributed as idist
import pytest
import torch
from monai.data import DataLoader, Dataset, MetaTensor
from monai.engines import SupervisedEvaluator
from monai.handlers import IgniteMetricHandler, from_engine
from monai.transforms import AsDiscreted

from custom.engines.metrics_report import MAJORITY, MetricsReport, unique_case_names, voxel_confusion
from custom.errors import InputError
from custom.metrics import ClassMeanDice, FlareDice, FlareSurfaceDice, HausdorffDistance95, flare_rules, hd95_rules
from custom.processes import rank

from ..two_processes import in_two_processes

CLASSES = ["left", "right"]
# label maps of 4 x 1 x 8 voxels of 3 x 1 x 1 mm: the network under test hands the image through as its arg-max
TRUTH = {"a": [1, 1, 0, 0], "b": [1, 0, 0, 0], "c": [0, 2, 2, 0], "d": [1, 1, 2, 2]}
PRED = {"a": [1, 1, 0, 0], "b": [0, 0, 0, 2], "c": [0, 2, 0, 0], "d": [1, 1, 1, 2]}
DICE = {"a": (1, None), "b": (0, None), "c": (None, 2 / 3), "d": (4 / 5, 2 / 3)}
HD95 = {"a": (0, None), "b": (450, None), "c": (None, 3), "d": (3, 3)}


def volume(rows, folder, name):
    labels = torch.tensor(rows)[:, None, None].expand(4, 1, 8)
    meta = {"filename_or_obj": f"{folder}/{name}.nii.gz"}
    return MetaTensor(labels[None].float(), affine=torch.diag(torch.tensor([3.0, 1, 1, 1])), meta=meta)


def one_hot(labels):
    return torch.nn.functional.one_hot(labels[:, 0].long(), 3).movedim(-1, 1).float()


class ToScores(torch.nn.Module):
    def forward(self, image):
        return one_hot(image)


def evaluator(report, names=tuple(TRUTH), metric_name="dice", batch_size=3, postprocessing=None, **options):
    items = [{"image": volume(PRED[name], "/scans", name), "label": volume(TRUTH[name], "/", name)} for name in names]
    pred_and_label = from_engine(["pred", "label"])
    return SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=DataLoader(Dataset(items), batch_size=batch_size),
        network=ToScores(),
        postprocessing=postprocessing or AsDiscreted(keys="pred", argmax=True),
        key_val_metric={metric_name: IgniteMetricHandler(metric_fn=ClassMeanDice(3), output_transform=pred_and_label)},
        additional_metrics={
            "hd95_mm": IgniteMetricHandler(metric_fn=HausdorffDistance95(3), output_transform=pred_and_label)
        },
        val_handlers=[report],
        **options,
    )


def read_csv(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def number(text):
    return float(text) if text else None


def check_case_files(folder):
    rows = read_csv(folder / "metrics_per_case.csv")
    assert [(row["case"], row["class"]) for row in rows] == [(case, name) for case in "abcd" for name in CLASSES]
    for row in rows:
        channel = CLASSES.index(row["class"])
        assert number(row["dice"]) == pytest.approx(DICE[row["case"]][channel], abs=1e-6)
        assert number(row["hd95_mm"]) == HD95[row["case"]][channel]
        assert int(row["truth_voxels"]) == 8 * TRUTH[row["case"]].count(channel + 1)
        assert int(row["predicted_voxels"]) == 8 * PRED[row["case"]].count(channel + 1)
        assert float(row["truth_ml"]) == pytest.approx(int(row["truth_voxels"]) * 3 / 1000)


def test_voxels_by_true_and_predicted_class(tmp_path):
    evaluator(MetricsReport(str(tmp_path), CLASSES)).run()
    table = {
        (row["truth"], row["predicted"]): int(row["voxels"])
        for row in read_csv(tmp_path / "confusion.csv")
        if row["case"] == "d"
    }
    assert table == {("left", "left"): 16, ("right", "left"): 8, ("right", "right"): 8}


def test_ignored_voxels_are_of_no_class():
    truth, prediction = torch.tensor([0, 1, 255, 255, 2]), torch.tensor([0, 2, 1, 0, 2])
    found = voxel_confusion(truth, prediction, 2)
    assert found[:3, :3].tolist() == [[1, 0, 0], [0, 0, 1], [0, 0, 1]]
    assert found[3].tolist() == [1, 1, 0, 0]
    assert found.sum() == 5


def test_evaluation_writes_every_case_class_and_mean(tmp_path):
    engine = evaluator(MetricsReport(str(tmp_path), CLASSES, data_name="hand-made"))
    engine.run()
    check_case_files(tmp_path)
    left, right, overall = read_csv(tmp_path / "metrics_summary.csv")
    assert (left["class"], left["cases"], left["missing"]) == ("left", "3", "1")
    assert float(left["dice_mean"]) == pytest.approx(0.6)
    assert float(left["hd95_mm_mean"]) == pytest.approx(151)
    assert (right["cases"], right["missing"], right["dice_sd"]) == ("2", "0", "0.0")
    assert float(overall["dice_mean"]) == pytest.approx((0.6 + 2 / 3) / 2, abs=1e-6)
    assert engine.state.metrics["dice"] == pytest.approx((0.6 + 2 / 3) / 2)
    assert engine.state.metrics["hd95_mm"] == pytest.approx((151 + 3) / 2)


def test_json_names_the_data_the_notes_and_the_majority_predictor(tmp_path):
    evaluator(MetricsReport(str(tmp_path), CLASSES, data_name="hand-made", notes=hd95_rules("larger"))).run()
    content = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert (content["data"], content["cases"]) == ("hand-made", 4)
    assert "larger of the two directed 95th percentiles, as MONAI" in content["notes"][0]
    assert content["summary"]["right"]["hd95_mm_mean"] == 3.0
    # three of four cases have the left class; in d it is 16 of 32 foreground voxels
    assert content["baselines"] == {MAJORITY: {"left": pytest.approx((1 + 1 + 32 / 48) / 3), "right": 0.0}}


def test_table_is_logged_once_with_the_baselines_of_the_file(tmp_path, caplog):
    file = tmp_path / "baselines.json"
    file.write_text(json.dumps({"untrained network": {"left": 0.125, "right": 0.375}}), encoding="utf-8")
    with caplog.at_level(logging.INFO, logger="custom.engines.metrics_report"):
        report = MetricsReport(
            str(tmp_path / "out"), CLASSES, "hand-made", baselines_file=str(file), notes=hd95_rules("pooled")
        )
        evaluator(report).run()
    (table,) = [record.message for record in caplog.records if record.name == "custom.engines.metrics_report"]
    assert "hand-made: 4 cases, mean +- sd over cases" in table
    assert "HD95: 95th percentile of the pooled directed distances, as MedPy; 450 mm where" in table
    cells = {line.split("  ")[0]: line.split()[-3:] for line in table.splitlines()}
    assert cells["this model"] == ["0.600", "0.667", "0.633"]
    assert cells["untrained network"] == ["0.125", "0.375", "0.250"]
    assert cells[MAJORITY] == ["0.889", "0.000", "0.444"]


def test_class_ids_are_reported_as_flare_prints_them(tmp_path, caplog):
    """Absent classes count: of left a 1, b 0, c 1, d 4/5; of right a 1, b 0 (invented), c 2/3, d 2/3."""
    pair = from_engine(["pred", "label"])
    items = [{"image": volume(PRED[name], "/scans", name), "label": volume(TRUTH[name], "/", name)} for name in TRUTH]
    report = MetricsReport(
        str(tmp_path),
        CLASSES,
        "hand-made",
        metrics=["dice", "nsd"],
        groups={"both": CLASSES, "right": ["right"], "lesions": []},
        notes=flare_rules(CLASSES, 3),
        metric_titles={"dice": "DSC"},
        majority=False,
    )
    flare = {"dice": FlareDice(num_classes=3), "nsd": FlareSurfaceDice(num_classes=3, tolerances=3)}
    handlers = {name: IgniteMetricHandler(metric_fn=metric, output_transform=pair) for name, metric in flare.items()}
    with caplog.at_level(logging.INFO, logger="custom.engines.metrics_report"):
        SupervisedEvaluator(
            device=torch.device("cpu"),
            val_data_loader=DataLoader(Dataset(items), batch_size=3),
            network=torch.nn.Identity(),
            key_val_metric={"dice": handlers["dice"]},
            additional_metrics={"nsd": handlers["nsd"]},
            val_handlers=[report],
        ).run()
    left, right, both, overall = read_csv(tmp_path / "metrics_summary.csv")
    assert [float(row["dice_mean"]) for row in (left, right)] == pytest.approx([0.7, (1 + 4 / 3) / 4], abs=1e-6)
    assert (left["cases"], left["missing"], right["missing"], both["missing"]) == ("4", "1", "0", "1")
    assert both == {**overall, "class": "both"}
    voxels = [
        (int(row["truth_voxels"]), int(row["predicted_voxels"])) for row in read_csv(tmp_path / "metrics_per_case.csv")
    ]
    assert voxels == [(8 * TRUTH[n].count(i), 8 * PRED[n].count(i)) for n in TRUTH for i in (1, 2)]
    content = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert content["groups"] == {"both": CLASSES, "right": ["right"], "lesions": []}
    assert content["summary"]["both"]["nsd_mean"] == pytest.approx(float(both["nsd_mean"]))
    assert content["baselines"] == {}
    table = caplog.messages[-1].splitlines()
    assert table[2:5] == [
        "NSD tolerances: 3 mm",
        "class in neither truth nor prediction: 1 and 1, in one alone: 0 and 0; NSD is 0 where DSC < 0.2",
        "both, mean of classes: the mean of their means; its sd and median over the cases' own means",
    ]
    assert table[5].split() == ["class", "cases", "DSC", "median", "NSD", "median", "missing"]
    assert "HD95" not in caplog.text


def test_groups_that_do_not_fit_fail_before_the_evaluation(tmp_path):
    with pytest.raises(InputError, match="group 'organs': no class is called liver; the classes are left, right"):
        MetricsReport(str(tmp_path), CLASSES, groups={"organs": ["liver"]})


def test_second_run_reports_its_own_cases_only(tmp_path):
    report = MetricsReport(str(tmp_path), CLASSES)
    evaluator(report, names=["a", "b", "c"]).run()
    evaluator(report, names=["d"]).run()
    assert {row["case"] for row in read_csv(tmp_path / "metrics_per_case.csv")} == {"d"}


def test_repeated_cases_are_reported_once(tmp_path, caplog):
    evaluator(MetricsReport(str(tmp_path), CLASSES), names=["a", "b", "c", "d", "a", "c"]).run()
    check_case_files(tmp_path)
    assert "2 of 6 evaluated cases are repeats" in caplog.text


def test_images_without_a_file_are_numbered(tmp_path):
    engine = evaluator(MetricsReport(str(tmp_path), CLASSES), names=["a", "b"], batch_size=1)
    engine.data_loader = [{key: item[key].as_tensor() for key in ("image", "label")} for item in engine.data_loader]
    engine.run()
    cases = [row["case"] for row in read_csv(tmp_path / "metrics_per_case.csv")]
    assert cases == ["process0_case0"] * 2 + ["process0_case1"] * 2


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (["/x/one.nii.gz", "/x/two.nii", "/y/three.b.nii.gz"], ["one", "two", "three.b"]),
        (["/x/p1/scan.nii.gz", "/x/p2/scan.nii.gz"], ["p1/scan", "p2/scan"]),
        (["/x/scan.nii.gz", "/x/scan.nii"], ["/x/scan.nii.gz", "/x/scan.nii"]),
        ([], []),
    ],
)
def test_case_names_are_as_short_as_tells_them_apart(files, names):
    assert unique_case_names(files) == names


def test_two_processes_report_the_cases_of_both(tmp_path):
    def evaluate():
        assert idist.get_world_size() == 2
        names = [["a", "b", "c"], ["d"]][rank()]
        evaluator(MetricsReport(str(tmp_path / "out"), CLASSES), names=names).run()

    in_two_processes(evaluate, tmp_path / "group")
    check_case_files(tmp_path / "out")
    assert json.loads((tmp_path / "out" / "metrics.json").read_text(encoding="utf-8"))["cases"] == 4
