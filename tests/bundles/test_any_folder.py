"""inference.yaml of both bundles on any folder of scans: every format, every orientation, exact geometry."""

import itertools
import re

import highdicom
import nibabel as nib
import numpy as np
import pytest
import torch
import yaml
from monai.networks.nets import DynUNet

from custom.errors import find_input_error, input_error_message

from ..io.scan_files import LPS, read_scan_file, turned, write_scan, write_series
from .conftest import Bundle

# small rotations about all axes: no column is parallel to one, and the closest axes are still those of the codes
DEGREES = (10, -20, 30)
SPACING = (1.3, 0.9, 1.7)
SHAPE = (14, 12, 16)
ORIENTATIONS = [
    "".join(codes) for axes in itertools.permutations(["RL", "AP", "SI"]) for codes in itertools.product(*axes)
]


@pytest.fixture(params=["batseg_spine", "flare_pseudolabel"])
def random_bundle(request, project, tmp_path) -> Bundle:
    """Each bundle with an untrained network, whose answer depends on every voxel around and on the orientation."""
    bundle = Bundle(project / "bundles" / request.param, tmp_path / "nowhere", tmp_path)
    kernels = {"_target_": "torch.nn.Conv3d", "in_channels": 1, "out_channels": 3, "kernel_size": 5, "padding": 2}
    overlay = yaml.safe_load(bundle.overlay.read_text()) | {"network_def": kernels, "mirrored": False}
    bundle.overlay.write_text(yaml.safe_dump(overlay))
    save_weights(bundle, torch.nn.Conv3d(1, 3, 5, padding=2))
    return bundle


def save_weights(bundle, network, **plan):
    torch.manual_seed(0)
    weights = {name: torch.randn_like(value) for name, value in network.state_dict().items()}
    torch.save(weights, bundle.models / "model.pt")
    intensity = {"lower": -300.0, "upper": 1300.0, "mean": 500.0, "sd": 577.0}
    bundle.save_plan(**{"patch_size": [16, 16, 16], "intensity": intensity, **plan})


def voxels(seed=0, shape=SHAPE):
    return np.random.default_rng(seed).integers(-500, 1500, shape).astype(np.int16)


def label(bundle, folder, **options):
    """Run inference; file name, without the identifier of a series -> labels and affine."""
    output = bundle.work / f"labels_{folder.name}"
    bundle.run("inference", dataset_dir=str(folder), output_dir=str(output), **options)
    files = (file for file in sorted(output.iterdir()) if file.suffix != ".dcm")
    return {without_identifier(file.name): read_scan_file(file) for file in files}


def without_identifier(name):
    return re.sub(r"_[0-9a-f]{8}(?=\.)", "", name)


def reoriented(volume, affine, codes):
    """The same scan with its voxels stored along other axes."""
    turn = nib.orientations.ornt_transform(
        nib.orientations.io_orientation(affine), nib.orientations.axcodes2ornt(codes)
    )
    stored = nib.orientations.apply_orientation(volume, turn)
    return stored, affine @ nib.orientations.inv_ornt_aff(turn, volume.shape)


def canonical(volume, affine):
    return np.asarray(nib.as_closest_canonical(nib.Nifti1Image(volume, affine)).dataobj)


