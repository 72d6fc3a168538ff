"""The commands that make a model of nnU-Net's results, and nnU-Net's results of a model."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from ..data.training_scans import SCANS
from ..datalist.fixed_split import TEST, write_split
from ..datalist.folder_layouts import training_cases
from ..datalist.folds import write_folds
from ..datalist.kept_folds import KEPT_FOLDS
from ..engines.load_weights import load_fitting_weights
from ..engines.training_checkpoint import save
from ..engines.writable_folders import make_writable
from ..errors import InputError
from ..fingerprint.data_check import raise_on_problems
from ..fingerprint.dataset_fingerprint import CaseRecord, read_records
from ..fingerprint.input_check import scan_ranges
from ..io.atomic_write import write_json
from ..io.json_file import json_content, read_json
from ..io.nnunet_checkpoint import read_checkpoint
from ..networks import build_network
from ..networks.contract import bare_network
from ..networks.nnunet_weights import from_nnunet as our_weights
from ..networks.nnunet_weights import to_nnunet as nnunet_weights
from ..plans import PLAN_FILE, Plan, checked, read_plan, write_plan
from ..plans.nnunet_plans import CONFIGURATION, IN_FILE_ORDER, nnunet_from_plan, plan_from_nnunet, refuse_cropped
from ..plans.planner import ZSCORE

logger = logging.getLogger(__name__)

MODEL = "model.pt"
PLANS, DATASET, FINGERPRINT = "plans.json", "dataset.json", "dataset_fingerprint.json"
TRAINER = "nnUNetTrainer"
CHECKPOINT = "checkpoint_final.pth"
UNREADABLE = ": cannot be read ({}); pass --model_dir with a folder of nnU-Net's results"


def from_nnunet(
    model_dir: str | Path,
    output_dir: str | Path,
    fold: str = "0",
    dataset_dir: str | Path = "",
    orientation: str = "",
    splits: str | Path = "",
    checkpoint: str = CHECKPOINT,
) -> None:
    """Make a model of a training of nnU-Net v2: model.pt and plan.yaml, for all that weights are used for here.

    Taken over are plain and residual encoder U-Nets of 3d_fullres and 3d_lowres with CT or z-score normalisation, one
    fold at a time. The network answers exactly as nnU-Net's does; label maps differ a little where scans are resampled
    (docs/nnunet.md).

    Args:
        model_dir: of nnU-Net's results, such as Dataset004_Hippocampus/nnUNetTrainer__nnUNetPlans__3d_fullres, with
            plans.json, dataset.json and fold_0.
        output_dir: for model.pt and plan.yaml; pass it as --ckpt_dir.
        fold: of the training, or all.
        dataset_dir: the data set of the training in nnUNet_raw; its scans say how their axes are oriented, and what
            scans the network knows, so that inference can warn of an unusual one.
        orientation: in place of dataset_dir, where the axes of the training's files point, such as LPS.
        splits: splits_final.json in nnUNet_preprocessed: evaluation then holds out what the training has held out.
        checkpoint: checkpoint_final.pth or checkpoint_best.pth.
    """
    folder, output, fold = Path(model_dir), Path(output_dir), str(fold)
    refuse_existing(output / MODEL)
    plans, dataset = (json_content(folder / name, UNREADABLE) for name in (PLANS, DATASET))
    file = folder / f"fold_{fold}" / checkpoint
    content = read_checkpoint(file)
    records = dataset_records(dataset_dir) if str(dataset_dir) else []
    with naming(folder):
        configuration = str(content["init_args"]["configuration"])
        mirrored = content.get("inference_allowed_mirroring_axes") or ()
        if plans["image_reader_writer"] in IN_FILE_ORDER:
            orientation = orientation.upper() or common_orientation(records)
        plan = plan_from_nnunet(plans, dataset, configuration, orientation, mirrored)
        weights = our_weights(content["network_weights"], plan["network"])
        if plan["normalisation"] == ZSCORE:
            refuse_cropped(least_share(folder, records))
    described = f"{content.get('trainer_name', TRAINER)}, {configuration}, {content['current_epoch']} epochs"
    plan["training"] = {"fold": int(fold) if fold.isdigit() else fold, "num_folds": 5, "nnunet": described}
    plan["fingerprint"] = {SCANS: scan_ranges(records)} if records else {}
    plan = checked(plan, str(folder / PLANS))
    refuse_unfitting(weights, plan, file)
    make_writable(str(output), remedy="pass another --output_dir")
    if str(splits):
        plan["training"] |= keep_splits(Path(splits), output / KEPT_FOLDS, fold)
    save(output / MODEL, weights)
    write_plan(output / PLAN_FILE, plan)
    logger.info(
        "%s: %s with %.1f M parameters, for %s", output, plan["network"]["name"],
        sum(one.numel() for one in weights.values()) / 1e6, ", ".join(plan["classes"]),
    )  # fmt: skip


def to_nnunet(ckpt_dir: str | Path, output_dir: str | Path, checkpoint: str | Path = "") -> None:
    """Make a folder of nnU-Net's results of a training, for nnUNetv2_predict_from_modelfolder -m OUTPUT_DIR -f 0.

    The segmentation alone, without a distance head; nnU-Net resamples as here, with linear interpolation.

    Args:
        ckpt_dir: folder of the training, with model.pt and plan.yaml.
        output_dir: for plans.json, dataset.json and fold_0/checkpoint_final.pth.
        checkpoint: other weights than model.pt, with their plan.yaml next to them.
    """
    file, output = Path(checkpoint or Path(ckpt_dir) / MODEL), Path(output_dir)
    refuse_existing(output / PLANS)
    plan = read_plan(file.with_name(PLAN_FILE))
    with naming(file.with_name(PLAN_FILE)):
        plans, dataset = nnunet_from_plan(plan)
    mirrored = plan["mirror_axes"] if plan["prediction"].get("mirrored", True) else []
    network = network_of(plan)
    load_fitting_weights(file, network, "its plan.yaml is of another training")
    weights = nnunet_weights(bare_network(network).state_dict(), plan["network"])
    make_writable(str(output), remedy="pass another --output_dir")
    write_json(output / PLANS, plans)
    write_json(output / DATASET, dataset)
    content = {
        "network_weights": weights,
        "optimizer_state": None,
        "grad_scaler_state": None,
        "logging": {},
        "_best_ema": None,
        "current_epoch": int(plan["training"].get("epoch") or 0),
        "init_args": {"plans": plans, "configuration": CONFIGURATION, "fold": 0, "dataset_json": dataset},
        "trainer_name": TRAINER,
        "inference_allowed_mirroring_axes": tuple(mirrored) or None,
    }
    save(output / "fold_0" / CHECKPOINT, content)
    logger.info("nnUNetv2_predict_from_modelfolder -i SCANS -o LABELS -m %s -f 0", output)


def dataset_records(dataset_dir: str | Path) -> list[CaseRecord]:
    """What the scans of the training are like. Raises InputError: one cannot be read."""
    records = read_records(training_cases(dataset_dir), description="reading scans")
    raise_on_problems([record.facts for record in records])
    return records


def common_orientation(records: list[CaseRecord]) -> str:
    """Where the axes of all scans point, "" without scans. Raises InputError: nnU-Net trained on several."""
    found = {record.orientation: record.facts.name for record in records}
    if len(found) > 1:
        (one, first), (other, second) = list(found.items())[:2]
        raise InputError(
            f"{first} is oriented {one}, {second} {other}: nnU-Net trained on both as if they were alike; pass "
            "--orientation with that of the scans that the network is for"
        )
    return next(iter(found), "")


def least_share(folder: Path, records: list[CaseRecord]) -> float | None:
    """Share of a scan that cropping to non-zero voxels leaves: the least of all, or the median that nnU-Net noted."""
    if records:
        return min(record.relative_size for record in records)
    noted = read_json(folder / FINGERPRINT, {}).get("median_relative_size_after_cropping")
    if noted is None:
        logger.warning("%s has no %s: scans with wide margins of 0 are normalised otherwise than by nnU-Net; pass "
                       "--dataset_dir to have that checked", folder, FINGERPRINT)  # fmt: skip
    return noted


def refuse_existing(file: Path) -> None:
    """Raise an `InputError` where there is such a file already."""
    if file.exists():
        raise InputError(f"{file} exists: remove it, or pass another --output_dir")


def refuse_unfitting(weights: Mapping[str, torch.Tensor], plan: Plan, file: Path) -> None:
    """Raise an `InputError` where the plan's network does not take the weights, or they are NaN or infinite."""
    broken = [key for key, value in weights.items() if not value.isfinite().all()]
    if broken:
        raise InputError(f"{file} holds weights that are NaN or infinite ({broken[0]}): pass another --checkpoint")
    try:
        network_of(plan).load_state_dict(weights)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1].strip()[:200]
        raise InputError(f"{file} does not fit {PLANS} and {DATASET}: {reason}") from error


