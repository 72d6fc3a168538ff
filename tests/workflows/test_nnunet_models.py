"""A small folder of nnU-Net's results becomes a model, and a training a folder of nnU-Net's results."""

import json
import logging
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from custom.__main__ import main
from custom.datalist.fixed_split import read_split
from custom.datalist.folds import read_folds
from custom.errors import InputError
from custom.networks.nnunet_weights import from_nnunet as our_weights
from custom.plans import PLAN_FILE, read_plan, write_plan
from custom.workflows.nnunet_models import MODEL, from_nnunet, network_of, to_nnunet

from ..networks.nnunet_reference import answer, random_weights
from ..plans.nnunet_files import nnunet_dataset, nnunet_plans

NETWORK = {
    **{"filters": [4, 8, 16], "strides": [[1, 1, 1], [1, 2, 2], [2, 2, 2]]},
    **{"kernel_size": [[1, 3, 3], [3, 3, 3], [3, 3, 3]], "convolutions": 2},
}
WEIGHTS = random_weights(NETWORK, 1, 3)


def checkpoint() -> dict:
    """As nnU-Net writes it: with NumPy's numbers and a device."""
    logging = {"mean_fg_dice": [np.float64(0.5), np.float32(0.25)], "epoch_end_timestamps": [1.0]}
    return {
        **{"network_weights": WEIGHTS, "optimizer_state": {"state": {}}, "grad_scaler_state": None},
        **{"logging": logging, "_best_ema": np.float64(0.5), "current_epoch": 7, "trainer_name": "nnUNetTrainer"},
        "init_args": {"configuration": "3d_fullres", "fold": 0, "device": torch.device("cpu")},
        "inference_allowed_mirroring_axes": (0, 2),
    }


@pytest.fixture
def results(tmp_path) -> Path:
    folder = tmp_path / "nnUNetTrainer__nnUNetPlans__3d_fullres"
    (folder / "fold_0").mkdir(parents=True)
    (folder / "plans.json").write_text(json.dumps(nnunet_plans()))
    (folder / "dataset.json").write_text(json.dumps(nnunet_dataset()))
    torch.save(checkpoint(), folder / "fold_0" / "checkpoint_final.pth")
    return folder


def dataset_of(folder: Path, *orientations: str) -> Path:
    """A data set of nnU-Net's layout whose files' axes point as told."""
    (folder / "dataset.json").parent.mkdir(parents=True)
    (folder / "dataset.json").write_text(json.dumps(nnunet_dataset()))
    for number, codes in enumerate(orientations):
        matrix = np.eye(4)
        matrix[:3] = nib.orientations.inv_ornt_aff(nib.orientations.axcodes2ornt(codes), (8, 8, 8))[:3]
        for kind, name in (("imagesTr", f"case{number}_0000.nii.gz"), ("labelsTr", f"case{number}.nii.gz")):
            (folder / kind).mkdir(exist_ok=True)
            voxels = np.zeros((8, 8, 8), dtype=np.uint8)
            voxels[2:5, 2:5, 2:5] = 1
            nib.save(nib.Nifti1Image(voxels if kind == "labelsTr" else voxels + 100, matrix), folder / kind / name)
    return folder


def test_a_model_with_nnunets_answers(results, tmp_path):
    from_nnunet(results, tmp_path / "model", orientation="LPS")
    plan = read_plan(tmp_path / "model" / PLAN_FILE)
    assert (plan["orientation"], plan["mirror_axes"]) == ("LSP", [0, 2])
    assert plan["training"] == {"fold": 0, "num_folds": 5, "nnunet": "nnUNetTrainer, 3d_fullres, 7 epochs"}
    network = network_of(plan)
    network.load_state_dict(torch.load(tmp_path / "model" / MODEL, weights_only=True), strict=True)
    image = torch.randn(1, 1, 8, 32, 16)
    with torch.no_grad():
        torch.testing.assert_close(network(image), answer(WEIGHTS, NETWORK, image)[0], rtol=1e-4, atol=1e-4)


