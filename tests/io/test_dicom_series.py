"""DICOM series: which there are, in which order their slices lie, and where."""

import logging
import os

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGLSLossless, RLELossless, generate_uid

from custom.errors import InputError
from custom.io.dicom_series import is_dicom, read_series, series_below, series_in, series_of

from .scan_files import LPS, turned, write_series

AFFINE = turned("LPS", (10, -20, 30), (0.7, 0.9, 2.5))
SHAPE = (10, 8, 7)  # columns, rows, slices


def voxels(seed=0):
    return np.random.default_rng(seed).integers(-500, 1500, SHAPE).astype(np.int16)


def refusal(scan):
    with pytest.raises(InputError) as error:
        read_series(scan)
    assert "\n" not in str(error.value)
    return str(error.value)


class TestReading:
    # the third axis of slices is the normal of the first two: right-handed in LPS, whichever way they are turned
    @pytest.mark.parametrize("codes", ["LPS", "RAS", "PIR", "ASR", "SLP"])
    @pytest.mark.parametrize("degrees", [(0, 0, 0), (10, -20, 30)])
    def test_shuffled_slices(self, tmp_path, codes, degrees):
        affine = turned(codes, degrees, (0.7, 0.9, 2.5))
        write_series(tmp_path, voxels(), affine)
        found, found_affine = read_series(tmp_path)
        assert found.dtype == np.float32
        assert np.array_equal(found, voxels())
        assert np.allclose(found_affine, affine, rtol=0, atol=1e-7)  # positions are text of ten digits

    def test_slices_against_the_normal_come_in_its_order(self, tmp_path):
        backward = AFFINE.copy()
        backward[:3, 2] *= -1
        write_series(tmp_path, voxels(), backward)
        found, affine = read_series(tmp_path)
        assert np.array_equal(found, voxels()[:, :, ::-1])
        assert np.allclose(affine @ [1, 2, 0, 1], backward @ [1, 2, SHAPE[2] - 1, 1], atol=1e-7)

    def test_rescaled(self, tmp_path):
        write_series(tmp_path, voxels(), AFFINE, slope=0.5, intercept=-1024.25)
        assert np.array_equal(read_series(tmp_path)[0], voxels() * 0.5 - 1024.25)

    def test_each_slice_has_its_own_scale(self, tmp_path):
        """As in PET."""
        for file in write_series(tmp_path, voxels(), AFFINE):
            slice_ = pydicom.dcmread(file)
            slice_.RescaleSlope = "1" if slice_.InstanceNumber == 1 else "0.25"
            slice_.save_as(file)
        factors = read_series(tmp_path)[0] / np.where(voxels(), voxels(), np.nan)
        assert sorted(np.round(np.nanmean(factors, axis=(0, 1)), 4)) == [0.25] * 6 + [1.0]

    def test_as_itk_reads_it(self, tmp_path):
        write_series(tmp_path, voxels(), AFFINE, slope=2, intercept=-1000)
        reader = sitk.ImageSeriesReader()
        reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path)))
        image = reader.Execute()
        found, affine = read_series(tmp_path)
        assert np.array_equal(found, sitk.GetArrayFromImage(image).T)
        for corner in ((0, 0, 0), (9, 0, 0), (0, 7, 0), (9, 7, 6)):
            assert np.allclose(
                (LPS @ affine @ [*corner, 1])[:3], image.TransformIndexToPhysicalPoint(corner), atol=1e-6
            )

    @pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless])
    def test_compressed(self, tmp_path, syntax):
        for file in write_series(tmp_path, voxels(), AFFINE):
            slice_ = pydicom.dcmread(file)
            slice_.compress(syntax)
            slice_.save_as(file)
        assert np.array_equal(read_series(tmp_path)[0], voxels())

    def test_rounded_positions_are_even(self, tmp_path):
        """Some scanners write places of slices 0.625 mm apart with one digit."""
        affine = turned("LPS", spacing=(0.7, 0.7, 0.625))
        for file in write_series(tmp_path, voxels(), affine):
            slice_ = pydicom.dcmread(file)
            slice_.ImagePositionPatient = [round(float(value), 1) for value in slice_.ImagePositionPatient]
            slice_.save_as(file)
        assert np.array_equal(read_series(tmp_path)[0], voxels())


