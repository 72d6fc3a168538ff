"""The network of inference.yaml: its input and output, and its exports."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.bundle import ckpt_export, onnx_export, verify_net_in_out

from ..errors import InputError
from ..export.dynamic_sizes import least_sizes
from ..io.needed_package import needed_package
from ..networks import size_multiple
from ..release.weights import MODEL
from .bundle_folder import BundleFolder

NETWORK = "network_def"
TOLERANCE = 1e-4
SEED = 0
DATA_DEPENDENT = "look for code in the network's forward that depends on data"


def check_input_and_output(bundle: BundleFolder) -> None:
    """Channels and type of the network's output are those that the metadata state, on an image of the stated shape."""
    verify_net_in_out(
        net_id=NETWORK,
        meta_file=str(bundle.metadata_file),
        config_file=bundle.files("inference"),
        device="cpu",
        bundle_root=str(bundle.root),
    )


def export_options(bundle: BundleFolder, file: Path) -> dict[str, Any]:
    """What each of MONAI's exports is told."""
    return {
        "net_id": NETWORK,
        "filepath": str(file),
        "ckpt_file": str(weights_file(bundle)),
        "meta_file": str(bundle.metadata_file),
        "config_file": bundle.files("inference"),
        "bundle_root": str(bundle.root),
    }


def check_torchscript(bundle: BundleFolder) -> None:
    """MONAI's TorchScript export answers as the network does."""
    file = bundle.scratch / "model.ts"
    ckpt_export(**export_options(bundle, file))
    image = random_image(bundle)
    with torch.no_grad():
        answer = torch.jit.load(file)(image)
    refuse_difference("the TorchScript export", answer, eager_answer(bundle, image))


def check_onnx(bundle: BundleFolder) -> None:
    """MONAI's ONNX export answers in onnxruntime as the network does."""
    needed_package("onnxscript", "onnxscript", "the ONNX export")
    runtime = needed_package("onnxruntime", "onnxruntime", "the check of the ONNX export")
    file, image = bundle.scratch / "model.onnx", random_image(bundle)
    onnx_export(**export_options(bundle, file), input_shape=list(image.shape))
    session = runtime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    answer = session.run(None, {session.get_inputs()[0].name: image.numpy()})[0]
    refuse_difference("the ONNX export", torch.from_numpy(np.asarray(answer)), eager_answer(bundle, image))


def weights_file(bundle: BundleFolder) -> Path:
    """The bundle's models/model.pt; fresh weights of a seed where it has none."""
    shipped = bundle.root / MODEL
    fresh = bundle.scratch / "model.pt"
    if not shipped.is_file() and not fresh.is_file():
        torch.manual_seed(SEED)
        torch.save(network(bundle).state_dict(), fresh)
    return shipped if shipped.is_file() else fresh


def network(bundle: BundleFolder) -> torch.nn.Module:
    """`network_def` of inference.yaml."""
    return bundle.parser("inference").get_parsed_content(NETWORK).eval()


def eager_answer(bundle: BundleFolder, image: torch.Tensor) -> torch.Tensor:
    """What the network itself answers."""
    own = network(bundle)
    own.load_state_dict(torch.load(weights_file(bundle), map_location="cpu", weights_only=True))
    with torch.no_grad():
        return own(image)


def random_image(bundle: BundleFolder) -> torch.Tensor:
    """An image as small as the network allows, else of the metadata's shape: exports do not depend on it."""
    stated = bundle.metadata["network_data_format"]["inputs"]["image"]
    shape = [int(size) for size in stated["spatial_shape"]]
    with suppress(InputError):  # another's network may not say
        shape = least_sizes(size_multiple(network(bundle)), shape)
    generator = torch.Generator().manual_seed(SEED)
    return torch.randn(1, stated["num_channels"], *shape, generator=generator)


def refuse_difference(what: str, answer: torch.Tensor, expected: torch.Tensor, remedy: str = DATA_DEPENDENT) -> None:
    """Raise an `InputError` where something exported answers otherwise than the network."""
    if answer.shape != expected.shape:
        raise InputError(f"{what} answers with shape {tuple(answer.shape)}, not {tuple(expected.shape)}; {remedy}")
    difference = float((answer - expected).abs().max())
    if not difference <= TOLERANCE:
        raise InputError(f"{what} differs from the network by {difference:.1e}, allowed are {TOLERANCE:.0e}; {remedy}")
