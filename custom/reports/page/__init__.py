"""One self-contained HTML page of a study or a recipe, or of scores alone."""

from .compare_command import compare
from .report_command import write_report, write_report_or_warn
