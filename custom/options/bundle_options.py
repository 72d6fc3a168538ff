"""The options of a bundle's configs, read from the first blocks of the files and the comments there."""

import re
import textwrap
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

import yaml

from ..errors import InputError
from .kinds import (
    ANYTHING,
    FOLDER_NAME_PART,
    MAPPING,
    MAPPINGS,
    NAME_OR_NUMBER,
    NAMES,
    NAMES_OR_NUMBERS,
    OPTIONAL_PATH,
    PATH,
    POSITIVE,
    SHARE,
    SWITCH,
    TEXT,
    Kind,
    Option,
    choice,
    either,
    number,
    or_nothing,
    several,
    whole,
)

HEADING = re.compile(r"# -{4} (.+?) -{4,}")
BEHIND = "what follows from the above"
LINE = re.compile(r"(?P<name>\w+):(?P<value> +'[^']*'| +\"[^\"]*\"|.*?)(?: +# *(?P<meaning>.*))?")
DEVICE = Kind("cpu, cuda, cuda:1 or mps", lambda value: re.fullmatch(r"cpu|mps|cuda(:\d+)?", str(value))[0])  # type: ignore[index]
PLACE = re.compile(r"['\"]?\$(os\.path\.join\()?@(bundle_root|\w+_dir)\b")
PART = re.compile(r"['\"]?[$@]|{?_target_|- \$|#")  # how values begin that are parts of a method, not options
STATISTICS = {"lower": number(), "upper": number(), "mean": number(), "sd": POSITIVE}
VOXELS = several(whole(1, 4096), 3, "[96,96,96]")


def statistics(value: object) -> dict[str, float]:
    """What CT is clipped to and scaled by."""
    given = MAPPING.read(value)
    found = {name: kind.read(given.pop(name, None)) for name, kind in STATISTICS.items()}
    if given or found["lower"] >= found["upper"]:
        raise ValueError
    return found


def store(value: object) -> str:
    """The address of an MLflow store."""
    found = TEXT.read(value)
    if "://" not in found or found.startswith("file:"):
        raise ValueError
    return str(found)


STORE = Kind("sqlite:///FILE, or the address of a server, such as http://server:5000", store)
INTENSITY = Kind(
    'a mapping with lower < upper, mean and sd > 0, such as "{lower: -160, upper: 240, mean: 40, sd: 60}"', statistics
)

# the kinds that default and comment do not tell
KINDS: dict[str, Kind] = {
    "architecture": MAPPING,
    "batch_size": whole(1, 10_000),
    "boundary_weight": either(number(0), "balanced"),
    "checkpoint": OPTIONAL_PATH,
    "class_agnostic": SWITCH,
    "class_names": NAMES,
    "classifier": MAPPING,
    "class_weights": or_nothing(several(number(0))),
    "cohort": PATH,
    "data_name": TEXT,
    "device": DEVICE,
    "distance_head": SWITCH,
    "elastic_magnitude": number(0),
    "elastic_spacing": POSITIVE,
    "experiments": MAPPING,
    "extra_weight": either(number(0), "balanced"),
    "fold": either(whole(), "all", "test"),
    "folds": several(either(whole(), "test")),
    "groups": or_nothing(MAPPING),
    "initial_weights": OPTIONAL_PATH,
    "intensity": or_nothing(INTENSITY),
    "jobs": either(whole(1, 10_000), "gpus", "auto"),
    "keep_predictions": choice("none", "chosen", "all"),
    "masks_dir": OPTIONAL_PATH,
    "method_tag": FOLDER_NAME_PART,
    "methods": NAMES,
    "min_foreground_voxels": whole(),
    "mirror_axes": several(whole(0, 2)),
    "mirrored": SWITCH,
    "normalisation": choice("ct", "zscore"),
    "num_channels": whole(1),
    "num_folds": whole(2),
    "num_workers": whole(0, 256),
    "only": NAMES_OR_NUMBERS,
    "overlays": NAMES,
    "patch_size": VOXELS,
    "planned": ANYTHING,
    "plan": OPTIONAL_PATH,  # or a name
    "recipe": MAPPINGS,
    "scoring": MAPPING,
    "seed": whole(0, 2**32 - 1),
    "seeds": several(whole(0, 2**32 - 1)),
    "shared": MAPPING,
    "spacing": several(number(0.001, 1000), 3, "[1,1,1]"),
    "stages": NAMES_OR_NUMBERS,
    "tracking_uri": STORE,
    "transformer_patch": VOXELS,
    "until": NAME_OR_NUMBER,
    "with_mask": SWITCH,
    "window": or_nothing(several(number(), 2, "[-160,240]")),
}


