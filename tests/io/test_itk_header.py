"""MetaImage and NRRD files of which ITK reads something else than they say, without a word."""

import logging
import os
import zlib

import numpy as np
import pytest

from custom.errors import InputError
from custom.io.itk_header import ItkHeader
from custom.io.itk_image import read_itk_image, write_itk_image

VOXELS = np.random.default_rng(0).integers(-500, 500, (4, 3, 5)).astype("<i2")  # x, y, z
RAW = VOXELS.tobytes(order="F")
META_IMAGE = {
    "ObjectType": "Image",
    "NDims": "3",
    "BinaryData": "True",
    "TransformMatrix": "1 0 0 0 1 0 0 0 1",
    "Offset": "1 2 3",
    "ElementSpacing": "1 1 2",
    "DimSize": "4 3 5",
    "ElementType": "MET_SHORT",
    "ElementDataFile": "LOCAL",
}
NRRD = {
    "type": "int16",
    "dimension": "3",
    "space": "left-posterior-superior",
    "sizes": "4 3 5",
    "space directions": "(1,0,0) (0,1,0) (0,0,2)",
    "endian": "little",
    "encoding": "raw",
    "space origin": "(1,2,3)",
}


def write_meta_image(file, data=RAW, below="", **changes):
    fields = {**META_IMAGE, **changes}
    fields["ElementDataFile"] = fields.pop("ElementDataFile")  # the last one
    text = "".join(f"{key} = {value}\n" for key, value in fields.items() if value is not None)
    file.write_bytes(text.encode() + below.encode() + data)
    return file


def write_nrrd(file, data=RAW, **changes):
    fields = {**NRRD, **{key.replace("_", " "): value for key, value in changes.items()}}
    text = "NRRD0004\n" + "".join(f"{key}: {value}\n" for key, value in fields.items() if value is not None) + "\n"
    file.write_bytes(text.encode() + data)
    return file


def refusal(file):
    with pytest.raises(InputError) as error:
        read_itk_image(file)
    assert "\n" not in str(error.value)
    assert str(error.value).startswith(f"{file}: ")
    return str(error.value).removeprefix(f"{file}: ")


def test_plain_files(tmp_path):
    for file in (write_meta_image(tmp_path / "a.mha"), write_nrrd(tmp_path / "a.nrrd")):
        voxels, affine = read_itk_image(file)
        assert np.array_equal(voxels, VOXELS)
        assert np.array_equal(affine, [[-1, 0, 0, -1], [0, -1, 0, -2], [0, 0, 2, 3], [0, 0, 0, 1]])


class TestCompressedMetaImage:
    """MetaIO writes "Uncompress failed" to the terminal and gives back memory as it is."""

    @pytest.mark.parametrize("word", ["BinaryDataByteOrderMSB", "ElementByteOrderMSB"])
    @pytest.mark.parametrize("order", ["<", ">"])
    def test_sound(self, tmp_path, order, word):
        data = zlib.compress(VOXELS.astype(f"{order}i2").tobytes(order="F"))
        write_meta_image(
            tmp_path / "a.mha",
            data,
            CompressedData="True",
            CompressedDataSize=len(data),
            **{word: order == ">"},
        )
        assert np.array_equal(read_itk_image(tmp_path / "a.mha")[0], VOXELS)

    def test_truncated_or_damaged(self, tmp_path):
        data = zlib.compress(RAW)
        for spoilt in (data[:-20], data[:40] + bytes([data[40] ^ 1]) + data[41:]):
            file = write_meta_image(tmp_path / "a.mha", spoilt, CompressedData="True", CompressedDataSize=len(spoilt))
            assert refusal(file).startswith("its compressed voxels are damaged")

    def test_in_another_file(self, tmp_path):
        (tmp_path / "a.zraw").write_bytes(zlib.compress(RAW))
        file = write_meta_image(tmp_path / "a.mhd", b"", CompressedData="True", ElementDataFile="a.zraw")
        assert np.array_equal(read_itk_image(file)[0], VOXELS)
        (tmp_path / "a.zraw").write_bytes(zlib.compress(RAW)[:-20])
        assert refusal(file).startswith("its compressed voxels are damaged")