def network_of(plan: Plan) -> torch.nn.Module:
    """The network of a plan."""
    channels, outputs, field = len(plan["channels"]), len(plan["classes"]) + 1, plan["distance_channels"] or 0
    return build_network(plan["network"], channels, outputs, plan["patch_size"], field).eval()


def keep_splits(splits: Path, kept: Path, fold: str) -> dict[str, Any]:
    """Write what a training has held out next to its weights; the entries of its plan that say so.

    nnU-Net's folds hold out every case once; other splits of a user's are kept as the fixed split that `fold` is.
    Raises InputError: they are none, or have no such fold.
    """
    if not fold.isdigit():
        raise InputError(f"--splits {splits}: a training on fold {fold} has held out no case; leave --splits out")
    content = json_content(splits, ": cannot be read ({}); pass another --splits")
    try:
        sides = [(sorted(map(str, one["train"])), sorted(map(str, one["val"]))) for one in content]
        training, held_out = sides[int(fold)]
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise InputError(f"{splits} is none of nnU-Net's splits_final.json with fold {fold}: pass another") from error
    names = [name for _, validation in sides for name in validation]
    if sorted(names) == sorted({*training, *held_out}):
        write_folds(kept, [validation for _, validation in sides], dict.fromkeys(names, ()))
        return {"fold": int(fold), "num_folds": len(sides)}
    write_split(kept, training, held_out, f"fold {fold} of {splits}")
    return {"fold": TEST}


@contextmanager
def naming(source: Path) -> Iterator[None]:
    """Let an error say in what folder or file the fault is; a missing or impossible entry becomes one line, too."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{source}: {error}") from error
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        reason = f"{type(error).__name__}: {str(error)[:100]}"
        raise InputError(
            f"{source}: is not as nnU-Net v2 writes it ({reason}); pass a folder of its results"
        ) from error
