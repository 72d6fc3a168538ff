"""Confusion counted by hand."""

import pytest

from custom.reports.page.confusion import NOTHING, type_confusion, voxel_confusion


def test_voxels_are_shares_of_the_true_class_averaged_over_patients(tmp_path):
    file = tmp_path / "confusion.csv"
    file.write_text(
        "case,truth,predicted,voxels\na,liver,liver,90\na,liver,background,10\nb,liver,spleen,4\na,spleen,spleen,7\n"
    )
    found = voxel_confusion([file, tmp_path / "later.csv"])
    assert found["liver", "liver"] == pytest.approx(0.45)
    assert found["liver", "background"] == pytest.approx(0.05)
    assert found["liver", "spleen"] == pytest.approx(0.5)
    assert found["spleen", "spleen"] == 1


def rows_of(seed: str, *rows: str, fold: str = "0") -> list[dict[str, str]]:
    names = ("case", "class", "truth_voxels", "predicted_voxels")
    return [{"seed": seed, "fold": fold, **dict(zip(names, row.split(), strict=True))} for row in rows]


def test_types_of_patients():
    first = rows_of("0", "a m 9 3", "a e 0 5", "b m 4 8", "b e 0 0", "c m 0 0", "c e 7 0")
    assert type_confusion(first) == {("m", "e"): 1, ("m", "m"): 1, ("e", NOTHING): 1}
    same = [{**row, "seed": "1"} for row in first]
    assert type_confusion(first + same)["m", "e"] == 1, "one patient, whatever the seeds"
    other = rows_of("1", "a m 9 5", "a e 0 3")
    assert type_confusion(first + other) == {("m", "e"): 0.5, ("m", "m"): 1.5, ("e", NOTHING): 1}
    unseen = first + rows_of("0", "a m 9 5", "a e 0 3", fold="1")  # scored by each fold's training
    assert type_confusion(unseen) == {("m", "e"): 0.5, ("m", "m"): 1.5, ("e", NOTHING): 1}
    assert type_confusion(rows_of("0", "a m 9 3", "a e 1 5")) == {}, "a patient of two types has none"
    assert type_confusion([{**row, "truth_voxels": ""} for row in first]) == {}, "a table without sizes"
