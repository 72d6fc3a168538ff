import json
import logging
import os
import sys
import unicodedata

import numpy as np
import pytest

from custom.datalist import folder_layouts
from custom.errors import InputError

from ..io.scan_files import turned, write_series


def touch(root, *names):
    """Empty files: the layouts are told from names alone."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def listing(root, **content):
    root.mkdir(parents=True, exist_ok=True)
    (root / "dataset.json").write_text(json.dumps(content))
    return root


def message(function, *args):
    with pytest.raises(InputError) as error:
        function(*args)
    assert "\n" not in str(error.value)
    return str(error.value)


def decathlon(root):
    touch(root, "imagesTr/b.nii.gz", "imagesTr/a.nii.gz", "labelsTr/a.nii.gz", "labelsTr/b.nii.gz")
    entries = [{"image": f"./imagesTr/{n}.nii.gz", "label": f"./labelsTr/{n}.nii.gz"} for n in "ba"]
    return listing(root, training=entries, test=[])


class TestTrainingCases:
    def test_decathlon_listing_is_sorted_and_absolute(self, tmp_path):
        root = decathlon(tmp_path / "Task")
        assert folder_layouts.training_cases(root) == [
            {"image": f"{root}/imagesTr/{n}.nii.gz", "label": f"{root}/labelsTr/{n}.nii.gz"} for n in "ab"
        ]

    def test_relative_dataset_dir(self, tmp_path, monkeypatch):
        decathlon(tmp_path / "Task")
        monkeypatch.chdir(tmp_path)
        assert folder_layouts.training_cases("Task") == folder_layouts.training_cases(tmp_path / "Task")

    def test_listing_decides_over_the_folders(self, tmp_path):
        root = touch(decathlon(tmp_path), "imagesTr/spare.nii.gz")
        assert [folder_layouts.case_name(case) for case in folder_layouts.training_cases(root)] == ["a", "b"]

    def test_folders_without_a_listing(self, tmp_path):
        root = decathlon(tmp_path)
        listed = folder_layouts.training_cases(root)
        (root / "dataset.json").unlink()
        touch(root, "imagesTr/._a.nii.gz", "labelsTr/._a.nii.gz", "labelsTr/.DS_Store", "imagesTr/notes.txt")
        assert folder_layouts.training_cases(root) == listed

    def test_nnunet_with_one_channel(self, tmp_path):
        touch(tmp_path, "imagesTr/a_0000.nii.gz", "imagesTr/b_0000.nii.gz", "labelsTr/a.nii.gz", "labelsTr/b.nii.gz")
        expected = [
            {"image": f"{tmp_path}/imagesTr/{n}_0000.nii.gz", "label": f"{tmp_path}/labelsTr/{n}.nii.gz"} for n in "ab"
        ]
        assert folder_layouts.training_cases(tmp_path) == expected
        listing(tmp_path, channel_names={"0": "MRI"}, file_ending=".nii.gz", numTraining=2, labels={"background": 0})
        assert folder_layouts.training_cases(tmp_path) == expected
        assert [folder_layouts.case_name(case) for case in expected] == ["a", "b"]

    def test_nnunet_with_two_channels_in_order(self, tmp_path):
        touch(tmp_path, "imagesTr/a_0001.nii", "imagesTr/a_0000.nii", "labelsTr/a.nii")
        (case,) = folder_layouts.training_cases(tmp_path)
        assert case["image"] == [f"{tmp_path}/imagesTr/a_0000.nii", f"{tmp_path}/imagesTr/a_0001.nii"]

    def test_first_nnunet_lists_cases_without_channel_numbers(self, tmp_path):
        touch(tmp_path, "imagesTr/a_0000.nii.gz", "imagesTr/a_0001.nii.gz", "labelsTr/a.nii.gz")
        listing(tmp_path, training=[{"image": "./imagesTr/a.nii.gz", "label": "./labelsTr/a.nii.gz"}])
        (case,) = folder_layouts.training_cases(tmp_path)
        assert case["image"] == [f"{tmp_path}/imagesTr/a_{channel}.nii.gz" for channel in ("0000", "0001")]

    def test_a_listed_case_with_brackets_and_all_its_channels(self, tmp_path):
        touch(
            tmp_path, "imagesTr/a[0]_0000.nii.gz", "labelsTr/a[0].nii.gz", "imagesTr/b_0001.nii.gz", "labelsTr/b.nii.gz"
        )
        entries = [{"image": f"imagesTr/{n}.nii.gz", "label": f"labelsTr/{n}.nii.gz"} for n in ("a[0]", "b")]
        listing(tmp_path, training=entries[:1])
        assert folder_layouts.training_cases(tmp_path)[0]["image"] == f"{tmp_path}/imagesTr/a[0]_0000.nii.gz"
        listing(tmp_path, training=entries[1:])
        assert "case b lacks b_0000 where 2 channels are expected" in message(folder_layouts.training_cases, tmp_path)

    def test_nnunets_own_listing_decides_over_the_folders(self, tmp_path):
        touch(tmp_path, "imagesTr/a_0000.nii.gz", "labelsTr/a.nii.gz", "imagesTr/b_0000.nii.gz", "labelsTr/b.nii.gz")
        entry = {"images": ["imagesTr/b_0000.nii.gz"], "label": "labelsTr/b.nii.gz"}
        listing(tmp_path, channel_names={"0": "CT"}, dataset={"b": entry})
        (case,) = folder_layouts.training_cases(tmp_path)
        assert case == {"image": f"{tmp_path}/imagesTr/b_0000.nii.gz", "label": f"{tmp_path}/labelsTr/b.nii.gz"}

    def test_decathlon_names_may_end_in_four_digits(self, tmp_path):
        touch(
            tmp_path, *(f"{kind}Tr/mr_{number}.nii.gz" for kind in ("images", "labels") for number in ("0000", "0001"))
        )
        assert [case["image"] for case in folder_layouts.training_cases(tmp_path)] == [
            f"{tmp_path}/imagesTr/mr_0000.nii.gz",
            f"{tmp_path}/imagesTr/mr_0001.nii.gz",
        ]

    def test_linked_scan_keeps_its_name(self, tmp_path):
        touch(tmp_path, "elsewhere/imaging.nii.gz", "set/imagesTr/other.nii.gz", "set/labelsTr/a.nii.gz")
        (tmp_path / "set/imagesTr/other.nii.gz").unlink()
        (tmp_path / "set/imagesTr/a.nii.gz").symlink_to(tmp_path / "elsewhere/imaging.nii.gz")
        assert folder_layouts.training_cases(tmp_path / "set")[0]["image"].endswith("set/imagesTr/a.nii.gz")

    def test_umlauts_in_either_form_of_unicode(self, tmp_path):
        """macOS writes an umlaut as two letters; Linux keeps what it is given."""
        image, label = (unicodedata.normalize(form, "Schädel_1.nii.gz") for form in ("NFC", "NFD"))
        touch(tmp_path, f"imagesTr/{image}", f"labelsTr/{label}")
        (case,) = folder_layouts.training_cases(tmp_path)
        assert case == {"image": f"{tmp_path}/imagesTr/{image}", "label": f"{tmp_path}/labelsTr/{label}"}
        listing(tmp_path, training=[{"image": f"imagesTr/{label}", "label": f"labelsTr/{image}"}])
        assert folder_layouts.training_cases(tmp_path) == [case]

    def test_a_listing_that_begins_with_a_byte_order_mark(self, tmp_path):
        root = decathlon(tmp_path)
        listed = folder_layouts.training_cases(root)
        (root / "dataset.json").write_text((root / "dataset.json").read_text(), encoding="utf-8-sig")
        assert folder_layouts.training_cases(root) == listed

    def test_names_of_images_and_labels_may_differ(self, tmp_path):
        """As long as they are not the same ones in another order."""
        touch(tmp_path, "imagesTr/img1.nii.gz", "imagesTr/img2.nii.gz", "labelsTr/lab1.nii.gz", "labelsTr/lab2.nii.gz")
        entries = [{"image": f"imagesTr/img{n}.nii.gz", "label": f"labelsTr/lab{3 - n}.nii.gz"} for n in (1, 2)]
        assert len(folder_layouts.training_cases(listing(tmp_path, training=entries))) == 2

    def test_hippocampus(self, shared_data):
        cases = folder_layouts.training_cases(shared_data / "hippocampus")
        assert len(cases) == 200
        assert folder_layouts.case_name(cases[0]) == "hippocampus_001"


class TestTrainingCasesRefused:
    def test_folders_without_permission(self, tmp_path, as_nobody):
        root = decathlon(tmp_path / "set")
        (root / "dataset.json").unlink()
        (root / "imagesTr").chmod(0)
        with as_nobody(root):
            text = message(folder_layouts.training_cases, root)
            assert text.startswith(f"{root}/imagesTr cannot be listed (Permission denied); correct its permissions")
            assert f"{root}/imagesTr cannot be listed" in message(folder_layouts.test_images, root / "imagesTr")

    @pytest.mark.parametrize("image", ["{}.nii.gz", "{}_0000.nii.gz"])
    def test_labels_of_other_cases(self, tmp_path, image):
        """On one grid nothing else tells them apart."""
        names = ["a_0001", "a_0002", "a_0003"]
        for name in names:
            touch(tmp_path, f"imagesTr/{image.format(name)}", f"labelsTr/{name}.nii.gz")
        entries = [
            {"image": f"imagesTr/{image.format(name)}", "label": f"labelsTr/{other}.nii.gz"}
            for name, other in zip(names, [*names[1:], names[0]], strict=True)
        ]
        text = message(folder_layouts.training_cases, listing(tmp_path, training=entries))
        assert "is listed with the label of a_0002 (3 such entries); correct them" in text

    def test_a_file_in_two_cases(self, tmp_path):
        root = decathlon(tmp_path)
        a, b = ({kind: f"{kind}sTr/{name}.nii.gz" for kind in ("image", "label")} for name in "ab")
        for entries, shared in (
            ([a, {**b, "image": a["image"]}], "imagesTr/a.nii.gz"),
            ([a, {"image": b["image"], "label": a["label"]}], "labelsTr/a.nii.gz"),
            ([a, {**b, "label": b["image"]}], "imagesTr/b.nii.gz"),
            ([a, b, a], "imagesTr/a.nii.gz"),
        ):
            text = message(folder_layouts.training_cases, listing(root, training=entries))
            assert f"{root}/{shared} is listed 2 times; give every case its own image and label" in text

    def test_missing_folder(self, tmp_path):
        text = message(folder_layouts.training_cases, tmp_path / "nowhere")
        assert f"{tmp_path}/nowhere does not exist; pass" in text

    def test_file_instead_of_folder(self, tmp_path):
        assert "is a file; dataset_dir must be" in message(
            folder_layouts.training_cases, touch(tmp_path, "a.nii") / "a.nii"
        )

    def test_empty_folder(self, tmp_path):
        assert f"{tmp_path} has no folder imagesTr; pass the folder" in message(folder_layouts.training_cases, tmp_path)

    def test_parent_folder_names_the_data_set_inside(self, tmp_path):
        root = decathlon(tmp_path / "Task04")
        assert f"pass a data set inside it, such as {root}" in message(folder_layouts.training_cases, tmp_path)
        assert f"pass the data set that it belongs to, {root}" in message(
            folder_layouts.training_cases, root / "imagesTr"
        )

    def test_no_scans_in_images(self, tmp_path):
        touch(tmp_path, "imagesTr/a.dcm", "labelsTr/a.nii.gz")
        text = message(folder_layouts.training_cases, tmp_path)
        assert f"{tmp_path}/imagesTr holds no .nii.gz or .nii scans; convert its 1 files, such as a.dcm" in text

    def test_other_formats_are_for_prediction_only(self, tmp_path):
        touch(tmp_path, "imagesTr/a.mha", "labelsTr/a.mha")
        text = message(folder_layouts.training_cases, tmp_path)
        assert (
            f"{tmp_path}/labelsTr holds no .nii.gz or .nii scans; convert its 1 files, such as a.mha, to NIfTI" in text
        )

    def test_unreadable_listing(self, tmp_path):
        (tmp_path / "dataset.json").write_text('{"training": [')
        assert f"{tmp_path}/dataset.json is not readable JSON" in message(folder_layouts.training_cases, tmp_path)
        (tmp_path / "dataset.json").write_text("[]")
        assert "must hold an object, not a list" in message(folder_layouts.training_cases, tmp_path)

    @pytest.mark.parametrize("lost", ["imagesTr/a.nii.gz", "labelsTr/b.nii.gz"])
    def test_listed_file_missing(self, tmp_path, lost):
        root = decathlon(tmp_path)
        (root / lost).unlink()
        text = message(folder_layouts.training_cases, root)
        assert f"{root}/{lost} is listed in {root}/dataset.json but missing; restore it" in text

    def test_entry_without_image_or_label(self, tmp_path):
        touch(tmp_path, "imagesTr/a.nii.gz")
        listing(tmp_path, training=[{"image": "imagesTr/a.nii.gz"}])
        assert 'image imagesTr/a.nii.gz of "training" has no label; add it' in message(
            folder_layouts.training_cases, tmp_path
        )
        listing(tmp_path, training=["imagesTr/a.nii.gz"])
        assert 'entry 0 of "training" names no image' in message(folder_layouts.training_cases, tmp_path)
        for entry in ({"image": 3, "label": "l.nii.gz"}, {"image": "imagesTr/a.nii.gz", "label": ["l.nii.gz"]}):
            listing(tmp_path, training=[entry])
            assert 'entry 0 of "training" must name files' in message(folder_layouts.training_cases, tmp_path)
        listing(tmp_path, training={"a": 1})
        assert '"training" must be a list' in message(folder_layouts.training_cases, tmp_path)

    def test_image_without_label_and_label_without_image(self, tmp_path):
        root = decathlon(tmp_path)
        (root / "dataset.json").unlink()
        touch(root, "imagesTr/c.nii.gz")
        assert f"{root}/imagesTr/c.nii.gz has no label in {root}/labelsTr" in message(
            folder_layouts.training_cases, root
        )
        (root / "imagesTr/c.nii.gz").unlink()
        (root / "imagesTr/a.nii.gz").unlink()
        assert f"{root}/labelsTr/a.nii.gz has no image in {root}/imagesTr" in message(
            folder_layouts.training_cases, root
        )

    def test_missing_channel(self, tmp_path):
        names = ("a_0000", "a_0001", "b_0000")
        touch(tmp_path, *(f"imagesTr/{n}.nii.gz" for n in names), "labelsTr/a.nii.gz", "labelsTr/b.nii.gz")
        text = message(folder_layouts.training_cases, tmp_path)
        assert "case b lacks b_0001 where 2 channels are expected" in text
        listing(tmp_path, channel_names={"0": "T1"})
        assert "case a has 2 channels where 1 channels are expected" in message(folder_layouts.training_cases, tmp_path)

    def test_unsupported_ending(self, tmp_path):
        listing(tmp_path, channel_names={"0": "rgb"}, file_ending=".png")
        assert "file_ending .png is not supported; convert" in message(folder_layouts.training_cases, tmp_path)

    def test_two_cases_of_one_name(self, tmp_path):
        touch(tmp_path, "p/seg.nii.gz", "p/mr.nii.gz", "q/seg.nii.gz", "q/mr.nii.gz")
        listing(tmp_path, training=[{"image": f"{n}/mr.nii.gz", "label": f"{n}/seg.nii.gz"} for n in "pq"])
        assert "two cases are called seg" in message(folder_layouts.training_cases, tmp_path)

    def test_one_case_in_both_endings(self, tmp_path):
        root = decathlon(tmp_path)
        (root / "dataset.json").unlink()
        touch(root, "labelsTr/a.nii")
        assert "are one case twice; remove or rename one" in message(folder_layouts.training_cases, root)

    def test_a_listing_written_on_windows(self, tmp_path):
        root = decathlon(tmp_path / "Task")
        expected = folder_layouts.training_cases(root)
        entries = [{"image": f".\\imagesTr\\{n}.nii.gz", "label": f"labelsTr\\{n}.nii.gz"} for n in "ab"]
        assert folder_layouts.training_cases(listing(root, training=entries)) == expected

    def test_a_listing_with_paths_of_another_machine(self, tmp_path):
        root = decathlon(tmp_path)
        listing(root, training=[{"image": "C:\\Task\\imagesTr\\a.nii.gz", "label": "labelsTr/a.nii.gz"}])
        assert message(folder_layouts.training_cases, root) == (
            f"{root}/dataset.json: C:\\Task\\imagesTr\\a.nii.gz is a path of another machine; write it relative to "
            f"{root}, such as ./imagesTr/a.nii.gz"
        )


class TestImagesToPredict:
    def test_a_case_without_one_of_its_channels_is_left_out(self, tmp_path):
        listing(tmp_path, channel_names={"0": "T1", "1": "T2"})
        touch(tmp_path, "imagesTs/a_0000.nii.gz", "imagesTs/a_0001.nii.gz", "imagesTs/b_0000.nii.gz")
        left_out = {}
        cases = folder_layouts.test_images(tmp_path, left_out.__setitem__)
        assert [case["image"] for case in cases] == [[f"{tmp_path}/imagesTs/a_000{i}.nii.gz" for i in (0, 1)]]
        ((scan, reason),) = left_out.items()
        assert scan == f"{tmp_path}/imagesTs/b_0000.nii.gz"
        assert "case b lacks b_0001 where 2 channels are expected" in reason
        (tmp_path / "imagesTs" / "a_0001.nii.gz").unlink()
        assert "case a lacks a_0001" in message(folder_layouts.test_images, tmp_path)

    def images(self, folder):
        return [case["image"] for case in folder_layouts.test_images(folder)]

    def test_images_ts_of_a_data_set(self, tmp_path):
        root = touch(decathlon(tmp_path), "imagesTs/z.nii.gz", "imagesTs/._z.nii.gz")
        assert folder_layouts.test_images(root) == [{"image": f"{root}/imagesTs/z.nii.gz"}]

    def test_images_tr_without_images_ts(self, tmp_path):
        root = decathlon(tmp_path)
        assert self.images(root) == [f"{root}/imagesTr/{n}.nii.gz" for n in "ab"]

    def test_listed_images_without_the_usual_folders(self, tmp_path):
        touch(tmp_path, "scans/a.nii.gz", "truth/a.nii.gz")
        listing(tmp_path, training=[{"image": "scans/a.nii.gz", "label": "truth/a.nii.gz"}])
        assert self.images(tmp_path) == [f"{tmp_path}/scans/a.nii.gz"]

    def test_plain_folder_and_single_file(self, tmp_path):
        touch(tmp_path, "b.nii", "a.nii.gz", "read.me")
        assert self.images(tmp_path) == [f"{tmp_path}/a.nii.gz", f"{tmp_path}/b.nii"]
        assert self.images(tmp_path / "b.nii") == [f"{tmp_path}/b.nii"]

    def test_nnunet_channels_by_listing(self, tmp_path):
        listing(tmp_path, channel_names={"0": "T1", "1": "T2"})
        touch(tmp_path, "imagesTs/a_0000.nii.gz", "imagesTs/a_0001.nii.gz")
        both = [[f"{tmp_path}/imagesTs/a_{channel}.nii.gz" for channel in ("0000", "0001")]]
        assert self.images(tmp_path) == both
        assert self.images(tmp_path / "imagesTs") == both

    def test_nnunet_channels_by_the_training_folders(self, tmp_path):
        names = [f"images{part}/a_{channel}.nii.gz" for part in ("Tr", "Ts") for channel in ("0000", "0001")]
        touch(tmp_path, "labelsTr/a.nii.gz", *names)
        assert len(self.images(tmp_path)) == 1

    def test_labels_that_are_still_to_come_say_nothing_of_the_channels(self, tmp_path):
        touch(tmp_path, "imagesTr/a.nii.gz", "imagesTs/b.nii.gz")
        (tmp_path / "labelsTr").mkdir()
        assert self.images(tmp_path) == [f"{tmp_path}/imagesTs/b.nii.gz"]

    def test_nnunet_with_one_channel_gives_single_files(self, tmp_path):
        listing(tmp_path, channel_names={"0": "CT"})
        touch(tmp_path, "imagesTs/a_0000.nii.gz", "imagesTs/b_0000.nii.gz")
        assert self.images(tmp_path) == [f"{tmp_path}/imagesTs/{n}_0000.nii.gz" for n in "ab"]

    def test_plain_folder_with_agreeing_channels(self, tmp_path):
        touch(tmp_path, *(f"{n}_{channel}.nii.gz" for n in "ab" for channel in ("0000", "0001")))
        assert [len(image) for image in self.images(tmp_path)] == [2, 2]

    @pytest.mark.parametrize(
        "names", [["mr_0000", "mr_0001", "mr_0002"], ["a_0000", "a_0001", "b_0000"], ["a_0000", "a_0001", "b"]]
    )
    def test_plain_folder_of_numbered_scans_is_not_grouped(self, tmp_path, names):
        touch(tmp_path, *(f"{name}.nii.gz" for name in names))
        assert self.images(tmp_path) == [f"{tmp_path}/{name}.nii.gz" for name in names]

    def test_refused(self, tmp_path):
        assert "does not exist" in message(folder_layouts.test_images, tmp_path / "nowhere")
        assert "it is empty: put the scans into it" in message(folder_layouts.test_images, tmp_path)
        touch(tmp_path, "patient1/a.nii.gz", "patient2/a.nii.gz")
        assert "pass one of its 2 sub-folders, such as patient1" in message(folder_layouts.test_images, tmp_path)
        text = message(folder_layouts.test_images, touch(tmp_path, "x.png") / "x.png")
        assert "x.png is none of the scans (.nii.gz, .nii, .mha, .mhd, .nrrd, .nhdr, DICOM series) that can be" in text
        assert f"{tmp_path} holds no scans (.nii.gz, .nii, .mha" in message(folder_layouts.test_images, tmp_path)

    def test_every_format_in_one_folder(self, tmp_path):
        for folder in ("p1/ct", "p2/mr"):
            write_series(tmp_path / folder, np.zeros((4, 4, 2), np.int16), turned("LPS"))
        names = ["a.nii.gz", "b.nii", "c.mha", "d.mhd", "e.nrrd", "f.nhdr"]
        touch(tmp_path, *names, "d.raw", "notes.txt", "p1/notes.txt", "p2/label.nii.gz")
        assert self.images(tmp_path) == [f"{tmp_path}/{name}" for name in [*names, "p1/ct", "p2/mr"]]
        assert self.images(tmp_path / "p1" / "ct") == [f"{tmp_path}/p1/ct"]
        assert self.images(tmp_path / "p1" / "ct" / "001.dcm") == [f"{tmp_path}/p1/ct"]
        assert self.images(tmp_path / "c.mha") == [f"{tmp_path}/c.mha"]

    def test_channels_beside_a_series(self, tmp_path):
        write_series(tmp_path / "c", np.zeros((4, 4, 2), np.int16), turned("LPS"))
        touch(tmp_path, *(f"{n}_{channel}.nii.gz" for n in "ab" for channel in ("0000", "0001")))
        files = [[f"{tmp_path}/{n}_{channel}.nii.gz" for channel in ("0000", "0001")] for n in "ab"]
        assert self.images(tmp_path) == [*files, f"{tmp_path}/c"]

    def test_without_simpleitk_dicom_alone_is_left_out(self, tmp_path, monkeypatch, caplog):
        write_series(tmp_path / "s", np.zeros((4, 4, 2), np.int16), turned("LPS"))
        monkeypatch.setitem(sys.modules, "SimpleITK", None)
        assert "needs the package SimpleITK: pip install SimpleITK" in message(folder_layouts.test_images, tmp_path)
        touch(tmp_path, "a.nii.gz")
        with caplog.at_level(logging.WARNING):
            assert self.images(tmp_path) == [f"{tmp_path}/a.nii.gz"]
        (line,) = [record.getMessage() for record in caplog.records]
        assert line.startswith(f"left out: {tmp_path}/s/000.dcm: this format needs the package SimpleITK")

    @pytest.mark.parametrize("name", ["S.Nii.gz", "S.nII"])
    def test_a_name_that_nibabel_does_not_find(self, tmp_path, name):
        touch(tmp_path, name)
        text = f"{tmp_path}/{name}: its ending mixes upper and lower case; rename it to S{name[1:].lower()}"
        assert message(folder_layouts.test_images, tmp_path) == text
        assert message(folder_layouts.test_images, tmp_path / name) == text
        touch(tmp_path, "a.nii.gz")
        left_out: dict[str, str] = {}
        assert folder_layouts.test_images(tmp_path, left_out.__setitem__) == [{"image": f"{tmp_path}/a.nii.gz"}]
        assert left_out == {f"{tmp_path}/{name}": text}

    def test_upper_case(self, tmp_path):
        touch(tmp_path, "A.MHA", "B.NII.GZ", "C.Nrrd")
        assert self.images(tmp_path) == [f"{tmp_path}/{name}" for name in ("A.MHA", "B.NII.GZ", "C.Nrrd")]

    def test_where_scans_are_looked_for(self, tmp_path):
        root = touch(decathlon(tmp_path / "set"), "plain/a.nii", "plain/.b/c.nii", "plain/d/e.mha", "plain/d/e.txt")
        assert folder_layouts.scan_folder(root) == root / "imagesTr"
        assert folder_layouts.scan_folder(root / "plain") == root / "plain"
        assert folder_layouts.scan_folder(tmp_path / "nowhere") == tmp_path / "nowhere"
        assert folder_layouts.files_below(root / "plain") == [root / "plain/d/e.mha"]

    def test_nnunet_channels_in_another_format(self, tmp_path):
        listing(tmp_path, channel_names={"0": "T1", "1": "T2"}, file_ending=".nrrd")
        touch(tmp_path, "imagesTs/a_0000.nrrd", "imagesTs/a_0001.nrrd")
        assert self.images(tmp_path) == [[f"{tmp_path}/imagesTs/a_{channel}.nrrd" for channel in ("0000", "0001")]]

    @pytest.mark.parametrize("names", [("a.nii.gz", "a.mha"), ("a.nii", "a.nii.gz"), ("a.nrrd", "a.nhdr")])
    def test_two_scans_of_one_name_are_both_there(self, tmp_path, names):
        """What their label maps are called is another's matter."""
        touch(tmp_path, *names)
        assert self.images(tmp_path) == sorted(f"{tmp_path}/{name}" for name in names)

    def test_two_channels_of_one_name_leave_their_case_out(self, tmp_path):
        listing(tmp_path, channel_names={"0": "T1", "1": "T2"})
        touch(tmp_path, *(f"imagesTs/{case}_000{channel}.nii.gz" for case in "ab" for channel in "01"))
        touch(tmp_path, "imagesTs/a_0001.nii", "imagesTs/odd.nii.gz")
        left_out: dict[str, str] = {}
        cases = folder_layouts.test_images(tmp_path, left_out.__setitem__)
        assert cases == [{"image": [f"{tmp_path}/imagesTs/b_000{channel}.nii.gz" for channel in "01"]}]
        assert sorted(left_out) == [f"{tmp_path}/imagesTs/a_0000.nii.gz", f"{tmp_path}/imagesTs/odd.nii.gz"]
        assert "several files are called a_0001" in left_out[f"{tmp_path}/imagesTs/a_0000.nii.gz"]

    def test_refused_channels(self, tmp_path):
        listing(tmp_path, channel_names={"0": "T1", "1": "T2"})
        touch(tmp_path, "imagesTs/a_0000.nii.gz")
        assert "case a lacks a_0001" in message(folder_layouts.test_images, tmp_path)
        (tmp_path / "imagesTs/a_0000.nii.gz").rename(tmp_path / "imagesTs/odd.nii.gz")
        assert "files must be named CASE_0000" in message(folder_layouts.test_images, tmp_path)

    def test_empty_images_ts_is_not_replaced_by_training_scans(self, tmp_path):
        root = decathlon(tmp_path)
        (root / "imagesTs").mkdir()
        assert f"{root}/imagesTs holds no" in message(folder_layouts.test_images, root)


