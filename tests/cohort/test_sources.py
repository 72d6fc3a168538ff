import json
import logging

import pytest

from custom.cohort.sources import find_cases
from custom.errors import InputError


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def found(root):
    """Name -> (image, label, use, source), paths relative to the folder."""

    def short(file):
        return None if file is None else file.removeprefix(f"{root.resolve()}/")

    return {c.name: (short(c.image), short(c.label), c.use, c.source) for c in find_cases(root).cases}


def listing(root, **content):
    root.mkdir(parents=True, exist_ok=True)
    (root / "dataset.json").write_text(json.dumps(content))


def test_flare_folder(tmp_path):
    touch(
        tmp_path,
        *("imagesTr2200/FLARE23_0001_0000.nii.gz", "imagesTr2200/FLARE23_0002_0000.nii.gz"),
        *("labelsTr2200/FLARE23_0001.nii.gz", "labelsTr2200/FLARE23_0002.nii.gz"),
        *("unlabeledTr1800/FLARE23_2201_0000.nii.gz", "unlabelled2/case_7_0000.nii.gz"),
        *("imagesVal100/FLARETs_0001_0000.nii.gz", "labelsVal100/FLARETs_0001.nii.gz"),
        *("imagesTs/FLARETs_0101_0000.nii.gz", "imagesTr2200/.hidden.nii.gz", "imagesTr2200/readme.txt"),
    )
    assert found(tmp_path) == {
        "FLARE23_0001": (
            *("imagesTr2200/FLARE23_0001_0000.nii.gz", "labelsTr2200/FLARE23_0001.nii.gz"),
            *("training", "imagesTr2200/FLARE23"),
        ),
        "FLARE23_0002": (
            *("imagesTr2200/FLARE23_0002_0000.nii.gz", "labelsTr2200/FLARE23_0002.nii.gz"),
            *("training", "imagesTr2200/FLARE23"),
        ),
        "FLARE23_2201": ("unlabeledTr1800/FLARE23_2201_0000.nii.gz", None, "training", "FLARE23"),
        "case_7": ("unlabelled2/case_7_0000.nii.gz", None, "training", "case"),
        "FLARETs_0001": (
            *("imagesVal100/FLARETs_0001_0000.nii.gz", "labelsVal100/FLARETs_0001.nii.gz"),
            *("validation", "imagesVal100/FLARETs"),
        ),
    }
    source = find_cases(tmp_path)
    assert (source.name, source.classes, source.states_sources) == (tmp_path.name, (), False)


def test_images_without_a_label_are_unlabelled_cases_in_nnunet_layout(tmp_path):
    touch(tmp_path, "imagesTr/AMOS_0001_0000.nii.gz", "imagesTr/AMOS_0002_0000.nii.gz", "labelsTr/AMOS_0001.nii.gz")
    listing(tmp_path, name="Abdomen", channel_names={"0": "CT"}, labels={"background": 0, "Left Kidney": 2, "liver": 1})
    assert found(tmp_path) == {
        "AMOS_0001": ("imagesTr/AMOS_0001_0000.nii.gz", "labelsTr/AMOS_0001.nii.gz", "training", "AMOS"),
        "AMOS_0002": ("imagesTr/AMOS_0002_0000.nii.gz", None, "training", "AMOS"),
    }
    source = find_cases(tmp_path)
    assert (source.name, source.classes, source.states_sources) == ("Abdomen", ("liver", "left_kidney"), True)


def test_decathlon_listing_stands_for_its_folder(tmp_path):
    touch(tmp_path, "imagesTr/h_001.nii.gz", "imagesTr/h_002.nii.gz", "labelsTr/h_001.nii.gz", "unlabeled/u_1.nii")
    training = [{"image": "./imagesTr/h_001.nii.gz", "label": "./labelsTr/h_001.nii.gz"}]
    listing(tmp_path, labels={"0": "background", "1": "Anterior", "2": "Posterior"}, training=training)
    assert found(tmp_path) == {
        "h_001": ("imagesTr/h_001.nii.gz", "labelsTr/h_001.nii.gz", "training", "h"),
        "u_1": ("unlabeled/u_1.nii", None, "training", "u"),
    }
    assert find_cases(tmp_path).classes == ("anterior", "posterior")


def test_numbers_that_are_no_channels_stay_in_the_names(tmp_path):
    touch(tmp_path, "images/s_0000.nii.gz", "images/s_0001.nii.gz", "labels/s_0001.nii.gz", "labels/s_0000.nii.gz")
    touch(tmp_path, "unlabeled/u_0000.nii.gz", "unlabeled/u_0001.nii.gz")
    assert sorted(found(tmp_path)) == ["s_0000", "s_0001", "u_0000", "u_0001"]


