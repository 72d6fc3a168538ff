"""What turns a bundle's folder into something others can have: archives, model cards, bundles of trainings."""

from .add_model import add_model
from .release_command import release
from .trained_bundle import trained_bundle
