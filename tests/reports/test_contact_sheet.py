"""Contact sheets of small hand-built volumes."""

from __future__ import annotations

import matplotlib.image
import nibabel as nib
import numpy as np
import pytest

from custom.reports.contact_sheet import SheetCase, draw_contact_sheet, load_slice, middle_slice
from custom.reports.drawing import class_colour

from .pictures import count_colour, has_colour

NAMES = ("liver", "spleen")
SHAPE = (24, 20, 9)


def volumes():
    image = np.full(SHAPE, -1000, np.int16)
    image[3:21, 3:17] = 40
    label = np.zeros(SHAPE, np.uint8)
    label[4:10, 5:12, 2:7] = 1
    label[14:18, 8:12, 6:8] = 2
    return image, label


def save(path, voxels, affine=None):
    nib.save(nib.Nifti1Image(voxels, np.diag([2.0, 2.0, 5.0, 1.0]) if affine is None else affine), path)
    return str(path)


def sheet_case(folder, name="case_a", caption=(), focus="", image=None, label=None):
    own_image, own_label = volumes()
    image_file = save(folder / f"{name}.nii.gz", own_image if image is None else image)
    label_file = save(folder / f"{name}_label.nii.gz", own_label if label is None else label)
    return SheetCase(name, image_file, label_file, caption, focus)


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def test_the_slice_is_the_middle_one_of_what_is_looked_for():
    label = volumes()[1]
    assert middle_slice(label) == 4  # 2 to 7
    assert middle_slice(label, focus=1) == 4  # 2 to 6
    assert middle_slice(label, focus=2) == 6
    assert middle_slice(label, focus=9) == 4
    assert middle_slice(np.zeros(SHAPE)) == 4
    ignored = np.zeros(SHAPE, np.uint8)
    ignored[0, 0, 8] = 255
    assert middle_slice(ignored) == 8
    ignored[0, 0, 1] = 1
    assert middle_slice(ignored) == 1


def test_of_foreground_in_two_parts_a_slice_with_foreground_is_shown():
    label = np.zeros((2, 2, 9), np.uint8)
    label[0, 0, [0, 1, 8]] = 1
    assert middle_slice(label) == 1


def test_each_class_and_what_is_ignored_is_shown(data, tmp_path):
    label = volumes()[1]
    label[10:13, 5:12] = 255
    case = sheet_case(data, label=label, focus="spleen")
    assert draw_contact_sheet([case], tmp_path / "new" / "sheet.png", NAMES) == 1
    picture = matplotlib.image.imread(tmp_path / "new" / "sheet.png")
    assert has_colour(picture, class_colour(1))
    assert has_colour(picture, class_colour(2))
    assert not has_colour(picture, class_colour(3))
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["sheet.png"]


def test_ignored_voxels_are_grey(data, tmp_path):
    label = volumes()[1]
    draw_contact_sheet([sheet_case(data, label=label)], tmp_path / "plain.png", NAMES)
    label[4:16, 5:15] = 255
    draw_contact_sheet([sheet_case(data, label=label)], tmp_path / "ignored.png", NAMES)
    plain, ignored = (matplotlib.image.imread(tmp_path / f"{name}.png") for name in ("plain", "ignored"))
    assert has_colour(plain, class_colour(1)) and not has_colour(ignored, class_colour(1))
    grey = [count_colour(picture, "0.72", 0.01) for picture in (plain, ignored)]
    assert grey[1] > grey[0] + 100, "at least in the legend"


def test_the_window_sets_black_and_white(data):
    image, label = volumes()
    image[3:6, 3:6], image[6:9, 6:9] = -160, 240
    case = sheet_case(data, image=image, label=label)
    levels = np.unique(load_slice(case, window=(-160, 240)).image)
    assert levels.tolist() == [0, 128, 255]  # 40 lies in the middle
    assert load_slice(case).image.max() == 255


