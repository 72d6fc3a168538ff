"""The pages of a trained bundle.

Its source's pages describe overlays, stages and missing weights, none of which is true of it.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

PAGE, DATA_LICENSE, MODELS = "docs/README.md", "docs/data_license.txt", "models/README.md"
METADATA = "configs/metadata.json"
DATA_SETS = "Data sets"  # how the licences of data sets begin in a source's data_license.txt

MODELS_PAGE = """\
`model.pt`: the trained weights, which a training in this folder replaces; `model_start.pt`: the same, which
stay. `plan.yaml` belongs to them.
"""
TEXT = Path(__file__).with_suffix(".md")


def trained_pages(
    files: Mapping[str, bytes], plan: Mapping[str, Any], source: str, package: str, license_of_data: str = ""
) -> dict[str, bytes]:
    """Path -> content of the pages of a trained bundle.

    Args:
        files: path in the bundle -> content of everything else.
        license_of_data: that the weights were trained on, where it is known.
    """
    metadata = json.loads(files[METADATA])
    page = Template(TEXT.read_text(encoding="utf-8")).substitute(
        stated(metadata),
        patch=by(plan["patch_size"]),
        spacing=by(plan["spacing"]),
        batch=plan["batch_size"],
        source=source,
        package=package,
        trained=training_of(plan["training"]),
    )
    source_license = files[DATA_LICENSE].decode("utf-8")
    texts = {PAGE: page, DATA_LICENSE: data_license(source_license, license_of_data), MODELS: MODELS_PAGE}
    return {path: text.encode("utf-8") for path, text in texts.items()}


def stated(metadata: Mapping[str, Any]) -> dict[str, str]:
    """What the metadata say."""
    classes = metadata["network_data_format"]["outputs"]["pred"]["channel_def"]
    scores = [f"- {name}: {value}" for name, value in (metadata.get("eval_metrics") or {}).items()]
    keys = ("task", "version", "description", "image_classes", "data_type", "intended_use")
    texts = {key: str(metadata.get(key, "")) for key in keys}
    return {key: text[:1].upper() + text[1:] for key, text in texts.items()} | {
        "values": "\n".join(f"| {value} | {name} |" for value, name in classes.items()),
        "scores": "\n".join(scores) or "None is stated: the command that evaluates the weights is below.",
        "references": "\n".join(f"- {reference}" for reference in metadata.get("references", [])),
    }


def by(sizes: Sequence[float]) -> str:
    """Sizes along the axes as people write them."""
    return " x ".join(f"{size:g}" for size in sizes)


def training_of(training: Mapping[str, Any]) -> str:
    """What the plan says of the training that the weights are of."""
    known = [f"`{key}` {training[key]}" for key in ("epoch", "fold", "num_folds") if key in training]
    return f"The weights are those of {', '.join(known)} (`models/plan.yaml`)." if known else ""


def data_license(source: str, license_of_data: str = "") -> str:
    """The source's list of data sets, under a head that is true of weights."""
    head = (
        "This bundle ships no data. Its weights were trained by whoever wrote it: whether and how they may be passed\n"
        "on follows from the data they were trained on."
    )
    if license_of_data:
        head = f"This bundle ships no data. The data its weights were trained on: {license_of_data}"
    lists = [part.strip() for part in source.split("\n\n") if part.startswith(DATA_SETS)]
    return "\n\n".join([head, *lists]) + "\n"