def test_pooled_names_in_one_folder_are_sources(tmp_path):
    names = ["AMOS_0001", "BTCV_01", "FLARE22_Tr_0001", "case0007", "0003"]
    touch(tmp_path, *(f"imagesTr/{n}.nii.gz" for n in names), *(f"labelsTr/{n}.nii.gz" for n in names))
    sources = {name: source for name, (_, _, _, source) in found(tmp_path).items()}
    assert sources == dict(zip(names, ["AMOS", "BTCV", "FLARE22_Tr", "case", tmp_path.name], strict=True))


def test_two_folders_left_over_belong_together(tmp_path):
    touch(tmp_path, "imagesTr/a.nii.gz", "labelsTr4000/a.nii.gz")
    assert found(tmp_path)["a"][1] == "labelsTr4000/a.nii.gz"


def test_what_has_no_partner_is_left_out_with_a_warning(tmp_path, caplog):
    touch(tmp_path, "imagesTr/a.nii.gz", "labelsTr/a.nii.gz", "labelsTr/b.nii.gz", "labelsX/a.nii.gz")
    touch(tmp_path, "imagesVal/v.nii.gz", "imagesVal/w.nii.gz", "labelsVal/v.nii.gz")
    assert sorted(found(tmp_path)) == ["a", "v"]
    assert f"no image in {tmp_path / 'imagesTr'} for 1 label(s): b" in caplog.text
    assert f"{tmp_path / 'imagesVal'}: 1 validation case(s) have no label: w" in caplog.text
    assert f"{tmp_path / 'labelsX'} is not used: there is no folder imagesX" in caplog.text


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ["imagesTr/a_0000.nii.gz", "imagesTr/a_0001.nii.gz", "labelsTr/a.nii.gz"],
            "case a has 2 scans, .* one channel",
        ),
        (["imagesTr/a.nii.gz", "unlabeled/a.nii.gz"], "case a: 2 cases have this name; rename them"),
        (
            ["scans/a.nii.gz"],
            "has no folder of NIfTI scans such as imagesTr; pass a FLARE, nnU-Net or Decathlon folder",
        ),
        (["imagesTr/a.mha", "labelsTr/a.mha"], r"convert its scans, such as imagesTr/a\.mha, to NIfTI"),
        (["Task1/imagesTr/a.nii.gz"], "pass a data set inside it, such as .*Task1"),
    ],
)
def test_folders_that_cannot_be_used(tmp_path, names, message):
    touch(tmp_path, *names)
    with pytest.raises(InputError, match=message):
        find_cases(tmp_path)


def test_a_folder_inside_a_data_set(tmp_path):
    touch(tmp_path, "imagesTr/a.nii.gz")
    with pytest.raises(InputError, match=f"pass the folder that it belongs to, {tmp_path}"):
        find_cases(tmp_path / "imagesTr")


