"""One self-contained HTML page of a study or a recipe."""

from .report_command import write_report, write_report_or_warn
