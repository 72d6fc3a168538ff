"""The page of hand-made work folders: what it says, and that names cannot do anything in it."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from custom.errors import InputError
from custom.reports.page import report_command, write_report, write_report_or_warn

from .page_folders import CLASSES, LONG, write_cases, write_recipe, write_study

EVIL = [
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "a' onclick='alert(3)' {{ 7 * 7 }} ${1}",
    "<!-- &amp; \u2028 ]]>",
]


class Reader(HTMLParser):
    """Elements with their attributes, and the text outside of scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.inside = tag if tag in ("script", "style") else ""

    def handle_endtag(self, tag: str) -> None:
        self.inside = "" if tag == self.inside else self.inside

    def handle_data(self, data: str) -> None:
        if not self.inside:
            self.text.append(data)

    def tags(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag == name]


def read(file: Path) -> Reader:
    reader = Reader()
    reader.feed(file.read_text(encoding="utf-8").replace("<wbr>", ""))  # a place in a word where a line may break
    return reader


def words(reader: Reader) -> str:
    return " ".join(" ".join(reader.text).split())


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("study")
    cases = write_cases(root / "data", ["p1", "p2", "p3", "p4"])
    write_study(root / "work", cases, {"nnunet": 0.6, "batseg": 0.1})
    write_report(root / "work", viewer="slices")
    return root / "work"


def test_a_study(study):
    reader = read(study / "report.html")
    text = words(reader)
    for heading in (
        "Scores",
        "Spread over patients",
        "Cases, the worst first",
        "Dice against volume",
        "Training curves",
    ):
        assert heading in text
    assert "8 of 8 runs done" in text
    assert "meningioma: Dice / HD95 [mm]" in text
    assert "batseg nnunet Dice 4" in text, "the comparison"
    assert "Confusion between types" in text
    assert "boundary_weight" in text, "settings"
    assert LONG.strip() in text, "of any length"
    assert "architecture, filters [8, 16]" in text
    assert "torch 2.0.0, 2.1.0 monai 1.6.0" in text, "the versions of the runs"
    assert re.search(r"method Dice HD95 \[mm\] nnunet \d\.\d+ ± \d\.\d+ \(\d\.\d+\)", text), "mean, deviation, median"
    assert "0:05:21" in text, "run times"
    assert len(reader.tags("svg")) >= 8
    assert {one["id"] for one in reader.tags("article")} >= {"case0", "case1"}


def test_a_row_that_scores_another_s_weights_shows_what_it_sets(study, tmp_path):
    """A dash is the default: of what its weights were trained with it would be untrue."""
    shutil.copytree(study, tmp_path / "work")
    described = json.loads((study / "study.json").read_text())
    nnunet = described["experiments"]["nnunet"]
    described["experiments"]["typed"] = {**nnunet, "weights": "nnunet", "evaluation": {"typing": "majority"}}
    del described["experiments"]["typed"]["settings"]
    described["experiments"]["batseg"]["evaluation"] = None  # as an empty key in YAML
    (tmp_path / "work" / "study.json").write_text(json.dumps(described))
    write_report(tmp_path / "work", viewer="slices", cases=0)
    text = words(read(tmp_path / "work" / "report.html"))
    assert "method distance_head boundary_weight weights of evaluation: typing" in text
    assert "nnunet false 0.0 - - batseg true 1.0 - - typed false 0.0 nnunet majority" in text
    page = (tmp_path / "work" / "report.html").read_text(encoding="utf-8")
    assert "distance_<wbr>head" in page, "where a line may break"
    curves = text.rpartition("Training curves")[2].partition("Settings and data")[0]
    assert "batseg" in curves
    assert "typed" not in curves, "its source's curve, a second time"


def test_nothing_is_fetched(study):
    text = (study / "report.html").read_text(encoding="utf-8")
    reader = read(study / "report.html")
    sources = [one[key] for _, one in reader.elements for key in ("src", "href", "data") if one.get(key)]
    assert sources
    assert all(str(source).startswith(("data:", "#")) for source in sources)
    assert "@import" not in text
    assert not re.search(r"url\((?!data:)", text)


def test_every_control_has_a_name(study):
    reader = read(study / "report.html")
    assert {"lang": "en"} in reader.tags("html")
    assert all(one.get("alt") for one in reader.tags("img"))
    assert all(one.get("aria-label") for one in reader.tags("svg"))
    text = (study / "report.html").read_text(encoding="utf-8")
    for control in ("v-case", "v-opacity", "v-slice"):
        assert re.search(rf'<label[^>]*>[^<]+<(select|input) id="{control}"', text)


def test_an_unfinished_study(study, tmp_path):
    shutil.copytree(study, tmp_path / "begun")
    shutil.rmtree(tmp_path / "begun" / "runs")
    write_report(tmp_path / "begun", tmp_path / "page.html", viewer="slices")
    text = words(read(tmp_path / "page.html"))
    assert "0 of 8 runs done" in text
    assert "0 patients scored" in text


