"""What is scanned of a volume, for cropping."""

from monai.config.type_definitions import NdarrayOrTensor


def is_nonzero(volume: NdarrayOrTensor) -> NdarrayOrTensor:
    """Where a volume is not 0, of its shape, for `CropForegroundd(select_fn=...)`.

    A lambda could not be sent to loading processes that are not forked: macOS, Windows, Python 3.14.
    """
    return volume != 0
