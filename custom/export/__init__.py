"""Trained networks as files that run without this project, and back."""

from .export_network import export
from .exported_network import ExportedNetwork, load_exported, load_tensorrt
from .plan_in_file import carried_plan
