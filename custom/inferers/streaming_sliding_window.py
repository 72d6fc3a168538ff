"""Label maps of whole scans on their own grid, streamed: no volume of class scores ever exists."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from monai.data import MetaTensor
from monai.inferers import Inferer
from monai.utils import convert_to_dst_type

from ..errors import InputError
from ..geometry.native_grid import native_grid_of, nearest_on_native_grid, on_native_grid
from .checked_autocast import CheckedAutocast
from .class_confidence import ClassConfidence
from .efficient_windows import WindowPlan, count_plain_windows
from .logit_moments import LogitMoments
from .slab_accumulator import SlabAccumulator
from .sliding_window import finite, main_output, mirrored_mean, pad_to_window
from .streaming_argmax import CERTAIN, NativeArgmax, NetworkArgmax, largest_probability, split_field
from .temperature import TemperedConfidence

AVERAGES = ("probabilities", "logits")
RETURN_GRIDS = ("exact", "fast", "network")
MAX_CLASSES = 255  # of a uint8 label map whose highest value means something else
ALL_CHANNELS: tuple[Any, ...] = (slice(None), slice(None))
Predict = Callable[[torch.Tensor], torch.Tensor]


class StreamingSlidingWindowInferer(Inferer):
    """Sliding-window prediction whose memory hardly depends on the number of classes or the length of the scan.

    Class scores of windows, spread evenly at half-window steps, are added up with Gaussian weights in a slab one window
    deep that moves along the first axis; finished planes are labelled at once, on the network's grid or on the grid the
    scan was stored on. The result needs no `Invertd`: it has the geometry of the scan's file.

    Args, an InputError where one has no such value:
        roi_size: window size in voxels; also the least size the image is padded to (with 0).
        average: what is averaged over windows and interpolated, "probabilities" or, as nnU-Net does, "logits".
        windows: which windows are run, "all", "efficient" or "lateral": see `WindowPlan`, also for what each loses.
        mirror_axes: spatial axes to mirror; logits are averaged over all 2^n combinations. None or empty: no mirroring.
        autocast: precision of the network, as in `DirectInferer`.
        return_grid: "exact": their means are interpolated linearly to the native grid, then arg-max; "fast": arg-max
            on the network's grid, then the nearest label; "network": arg-max, on the grid of the input. Native voxels
            more than half a network voxel outside of the input, such as those cropped away, are background.
        confidence: add a channel, the largest probability times 255, rounded; of logits, the softmax of means.
        field: whether the network's last channel is no logit, but a field in [0, 1], as of
            `custom.networks.LogitsAndField`. Then add a channel, the last: the field times 255, rounded, 0 in
            background. Needs the average of logits.
        logit_moments, temperatures: see `report`.
        tubular, min_foreground_voxels: for the efficient plan, see `WindowPlan`.

    After each call `report` holds the number of windows run ("windows"), that of the plain grid of half-window steps
    ("windows_all"), and the mean of the largest probability over the voxels given each foreground class, on the
    network's grid ("confidence": {class id: mean}). With `logit_moments` also "logit_moments", see `LogitMoments`;
    with `temperatures` "tempered_confidence", see `TemperedConfidence`.
    """

    def __init__(
        self,
        roi_size: Sequence[int],
        average: str = "probabilities",
        windows: str = "all",
        mirror_axes: Sequence[int] | None = None,
        autocast: torch.dtype | None = None,
        return_grid: str = "exact",
        confidence: bool = False,
        tubular: Sequence[int] = (5, 6, 10),
        min_foreground_voxels: int = 1000,
        field: bool = False,
        logit_moments: bool = False,
        temperatures: Sequence[float] = (),
    ) -> None:
        for name, value, choices in (("average", average, AVERAGES), ("return_grid", return_grid, RETURN_GRIDS)):
            if value not in choices:
                raise InputError(f"{type(self).__name__}: {name} is {value!r}; use one of {', '.join(choices)}")
        if (field or logit_moments or temperatures) and average != "logits":
            raise InputError(f"{type(self).__name__}: fields and moments of logits need average 'logits'; pass that")
        self.field = field
        self.logit_moments = logit_moments
        self.temperatures = tuple(temperatures)
        self.roi_size = tuple(roi_size)
        self.logits = average == "logits"
        self.plan = WindowPlan(windows, tubular, min_foreground_voxels)
        self.mirror_axes = tuple(mirror_axes or ())
        self.autocast = CheckedAutocast(autocast)
        self.return_grid = return_grid
        self.confidence = confidence
        self.report: dict[str, Any] = {}

    @torch.no_grad()
    def __call__(self, inputs: torch.Tensor, network: Callable[..., Any], *args: Any, **kwargs: Any) -> torch.Tensor:
        """Label map (1, 1, *grid), uint8, of one image (1, channels, z, y, x); more channels where asked for.

        With the native grid as `return_grid` the image is a `MetaTensor` that knows its affine, original affine and
        original shape, as after `LoadImaged`. Raises InputError: for an image of another shape, a network output that
        is not finite, or unknown geometry.
        """
        if inputs.dim() != 5 or len(inputs) != 1 or len(self.roi_size) != 3:
            raise InputError(
                f"StreamingSlidingWindowInferer: image of shape {tuple(inputs.shape)}, roi_size {self.roi_size}; "
                "use images (1, channels, z, y, x), one at a time, and a window of three sizes"
            )
        image = inputs.as_tensor() if isinstance(inputs, MetaTensor) else inputs
        self.report = {"windows": 0, "windows_all": count_plain_windows(image.shape[2:], self.roi_size)}

        def logits(windows: torch.Tensor) -> torch.Tensor:
            return main_output(network(windows, *args, **kwargs))

        def predict(windows: torch.Tensor) -> torch.Tensor:
            self.report["windows"] += len(windows)
            with self.autocast(network, windows.device):
                return finite(mirrored_mean(logits, windows, self.mirror_axes))

        grid = None if self.return_grid == "network" else native_grid_of(inputs)
        if grid is not None and self.return_grid == "exact":
            native = NativeArgmax(grid, self.logits, self.confidence, image.device, self.field)
            return on_native_grid(self._label(image, predict, native)[None], inputs)
        own = NetworkArgmax(image.shape[2:], self.confidence, image.device, self.field)
        volume = self._label(image, predict, own)
        if grid is None:
            return convert_to_dst_type(volume[None], inputs, dtype=torch.uint8)[0]
        outside = [0] + [CERTAIN] * self.confidence + [0] * self.field
        volume = nearest_on_native_grid(volume, grid, outside)
        return on_native_grid(volume[None], inputs)

    def _label(self, image: torch.Tensor, predict: Predict, result: NetworkArgmax | NativeArgmax) -> torch.Tensor:
        """The volume of `result` after it took in all planes of an image; their confidence goes into the report."""
        confidence, moments, tempered = ClassConfidence(), LogitMoments(), TemperedConfidence(self.temperatures)
        for channels in self._final_planes(image, predict):
            scores, field = split_field(channels, self.field)
            largest, labels = scores.max(dim=0)
            probability = largest_probability(scores, largest, self.logits)
            confidence.add(probability, labels)
            if self.logit_moments:
                moments.add(scores, labels)
            if self.temperatures:
                tempered.add(scores, labels)
            if isinstance(result, NativeArgmax):
                result.add(channels)
            else:
                result.add(probability, labels, field)
        self.report["confidence"] = confidence.means()
        if self.logit_moments:
            self.report["logit_moments"] = moments.sums
        if self.temperatures:
            self.report["tempered_confidence"] = tempered.means()
        return result.volume

    def _final_planes(self, image: torch.Tensor, predict: Predict) -> Iterator[torch.Tensor]:
        """Mean scores (channels, planes, y, x) of an image in order, as soon as no window can change them."""
        padded, inner = pad_to_window(image, self.roi_size)
        accumulator: SlabAccumulator | None = None
        skip = False
        for row in self.plan.rows(padded.shape[2:], self.roi_size):
            if skip:
                skip = False
                continue
            logits = predict(padded[ALL_CHANNELS + row.first])[0]
            if accumulator is None:
                accumulator = self._accumulator(logits, padded, inner)
            yield from accumulator.advance(row.start)
            classes = split_field(logits, self.field)[0]
            labels = classes.argmax(dim=0) if self.plan.looks_at_labels else None
            places = list(row.others) if labels is None else self.plan.following(labels, row.others)
            if places is None:
                skip = True
                continue
            accumulator.add(row.first, logits)
            del logits, classes  # frees memory before the next windows are predicted
            for place in places:
                accumulator.add(row.others[place], predict(padded[ALL_CHANNELS + row.others[place]])[0])
        assert accumulator is not None  # there is at least one row
        yield from accumulator.finish()

    def _accumulator(self, logits: torch.Tensor, image: torch.Tensor, region: tuple[slice, ...]) -> SlabAccumulator:
        """The accumulator for logits (classes, *window) of a padded image; probabilities are added in half on CUDA."""
        channels, num_classes = len(logits), len(logits) - self.field
        if not 2 <= num_classes <= MAX_CLASSES:
            raise InputError(
                f"StreamingSlidingWindowInferer: the network gives {num_classes} channels; "
                f"use one with a channel for each of 2 to {MAX_CLASSES} classes, background included"
            )
        dtype = torch.float16 if image.device.type == "cuda" and not self.logits else torch.float32
        softmax = not self.logits
        return SlabAccumulator(channels, image.shape[2:], self.roi_size, region, dtype, image.device, softmax)
