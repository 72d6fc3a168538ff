"""A data set's folder or manifest as a list of cases, its folds, and what is written for each case."""

from .case_list import read_case_list
from .held_out import HeldOut
from .left_out import LeftOut
from .output_names import OUTPUT_NAME, output_name
from .which_cases import which_cases
