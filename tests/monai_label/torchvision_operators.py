"""Let torchvision be imported with a PyTorch it was not built for, in our MONAI Label environment only.

Package indexes hold torchvision's CUDA build; with a CPU build of PyTorch its compiled part does not load, and its
import ends in `operator torchvision::nms does not exist`. MONAI Label imports it for two functions that draw pictures.
So the operators' names are declared first. `make monailabel` copies this file into its environment, and only where the
import fails; `torchvision_operators.pth` next to it loads it.
"""

import sys
from importlib.abc import MetaPathFinder


class DeclareOperators(MetaPathFinder):
    """Declares the operators just before torchvision is imported, so that nothing else has to wait for torch."""

    def find_spec(self, name, path=None, target=None):
        if name == "torchvision":
            sys.meta_path.remove(self)
            import torch  # noqa: PLC0415

            library = torch.library.Library("torchvision", "DEF")
            library.define("nms(Tensor boxes, Tensor scores, float iou_threshold) -> Tensor")
            library.define("qnms(Tensor boxes, Tensor scores, float iou_threshold) -> Tensor")
            torch.torchvision_operators = library  # declared as long as it lives


sys.meta_path.insert(0, DeclareOperators())