def test_the_data_set_says_how_scans_are_oriented(results, tmp_path):
    from_nnunet(results, tmp_path / "model", dataset_dir=dataset_of(tmp_path / "data", "RAS", "RAS"))
    plan = read_plan(tmp_path / "model" / PLAN_FILE)
    assert plan["orientation"] == "RSA"
    assert plan["fingerprint"]["scans"]["cases"] == 2, "what the network knows, for the check of other scans"
    with pytest.raises(InputError, match=r"model.pt exists: remove it, or pass another --output_dir"):
        from_nnunet(results, tmp_path / "model", orientation="LPS")
    with pytest.raises(InputError, match="case0 is oriented RAS, case1 LPS: nnU-Net trained on both as if they were"):
        from_nnunet(results, tmp_path / "other", dataset_dir=dataset_of(tmp_path / "mixed", "RAS", "LPS"))


def test_scans_that_nnunet_turned_may_differ_in_orientation(results, tmp_path):
    damaged(results, "plans.json", {**nnunet_plans(), "image_reader_writer": "SimpleITKIOWithReorient"})
    from_nnunet(results, tmp_path / "model", dataset_dir=dataset_of(tmp_path / "mixed", "RAS", "LPS"))
    assert read_plan(tmp_path / "model" / PLAN_FILE)["orientation"] == "RSA"


def test_what_it_has_held_out(results, tmp_path):
    splits = tmp_path / "splits_final.json"
    splits.write_text(json.dumps([{"train": ["b"], "val": ["a"]}, {"train": ["a"], "val": ["b"]}]))
    from_nnunet(results, tmp_path / "folds", orientation="LPS", splits=splits)
    assert read_folds(tmp_path / "folds" / "folds.json") == [["a"], ["b"]]
    assert read_plan(tmp_path / "folds" / PLAN_FILE)["training"]["num_folds"] == 2
    splits.write_text(json.dumps([{"train": ["b", "c"], "val": ["a"]}]))
    from_nnunet(results, tmp_path / "split", orientation="LPS", splits=splits)
    assert read_split(tmp_path / "split" / "folds.json") == {"training": ["b", "c"], "test": ["a"]}
    assert read_plan(tmp_path / "split" / PLAN_FILE)["training"]["fold"] == "test"
    splits.write_text("{}")
    with pytest.raises(InputError, match=r"splits_final.json is none of nnU-Net's splits_final.json with fold 0"):
        from_nnunet(results, tmp_path / "none", orientation="LPS", splits=splits)
    assert not (tmp_path / "none" / MODEL).exists()


def test_the_command(results, tmp_path):
    """As it is typed: the fold is a number or `all`."""
    (results / "fold_0").rename(results / "fold_all")
    command = ["from_nnunet", f"--model_dir={results}", f"--output_dir={tmp_path / 'model'}", "--orientation=LPS"]
    main([*command, "--fold", "all"])
    assert read_plan(tmp_path / "model" / PLAN_FILE)["training"]["fold"] == "all"
    command[2] = f"--output_dir={tmp_path / 'other'}"
    with pytest.raises(InputError, match=r"fold_7.checkpoint_final.pth cannot be read"):
        main([*command, "--fold", "7"])
    with pytest.raises(InputError, match="a training on fold all has held out no case; leave --splits out"):
        main([*command, "--fold", "all", "--splits", "splits_final.json"])
    with pytest.raises(InputError, match="orientation is 'LP'; pass three letters such as RAS"):
        main([*command[:3], "--orientation=LP", "--fold", "all"])


def zscored(results: Path, share: float | None) -> None:
    plans = nnunet_plans(normalization_schemes=["ZScoreNormalization"])
    (results / "plans.json").write_text(json.dumps(plans))
    if share is not None:
        content = {"median_relative_size_after_cropping": share}
        (results / "dataset_fingerprint.json").write_text(json.dumps(content))