def test_every_format_in_one_folder(random_bundle):
    """The same scan in each format has the same labels, on its grid, under its name; other files are ignored."""
    folder = random_bundle.work / "mixed" / "scans"
    affine = turned("LPS", DEGREES, SPACING)
    for name in ("a.nii.gz", "b.nii", "c.mha", "d.mhd", "e.nrrd", "f.nhdr"):
        write_scan(folder / name, 2 * voxels(), affine)
    write_series(folder / "patient" / "g", voxels() + 500, affine, slope=2, intercept=-1000, names="IM{:04d}")
    write_series(folder, voxels() + 500, affine, slope=2, intercept=-1000, names="x{}.dcm", number=3)
    write_series(folder, voxels(1), affine, names="y{}", number=4, description="T1 fs")
    (folder / "notes.txt").write_text("none")
    found = label(random_bundle, folder)
    assert list(found) == [
        "a.nii.gz",
        "b.nii",
        "c.mha",
        "d.mha",
        "e.nrrd",
        "f.nrrd",
        "patient_g.nii.gz",
        "scans_3.nii.gz",
        "scans_4_T1_fs.nii.gz",
    ]
    reference, _ = found["a.nii.gz"]
    assert set(np.unique(reference)) == {0, 1, 2}
    assert not np.array_equal(found.pop("scans_4_T1_fs.nii.gz")[0], reference), "another scan"
    for name, (labels, label_affine) in found.items():
        assert labels.dtype == np.uint8
        assert np.allclose(label_affine, affine, rtol=0, atol=1e-6), name
        assert np.array_equal(labels, reference), name


def test_a_dicom_segmentation_beside_the_label_map(random_bundle):
    folder = random_bundle.work / "scans"
    affine = turned("LPS", DEGREES, SPACING)
    write_scan(folder / "a.nii.gz", voxels(), affine)
    write_series(folder / "b", voxels(), affine)
    found = label(random_bundle, folder, dicom_seg="true")
    files = sorted((random_bundle.work / "labels_scans").iterdir())
    assert [file.name for file in files] == ["a.nii.gz", "b.dcm", "b.nii.gz"]
    segmentation = highdicom.seg.segread(files[1])
    volume = segmentation.get_volume(combine_segments=True, allow_missing_positions=True)
    to_voxels = np.linalg.inv(LPS @ affine) @ volume.affine
    places = np.round(to_voxels[:3, :3] @ np.argwhere(volume.array).T + to_voxels[:3, 3:]).astype(int)
    labels, _ = found["b.nii.gz"]
    assert np.array_equal(labels[tuple(places)], volume.array[volume.array > 0])
    assert np.count_nonzero(labels) == places.shape[1]


@pytest.mark.parametrize("degrees", [(0, 0, 0), DEGREES], ids=["straight", "oblique"])
def test_no_voxel_depends_on_how_a_scan_is_stored(random_bundle, degrees):
    """All 48 ways to store a volume, and some in the other formats.

    Along the last axis 16 voxels of 1.7 mm are 26.5 of 1 mm: a tie for MONAI's Spacing.
    """
    folder = random_bundle.work / "scans"
    volume, affine = voxels(), turned("RAS", degrees, SPACING)
    scans = {f"{codes}.nii.gz": codes for codes in ORIENTATIONS}
    scans |= {
        f"{codes}_{ending}.{ending}": codes for codes in ("RAS", "LPI", "SAR", "IRP") for ending in ("mha", "nrrd")
    }
    for name, codes in scans.items():
        write_scan(folder / name, *reoriented(volume, affine, codes))
    found = label(random_bundle, folder)
    assert len(found) == 48 + 8
    reference, _ = found["RAS.nii.gz"]
    assert set(np.unique(reference)) == {0, 1, 2}
    for name, (labels, label_affine) in found.items():
        _, scan_affine = read_scan_file(folder / name)
        assert np.allclose(label_affine, scan_affine, rtol=0, atol=0 if "nii" in name else 1e-14), name
        assert np.array_equal(canonical(labels, label_affine), reference), name


def test_nearest_labels_do_not_depend_on_it_either(random_bundle):
    """Of voxels of 2 mm, each second one of 1 mm lies in the middle of two."""
    if random_bundle.root.name != "flare_pseudolabel":
        pytest.skip("one bundle can return nearest labels")
    folder = random_bundle.work / "scans"
    for codes in ORIENTATIONS:
        write_scan(folder / f"{codes}.nii.gz", *reoriented(voxels(), turned("RAS", DEGREES), codes))
    save_weights(random_bundle, torch.nn.Conv3d(1, 3, 5, padding=2), spacing=[2.0, 2.0, 2.0])
    found = label(random_bundle, folder, return_grid="fast")
    for name, (labels, label_affine) in found.items():
        assert np.array_equal(canonical(labels, label_affine), found["RAS.nii.gz"][0]), name