class TestFilesOfVoxels:
    @pytest.fixture
    def slices(self, tmp_path):
        for z in range(5):
            (tmp_path / f"{z}.raw").write_bytes(VOXELS[:, :, z].tobytes(order="F"))
        return "".join(f"{z}.raw\n" for z in range(5))

    def test_a_list_without_its_last_line_break(self, tmp_path, slices):
        """MetaIO leaves the last slice at 0."""
        file = write_meta_image(tmp_path / "a.mhd", b"", slices, ElementDataFile="LIST")
        assert np.array_equal(read_itk_image(file)[0], VOXELS)
        write_meta_image(file, b"", slices[:-1], ElementDataFile="LIST")
        assert refusal(file) == "the last line of its list of files lacks a line break; add it"

    @pytest.mark.parametrize("word", ["LIST", "LIST 2", "LIST 2D"])
    def test_a_list_of_too_few_files(self, tmp_path, slices, word):
        """MetaIO leaves the last slices at 0."""
        file = write_meta_image(tmp_path / "a.mhd", b"", slices, ElementDataFile=word)
        assert np.array_equal(read_itk_image(file)[0], VOXELS)
        write_meta_image(file, b"", slices.removesuffix("4.raw\n"), ElementDataFile=word)
        assert refusal(file) == "lists 4 files of 5; add the others"

    def test_missing_files_are_named(self, tmp_path, slices):
        (tmp_path / "3.raw").unlink()
        words = "its voxels in 3.raw are missing; put that file next to it again"
        assert refusal(write_meta_image(tmp_path / "a.mhd", b"", slices, ElementDataFile="LIST")) == words
        assert refusal(write_meta_image(tmp_path / "b.mhd", b"", ElementDataFile="3.raw")) == words
        header = write_nrrd(tmp_path / "c.nhdr", b"", **{"data file": "3.raw"})
        assert refusal(header) == words
        header.write_bytes(header.read_bytes().replace(b"data file: 3.raw\n\n", b"data file: LIST\n" + slices.encode()))
        assert refusal(header) == words

    def test_a_pattern_of_names_is_left_to_itk(self, tmp_path, slices):
        file = write_meta_image(tmp_path / "a.mhd", b"", ElementDataFile="%d.raw 0 4 1")
        assert np.array_equal(read_itk_image(file)[0], VOXELS)


