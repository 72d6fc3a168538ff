"""What becomes of scans that fail: their reasons, their results, and how the run ends."""

import errno
import json
import logging

import pytest

from custom.datalist.left_out import LeftOut, closing_line, reason_of
from custom.errors import InputError, ScansLeftOutError
from custom.processes import rank

from ..test_processes import in_two_processes

SCAN = "/scans/b.nii.gz"
CASE = {"image": SCAN, "output_name": "b.nii.gz"}
TORCH = "[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"


def caused_by(error: Exception) -> Exception:
    """As MONAI wraps it."""
    try:
        raise RuntimeError("applying transform <custom.Thing>") from error
    except RuntimeError as wrapped:
        return wrapped


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(f"{SCAN}: Compressed file\n ended"), f"OSError: {SCAN}: Compressed file ended"),
        (ValueError("torn"), f"{SCAN}: ValueError: torn"),
        (InputError(f"{SCAN}: has shape 5 x 5, 2D; 3D is needed"), f"{SCAN}: has shape 5 x 5, 2D; 3D is needed"),
        (MemoryError("Unable to allocate 9 TiB"),
         f"{SCAN}: needs more memory than there is (MemoryError: Unable to allocate 9 TiB)"),
        (RuntimeError(TORCH), f"{SCAN}: needs more memory than there is (RuntimeError: {TORCH})"),
        (RuntimeError("CUDA out of memory. Tried to allocate"),
         f"{SCAN}: needs more memory than there is (RuntimeError: CUDA out of memory. Tried to allocate)"),
        (PermissionError(errno.EACCES, "Permission denied", SCAN),
         f"PermissionError: [Errno 13] Permission denied: '{SCAN}'"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "/labels/bbb"),
         f"{SCAN}: OSError: [Errno 36] File name too long: '/labels/bbb'"),
    ],
)  # fmt: skip
def test_what_fails_for_a_scan_is_its_reason_in_one_line(error, reason):
    assert reason_of(caused_by(error), CASE) == reason


def test_a_long_reason_is_cut():
    assert len(reason_of(ValueError("x" * 5000), CASE)) < 1100


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/labels/b.nii.gz"), "No space left on device): free space"),
        (OSError(errno.EMFILE, "Too many open files", SCAN), "Too many open files (/scans/b.nii.gz): raise the limit"),
        (PermissionError(errno.EACCES, "Permission denied", "/labels/b.nii.gz"), "correct the permissions"),
        (InputError("/labels/b.nii.gz cannot be written (No space left on device): free space"), "free space"),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), "the device fails (applying"),
    ],
)
def test_what_fails_every_scan_ends_the_run(error, line):
    with pytest.raises(InputError) as found:
        reason_of(caused_by(error), CASE)
    assert line in str(found.value)
    assert "\n" not in str(found.value)


@pytest.fixture
def labels(tmp_path):
    """A folder with all that an earlier run wrote for the scans a, b and bb."""
    for name in ("a.nii.gz", "b.nii.gz", "b_confidence.nii.gz", "b.json", "bb.nii.gz"):
        (tmp_path / name).write_text("earlier")
    return tmp_path


def names(folder):
    return sorted(file.name for file in folder.iterdir())


def test_nothing_of_a_scan_that_fails_remains(labels):
    left_out = LeftOut(labels / "left_out.json", output_dir=labels)
    left_out.expect(CASE)
    left_out.add(CASE, f"{SCAN}: torn")
    assert names(labels) == ["a.nii.gz", "bb.nii.gz", "left_out.json"]


def test_the_dicom_segmentation_of_a_series_goes_with_its_label_map(labels):
    (labels / "b.dcm").write_text("earlier")
    series = {"image": "/scans/b", "output_name": "b.nii.gz"}
    LeftOut(output_dir=labels).add(series, "/scans/b: torn")
    assert names(labels) == ["a.nii.gz", "bb.nii.gz"]


def test_a_scan_called_like_a_confidence_map_keeps_its_label_map(labels):
    left_out = LeftOut(output_dir=labels)
    for case in (CASE, {"image": "/scans/b_confidence.nii.gz", "output_name": "b_confidence.nii.gz"}):
        left_out.expect(case)
    left_out.add(CASE, f"{SCAN}: torn")
    assert names(labels) == ["a.nii.gz", "b_confidence.nii.gz", "bb.nii.gz"]


def test_what_an_earlier_run_wrote_is_kept_where_it_is_not_to_be_replaced(labels):
    (labels / "b_confidence.nii.gz").unlink()
    left_out = LeftOut(output_dir=labels, overwrite=False)
    left_out.expect(CASE)
    (labels / "b_confidence.nii.gz").write_text("of this run")
    left_out.add(CASE, f"{SCAN}: torn")
    assert names(labels) == ["a.nii.gz", "b.json", "b.nii.gz", "bb.nii.gz"]


def test_the_record_is_there_as_long_as_the_last_run_left_scans_out(tmp_path):
    file = tmp_path / "left_out.json"
    left_out = LeftOut(file)
    left_out.done({"image": "/scans/a.nii.gz"})
    left_out.add(CASE, f"{SCAN}: torn")
    assert json.loads(file.read_text()) == {"labelled": 1, "of": 2, "left_out": {SCAN: f"{SCAN}: torn"}}
    with pytest.raises(ScansLeftOutError) as ending:
        left_out.close()
    assert str(ending.value) == f"1 of 2 labelled, 1 left out: b; reasons in {file}"
    later = LeftOut(file)
    later.done(CASE)
    later.write()
    assert not file.exists()
    later.close()


def test_a_scan_that_succeeds_at_the_next_validation_is_no_longer_left_out():
    left_out = LeftOut(verb="scored")
    left_out.add(CASE, f"{SCAN}: needs more memory than there is")
    left_out.done(CASE)
    assert left_out.reasons == {}
    left_out.close()


def test_a_run_that_left_none_out_says_where_the_label_maps_are(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    left_out = LeftOut(output_dir=tmp_path)
    left_out.done(CASE)
    left_out.close()
    assert caplog.messages == [f"1 of 1 labelled: {tmp_path}"]


def test_many_names_are_shortened():
    line = closing_line(30, [f"case_{number}" for number in range(12)], "scored")
    assert line.startswith("18 of 30 scored, 12 left out: case_0, case_1, ")
    assert line.endswith("case_9 and 2 more")


def test_the_closing_line_counts_the_scans_of_all_processes(tmp_path):
    def work() -> str:
        left_out = LeftOut(tmp_path / "left_out.json", verb="scored")
        left_out.done({"image": f"good_{rank()}.nii.gz"})
        left_out.add({"image": f"bad_{rank()}.nii.gz"}, "torn")
        left_out.gather()
        return str(left_out.ending())

    first, second = in_two_processes(work, tmp_path)
    assert first == second == f"2 of 4 scored, 2 left out: bad_0, bad_1; reasons in {tmp_path / 'left_out.json'}"
    assert json.loads((tmp_path / "left_out.json").read_text())["of"] == 4


def test_what_all_processes_leave_out_is_logged_by_the_first(tmp_path, caplog, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    left_out = LeftOut()
    left_out.add({"image": "a.nii.gz"}, "a.nii.gz: torn", by_all=True)
    assert caplog.text == ""
    left_out.add({"image": "b.nii.gz"}, "b.nii.gz: torn")
    assert "left out: b.nii.gz: torn" in caplog.text
    assert len(left_out.reasons) == 2