def test_case_name():
    assert folder_layouts.case_name({"image": "/x/a_0000.nii.gz", "label": "/y/a.nii.gz"}) == "a"
    assert folder_layouts.case_name({"image": ["/x/a_0000.nii.gz", "/x/a_0001.nii.gz"]}) == "a"
    assert folder_layouts.case_name({"image": "/x/a.b.nii"}) == "a.b"
    assert folder_layouts.case_name({"image": "/x/a_0000.nii.gz"}) == "a_0000"


def test_files_that_look_like_scans_but_are_not_read_are_named(tmp_path, caplog):
    """Analyze and FreeSurfer files, and the segmentations that 3D Slicer saves next to a scan."""
    touch(tmp_path, "a.nii.gz", "b.hdr", "b.img", "c.mgz", "a.seg.nrrd", "notes.txt")
    with caplog.at_level(logging.WARNING):
        assert folder_layouts.test_images(tmp_path) == [{"image": f"{tmp_path}/a.nii.gz"}]
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith(f"4 files, such as {tmp_path}/a.seg.nrrd, are not labelled: no format that is read")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
def test_pipes_are_passed_over_and_links_that_lead_nowhere_are_not(tmp_path):
    touch(tmp_path, "a.nii.gz")
    os.mkfifo(tmp_path / "b.nii.gz")
    (tmp_path / "c.nii.gz").symlink_to("nowhere")
    (tmp_path / "d.nii.gz").symlink_to("d.nii.gz")
    assert [case["image"] for case in folder_layouts.test_images(tmp_path)] == [f"{tmp_path}/{n}.nii.gz" for n in "acd"]