def test_the_patients_right_is_left_on_the_page_whichever_way_the_file_lies(data):
    image, label = volumes()
    image[16:20, 4:7] = 200  # at the patient's right, posterior
    straight = sheet_case(data, "straight", image=image, label=label)
    affine = np.diag([-2.0, -2.0, 5.0, 1.0])
    turned = SheetCase(
        "turned",
        save(data / "i.nii.gz", image[::-1, ::-1], affine),
        save(data / "l.nii.gz", label[::-1, ::-1], affine),
    )
    swapped = np.array([[0, 2.0, 0, 0], [0, 0, 2, 0], [5, 0, 0, 0], [0, 0, 0, 1]])  # first the patient's height
    sagittal = SheetCase(
        "sagittal",
        save(data / "si.nii.gz", np.moveaxis(image, 2, 0), swapped),
        save(data / "sl.nii.gz", np.moveaxis(label, 2, 0), swapped),
    )
    shown = [load_slice(case, window=(-160, 240)) for case in (straight, turned, sagittal)]
    rows, columns = np.nonzero(shown[0].image > 200)
    assert rows.min() > SHAPE[1] / 2  # posterior is down
    assert columns.max() < SHAPE[0] / 2
    assert shown[0].sides[:2] == ("R", "L")
    for other in shown[1:]:
        np.testing.assert_array_equal(other.image, shown[0].image)
        np.testing.assert_array_equal(other.truth, shown[0].truth)
        assert other.pixel_mm == shown[0].pixel_mm == (2, 2)


def test_only_eight_bit_slices_are_kept(data):
    picture = load_slice(sheet_case(data), window=(-160, 240))
    for array in (picture.image, picture.truth):
        assert array.dtype == np.uint8
        assert array.size == SHAPE[0] * SHAPE[1]
        assert array.base is None


def test_a_case_that_cannot_be_read_is_named_in_its_place_and_the_others_are_shown(data, tmp_path, texts):
    torn = sheet_case(data, "torn")
    (data / "torn.nii.gz").write_bytes(b"no scan")
    absent = SheetCase("absent", sheet_case(data, "b").image_file, str(data / "nowhere.nii.gz"))
    other_shape = sheet_case(data, "other_shape", label=volumes()[1][:-1])
    good = sheet_case(data, "good", ["liver: 7 components"])
    assert draw_contact_sheet([torn, absent, other_shape, good], tmp_path / "sheet.png", NAMES) == 4
    shown = " ".join(" ".join(texts).split())
    assert shown.count("cannot be shown: ") == 3
    assert "torn.nii.gz: cannot be read" in shown
    assert "nowhere.nii.gz: does not exist" in shown
    assert "other_shape_label.nii.gz: shape" in shown
    assert str(data) not in shown
    assert "liver: 7 components" in texts
    assert has_colour(matplotlib.image.imread(tmp_path / "sheet.png"), class_colour(1))


def test_all_cases_unreadable_still_make_a_sheet(data, tmp_path):
    assert draw_contact_sheet([SheetCase("a", "no.nii", "none.nii")], tmp_path / "sheet.png", NAMES) == 1
    assert (tmp_path / "sheet.png").is_file()


def test_no_more_cases_than_wanted_are_loaded_and_the_title_says_so(data, tmp_path, texts):
    case = sheet_case(data)
    cases = [case, case, case, SheetCase("never read", "no.nii", "none.nii")]
    assert draw_contact_sheet(cases, tmp_path / "sheet.png", NAMES, most=3) == 3
    assert "Pseudo-labels to look at, the first 3 of 4 cases" in texts
    assert "never read" not in texts
    assert any("radiological convention" in text for text in texts)


def test_rows_and_columns(data, tmp_path):
    case = sheet_case(data)
    sizes = {}
    for count in (1, 6, 7, 13):
        draw_contact_sheet([case] * count, tmp_path / f"{count}.png", NAMES)
        sizes[count] = matplotlib.image.imread(tmp_path / f"{count}.png").shape[:2]
    assert sizes[6][1] == sizes[7][1] == sizes[13][1] > sizes[1][1]
    assert sizes[13][0] - sizes[7][0] == pytest.approx(sizes[7][0] - sizes[6][0], abs=2)


def test_without_cases_there_is_no_file_and_no_former_one(data, tmp_path):
    draw_contact_sheet([sheet_case(data)], tmp_path / "sheet.png", NAMES)
    assert draw_contact_sheet([], tmp_path / "sheet.png", NAMES) == 0
    assert not (tmp_path / "sheet.png").exists()


def test_long_captions_are_counted_rather_than_cut(data, tmp_path, texts):
    draw_contact_sheet([sheet_case(data, caption=[f"reason {i}" for i in range(9)])], tmp_path / "s.png", NAMES)
    assert [text for text in texts if text.startswith("reason")] == [f"reason {i}" for i in range(4)]
    assert "and 5 more" in texts


def test_a_label_without_foreground_is_shown(data, tmp_path):
    case = sheet_case(data, label=np.zeros(SHAPE, np.uint8))
    assert draw_contact_sheet([case], tmp_path / "sheet.png", NAMES, window=None) == 1
