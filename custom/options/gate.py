"""The gate of a bundle run: every value that a user gave passes its option's description, before anything is done."""

import re
import sys
from collections.abc import Mapping, Set
from inspect import signature
from pathlib import Path
from pydoc import locate
from types import FrameType
from typing import Any

from monai.bundle import BundleWorkflow, ConfigComponent, ConfigParser, ConfigWorkflow, ReferenceResolver, run
from monai.bundle.properties import InferProperties, TrainProperties
from monai.bundle.utils import DEFAULT_MLFLOW_SETTINGS, ID_SEP_KEY
from monai.utils import BundlePropertyConfig

from ..errors import InputError, causes_of
from ..nearest_name import did_you_mean
from ..processes import check_environment
from .bundle_options import bundle_options, is_whole, options_by_name, top_level_ids
from .command_line import split_arguments
from .kinds import TEXT, Option, or_nothing, shown

ID = BundlePropertyConfig.ID
TRACKING: Mapping[str, Any] = DEFAULT_MLFLOW_SETTINGS["configs"]  # type: ignore[assignment]
TRACKING_OPTIONS = {name: Option(name, or_nothing(TEXT)) for name in ("experiment_name", "run_name")}
REFERENCE = re.compile(r"@(\w+)")
# ids that MONAI and MONAI Label read
THEIRS = {
    *("imports", "initialize", "run", "finalize", "training", "displayable_configs", "save_execute_config", "_meta_"),
    *(re.split("::|#", str(one[ID]))[0] for one in (*TrainProperties.values(), *InferProperties.values())),
    *TRACKING,
}
# and arguments of its command
ARGUMENTS = {"workflow_name", *signature(run).parameters, *signature(ConfigWorkflow).parameters}


def check_options() -> None:
    """Check what the user gave in the config that is being run, and put in the value that is meant.

    Paths are expanded, words become numbers and switches, tuples lists. A value that MONAI or fire changed on its way
    (2026_01_15, 007, None, `#` and what follows it) is taken as it was typed. Raises InputError: an option is unknown,
    or a value is not of its kind; names it, the value and what to pass.
    """
    check_environment()
    workflow = running_workflow()
    if workflow is None:  # a config that is read alone, by which nobody gives anything
        return
    parser, configs = workflow.parser, Path(workflow.config_root_path)
    config: dict[str, Any] = parser.get()
    typed = getattr(workflow, "command_line", None)  # `run_config` says that there is none
    typed = typed_options() if typed is None else typed
    options = {**TRACKING_OPTIONS, **options_by_name(configs)}
    own = own_configs(configs, config)
    refuse_unknown(config, typed, {id for file in own for id in top_level_ids(file)}, options.keys())
    refuse_unknown_parts(parser, typed, own, options.keys())
    meant = {}
    for name, option in options.items():
        if name in typed:
            meant[name] = option.checked(evaluated(parser, option, typed[name]))
        elif name in config and not is_reference(config, name) and config[name] != TRACKING.get(name, ...):
            meant[name] = option.checked(as_written(option, config[name]), "")
    changed = {name: new for name, value in meant.items() if repr(new := literal(value)) != repr(config.get(name))}
    if changed:  # MONAI Label may evaluate the whole config, us a second time within it
        config.update(changed)
        parser.parse(reset=True)


def running_workflow() -> Any:
    """The workflow that evaluates the expression which called us, None without one: MONAI hands it to none."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if isinstance(workflow := frame.f_locals.get("self"), BundleWorkflow):
            return workflow
        frame = frame.f_back
    return None


def typed_options() -> dict[str, str]:
    """Option -> its text, where this process is `python -m monai.bundle run`, apart from MONAI's own arguments."""
    program, *arguments = sys.argv
    if Path(program).parts[-3:] != ("monai", "bundle", "__main__.py"):
        return {}
    return {name: text for name, text in split_arguments(arguments)[0].items() if name not in ARGUMENTS}


def own_configs(configs: Path, config: Mapping[str, Any]) -> list[Path]:
    """The whole configs that are run, which MONAI does not tell: those whose options are all there."""
    found = [
        configs / f"{name}.yaml" for name, known in bundle_options(configs).items() if known.keys() <= config.keys()
    ]
    return [file for file in found if is_whole(file)]


