"""The command that makes a bundle of its own out of a training: its weights, with their plan as the bundle's own.

MONAI Label reads configs/train.yaml and configs/inference.yaml, `monai.bundle.load` configs/infer.json, and a release
carries weights of inference.yaml's network: none of them takes another plan.
"""

import json
import logging
import re
from pathlib import Path

from monai.bundle import ConfigParser

from ..bundle_configs import NETWORK, made_entry
from ..datalist.kept_folds import KEPT_FOLDS
from ..engines.load_weights import load_fitting_weights
from ..engines.writable_folders import make_writable
from ..errors import InputError
from ..export.export_network import FITTING, trained_weights
from ..export.plan_metadata import plan_metadata
from ..plans import PLAN_FILE, read_plan, read_released_model
from .archive import write_folder
from .bundle_code import code_folder, importable
from .contents import bundle_contents, code_contents
from .metadata import released_metadata
from .network_config import PATH, network_config
from .package_name import package_name
from .released_models import stated_scores
from .trained_page import DATA_LICENSE, trained_pages
from .weights import FOLDS, MODEL, PLAN, weight_files

logger = logging.getLogger(__name__)

# what a run of the trained network needs; overlays of other data sets and methods stay behind
KEPT = ("train", "inference", "evaluate", "multi_gpu_train", "inference_exported", "inference_trt")
DEFAULT_PLAN = re.compile(rb"^default_plan: \w+", re.MULTILINE)
START = "models/model_start.pt"  # the weights once more: a training in MONAI Label replaces model.pt


def trained_bundle(
    bundle: str | Path, output: str | Path, ckpt_dir: str | Path = "", checkpoint: str | Path = "", modality: str = ""
) -> None:
    """Write a folder that trains and infers with trained weights alone, without options and without this project.

    MONAI Label serves it from the `model` folder of its monaibundle app, under the folder's name, and
    `monai.bundle.load(NAME, workflow_type="infer")` returns its network. It holds the bundle's configs with the
    training's plan as their default, metadata with its classes and patch, its own copy of the code, and under models/
    the plan and the weights twice: model.pt, which trainings in the folder replace, and model_start.pt.

    Args:
        bundle: folder of the bundle that was trained, e.g. bundles/batseg_spine, or an unpacked release.
        output: the folder to write, which must not exist; its name becomes the bundle's.
        ckpt_dir: folder of the training, with model.pt and plan.yaml; by default the bundle's models.
        checkpoint: other weights, with their plan.yaml next to them.
        modality: of the images where it is not the bundle's, e.g. CT; stated in the metadata.

    Raises:
        InputError: a folder or file is not what it should be, or the weights do not fit their plan.
    """
    root, target = Path(bundle), Path(output)
    if target.exists() or target.is_symlink():
        raise InputError(f"--output {target} exists: remove it or pass another folder")
    metadata = released_metadata(root)
    package = package_name(target.name, str(metadata["version"]))
    model = trained_weights(root, ckpt_dir, checkpoint)
    weights = weight_files(model)
    plan = read_plan(model.with_name(PLAN_FILE))
    files = bundle_files(root, package, target.name) | code_contents(package, code_folder(root))
    inference = ConfigParser(ConfigParser.load_config_file(str(root / "configs" / "inference.yaml")))
    inference.update({"bundle_root": str(root), "checkpoint": str(model)})
    with importable(root):
        load_fitting_weights(model, made_entry(inference, NETWORK, root), FITTING)
        files[PATH] = network_config(inference, root, package)
    metadata = plan_metadata(metadata, plan, target.name, str(modality))
    released = read_released_model(model.parent)
    if released is not None:
        metadata["eval_metrics"] = stated_scores(released)
        kept = model.with_name(KEPT_FOLDS)  # of others' trainings these names of cases may be private
        files |= {FOLDS: kept.read_bytes()} if kept.is_file() else {}
    files["configs/metadata.json"] = (json.dumps(metadata, indent=4) + "\n").encode("utf-8")
    files |= weights | {START: weights[MODEL], f"configs/plans/{target.name}.yaml": weights[PLAN]}
    files |= trained_pages(files, plan, root.resolve().name, package, released.data_license if released else "")
    make_writable(str(target.parent), remedy="pass another --output")
    write_folder(target, files)
    logger.info("%s: %s for %s", target, model, ", ".join(plan["classes"]))


def bundle_files(root: Path, package: str, plan: str) -> dict[str, bytes]:
    """Path in the bundle -> content of its files without pages, of the configs those to keep, for `plan`."""
    kept = {f"configs/{name}.yaml" for name in KEPT}
    files = bundle_contents(root, package)
    return {
        path: DEFAULT_PLAN.sub(f"default_plan: {json.dumps(plan)}".encode(), content) if path in kept else content
        for path, content in files.items()
        if path in kept or path == DATA_LICENSE or not (path.endswith(".yaml") or path.startswith("docs/"))
    }