def test_slices_in_any_direction(random_bundle):
    """A series of axial, coronal and sagittal slices of one volume."""
    folder = random_bundle.work / "scans"
    volume, affine = voxels(), turned("RAS", DEGREES, SPACING)
    write_scan(folder / "canonical.nii.gz", volume, affine)
    for codes in ("LPS", "RAS", "PIR", "ASR", "SLP"):
        write_series(folder / codes, *reoriented(volume, affine, codes))
    found = label(random_bundle, folder)
    reference, _ = found.pop("canonical.nii.gz")
    assert len(found) == 5
    for name, (labels, label_affine) in found.items():
        codes = name.split(".")[0]
        assert np.allclose(label_affine, reoriented(volume, affine, codes)[1], rtol=0, atol=1e-6), name
        assert np.array_equal(canonical(labels, label_affine), reference), name


@pytest.mark.parametrize("overwrite", ["true", "false"])
def test_an_interrupted_run_goes_on(random_bundle, overwrite):
    folder, output = random_bundle.work / "scans", random_bundle.work / "labels_scans"
    affine = turned("LPS", DEGREES, SPACING)
    for name in ("a.nii.gz", "b.mha", "c.nrrd", "d.mhd"):
        write_scan(folder / name, voxels(), affine)
    write_series(folder / "e", voxels(), affine)
    label(random_bundle, folder)
    for name in ("b.mha", "e.nii.gz"):
        (output / name).unlink()
    before = {file: file.stat().st_mtime_ns for file in output.iterdir()}
    label(random_bundle, folder, overwrite=overwrite)
    names = sorted(file.name for file in output.iterdir())
    assert names == ["a.nii.gz", "b.mha", "c.nrrd", "d.mha", "e.nii.gz"]
    changed = [file for file, time in before.items() if file.stat().st_mtime_ns != time]
    assert len(changed) == (3 if overwrite == "true" else 0)


def test_endings_in_upper_case(random_bundle):
    """Libraries differ in what they take these for; label maps have lower case."""
    folder = random_bundle.work / "scans"
    for name in ("a.nii.gz", "b.mha", "c.mhd", "d.nrrd"):
        write_scan(folder / name, voxels(), turned("LPS", DEGREES, SPACING))
    for name, other in (("a.nii.gz", "A.NII.GZ"), ("b.mha", "B.Mha"), ("c.mhd", "C.MHD"), ("d.nrrd", "D.NRRD")):
        (folder / name).rename(folder / other)
    found = label(random_bundle, folder)
    assert list(found) == ["A.nii.gz", "B.mha", "C.mha", "D.nrrd"]
    for labels, affine in found.values():
        assert np.array_equal(labels, found["A.nii.gz"][0])
        assert np.allclose(affine, turned("LPS", DEGREES, SPACING), rtol=0, atol=1e-6)


def test_numbered_scans_and_channels(random_bundle):
    """Scans that are numbered from 0 keep their names; in a data set the number is a channel's."""
    folder = random_bundle.work / "scans"
    names = [f"s_{number:04d}.nii.gz" for number in range(3)]
    for name in names:
        write_scan(folder / name, voxels(), np.eye(4))
    assert list(label(random_bundle, folder)) == names
    data_set = random_bundle.work / "set"
    data_set.mkdir()
    (folder / names[1]).unlink()
    (folder / names[2]).unlink()
    (data_set / "imagesTs").symlink_to(folder)
    assert list(label(random_bundle, data_set)) == ["s.nii.gz"]