def refuse_unknown(config: Mapping[str, Any], typed: Mapping[str, str], own: set[str], options: Set[str]) -> None:
    """Refuse an id that is none of the config's, that nothing refers to and MONAI does not read: it changes nothing.

    A file may set options of the bundle's other configs, so that one overlay is for all.
    """
    used = THEIRS | own | set(REFERENCE.findall(str(config)))
    for name in [*config, *(one for one in typed if "#" not in one and ID_SEP_KEY not in one)]:
        if name not in used and (name in typed or name not in options):
            dashes = "--" if name in typed else ""
            known = ((used - THEIRS) | ARGUMENTS | (options & config.keys())) - {name}
            raise InputError(f"{dashes}{name}: the configs named here have no such option{did_you_mean(name, known)}")


def refuse_unknown_parts(parser: ConfigParser, typed: Mapping[str, str], own: list[Path], options: Set[str]) -> None:
    """Refuse ids such as optimizer#lrr, of which the configs have none and the class takes none.

    Options that are mappings, such as a study's `training`, take any key: what reads them checks it.
    """
    written = None
    for name in typed:
        *parents, part = re.split(f"#|{ID_SEP_KEY}", name)
        if not parents:
            continue
        written = written or ConfigParser(ConfigParser.load_config_files(list(map(str, own))))
        is_used = re.search(f"@{ID_SEP_KEY.join([*parents, part])}\\b", str(parser.get()))  # as an overlay may
        if name in written or part.startswith("_") or is_used:
            continue
        parent = parser.get(ID_SEP_KEY.join(parents))
        if parents[0] in options and isinstance(parent, dict) and not ConfigComponent.is_instantiable(parent):
            continue
        known = set(parent or ()) - {part} | parameters_of(parent, parser) if isinstance(parent, dict) else set()
        if part not in parameters_of(parent, parser):
            raise InputError(f"--{name}: {'#'.join(parents)} has no {part}{did_you_mean(part, known)}")


def parameters_of(part: Any, parser: ConfigParser) -> set[str]:
    """The parameters of the class or function that a part of a config names."""
    if not ConfigComponent.is_instantiable(part):
        return set()
    target = ConfigComponent(part, "", parser.locator).resolve_module_name()
    found = locate(target) if isinstance(target, str) else target
    return set(signature(found).parameters) if callable(found) else set()


def evaluated(parser: ConfigParser, option: Option, text: str) -> Any:
    """What was typed, or what an expression among it gives."""
    if not text.startswith("$"):
        return text
    try:
        return parser.get_parsed_content(option.name)
    except Exception as error:  # whatever an expression raises; of $HOME a NameError
        raise InputError(
            f"--{option.name} {shown(text)}: $ begins an expression of MONAI's, and this is none ({reason_of(error)}); "
            f"for a name that begins so write {shown('./' + text)}"
        ) from error


def is_reference(config: Mapping[str, Any], name: str) -> bool:
    """Whether a config leaves a value to an expression, another id or a component."""
    value = config[name]
    if isinstance(value, str):
        return value.startswith("$") or (value.startswith("@") and value[1:].split(ID_SEP_KEY)[0] in config)
    return bool(ConfigComponent.is_instantiable(value)) or bool(ReferenceResolver.find_refs_in_config(value, name))


def as_written(option: Option, value: Any) -> Any:
    """A value of a config file. Raises InputError: MONAI takes it for an id, or has made :: of # in it."""
    if isinstance(value, str) and (ID_SEP_KEY in value or REFERENCE.fullmatch(value)):
        raise InputError(
            f"{option.name} {shown(value)}: in a config @, # and :: make ids, and there is none like this; pass "
            f"--{option.name} on the command line, or rename what it names"
        )
    return value


def literal(value: Any) -> Any:
    """A value as a config holds it, in which MONAI finds no id, reference or expression; text only where it would.

    >>> literal("/data/a#b"), literal("/data/a")
    ("$'/data/a\\\\x23b'", '/data/a')
    """
    if isinstance(value, Mapping):
        return {key: literal(one) for key, one in value.items()}
    if isinstance(value, list):
        return [literal(one) for one in value]
    is_special = isinstance(value, str) and (value[:1] in ("$", "@", "%") or "#" in value)
    return "$" + quoted(value) if is_special else value


def quoted(text: str | Path) -> str:
    """Text for an expression in a config, in which MONAI finds no id or reference."""
    return re.sub("[#@]", lambda found: f"\\x{ord(found[0]):02x}", repr(str(text)))


def reason_of(error: BaseException) -> str:
    """The innermost cause in a few words: MONAI wraps it several times."""
    return " ".join(str(causes_of(error)[-1]).split())[:100]