def test_a_damaged_scan_is_named_and_the_others_are_shown(study, tmp_path):
    shutil.copytree(study, tmp_path / "work")
    index = tmp_path / "work" / "runs" / "m0_seed0_fold0_scores" / "output" / "evaluation" / "predictions.json"
    entries = json.loads(index.read_text())
    first = next(iter(entries))
    entries[first]["image"] = "/gone.nii.gz"
    index.write_text(json.dumps(entries))
    write_report(tmp_path / "work", viewer="slices", cases=4)
    reader = read(tmp_path / "work" / "report.html")
    assert f"{first} is not shown: /gone.nii.gz: does not exist" in words(reader)
    assert len(reader.tags("article")) == 3


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("m0_seed0_fold0/models/plan.yaml", "a: [b"),
        ("m0_seed0_fold0_scores/output/evaluation/confusion.csv", "case,truth,predicted,voxels\na,b,c,many\n"),
        ("m0_seed0_fold0_scores/output/evaluation/confusion.csv", "case,truth\na,b\n"),
        ("m0_seed0_fold0_scores/output/evaluation/predictions.json", '{"p1": {"image": "p1.nii.gz"}}'),
    ],
)
def test_a_damaged_file_is_named(study, tmp_path, place, text):
    shutil.copytree(study, tmp_path / "work")
    file = tmp_path / "work" / "runs" / place
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    with pytest.raises(InputError, match=f"{file}: .*; restore or remove"):
        write_report(tmp_path / "work", viewer="slices")


def test_the_page_stays_small(study, tmp_path):
    write_report(study, tmp_path / "small.html", viewer="slices", max_mb=0)
    reader = read(tmp_path / "small.html")
    assert not reader.tags("article")
    assert re.search(r"\d further cases would make the page larger: --max_mb 0 allows more", words(reader))
    write_report(study, tmp_path / "none.html", viewer="slices", cases=0)
    assert not read(tmp_path / "none.html").tags("article")


def test_without_label_maps_the_page_says_how_to_keep_them(study, tmp_path):
    shutil.copytree(study, tmp_path / "work")
    for index in (tmp_path / "work").rglob("predictions.json"):
        index.unlink()
    write_report(tmp_path / "work", viewer="slices")
    text = words(read(tmp_path / "work" / "report.html"))
    assert "keep_predictions: all" in text
    assert "p1" in text, "the table of cases is there"


def test_a_recipe(tmp_path):
    work = write_recipe(tmp_path / "work", write_cases(tmp_path / "data", ["p1", "p2", "p3"]))
    groups = {"groups": {"types": list(CLASSES), "one": [CLASSES[0]]}}
    (work / "stages" / "1_organs" / "output" / "validation" / "metrics.json").write_text(json.dumps(groups))
    write_report(work, viewer="slices")
    reader = read(work / "report.html")
    text = words(reader)
    assert text.startswith("Cohort of hand-made cases")
    assert "3 of 4 stages done" in text
    assert "scores of validation cases" in text
    assert "DSC of each stage" in text
    assert "2_all: DSC" in text, "Table 6"
    assert "types" in text, "a group of classes has its own line there"
    assert "kept (GPU not measured)" in text, "Table 7"
    assert "2_all b 1_organs 5 0:00:10 2.00" in text, "how fast the models labelled"
    assert "ear stays out" in text, "what was held back"
    assert "1_organs 2_all Dice 3" in text, "paired tests, of all classes and of each"
    assert "meningioma 1_organs 2_all Dice" in text
    assert "Dice against volume" in text
    assert len(reader.tags("article")) == 3, "worst, median and best with truth and predictions"
    assert "torn.nii.gz: cannot be read" in text


def test_test_cases_count_where_there_are_any(tmp_path):
    work = write_recipe(tmp_path / "work", write_cases(tmp_path / "data", ["p1", "p2"]), test=True)
    write_report(work, viewer="slices")
    text = words(read(work / "report.html"))
    assert "scores of test cases" in text
    assert "over the test cases" in text
    assert "0.150" in text, "the curve of the stages"
    assert "0.650" not in text


def test_several_seeds_are_one_page(tmp_path):
    cases = write_cases(tmp_path / "data", ["p1", "p2"])
    for seed in (0, 1):
        write_recipe(tmp_path / "work" / f"seed_{seed}", cases)
    record = tmp_path / "work" / "seed_1" / "stages" / "2_all" / "record.json"
    content = json.loads(record.read_text())
    content["scores"]["organs"]["dice"] = 0.6  # 0.8 with the other seed
    record.write_text(json.dumps({**content, "state": "running"}))
    (tmp_path / "work" / "recipe.json").write_text('{"title": "Seeds", "seeds": [0, 1, 2]}')
    write_report(tmp_path / "work", viewer="slices")
    text = words(read(tmp_path / "work" / "report.html"))
    assert text.startswith("Seeds")
    assert "5 of 12 stages done" in text
    assert "validation cases, 2 seeds" in text
    assert "2_all running" in text
    assert "0.700" in text, "the mean over seeds"
    assert "seed_1/2_all" in text
    assert "the label maps are those of the first" in text


