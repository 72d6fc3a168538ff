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


def test_types_of_patients(tmp_path):
    file = tmp_path / "metrics_per_case.csv"
    head = "case,class,truth_voxels,predicted_voxels\n"
    file.write_text(head + "a,m,9,3\na,e,0,5\nb,m,4,8\nb,e,0,0\nc,m,0,0\nc,e,7,0\n")
    assert type_confusion([file]) == {("m", "e"): 1, ("m", "m"): 1, ("e", NOTHING): 1}
    assert type_confusion([file, file])["m", "e"] == 1, "one patient, whatever the seeds"
    other = tmp_path / "other_seed.csv"
    other.write_text(head + "a,m,9,5\na,e,0,3\n")
    assert type_confusion([file, other]) == {("m", "e"): 0.5, ("m", "m"): 1.5, ("e", NOTHING): 1}
    file.write_text(head + "a,m,9,3\na,e,1,5\n")
    assert type_confusion([file]) == {}, "a patient of two types has none"