def test_scans_of_two_channel_files(random_bundle):
    folder = random_bundle.work / "scans"
    for name in ("a_0000", "a_0001", "b_0000", "b_0001"):
        write_scan(folder / f"{name}.nii.gz", voxels(int(name[-1])), turned("LPS", DEGREES, SPACING))
    save_weights(random_bundle, torch.nn.Conv3d(2, 3, 5, padding=2), channels=["T1", "T2"])
    overlay = yaml.safe_load(random_bundle.overlay.read_text())
    overlay["network_def"]["in_channels"] = 2
    random_bundle.overlay.write_text(yaml.safe_dump(overlay))
    found = label(random_bundle, folder)
    assert list(found) == ["a.nii.gz", "b.nii.gz"]
    assert np.array_equal(found["a.nii.gz"][0], found["b.nii.gz"][0])


def test_scans_of_one_name_are_left_out_and_the_others_labelled(random_bundle):
    folder, output = random_bundle.work / "scans", random_bundle.work / "labels"
    for name in ("a.nii.gz", "a.mha"):
        write_scan(folder / name, voxels(), np.eye(4))
    options = {"dataset_dir": str(folder), "output_dir": str(output)}
    with pytest.raises(Exception) as caught:
        random_bundle.run("inference", **options)
    line = input_error_message(find_input_error(caught.value))
    assert line == f"{folder}/a.mha and {folder}/a.nii.gz would both be labelled as a; rename or remove one"
    write_scan(folder / "b.nii.gz", voxels(), np.eye(4))
    assert random_bundle.ending("inference", **options).startswith("1 of 3 labelled, 2 left out: a, a; reasons in ")
    assert sorted(file.name for file in output.iterdir()) == ["b.nii.gz", "left_out.json"]


REAL = {"batseg_spine": ["RAS", "LPI", "SAR", "PIL"], "flare_pseudolabel": ["RAS", "LPI", "ASR", "IPL"]}


@pytest.mark.slow
@pytest.mark.parametrize("scan", ["hippocampus/imagesTr/hippocampus_001", "ct/torso"])
def test_real_scans_however_they_are_stored(random_bundle, shared_data, scan):
    """With a U-Net, whose rounding would show any difference in the order of its sums; every third voxel of the CT."""
    torch.manual_seed(0)
    overlay = yaml.safe_load(random_bundle.overlay.read_text())
    network = {"spatial_dims": 3, "in_channels": 1, "out_channels": 3, "kernel_size": [3, 3, 3], "strides": [1, 2, 2]}
    network |= {"upsample_kernel_size": [2, 2], "filters": [4, 8, 16]}
    spacing = [1.1, 1.0, 1.3] if "hippocampus" in scan else [7.0, 8.0, 10.0]
    random_bundle.overlay.write_text(yaml.safe_dump(overlay | {"network_def": {"_target_": "DynUNet", **network}}))
    torch.save(DynUNet(**network).state_dict(), random_bundle.models / "model.pt")
    random_bundle.save_plan(patch_size=[32, 32, 32], spacing=spacing)
    image = nib.as_closest_canonical(nib.load(shared_data / f"{scan}.nii.gz"))
    step = 1 if "hippocampus" in scan else 3
    volume, zooms = np.asarray(image.dataobj)[::step, ::step, ::step], np.multiply(image.header.get_zooms(), step)
    folder = random_bundle.work / "scans"
    affine = turned("RAS", DEGREES, zooms)
    for codes in REAL[random_bundle.root.name]:
        for ending in ("nii.gz", "mha"):
            write_scan(folder / f"{codes}_{ending[:3]}.{ending}", *reoriented(volume, affine, codes))
    found = label(random_bundle, folder)
    reference, _ = found["RAS_nii.nii.gz"]
    assert len(np.unique(reference)) >= 2
    for name, (labels, label_affine) in found.items():
        assert np.allclose(label_affine, read_scan_file(folder / name)[1], rtol=0, atol=1e-6)
        assert np.array_equal(canonical(labels, label_affine), reference), name