def test_classes_that_dataset_json_does_not_give(tmp_path):
    touch(tmp_path, "imagesTr/a.nii.gz", "labelsTr/a.nii.gz")
    listing(tmp_path, labels={"background": 0, "liver": 1, "ignore": 2})
    with pytest.raises(InputError, match="has an ignore label"):
        find_cases(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"), [("{", "is not readable JSON"), ("[]", "must hold an object, not a list")]
)
def test_dataset_json_that_is_none(tmp_path, text, message):
    touch(tmp_path, "imagesTr/a.nii.gz")
    (tmp_path / "dataset.json").write_text(text)
    with pytest.raises(InputError, match=message):
        find_cases(tmp_path)


@pytest.fixture
def table(tmp_path):
    touch(tmp_path, "a.nii.gz", "a_label.nii.gz", "b_0000.nii.gz", "sub/c.nii.gz")

    def write(*rows):
        (tmp_path / "cases.csv").write_text("\n".join(rows), encoding="utf-8-sig")
        return tmp_path / "cases.csv"

    return write


def test_csv_with_every_column(table, tmp_path):
    file = table(
        "image,label,annotated,source,use,name",
        "a.nii.gz,a_label.nii.gz,liver;spleen,AMOS,validation,first",
        f"{tmp_path}/sub/c.nii.gz,,,,,",
        ",,,,,",
        "b_0000.nii.gz,,,BTCV,training,second",
    )
    first, second, third = find_cases(file).cases
    assert (first.name, first.image, first.label) == ("first", f"{tmp_path}/a.nii.gz", f"{tmp_path}/a_label.nii.gz")
    assert (first.use, first.source, first.given) == ("validation", "AMOS", "liver;spleen")
    assert (second.name, second.label, second.use, second.source, second.given) == ("c", None, "training", "c", None)
    assert (third.name, third.source) == ("second", "BTCV")
    assert find_cases(file).states_sources


def test_csv_with_images_alone(table, caplog):
    caplog.set_level(logging.INFO)
    source = find_cases(table("image,age", "b_0000.nii.gz,70"))
    assert [(case.name, case.label) for case in source.cases] == [("b", None)]
    assert not source.states_sources
    assert "columns not used: age" in caplog.text


def test_a_test_case_stays_one_however_its_column_is_written(table):
    use, label = "Use", " Label "
    first, second = find_cases(table(f"Image, {use},{label},", "a.nii.gz,test ,a_label.nii.gz,", "b_0000.nii.gz")).cases
    assert (first.use, second.use, second.label) == ("test", "training", None)


def test_two_cases_with_one_label(table, tmp_path):
    rows = ["a.nii.gz,a_label.nii.gz,x,training", "b_0000.nii.gz,./a_label.nii.gz,y,test"]
    with pytest.raises(InputError, match=r"case y: its label .*a_label.nii.gz is the label of case x too; remove one"):
        find_cases(table("image,label,name,use", *rows))
    with pytest.raises(InputError, match=r"case x: its label .*a.nii.gz is the image of case x too"):
        find_cases(table("image,label,name", "a.nii.gz,a.nii.gz,x"))
    (tmp_path / "link.nii.gz").symlink_to("a.nii.gz")
    with pytest.raises(InputError, match=r"case y: its image .*link.nii.gz is the image of case x too"):
        find_cases(table("image,name", "a.nii.gz,x", "link.nii.gz,y"))


def test_csv_case_goes_by_its_label(table):
    assert find_cases(table("image,label", "b_0000.nii.gz,a_label.nii.gz")).cases[0].name == "a_label"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["image;label", "a.nii.gz;"], "has no column image but image;label; columns are image, label, annotated"),
        (["image"], "lists no case; add a row for each"),
        (["image,label", ",a_label.nii.gz"], "line 2 names no image; add it or remove the row"),
        (["image", "z.nii.gz"], "line 2: z.nii.gz does not exist; correct the path or remove the row"),
        (["image,label", "a.nii.gz,z.nii.gz"], "line 2: z.nii.gz does not exist"),
        (["image,use", "a.nii.gz,tests"], "line 2: use is 'tests'; write training, validation or test"),
        (["image,use", "a.nii.gz,validation"], "line 2 is a validation case without a label"),
        (["image,annotated", "a.nii.gz,liver"], "line 2 names annotated classes but no label"),
        (["image,label,annotated", "a.nii.gz,a_label.nii.gz,"], "line 2 has a label but annotated is empty"),
        (["image,name", "a.nii.gz,x/y"], "line 2: name is 'x/y'; write one that can be the name of a file"),
        (["image,name", "a.nii.gz,x", "sub/c.nii.gz,x"], "case x: 2 cases have this name"),
        (["image,name", "a.nii.gz,X", "sub/c.nii.gz,x"], r"case X: 2 cases have this name \(X, x\); rename them"),
        (["image,name", "a.nii.gz,x", "./a.nii.gz,y"], "case y: its image .* is the image of case x too; remove one"),
        (["image,name", "a.nii.gz,x", "sub/c.nii.gz,x_confidence"], "the confidence map of x has this name; rename it"),
        (["image,label,image", "a.nii.gz,,"], "has 2 columns image; keep one"),
        (
            ["image,label,annotated", "a.nii.gz,a_label.nii.gz,liver,spleen"],
            "line 2: 'spleen' is beyond the last column",
        ),
    ],
)
def test_csv_faults(table, rows, message):
    with pytest.raises(InputError, match=message):
        find_cases(table(*rows))


def test_csv_in_another_encoding(tmp_path):
    (tmp_path / "cases.csv").write_bytes("image\nM\u00fcller.nii.gz".encode("latin-1"))
    with pytest.raises(InputError, match="save it as UTF-8 with commas"):
        find_cases(tmp_path / "cases.csv")


def test_sources_that_are_none(tmp_path):
    touch(tmp_path, "a.nii.gz")
    with pytest.raises(InputError, match=r"is neither a folder nor a \.csv file"):
        find_cases(tmp_path / "a.nii.gz")
    with pytest.raises(InputError, match="does not exist; pass a FLARE, nnU-Net or Decathlon folder"):
        find_cases(tmp_path / "nowhere")
