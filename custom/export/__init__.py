"""Trained networks as files that run without this project, and back."""

from .carried_plan import carried_plan
from .exported_network import ExportedNetwork, load_exported, load_tensorrt
from .exporting import export

__all__ = ["ExportedNetwork", "carried_plan", "export", "load_exported", "load_tensorrt"]
