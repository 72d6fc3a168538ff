"""Chains of runs: configs and commands described as data, the stages of a pseudo-label recipe, studies."""

from .chain import Chain
from .config_run import config_runs
from .pipeline import PseudoLabelPipeline
from .recipe_study import RecipeStudy
from .study import Study
