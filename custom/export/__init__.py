"""Trained networks as files that run without this project, and back."""

from .carried_plan import carried_plan
from .exported_network import ExportedNetwork, load_exported
from .exporting import export
from .tensorrt import load_tensorrt

__all__ = ["ExportedNetwork", "carried_plan", "export", "load_exported", "load_tensorrt"]