class TestGeometry:
    def test_no_voxel_size(self, tmp_path):
        """ITK takes it for 1 mm."""
        words = "says no voxel size; export it again, with its spacing in mm"
        assert refusal(write_meta_image(tmp_path / "a.mha", ElementSpacing=None)) == words
        bare = {"space": None, "space directions": None, "space origin": None}
        assert refusal(write_nrrd(tmp_path / "a.nrrd", **bare)) == words

    def test_a_voxel_size_that_is_not_known(self, tmp_path):
        """NRRD's word for it is nan, which ITK takes for 1 mm; that of a lone time point does not matter."""
        bare = {"space": None, "space directions": None, "space origin": None}
        words = "says no voxel size; export it again, with its spacing in mm"
        assert refusal(write_nrrd(tmp_path / "a.nrrd", **bare, spacings="1 1 NaN")) == words
        four = {"dimension": "4", "sizes": "4 3 5 1", "spacings": "1 1 2 nan", "units": '"mm" "mm" "mm" "s"'}
        assert np.array_equal(read_itk_image(write_nrrd(tmp_path / "b.nrrd", **bare, **four))[0], VOXELS)

    @pytest.mark.parametrize(("field", "value"), [("Slope", "2"), ("Offset", "-1024")])
    def test_intensities_that_itk_does_not_scale(self, tmp_path, field, value):
        name = f"ElementToIntensityFunction{field}"
        said = refusal(write_meta_image(tmp_path / "a.mha", **{name: value}))
        assert said == f"its intensities need {name.lower()} {value}, which ITK leaves out; export it again"
        neutral = {"ElementToIntensityFunctionSlope": "1.0", "ElementToIntensityFunctionOffset": "0"}
        assert np.array_equal(read_itk_image(write_meta_image(tmp_path / "a.mha", **neutral))[0], VOXELS)

    @pytest.mark.parametrize("unit", ["cm", "um", "m", "inch"])
    def test_other_units_than_millimetres(self, tmp_path, unit):
        words = f"its sizes are in {unit}, which ITK takes for mm; export it again in mm"
        units = f'"{unit}" "{unit}" "{unit}"'
        assert refusal(write_meta_image(tmp_path / "a.mha", DistanceUnits=unit)) == words
        assert refusal(write_nrrd(tmp_path / "a.nrrd", **{"space units": units})) == words
        bare = {"space": None, "space directions": None, "space origin": None, "spacings": "1 1 2"}
        assert refusal(write_nrrd(tmp_path / "b.nrrd", **bare, units=units)) == words

    def test_millimetres_by_any_name(self, tmp_path):
        read_itk_image(write_meta_image(tmp_path / "a.mha", DistanceUnits="mm"))
        read_itk_image(write_nrrd(tmp_path / "a.nrrd", **{"space units": '"mm" "millimeter" ""'}))

    def test_no_orientation_is_said(self, tmp_path, caplog):
        bare = {"space": None, "space directions": None, "space origin": None, "spacings": "1 1 2"}
        with caplog.at_level(logging.WARNING):
            ItkHeader(write_nrrd(tmp_path / "a.nrrd", **bare)).warn_of_no_orientation()
            ItkHeader(write_nrrd(tmp_path / "b.nrrd")).warn_of_no_orientation()
            ItkHeader(
                write_nrrd(tmp_path / "c.nrrd", **{"space": None, "space dimension": "3"})
            ).warn_of_no_orientation()
            ItkHeader(write_meta_image(tmp_path / "d.mha")).warn_of_no_orientation()
            ItkHeader(write_meta_image(tmp_path / "e.mha", TransformMatrix=None)).warn_of_no_orientation()
        lines = [record.getMessage() for record in caplog.records]
        assert [line.partition(":")[0] for line in lines] == [
            f"{tmp_path}/{name}" for name in ("a.nrrd", "c.nrrd", "e.mha")
        ]
        assert all("says no orientation; taken as left, posterior, superior" in line for line in lines)

    def test_one_time_point_keeps_its_place(self, tmp_path):
        file = write_meta_image(
            tmp_path / "a.mha",
            NDims="4",
            DimSize="4 3 5 1",
            TransformMatrix="0 1 0 0 1 0 0 0 0 0 1 0 0 0 0 1",
            Offset="1 2 3 0",
            ElementSpacing="1 1 2 1",
        )
        voxels, affine = read_itk_image(file)
        assert np.array_equal(voxels, VOXELS)
        assert np.array_equal(affine, [[0, -1, 0, -1], [-1, 0, 0, -2], [0, 0, 2, 3], [0, 0, 0, 1]])


def test_a_name_that_is_not_utf8(tmp_path):
    """ITK would end the process."""
    file = write_nrrd(tmp_path / os.fsdecode(b"\xe9.nrrd"))
    words = "its path is not UTF-8, which ITK cannot open: rename the file or the folder"
    assert words in refusal(file)
    with pytest.raises(InputError, match=words):
        write_itk_image(file, VOXELS, np.eye(4))


def test_the_reason_stands_without_the_chain_of_calls(tmp_path):
    with pytest.raises(OSError, match="fread got only") as error:
        read_itk_image(write_nrrd(tmp_path / "a.nrrd", RAW[:-10]))
    assert len(str(error.value)) < 120
