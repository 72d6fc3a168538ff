"""What a class is called where people see it: in a bundle's metadata, and so in MONAI Label and 3D Slicer."""

from collections.abc import Sequence

# 3D Slicer and MONAI Label colour a segment by its name, from a table of anatomical terms; these differ from ours
ANATOMICAL_TERMS = {
    "left_adrenal": "left adrenal gland",
    "oesophagus": "esophagus",
    "right_adrenal": "right adrenal gland",
}


def channel_name(class_name: str) -> str:
    """The name of a class in `channel_def` of metadata.json.

    >>> channel_name("right_kidney"), channel_name("oesophagus")
    ('right kidney', 'esophagus')
    """
    return ANATOMICAL_TERMS.get(class_name, class_name.replace("_", " "))


def channel_names(class_names: Sequence[str]) -> list[str]:
    """The names of a network's output channels.

    >>> channel_names(["liver"])
    ['background', 'liver']
    """
    return ["background", *map(channel_name, class_names)]
