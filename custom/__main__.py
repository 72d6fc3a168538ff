"""`python -m custom COMMAND`: the few things that are not a bundle run; `COMMAND --help` explains each."""

import logging
import sys
from importlib.util import find_spec

try:
    import fire
except ModuleNotFoundError:  # the first package that is needed; without it none of the others is there
    raise SystemExit(
        "error: this Python has not the project's packages: source .venv/bin/activate, or pip install -e ."
    ) from None

from .data.knight import prepare_knight
from .errors import show_input_errors_in_one_line
from .export import export
from .options.command_line import Command, call, split_arguments
from .options.option_table import options
from .phantoms.abdomen import write_abdomen_phantoms
from .phantoms.spine import write_spine_phantoms
from .plans.plan_command import make_plan
from .processes import check_environment
from .reports.page import compare, write_report
from .workflows.cohort_builder import build_cohort
from .workflows.example_scan import example_scan
from .workflows.label import label
from .workflows.measure import measure
from .workflows.nnunet_models import from_nnunet, to_nnunet

COMMANDS: dict[str, Command] = {
    "abdomen_phantoms": write_abdomen_phantoms,
    "cohort": build_cohort,
    "compare": compare,
    "example_scan": example_scan,
    "export": export,
    "from_nnunet": from_nnunet,
    "label": label,
    "measure": measure,
    "options": options,
    "plan": make_plan,
    "prepare_knight": prepare_knight,
    "report": write_report,
    "spine_phantoms": write_spine_phantoms,
    "to_nnunet": to_nnunet,
}
if find_spec(f"{__package__}.release"):  # the copy of the code that a released bundle carries goes without
    from .release import add_model, release, trained_bundle

    COMMANDS |= {"add_model": add_model, "release": release, "trained_bundle": trained_bundle}


def main(arguments: list[str]) -> None:
    """Run the command that the arguments name, with what they say; its result goes to the terminal."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    show_input_errors_in_one_line()
    check_environment()
    if not arguments or {"-h", "--help"} & set(arguments):
        fire.Fire(COMMANDS, arguments, name="python -m custom")  # which knows how to show help only
        return
    result = call(arguments[0], COMMANDS, *split_arguments(arguments[1:]))
    if result is not None:
        print(result)


if __name__ == "__main__":
    main(sys.argv[1:])
