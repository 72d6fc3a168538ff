"""The labels that a stage of a recipe needs: groups of cases labelled with the models of earlier stages."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from ..cohort.manifest import CohortCase
from ..datalist.output_names import OUTPUT_NAME
from ..errors import InputError
from ..io.atomic_write import replacing, write_json
from ..io.checksums import sha256
from ..io.json_file import read_json
from ..options.gate import quoted
from ..processes import on_first, rank
from .bundle_run import run_config
from .pipeline_settings import PipelineSettings
from .pseudo_labelling import by_name, label_cases
from .recipe import Fill, PlannedStage
from .work_folder import WorkFolder, is_finished, record_of

FIRST, SECOND = "label", "compare"  # which of two models labels a group


class StageLabelling:
    """Label a stage's groups, whole or in chunks; every step does only what is not there yet.

    `planned` is one of the stages of `recipe`.
    """

    def __init__(
        self, planned: PlannedStage, recipe: Sequence[PlannedStage], work: WorkFolder, settings: PipelineSettings
    ) -> None:
        self.planned, self.stage = planned, planned.stage
        self.recipe = {one.stage.name: one for one in recipe}
        self.work, self.folder = work, work.stage(planned.stage.name)
        self.settings = settings

    def run(self) -> dict[str, str]:
        """Label every group; group -> checksum of the weights that did."""
        models = on_first(self.models)
        for fill in self.planned.fills:
            on_first(partial(self.take_over, fill))
        for kind, fill in self.labellings():
            self.label(kind, fill)
        return models

    def labellings(self) -> list[tuple[str, Fill]]:
        """Every group with the model that labels it, and the one that the first is compared with."""
        fills = [(FIRST, fill) for fill in self.planned.fills]
        seconds = [replace(fill, model_stage=self.stage.agree_with) for fill in self.planned.fills]
        return [*fills, *((SECOND, fill) for fill in seconds if self.stage.agree_with)]

    def label(self, kind: str, fill: Fill, part: str = "") -> None:
        """Label the cases that have no label yet, and exclude those that cannot be labelled."""
        predict = partial(self.predict, kind, fill, part or fill.group)
        failed = label_cases(self.work.usable(fill.cases), partial(self.label_of, kind, fill.group), predict)
        on_first(partial(self.work.exclude, failed))

    def label_of(self, kind: str, group: str, case: str) -> Path:
        """The label map of a case by the first model or by the second."""
        return (self.folder.pseudo_label if kind == FIRST else self.folder.second_label)(group, case)

    def parts(self) -> list[str]:
        """Chunks of cases of which some have no label yet."""
        for fill in self.planned.fills:
            self.take_over(fill)
        return [name for name in self.chunks() if not self.is_part_done(name)]

    def is_part_done(self, part: str) -> bool:
        """Whether every usable case of a chunk has its label."""
        kind, fill = self.chunks()[part]
        return all(is_finished(self.label_of(kind, fill.group, case.name)) for case in self.work.usable(fill.cases))

    def execute_part(self, part: str) -> None:
        """Label a chunk."""
        self.label(*self.chunks()[part], part)

    def chunks(self) -> dict[str, tuple[str, Fill]]:
        """Name -> what to label, in chunks of `cases_per_job` cases."""
        size = self.settings.cases_per_job
        found = {}
        for kind, fill in self.labellings():
            for number, start in enumerate(range(0, len(fill.cases), size), start=1):
                chunk = replace(fill, cases=fill.cases[start : start + size])
                found[f"{kind}_{fill.group}_{number:03d}"] = (kind, chunk)
        return found

    def models(self) -> dict[str, str]:
        """Group to label -> checksum of the weights that do."""
        return {fill.group: self.model_checksum(fill) for fill in self.planned.fills}

    def model_checksum(self, fill: Fill) -> str:
        """The checksum of the weights that label a group.

        Raises InputError: they are not those that the stage's training left.
        """
        model = self.work.stage(fill.model_stage)
        found, recorded = sha256(model.model), read_json(model.record, {}).get("model_sha256")
        if recorded is not None and found != recorded:
            raise InputError(
                f"{model.model} has the checksum {found[:8]}, stage {fill.model_stage} ended with {recorded[:8]}: "
                "restore it, or remove that stage's record.json to train it again"
            )
        return found

    def take_over(self, fill: Fill) -> None:
        """Copy the labels that an earlier stage already has of a group by the same model."""
        for name in self.labelled_alike(fill):
            for case in self.work.usable(fill.cases):
                folders = self.work.stage(name), self.folder
                copy_label(*(folder.pseudo_label(fill.group, case.name) for folder in folders))

    def labelled_alike(self, *fills: Fill) -> list[str]:
        """The earlier stages that label one of some groups, by default all, by the same model."""
        if self.stage.confidence:  # of which those stages may have no maps
            return []
        names = list(self.recipe)
        wanted = {(fill.group, fill.model_stage) for fill in fills or self.planned.fills}
        earlier = names[: names.index(self.stage.name)]
        return [name for name in earlier if wanted & {(one.group, one.model_stage) for one in self.recipe[name].fills}]

    def predict(self, kind: str, fill: Fill, list_name: str, cases: Sequence[CohortCase]) -> dict[str, str]:
        """Run inference.yaml on some cases with the model of an earlier stage; name -> reason of those left out.

        The labels of a second model only say where the first one's can be trusted.
        """
        source, model = self.recipe[fill.model_stage].stage, self.work.stage(fill.model_stage)
        checksum = self.model_checksum(fill)
        output = self.label_of(kind, fill.group, "any").parent
        case_list = output.parent / f"{list_name}_process{rank()}.json"
        write_json(case_list, [{"image": case.image, OUTPUT_NAME: f"{case.name}.nii.gz"} for case in cases])
        overrides = {
            **self.settings.inference,
            **source.inference,
            **self.settings.runtime,
            "run_name": f"of {fill.group} with {source.name}",
            "confidence": self.stage.confidence > 0 and kind == FIRST,
            **self.settings.tracking,
            "dataset_dir": str(case_list),
            "dataset#data": f"$datalist.read_case_list({quoted(case_list)})",
            "output_dir": str(output),
            "ckpt_dir": str(model.models),
            "checkpoint": str(model.model),
            "case_records": True,
            "left_out#file": "",  # all processes write to one folder
            "record_facts": {"stage": self.stage.name, "model": {"stage": source.name, "sha256": checksum}},
        }
        return by_name(run_config(self.settings.bundle_root, ["inference"], overrides), cases)

    def seconds(self, fill: Fill) -> float:
        """The seconds that the network spent on a group's cases, from the records next to their labels."""
        records = [record_of(self.folder.pseudo_label(fill.group, case.name)) for case in self.work.usable(fill.cases)]
        return round(sum(float(read_json(record, {}).get("seconds", 0)) for record in records), 1)


def copy_label(source: Path, target: Path) -> None:
    """Copy a finished label map and its record, which makes it finished, unless the target is so already."""
    if is_finished(source) and not is_finished(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        for file, copy in ((source, target), (record_of(source), record_of(target))):
            with replacing(copy) as temporary:
                shutil.copyfile(file, temporary)