def test_seeds_and_stages_of_earlier_calls_are_not_counted(tmp_path):
    cases = write_cases(tmp_path / "data", ["p1", "p2"])
    work = tmp_path / "work"
    for seed in range(3):
        write_recipe(work / f"seed_{seed}", cases)
    (work / "recipe.json").write_text('{"seeds": [0, 1]}')
    given_up = work / "seed_0" / "stages" / "given_up"
    given_up.mkdir()
    (given_up / "record.json").write_text('{"stage": "given_up", "state": "done"}')
    write_report(work, viewer="slices")
    text = words(read(work / "report.html"))
    assert "6 of 8 stages done" in text
    assert "validation cases, 2 seeds" in text
    assert "given_up" not in text
    assert "seed_2" not in text


def test_a_page_that_fails_is_a_warning(tmp_path, caplog):
    write_report_or_warn(tmp_path)
    assert f"{tmp_path / 'report.html'}: not written ({tmp_path}: holds neither" in caplog.text


def test_names_are_text_and_nothing_else(tmp_path):
    cases = write_cases(tmp_path / "data", EVIL)
    work = write_study(tmp_path / "work", cases, {EVIL[0]: 0.5, EVIL[1]: 0.1}, (EVIL[0], EVIL[1]), title=EVIL[2])
    settings = json.loads((work / "study.json").read_text())
    settings["experiments"][EVIL[0]]["settings"] = {EVIL[3]: EVIL[1]}
    (work / "study.json").write_text(json.dumps(settings))
    write_report(work, viewer="slices", cases=4)
    harmless = write_study(tmp_path / "plain", write_cases(tmp_path / "d", list("abcd")), {"a": 0.5, "b": 0.1})
    write_report(harmless, viewer="slices", cases=4)
    evil, plain = read(work / "report.html"), read(harmless / "report.html")
    for tag in ("script", "img", "iframe", "a", "article"):
        assert len(evil.tags(tag)) == len(plain.tags(tag)), tag
    assert not [name for _, one in evil.elements for name in one if name.startswith("on")]
    text = words(evil)
    assert EVIL[0] in text
    assert "49" not in evil.text[0]
    data = [json.loads(one) for one in re.findall(r'-data">(.*?)</script>', (work / "report.html").read_text())]
    assert {one["name"] for one in data} == set(EVIL), "and the viewer knows the cases by their names"
    assert [name for name, _ in data[0]["colours"]] == EVIL[:2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"viewer": "other"}, "--viewer other: pass niivue, slices or auto"),
        ({"cases": -1}, "--cases -1 --max_mb 30: pass numbers of at least 0"),
    ],
)
def test_refused(study, options, message):
    with pytest.raises(InputError, match=message):
        write_report(study, **options)


def test_without_niivue_slices_take_its_place_unless_it_was_asked_for(study, tmp_path, monkeypatch):
    def missing() -> None:
        raise InputError("not installed")

    monkeypatch.setattr(report_command, "viewer_script", missing)
    write_report(study, tmp_path / "page.html")
    assert 'data-viewer="slices"' in (tmp_path / "page.html").read_text()
    with pytest.raises(InputError, match="not installed"):
        write_report(study, tmp_path / "page.html", viewer="niivue")


def test_another_folder_is_refused(tmp_path, study):
    with pytest.raises(
        InputError,
        match=r"holds neither study.json nor stages nor folders with an evaluation; pass the work_dir of a study",
    ):
        write_report(tmp_path)
    (tmp_path / "study.json").write_text("{")
    with pytest.raises(InputError, match=r"study.json: cannot be read as JSON"):
        write_report(tmp_path)
    (tmp_path / "study.json").write_text('{"experiments": {"a": 3}}')
    with pytest.raises(InputError, match=r"study.json: is not as a study writes it"):
        write_report(tmp_path, viewer="slices")


def test_classes_keep_their_order(study):
    text = words(read(study / "report.html"))
    assert f"classes: {', '.join(CLASSES)}" in text


def test_classes_keep_the_order_of_their_ids_where_the_first_patient_has_the_second(tmp_path):
    """Else the viewer would call voxels of one type by the name of the other."""
    cases = write_cases(tmp_path / "data", ["p1", "p2"])
    work = write_study(tmp_path / "work", dict(reversed(cases.items())), {"nnunet": 0.1}, folds=1)
    write_report(work, viewer="slices")
    assert f"classes: {', '.join(CLASSES)}" in words(read(work / "report.html"))


def test_runs_of_earlier_calls_are_not_counted(study, tmp_path):
    work = tmp_path / "work"
    shutil.copytree(study, work)
    (work / "runs" / "given_up").mkdir()
    (work / "runs" / "given_up" / "record.json").write_text('{"run": "given_up", "state": "done"}')
    write_report(work, viewer="slices")
    assert "8 of 8 runs done" in words(read(work / "report.html"))


def test_a_training_in_its_first_epoch_has_no_curve_yet(study, tmp_path):
    work = tmp_path / "work"
    shutil.copytree(study, work)
    for log in work.glob("runs/m1*/output/log.csv"):
        log.write_text(log.read_text().splitlines()[0] + "\n")
    write_report(work, viewer="slices")
    assert "Training curves" in words(read(work / "report.html"))
