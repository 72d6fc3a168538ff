"""`python -m custom COMMAND`: the few things that are not a bundle run; `COMMAND --help` explains each."""

import logging
from importlib.util import find_spec

import fire

from .data.knight import prepare_knight
from .errors import show_input_errors_in_one_line
from .export import export
from .phantoms.abdomen import write_abdomen_phantoms
from .phantoms.spine import write_spine_phantoms
from .plans.plan_command import make_plan
from .workflows.cohort_builder import build_cohort
from .workflows.measure import measure

COMMANDS = {
    "abdomen_phantoms": write_abdomen_phantoms,
    "cohort": build_cohort,
    "export": export,
    "measure": measure,
    "plan": make_plan,
    "prepare_knight": prepare_knight,
    "spine_phantoms": write_spine_phantoms,
}
if find_spec(f"{__package__}.release"):  # the copy of the code that a released bundle carries goes without
    from .release import release, trained_bundle

    COMMANDS |= {"release": release, "trained_bundle": trained_bundle}


def main() -> None:
    """Run the command named on the command line."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    show_input_errors_in_one_line()
    fire.Fire(COMMANDS, name="python -m custom")


if __name__ == "__main__":
    main()
