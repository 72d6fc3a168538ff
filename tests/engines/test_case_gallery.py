"""Which cases the gallery shows, and that it holds no volumes, with a real MONAI evaluator."""

from __future__ import annotations

import math
from types import SimpleNamespace

import matplotlib.image
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.engines import SupervisedEvaluator

from custom.engines import case_gallery
from custom.engines.case_gallery import CaseGallery, choose, keep_nearest, mean_dice, median_low
from custom.errors import InputError
from custom.processes import rank

from ..two_processes import in_two_processes

SHAPE = (4, 12, 10)
AFFINE = np.diag([3.0, 1.0, 1.0, 1.0])


def make_case(name, hits, affine=AFFINE):
    """A truth of 8 voxels in slice 2, of which the prediction (the network's input) has `hits`: Dice 2h / (8 + h)."""
    truth, prediction = torch.zeros(1, 1, *SHAPE), torch.zeros(1, 1, *SHAPE)
    truth[0, 0, 2, 3, :8] = 1
    prediction[0, 0, 2, 3, :hits] = 1
    meta = {"filename_or_obj": [f"/data/{name}.nii.gz"]}
    image = MetaTensor(prediction, affine=torch.as_tensor(affine)[None], meta=dict(meta))
    return {"image": image, "label": MetaTensor(truth, affine=torch.as_tensor(affine)[None], meta=dict(meta))}


def run(gallery, cases):
    evaluator = SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=cases,
        network=torch.nn.Identity(),
        val_handlers=[gallery],
    )
    evaluator.run()
    return evaluator


@pytest.fixture
def drawn(monkeypatch):
    """What the gallery asks to be drawn, in place of drawing."""
    calls = []
    monkeypatch.setattr(case_gallery, "draw_cases", lambda cases, *_: calls.append(list(cases)))
    return calls


def dice(hits):
    return 2 * hits / (8 + hits)


def test_best_median_and_worst_are_shown_in_this_order(drawn, tmp_path):
    cases = [make_case(f"case_{h}", h) for h in (5, 1, 8, 3, 6)]
    run(CaseGallery(tmp_path / "x.png", ["tumour"]), cases)
    assert [(case.name, case.caption) for case in drawn[0]] == [
        ("case_8", "best, Dice 1.00"),
        ("case_5", f"median, Dice {dice(5):.2f}"),
        ("case_1", f"worst, Dice {dice(1):.2f}"),
    ]


@pytest.mark.parametrize(("hits", "shown"), [([4], ["only case"]), ([4, 7], ["best", "worst"])])
def test_one_or_two_cases_are_shown_once_each(drawn, tmp_path, hits, shown):
    run(CaseGallery(tmp_path / "x.png", ["tumour"]), [make_case(f"c{h}", h) for h in hits])
    assert [case.caption.split(",")[0] for case in drawn[0]] == shown


def test_cases_of_equal_score_are_shown_once_each(drawn, tmp_path):
    run(CaseGallery(tmp_path / "x.png", ["tumour"]), [make_case(f"c{i}", 8) for i in range(5)])
    assert len({case.name for case in drawn[0]}) == 3


def test_a_case_without_foreground_is_not_ranked(drawn, tmp_path):
    empty = make_case("empty", 0)
    empty["label"] = empty["label"] * 0
    gallery = CaseGallery(tmp_path / "x.png", ["tumour"])
    run(gallery, [empty, make_case("a", 3)])
    assert [case.name for case in drawn[0]] == ["a"]
    run(gallery, [empty])
    assert len(drawn) == 1


def test_each_evaluation_starts_anew(drawn, tmp_path):
    gallery = CaseGallery(tmp_path / "x.png", ["tumour"])
    run(gallery, [make_case("a", 3)])
    run(gallery, [make_case("b", 4)])
    assert [[case.name for case in cases] for cases in drawn] == [["a"], ["b"]]


def test_the_slice_shown_is_that_with_most_foreground_seen_from_the_side(drawn, tmp_path):
    run(CaseGallery(tmp_path / "x.png", ["tumour"]), [make_case("a", 8)])
    shown = drawn[0][0]
    assert shown.truth.shape == (10, 12)
    assert shown.truth.sum() == 8
    assert shown.pixel_mm == (1, 1)
    assert shown.sides == ("A", "P", "S", "I")


def test_a_grid_that_is_not_ras_is_shown_as_one_that_is(drawn, tmp_path):
    case = make_case("ras", 5)
    turned = {
        # axes (S, L, P) of the same scan
        key: MetaTensor(
            torch.flip(value.as_tensor().permute(0, 1, 4, 2, 3), (3, 4)),
            affine=torch.tensor([[0, -3.0, 0, 9], [0, 0, -1, 11], [1, 0, 0, 0], [0, 0, 0, 1]])[None],
            meta={"filename_or_obj": ["/data/slp.nii.gz"]},
        )
        for key, value in case.items()
    }
    run(CaseGallery(tmp_path / "x.png", ["tumour"]), [case, turned])
    first, second = drawn[0]
    np.testing.assert_array_equal(first.truth, second.truth)
    np.testing.assert_array_equal(first.prediction, second.prediction)
    np.testing.assert_array_equal(first.image, second.image)
    assert first.pixel_mm == pytest.approx(second.pixel_mm)
    assert first.sides == second.sides


