"""Phantoms (generated, no patient data) of abdominal CT with 13 organs and tumours, annotated in part."""

from .dataset import write_abdomen_phantoms
from .organs import CLASSES, ORGANS
from .phantom import AbdomenPhantom, make_abdomen_phantom
