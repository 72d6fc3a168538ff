"""Phantoms (generated, no patient data) of spine MRI with one tumour of four types."""

from .dataset import write_spine_phantoms
from .phantom import SpinePhantom, make_spine_phantom
from .tumours import TUMOURS