def test_the_field_is_the_maximum_over_its_channels(drawn, tmp_path):
    seen = []

    def field(label):
        seen.append((type(label), tuple(label.shape), label.pixdim.tolist()))
        return torch.cat([label * 0, label * 0.5])

    gallery = CaseGallery(tmp_path / "x.png", ["tumour"], distance_field=field)
    run(gallery, [make_case("a", 3)])
    assert seen == [(MetaTensor, (1, *SHAPE), [3, 1, 1])]
    assert drawn[0][0].field.max() == 0.5


def test_only_slices_of_a_bounded_number_of_cases_are_held(drawn, tmp_path, monkeypatch):
    monkeypatch.setattr(case_gallery, "MOST_CASES", 4)
    calls = []
    gallery = CaseGallery(tmp_path / "x.png", ["tumour"], lambda label: (calls.append(1), label)[1])
    order = np.random.default_rng(0).permutation(np.repeat(np.arange(9), 4))
    held = []
    cases = (make_case(f"case_{i:02d}", h) for i, h in enumerate(order))
    collect = gallery.collect

    def collect_and_look(engine):
        collect(engine)
        held.append([case.picture for case in gallery.kept])

    gallery.collect = collect_and_look
    run(gallery, list(cases))
    assert max(map(len, held)) == 4
    assert all(array.ndim == 2 for pictures in held for p in pictures for array in (p.image, p.truth, p.field))
    assert len(calls) < len(order)  # the field is not computed for what is not kept
    assert [case.caption for case in drawn[0]][::2] == ["best, Dice 1.00", "worst, Dice 0.00"]
    assert drawn[0][1].caption == f"near the median, Dice {dice(5):.2f}"


@pytest.mark.parametrize("seed", range(5))
def test_best_and_worst_are_exact_and_the_median_is_near_however_many_cases(seed):
    scores = np.random.default_rng(seed).random(400).tolist()
    kept = []
    for number, score in enumerate(scores, start=1):
        kept.append(score)
        kept = [kept[i] for i in keep_nearest(kept, scores[:number], most=32)]
        assert len(kept) <= 32
    chosen = {caption: kept[i] for caption, i in choose(kept, scores).items()}
    assert len(chosen) == 3
    assert chosen["best"] == max(scores)
    assert chosen["worst"] == min(scores)
    ranks = {score: rank for rank, score in enumerate(sorted(scores))}
    assert abs(ranks[chosen.get("median", chosen.get("near the median"))] - 199) <= 4


def test_the_median_is_a_score_that_some_case_has():
    assert median_low([4, 1, 3, 2]) == 2
    assert median_low([3, 1, 2]) == 2


def test_mean_dice_is_over_the_classes_of_the_truth():
    truth = torch.tensor([0, 1, 1, 1, 1, 2, 2, 0])
    prediction = torch.tensor([0, 1, 1, 0, 0, 3, 2, 3])
    # class 1: 2*2/(4+2); class 2: 2*1/(2+1); class 3 is not in the truth
    assert mean_dice(truth, prediction, classes=3) == pytest.approx((2 / 3 + 2 / 3) / 2)
    assert mean_dice(truth, truth, classes=3) == 1
    assert math.isnan(mean_dice(truth * 0, prediction, classes=3))


def test_ids_that_are_no_class_do_not_count():
    truth, prediction = torch.tensor([1, 1, 255, -1]), torch.tensor([1, 1, 1, 1])
    assert mean_dice(truth, prediction, classes=2) == 1


def test_grids_that_differ_are_named(tmp_path):
    output = {"image": torch.zeros(1, 5, 5, 5), "label": torch.ones(1, 4, 4, 4), "pred": torch.ones(1, 4, 4, 4)}
    gallery = CaseGallery(tmp_path / "x.png", ["tumour"])
    with pytest.raises(
        InputError, match=r"case 1: .* image \(5, 5, 5\), truth \(4, 4, 4\).*bring all to the same grid"
    ):
        gallery.collect(SimpleNamespace(state=SimpleNamespace(output=[output])))


def test_a_picture_is_written(tmp_path, whole_pictures):
    gallery = CaseGallery(tmp_path / "out" / "cases.png", ["tumour"], lambda label: label * 0.5)
    run(gallery, [make_case(f"case_{h}", h) for h in (1, 4, 8)])
    picture = matplotlib.image.imread(tmp_path / "out" / "cases.png")
    assert picture[..., :3].std() > 0.1


def test_a_picture_that_cannot_be_written_does_not_end_the_evaluation(tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    run(CaseGallery(tmp_path / "file" / "cases.png", ["tumour"]), [make_case("a", 4)])
    assert "not drawn" in caplog.text


def test_the_cases_of_all_processes_are_ranked_together(drawn, tmp_path):
    def show():
        hits = [[7, 8, 6], [1, 2, 6]][rank()]  # the last case is a repeat, as a sampler makes
        run(CaseGallery(tmp_path / "x.png", ["tumour"]), [make_case(f"case_{h}", h) for h in hits])
        return [[case.name for case in cases] for cases in drawn]

    assert in_two_processes(show, tmp_path) == [[["case_8", "case_6", "case_1"]], []]
