"""The command that makes a released model of a training: weights without what only resuming needs, and their origin."""

import io
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml
from monai.bundle import ConfigParser

from ..bundle_configs import NETWORK, made_entry
from ..data.training_scans import SCANS, measured_scans
from ..datalist.folder_layouts import training_cases
from ..datalist.kept_folds import KEPT_FOLDS, keep_folds, names_in
from ..engines.load_weights import load_fitting_weights
from ..errors import InputError
from ..export.export_network import FITTING, trained_weights
from ..io.checksums import sha256
from ..io.torch_file import load_tensors
from ..io.write_errors import reporting_unwritable
from ..options.kinds import FILE_NAME
from ..plans import PLAN_FILE, ReleasedModel, read_plan, write_plan
from ..plans.released_model import checked_model, write_released_model
from .bundle_code import importable
from .large_files import LARGE
from .weights import MODEL

logger = logging.getLogger(__name__)


def add_model(
    bundle: str | Path,
    name: str,
    origin: str,
    data_license: str,
    scores: str,
    command: str,
    ckpt_dir: str | Path = "",
    checkpoint: str | Path = "",
    seed: int | None = None,
    half: bool = False,
    dataset_dir: str | Path = "",
    folds_file: str | Path = "",
) -> None:
    """Put a training among the models that a bundle is shipped with: BUNDLE/models/NAME.

    Written are model.pt, plan.yaml and model.yaml, which says where the weights come from. `label --model NAME` labels
    with them, releases carry them, and no training replaces them.

    Args:
        bundle: folder of the bundle that was trained.
        name: of the model.
        origin: the data and the training, in a sentence.
        data_license: of the data.
        scores: a mapping of names to measured values, such as "{dice: {liver: 0.95}, cases: 50 held out}", or a
            JSON or YAML file with one.
        command: that trained the weights.
        ckpt_dir: folder of the training; by default the bundle's models.
        checkpoint: other weights than its model.pt, with their plan.yaml next to them.
        seed: of the training; by default the plan's.
        half: store weights in half precision, in half the space; compare label maps before.
        folds_file: folds or split of the training, to be shipped for evaluations by others; it names the cases.
        dataset_dir: folder of the training scans, measured for the input check where the plan has no ranges of them.

    Raises:
        InputError: something is missing, is above 25 MB, or does not fit.
    """
    root = Path(bundle)
    folder = root / "models" / name
    if not FILE_NAME.fullmatch(name):
        raise InputError(f"--name {name}: pass letters, digits and _ . - alone, as the name of one folder")
    if folder.exists():
        raise InputError(f"{folder} exists: remove it, or pass another --name")
    source = trained_weights(root, ckpt_dir, checkpoint)
    plan = read_plan(source.with_name(PLAN_FILE))
    if dataset_dir and not plan["fingerprint"].get(SCANS):
        plan["fingerprint"] = {**plan["fingerprint"], SCANS: measured_scans(training_cases(dataset_dir))}
    fitting(root, source)
    content = stored(load_tensors(source, "restore it, or pass other weights"), half)
    if len(content) > LARGE:
        raise InputError(f"{source} is {len(content) / 1e6:.0f} MB, above 25 MB: pass --half true")
    stated: dict[str, Any] = {
        "origin": origin,
        "data_license": data_license,
        "scores": read_scores(scores),
        "command": command,
        "seed": plan["training"].get("seed") if seed is None else seed,
        "precision": "float16" if half else "float32",
        "sha256": "of the file",
    }
    checked_model(stated, "add_model")
    if folds_file:
        names_in(folds_file)  # refuses what is none
    with reporting_unwritable(folder, "pass another --bundle"):
        folder.mkdir(parents=True)
        try:
            (folder / Path(MODEL).name).write_bytes(content)
            write_plan(folder / PLAN_FILE, plan)
            if folds_file:
                keep_folds(folds_file, folder / KEPT_FOLDS)
            write_released_model(folder, ReleasedModel(**{**stated, "sha256": sha256(folder / Path(MODEL).name)}))
        except OSError:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    logger.info("%s: %.1f MB, for %s", folder, len(content) / 1e6, ", ".join(plan["classes"]))


def fitting(root: Path, weights: Path) -> None:
    """Refuse weights that do not fit the network of the plan next to them."""
    inference = ConfigParser(ConfigParser.load_config_file(str(root / "configs" / "inference.yaml")))
    inference.update({"bundle_root": str(root), "checkpoint": str(weights)})
    with importable(root):
        load_fitting_weights(weights, made_entry(inference, NETWORK, root), FITTING)


def stored(weights: Mapping[str, torch.Tensor], half: bool) -> bytes:
    """The content of model.pt; equal weights give equal bytes. Raises InputError: half precision cannot hold one."""
    kept = {key: halved(key, value) if half and value.is_floating_point() else value for key, value in weights.items()}
    file = io.BytesIO()
    torch.save(kept, file)
    return file.getvalue()


def halved(key: str, value: torch.Tensor) -> torch.Tensor:
    """Weights in half precision, rounded to 11 bits. Raises InputError: they overflow."""
    result = value.half()
    if not torch.isfinite(result).all():
        raise InputError(f"{key} of the weights is too large for half precision: pass --half false")
    return result


def read_scores(text: str) -> dict[str, Any]:
    """A mapping, typed or in a file. Raises InputError: it is none."""
    file = Path(text)
    named = file.suffix in (".json", ".yaml", ".yml")
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8") if named else text)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InputError(f"--scores {text}: cannot be read ({' '.join(str(error).split())[:100]})") from error
    if not isinstance(found, dict) or not found:
        raise InputError(f"--scores {text}: pass a mapping of names to values, such as '{{dice: 0.9}}'")
    return {str(key): value for key, value in found.items()}