def bundle_options(configs: Path) -> dict[str, dict[str, Option]]:
    """Config -> name -> option, of every config in a bundle's folder `configs`, as its first block has them.

    Raises InputError: there are no configs.
    """
    texts = {file.stem: file.read_text(encoding="utf-8") for file in sorted(configs.glob("*.yaml"))}
    found = {name: dict(first_block(text)) for name, text in texts.items()}
    if not found:
        raise InputError(f"{configs} holds no configs: pass the folder of a bundle")
    return found


def options_by_name(configs: Path) -> dict[str, Option]:
    """Name -> option: what a name means is the same in every config of a bundle; whole configs go before overlays."""
    files = bundle_options(configs)
    known: dict[str, Option] = {}
    for name in sorted(files, key=lambda name: not is_whole(configs / f"{name}.yaml")):
        known = {**files[name], **known}
    return known


def is_whole(file: Path) -> bool:
    """Whether a config runs alone, instead of lying over one that does."""
    return HEADING.search(file.read_text(encoding="utf-8")) is not None


def top_level_ids(file: Path) -> list[str]:
    """The ids of a whole config; none of an overlay's, where one may be mistyped."""
    return re.findall(r"^(\w+):", file.read_text(encoding="utf-8"), re.MULTILINE) if is_whole(file) else []


@lru_cache  # a study reads the configs for each of its runs
def first_block(config: str) -> Mapping[str, Option]:
    """What a config says may be changed: up to a heading, or in an overlay the first lines that stand together.

    An overlay may bring ids of its own, and expressions of any kind: nothing is known but that some are paths.
    """
    runs_alone = HEADING.search(config) is not None
    found = {}
    for name, text, meaning in entries(block_lines(config)):
        if runs_alone:
            found[name] = Option(name, declared_kind(name, text, meaning), text, meaning)
        elif is_path(name, text) or name in KINDS or not PART.match(text):
            found[name] = Option(name, KINDS.get(name, PATH if is_path(name, text) else ANYTHING), text, meaning)
    return found


def block_lines(text: str) -> list[str]:
    """The lines of a config's first block."""
    headings = list(HEADING.finditer(text))
    if headings:
        end = next((one.start() for one in headings if one[1] == BEHIND), len(text))
        return text[headings[0].start() : end].splitlines()
    paragraphs = [part for part in text.split("\n\n") if re.match(r"\w+:", part)]
    return paragraphs[0].splitlines() if paragraphs else []


def entries(lines: list[str]) -> Iterator[tuple[str, str, str]]:
    """Name, value and comment of every entry; what is indented below it belongs to it."""
    groups: list[list[str]] = []
    for line in lines:
        if re.match(r"\w+:", line):
            groups.append([line])
        elif groups and line[:1].isspace() and line.strip():
            groups[-1].append(line)
        elif line.startswith("#"):
            groups.append([])
    for first, *others in filter(None, groups):
        found = LINE.fullmatch(first.rstrip())
        assert found is not None
        comments = [line.strip().removeprefix("#") for line in others if line.lstrip().startswith("#")]
        value = found["value"].strip() or textwrap.dedent("\n".join(others))
        yield found["name"], value, " ".join([found["meaning"] or "", *map(str.strip, comments)]).strip()


def declared_kind(name: str, text: str, meaning: str) -> Kind:
    """The kind of an option, by its name, default and comment."""
    if name in KINDS:
        return KINDS[name]
    if is_path(name, text):
        return OPTIONAL_PATH if '""' in meaning else PATH
    if " | " in meaning:
        return choice(*(part.split()[0].strip(",:") for part in meaning.split(" | ")))
    default = yaml.safe_load(text)
    kinds = {bool: SWITCH, int: whole(1 if default else 0), dict: MAPPING}
    if isinstance(default, float):
        return SHARE if re.search(r"\bshare\b", meaning) or name.endswith("probability") else POSITIVE
    return kinds.get(type(default), TEXT)


def is_path(name: str, text: str) -> bool:
    """Whether an option is one by its name, or by a default that lies in another."""
    return name.endswith(("_dir", "_file", "_root")) or PLACE.match(text) is not None