class TestFinding:
    def test_a_folder_of_one_series_stands_for_it(self, tmp_path):
        write_series(tmp_path / "ct", voxels(), AFFINE, names="IM{:05d}")
        (tmp_path / "ct" / "notes.txt").write_text("none")
        (tmp_path / "ct" / "fake.dcm").write_bytes(b"none" * 100)
        (tmp_path / "ct" / ".hidden.dcm").write_bytes((tmp_path / "ct" / "IM00000").read_bytes())
        (one,) = series_below(tmp_path)
        assert one.scan == str(tmp_path / "ct")
        assert len(one.slices) == SHAPE[2]
        assert is_dicom(tmp_path / "ct" / "IM00003")
        assert not is_dicom(tmp_path / "ct" / "notes.txt")

    def test_a_file_stands_for_its_series_where_there_are_several(self, tmp_path):
        write_series(tmp_path, voxels(1), AFFINE, names="b{}", number=2)
        write_series(tmp_path, voxels(0), AFFINE, names="a{}", number=1)
        first, second = series_below(tmp_path)
        assert (first.scan, second.scan) == (str(tmp_path / "a0"), str(tmp_path / "b0"))
        assert np.array_equal(read_series(first.scan)[0], voxels(0))
        assert np.array_equal(read_series(second.scan)[0], voxels(1))
        assert series_of(tmp_path / "b3") == second
        assert "holds 2 DICOM series; pass a folder of one, or one of its files" in refusal(tmp_path)

    def test_sub_folders_and_circles_of_links(self, tmp_path):
        for name in ("p2/study/ct", "p1/study/ct", "p1/.hidden"):
            write_series(tmp_path / name, voxels(), AFFINE)
        (tmp_path / "p1" / "back").symlink_to(tmp_path)
        assert [one.scan for one in series_below(tmp_path)] == [str(tmp_path / f"p{i}/study/ct") for i in (1, 2)]

    def test_what_is_dicom_but_no_scan_is_ignored(self, tmp_path):
        files = write_series(tmp_path, voxels(), AFFINE)
        for modality in ("SEG", "RTDOSE"):
            other = pydicom.dcmread(files[0])
            other.Modality, other.SeriesInstanceUID = modality, generate_uid()
            other.save_as(tmp_path / f"{modality}.dcm")
        report = pydicom.dcmread(files[0])
        report.SOPClassUID = report.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"
        del report.PixelData, report.Rows, report.Columns
        report.save_as(tmp_path / "report.dcm")
        assert [one.scan for one in series_below(tmp_path)] == [str(tmp_path)]
        assert "is no image of a DICOM series" in refusal(tmp_path / "report.dcm")

    def test_a_damaged_slice_is_named(self, tmp_path, caplog):
        files = write_series(tmp_path, voxels(), AFFINE)
        files[2].write_bytes(files[2].read_bytes()[:600])
        text = f"{files[2]}: cannot be read and may be a slice of {tmp_path}; export the series again, or move "
        assert refusal(tmp_path).startswith(text)
        for file in files:
            file.write_bytes(file.read_bytes()[:600])
        files[0].rename(files[0].with_suffix(".old"))  # the folder changes
        with caplog.at_level(logging.WARNING):
            assert series_below(tmp_path) == []
        begin = f"left out: {files[0]}".removesuffix(".dcm")
        (line,) = [r.getMessage() for r in caplog.records]
        assert line.startswith(begin)
        assert line.endswith(": is a damaged DICOM file (as are 6 others next to it); export the series again")

    @pytest.mark.parametrize("size", [0, 200, 700])
    def test_a_damaged_slice_at_the_end_of_the_stack(self, tmp_path, size):
        """The slices that are left make an even stack, which is not the scan."""
        files = write_series(tmp_path, voxels(), AFFINE)
        top = max(files, key=lambda file: pydicom.dcmread(file).ImagePositionPatient[2])
        top.write_bytes(top.read_bytes()[:size])
        assert f"{top}: cannot be read and may be a slice of" in refusal(tmp_path)

    def test_a_damaged_slice_spoils_its_own_series_alone(self, tmp_path):
        first = write_series(tmp_path, voxels(0), AFFINE, names="a{}.dcm")
        write_series(tmp_path, voxels(1), AFFINE, names="b{}.dcm")
        begin = first[2].read_bytes()[:900]
        first[2].write_bytes(begin)
        assert series_of(first[0]).uid.encode() in begin
        assert "cannot be read and may be a slice of" in refusal(first[0])
        assert np.array_equal(read_series(tmp_path / "b0.dcm")[0], voxels(1))
        first[2].unlink()
        (tmp_path / "c.dcm").touch()  # of either series
        for name in ("a0.dcm", "b0.dcm"):
            assert "cannot be read and may be a slice of" in refusal(tmp_path / name)

    def test_a_slice_without_permission(self, tmp_path, as_nobody):
        files = write_series(tmp_path, voxels(), AFFINE, names="IM{}")
        files[0].chmod(0)
        with as_nobody(tmp_path):
            assert f"{files[0]}: cannot be read and may be a slice of" in refusal(tmp_path)

    def test_a_folder_that_is_named_like_a_file(self, tmp_path):
        write_series(tmp_path / "ct.nii", voxels(), AFFINE)
        (series,) = series_below(tmp_path)
        assert read_series(series.scan)[0].shape == SHAPE

    def test_images_that_name_no_series_are_told_of(self, tmp_path, caplog):
        write_series(tmp_path / "whole", voxels(), AFFINE)
        for file in write_series(tmp_path / "nameless", voxels(), AFFINE):
            image = pydicom.dcmread(file)
            image.SeriesInstanceUID = ""
            image.save_as(file)
        assert len(series_below(tmp_path)) == 1
        assert "images name no SeriesInstanceUID, so no series; export them again" in caplog.text

    def test_a_folder_without_permission(self, tmp_path, caplog, as_nobody):
        for name in ("a", "b"):
            write_series(tmp_path / name, voxels(), AFFINE)
        (tmp_path / "a").chmod(0)
        with as_nobody(tmp_path), caplog.at_level(logging.WARNING):
            assert [one.scan for one in series_below(tmp_path)] == [str(tmp_path / "b")]
        (line,) = [r.getMessage() for r in caplog.records]
        assert line == f"left out: {tmp_path}/a: cannot be listed (Permission denied); correct its permissions"

    def test_a_series_in_parts_is_left_out(self, tmp_path, caplog):
        """Some exports begin a new folder after so many files."""
        uid = generate_uid()
        write_series(tmp_path / "a" / "001", voxels(), AFFINE, uid=uid, skip=(0, 1, 2))
        write_series(tmp_path / "a" / "002", voxels(), AFFINE, uid=uid, skip=(3, 4, 5, 6))
        line = f"{tmp_path}/a/001: its series goes on in {tmp_path}/a/002; put the slices of all 2 folders into one"
        with pytest.raises(InputError) as error:
            series_below(tmp_path)
        assert str(error.value) == line
        write_series(tmp_path / "b", voxels(), AFFINE)
        with caplog.at_level(logging.WARNING):
            assert [one.scan for one in series_below(tmp_path)] == [str(tmp_path / "b")]
        assert [r.getMessage() for r in caplog.records] == [f"left out: {line}"]

    def test_slices_that_name_a_series_each_are_one_line(self, tmp_path):
        """As some programs leave them that take names out of DICOM files."""
        for file in write_series(tmp_path, voxels(), AFFINE):
            slice_ = pydicom.dcmread(file)
            slice_.SeriesInstanceUID = generate_uid()
            slice_.save_as(file)
        with pytest.raises(InputError) as error:
            series_below(tmp_path)
        about = f"{tmp_path}: its 7 slices name 7 series, though they make one stack"
        assert str(error.value) == f"{about}; give all of them one SeriesInstanceUID"

    def test_time_points_in_folders_are_scans(self, tmp_path, caplog):
        uid = generate_uid()
        for name in ("early", "late"):
            write_series(tmp_path / name, voxels(), AFFINE, uid=uid)
        with caplog.at_level(logging.WARNING):
            assert len(series_below(tmp_path)) == 2
        assert [r.getMessage() for r in caplog.records] == [
            f"{tmp_path}/early and {tmp_path}/late are of one DICOM series: each is labelled by itself"
        ]

    def test_a_localiser_among_the_slices_is_left_out(self, tmp_path, caplog):
        """The scout that GE scanners put into the series: another direction, often another size."""
        files = write_series(tmp_path, voxels(), AFFINE)
        scout = pydicom.dcmread(files[0])
        scout.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
        scout.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
        scout.Rows, scout.PixelData = 2 * scout.Rows, 2 * scout.PixelData
        scout.save_as(tmp_path / "0_scout.dcm")
        assert np.array_equal(read_series(tmp_path)[0], voxels())
        with caplog.at_level(logging.WARNING):
            series_below(tmp_path)
        (line,) = [r.getMessage() for r in caplog.records]
        assert line == f"{tmp_path}: 1 files of a series are left out: localisers"

    def test_a_series_of_localisers_stays_one(self, tmp_path):
        write_series(tmp_path, voxels(), AFFINE, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
        assert np.array_equal(read_series(tmp_path)[0], voxels())

    def test_a_series_of_localisers_beside_a_scan_is_no_scan(self, tmp_path, caplog):
        """CT studies hold their scout as a series of its own."""
        write_series(tmp_path, voxels(), AFFINE)
        (_, *rest) = write_series(
            tmp_path / "s",
            voxels(),
            AFFINE,
            ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"],
            uid=pydicom.uid.generate_uid(),
        )
        for file in rest:
            file.unlink()
        with caplog.at_level(logging.WARNING):
            (series,) = series_below(tmp_path)
        assert series.scan == str(tmp_path)
        (line,) = [r.getMessage() for r in caplog.records]
        assert line == f"{tmp_path}/s: not a scan: its slices are localisers"

    def test_copies_of_slices_count_once(self, tmp_path, caplog):
        for file in write_series(tmp_path, voxels(), AFFINE)[:5]:
            (tmp_path / f"copy of {file.name}").write_bytes(file.read_bytes())
        assert np.array_equal(read_series(tmp_path)[0], voxels())
        with caplog.at_level(logging.WARNING):
            series_below(tmp_path)
        (line,) = [r.getMessage() for r in caplog.records]
        assert line == f"{tmp_path}: 5 files of a series are left out: copies of others"

    def test_links_in_a_circle_are_passed_over(self, tmp_path):
        write_series(tmp_path, voxels(), AFFINE)
        (tmp_path / "a.dcm").symlink_to("b.dcm")
        (tmp_path / "b.dcm").symlink_to("a.dcm")
        assert np.array_equal(read_series(tmp_path)[0], voxels())

    def test_names_that_itk_cannot_open(self, tmp_path):
        """ITK would end the process: file names of another character set, as old network drives have them."""
        folder = tmp_path / os.fsdecode(b"Sch\xe4del")
        files = write_series(tmp_path / "sound", voxels(), AFFINE)
        files[2].rename(tmp_path / "sound" / os.fsdecode(b"\xe4.dcm"))
        assert "path is not UTF-8: rename the file or the folder" in refusal(tmp_path / "sound")
        write_series(tmp_path / "one", voxels(), AFFINE)
        (tmp_path / "one").rename(folder)
        lines = []
        found = series_below(tmp_path, lambda _, reason: lines.append(reason))
        assert len(found) == 1, "the sound one, to be refused when it is read"
        assert "000.dcm: is a damaged DICOM file (as are 6 others next to it); its path is not UTF-8" in "".join(lines)

    def test_files_from_before_the_magic_word(self, tmp_path):
        for file in write_series(tmp_path, voxels(), AFFINE):
            slice_ = pydicom.dcmread(file)
            slice_.preamble = None
            slice_.file_meta = pydicom.dataset.FileMetaDataset()
            pydicom.dcmwrite(file, slice_, implicit_vr=True, little_endian=True, enforce_file_format=False)
            assert file.read_bytes()[128:132] != b"DICM"
        assert np.array_equal(read_series(tmp_path)[0], voxels())

    def test_a_changed_folder_is_read_again(self, tmp_path):
        write_series(tmp_path, voxels(), AFFINE, names="a{}")
        assert len(series_in(tmp_path)) == 1
        write_series(tmp_path, voxels(), AFFINE, names="b{}")
        assert len(series_in(tmp_path)) == 2
        assert series_in(tmp_path)[0] is series_in(tmp_path)[0], "and only then"


class TestRefused:
    def test_missing_slice(self, tmp_path):
        write_series(tmp_path, voxels(), AFFINE, skip=(3,))
        assert refusal(tmp_path).endswith(
            ": its 6 slices lie 2.5 to 5 mm apart, so some are missing; export the series again"
        )

    def test_two_time_points(self, tmp_path):
        uid = generate_uid()
        for name in ("a{}", "b{}"):
            write_series(tmp_path, voxels(), AFFINE, uid=uid, names=name)
        assert "several slices lie at one place; part its time points or echoes into folders" in refusal(tmp_path)

    def test_one_slice(self, tmp_path):
        write_series(tmp_path, voxels()[:, :, :1], AFFINE)
        assert "has one slice, which is no volume" in refusal(tmp_path)

    @pytest.mark.parametrize(
        ("tags", "words"),
        [
            ({"ImageOrientationPatient": None}, "does not say where it lies in the patient"),
            ({"ImagePositionPatient": None}, "does not say where it lies in the patient"),
            ({"PixelSpacing": None}, "does not say where it lies in the patient"),
            ({"ImageOrientationPatient": [0] * 6}, "has rows and columns that are not at right angles"),
            ({"ImageOrientationPatient": [1, 0, 0, 0.5, 1, 0]}, "has rows and columns that are not at right angles"),
            ({"ImageType": ["ORIGINAL", "PRIMARY", "M", "MOSAIC"]}, "is a mosaic of slices; convert the series"),
            ({"PhotometricInterpretation": "MONOCHROME1"}, "of which the lowest is white (MONOCHROME1); export the"),
            ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}, "is in colour"),
        ],
    )
    def test_no_slices_of_a_patient(self, tmp_path, tags, words):
        pixels = np.repeat(voxels(), tags.get("SamplesPerPixel", 1), axis=0)
        write_series(tmp_path, pixels, AFFINE, **tags, **({"Columns": SHAPE[0]} if len(pixels) > SHAPE[0] else {}))
        assert words in refusal(tmp_path)

    @pytest.mark.parametrize("implicit", [False, True])
    def test_values_by_a_table(self, tmp_path, implicit):
        """ITK ignores it."""
        table = pydicom.Dataset()
        table.LUTDescriptor, table.ModalityLUTType = [4, 0, 16], "HU"
        table.add_new("LUTData", "OW", np.array([9, 5, 1, 0], "<u2").tobytes())
        for file in write_series(tmp_path, voxels(), AFFINE, ModalityLUTSequence=[table]):
            slice_ = pydicom.dcmread(file)
            del slice_.RescaleSlope, slice_.RescaleIntercept
            slice_.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
            pydicom.dcmwrite(file, slice_, implicit_vr=implicit, little_endian=True, enforce_file_format=True)
        assert "gives its values by a table (ModalityLUTSequence); export it with a rescale slope" in refusal(tmp_path)

    @pytest.mark.parametrize("implicit", [False, True])
    def test_fewer_voxels_than_rows_and_columns(self, tmp_path, implicit):
        """ITK makes up the rest. An icon inside the slice is as small as it likes."""
        files = write_series(tmp_path, voxels(), AFFINE)
        for file in files:
            slice_ = pydicom.dcmread(file)
            icon = pydicom.Dataset()
            icon.Rows = icon.Columns = 2
            icon.BitsAllocated, icon.PixelData = 8, b"abcd"
            slice_.IconImageSequence = [icon]
            slice_.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
            pydicom.dcmwrite(file, slice_, implicit_vr=implicit, little_endian=True, enforce_file_format=True)
        assert np.array_equal(read_series(tmp_path)[0], voxels())
        slice_ = pydicom.dcmread(files[3])
        slice_.PixelData = slice_.PixelData[:-20]
        slice_.save_as(files[3])
        line = f"{files[3]}: holds 140 bytes of voxels where its size needs 160; export the series again"
        assert refusal(tmp_path) == line

    def test_several_frames_in_a_file(self, tmp_path):
        files = write_series(tmp_path, voxels(), AFFINE)
        slice_ = pydicom.dcmread(files[0])
        slice_.NumberOfFrames, slice_.PixelData = 2, slice_.PixelData * 2
        slice_.save_as(files[0])
        assert "holds 2 frames in one file; convert the series to NIfTI" in refusal(tmp_path)

    def test_slices_of_two_kinds(self, tmp_path):
        uid = generate_uid()
        write_series(tmp_path / "size", voxels(), AFFINE, uid=uid, names="a{}")
        write_series(tmp_path / "size", voxels()[1:], AFFINE, uid=uid, names="b{}")
        assert "slices differ in size or spacing" in refusal(tmp_path / "size")
        write_series(tmp_path / "turn", voxels(), AFFINE, uid=uid, names="a{}")
        write_series(tmp_path / "turn", voxels(), turned("LPS", spacing=(0.7, 0.9, 2.5)), uid=uid, names="b{}")
        assert "slices are not parallel" in refusal(tmp_path / "turn")

    def test_another_series_than_meant(self, tmp_path):
        assert "holds 0 DICOM series" in refusal(tmp_path)
        (tmp_path / "a.txt").write_text("none")
        assert "is no image of a DICOM series" in refusal(tmp_path / "a.txt")

    def test_damaged_voxels(self, tmp_path):
        files = write_series(tmp_path, voxels(), AFFINE)
        series_in(tmp_path)
        content = files[0].read_bytes()
        files[0].write_bytes(content[:-60])  # in place: the folder stays as it was
        with pytest.raises(OSError) as error:
            read_series(tmp_path)
        assert "\n" not in str(error.value)
        assert str(error.value).startswith(f"{files[0]}: ")
