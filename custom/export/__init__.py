"""Trained networks as files that run without this project, and back."""

from .carried_facts import intensity_of
from .exported_network import ExportedNetwork, load_exported
from .exporting import export
from .tensorrt import load_tensorrt

__all__ = ["ExportedNetwork", "export", "intensity_of", "load_exported", "load_tensorrt"]