def test_scans_that_nnunet_cropped_before_their_zscore(results, tmp_path, caplog):
    zscored(results, 0.8)
    with pytest.raises(
        InputError, match=r"cropping to non-zero voxels leaves, here 80% of a scan; a plan's z-score takes"
    ):
        from_nnunet(results, tmp_path / "model", orientation="LPS")
    zscored(results, 1.0)
    from_nnunet(results, tmp_path / "model", orientation="LPS")
    assert not any(record.levelno >= logging.WARNING for record in caplog.records)
    (results / "dataset_fingerprint.json").unlink()
    from_nnunet(results, tmp_path / "unknown", orientation="LPS")
    assert "scans with wide margins of 0 are normalised otherwise than by nnU-Net" in caplog.text


def damaged(results: Path, name: str, content: object) -> None:
    (results / name).write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda one: (one / "plans.json").unlink(), r"plans.json: cannot be read .* pass --model_dir with a folder of"),
        (lambda one: shutil.rmtree(one / "fold_0"), r"checkpoint_final.pth cannot be read \(there is no such file\)"),
        (
            lambda one: damaged(one, "plans.json", {}),
            r"is not as nnU-Net v2 writes it \(KeyError: 'image_reader_writer'",
        ),
        (
            lambda one: torch.save({"state_dict": {}}, one / "fold_0" / "checkpoint_final.pth"),
            "has no network_weights: it is no checkpoint of nnU-Net v2",
        ),
        (
            lambda one: torch.save(
                {
                    **checkpoint(),
                    "network_weights": {**WEIGHTS, "decoder.seg_layers.0.bias": torch.full((3,), torch.nan)},
                },
                one / "fold_0" / "checkpoint_final.pth",
            ),
            r"holds weights that are NaN or infinite \(supervision_heads.0.conv.conv.bias\)",
        ),
        (
            lambda one: damaged(one, "dataset.json", nnunet_dataset(labels={"background": 0, "liver": 1})),
            r"does not fit plans.json and dataset.json: size mismatch for .*: copying a param with shape",
        ),
    ],
)
def test_refused(results, tmp_path, damage, message):
    damage(results)
    with pytest.raises(InputError, match=message):
        from_nnunet(results, tmp_path / "model", orientation="LPS")
    assert not (tmp_path / "model" / MODEL).exists()


def test_a_training_with_a_distance_head_for_nnunet(results, tmp_path):
    """The head is left out; what nnU-Net would load is the segmentation's network, bit for bit."""
    damaged(results, "plans.json", {**nnunet_plans(), "image_reader_writer": "NibabelIOWithReorient"})
    from_nnunet(results, tmp_path / "model")
    plan = {**read_plan(tmp_path / "model" / PLAN_FILE), "distance_channels": 3}
    trained = network_of(plan)
    (tmp_path / "batseg").mkdir()
    torch.save(trained.state_dict(), tmp_path / "batseg" / MODEL)
    write_plan(tmp_path / "batseg" / PLAN_FILE, plan)
    to_nnunet(tmp_path / "batseg", tmp_path / "exported")
    with pytest.raises(InputError, match=r"plans.json exists: remove it, or pass another --output_dir"):
        to_nnunet(tmp_path / "batseg", tmp_path / "exported")
    write_plan(tmp_path / "batseg" / PLAN_FILE, {**plan, "prediction": {"mirrored": False}})
    to_nnunet(tmp_path / "batseg", tmp_path / "unmirrored")
    unmirrored = torch.load(tmp_path / "unmirrored" / "fold_0" / "checkpoint_final.pth", weights_only=True)
    assert unmirrored["inference_allowed_mirroring_axes"] is None
    content = torch.load(tmp_path / "exported" / "fold_0" / "checkpoint_final.pth", weights_only=True)
    assert content["network_weights"].keys() == WEIGHTS.keys()
    assert content["inference_allowed_mirroring_axes"] == (0, 2)
    back = our_weights(content["network_weights"], plan["network"])
    assert all(torch.equal(trained.network.state_dict()[key], one) for key, one in back.items())
    assert len(back) == len(trained.network.state_dict())
