import numpy as np
import pytest

from benchmarks.nnunet_plans import DESCRIBED
from custom.datalist.folder_layouts import training_cases
from custom.errors import InputError
from custom.fingerprint.case_intensity import ct_intensity
from custom.fingerprint.dataset_fingerprint import read_records
from custom.fingerprint.summary import Fingerprint, summarise
from custom.networks import build_network
from custom.plans.planner import make_plan_of, normalisation_of, surface_tolerance

# What nnU-Net 2.8.1 plans for these data sets as 3d_fullres, measured by benchmarks/nnunet_plans.py: its axes (z, y, x
# of the files) after transposing as S, A, R; spacing; patch; strides of the levels; number of levels with kernel
# 1x3x3, the others having 3x3x3; batch. Features were 32, doubled at each level to 320, in all.
NNUNET = """
hippocampus | SAR | 1 1 1 | 40 56 40 | 111 222 222 222 | 0 | 7
headneck | ASR | 3.906 2.5 3.906 | 80 112 128 | 111 222 222 222 222 | 0 | 4
spine tumours (BATseg) | SAR | 3.301 0.4696 0.4696 | 12 448 320 | 111 122 122 222 122 122 122 | 2 | 2
spine tumours, stored along x | RSA | 3.301 0.4696 0.4696 | 12 448 320 | 111 122 122 222 122 122 122 | 2 | 2
spine tumours, 24 GB | SAR | 3.301 0.4696 0.4696 | 20 512 512 | 111 122 122 222 222 122 122 122 | 2 | 2
kidney CT (KiTS) | SAR | 1.015 0.7779 0.7779 | 112 160 128 | 111 222 222 222 222 122 | 0 | 2
kidney CT, 4 GB | SAR | 1.015 0.7779 0.7779 | 80 128 112 | 111 222 222 222 222 | 0 | 2
kidney CT, 24 GB | SAR | 1.015 0.7779 0.7779 | 160 224 192 | 111 222 222 222 222 222 | 0 | 2
kidney CT, 80 GB | SAR | 1.015 0.7779 0.7779 | 224 320 320 | 111 222 222 222 222 222 122 | 0 | 2
kidney CT, coronal | ASR | 1.015 0.7779 0.7779 | 112 160 128 | 111 222 222 222 222 122 | 0 | 2
kidneys at 2 mm (KNIGHT) | SAR | 2 2 2 | 128 128 128 | 111 222 222 222 222 222 | 0 | 2
cardiac MR (ACDC) | SAR | 6.03 1.555 1.555 | 16 256 224 | 111 122 222 222 122 122 | 1 | 5
brain tumours (BraTS) | SAR | 1 1 1 | 128 128 128 | 111 222 222 222 222 222 | 0 | 2
prostate MR | SAR | 3.154 0.624 0.624 | 20 256 320 | 111 122 122 222 222 122 122 | 2 | 2
liver CT | SAR | 0.9991 0.7693 0.7693 | 128 128 128 | 111 222 222 222 222 222 | 0 | 2
lung CT | SAR | 1.257 0.7894 0.7894 | 96 160 160 | 111 222 222 222 222 122 | 0 | 2
pancreas CT | SAR | 1.061 0.7982 0.7982 | 112 160 128 | 111 222 222 222 222 122 | 0 | 2
hepatic vessels CT | SAR | 1.647 0.7993 0.7993 | 56 192 192 | 111 122 222 222 222 122 | 1 | 2
colon CT | SAR | 1.994 0.7785 0.7785 | 80 160 160 | 111 122 222 222 222 222 | 1 | 2
spleen CT | SAR | 2.223 0.7847 0.7847 | 64 192 160 | 111 122 222 222 222 222 | 1 | 2
left atrium MR | SAR | 1.37 1.25 1.25 | 64 192 192 | 111 222 222 222 222 122 | 0 | 2
abdomen CT (FLARE) | SAR | 2.5 0.7982 0.7982 | 48 192 192 | 111 122 222 222 222 122 | 1 | 2
abdomen CT, 12 GB | SAR | 2.5 0.7982 0.7982 | 56 224 224 | 111 122 222 222 222 122 | 1 | 2
tiny isotropic | SAR | 1 1 1 | 24 24 24 | 111 222 222 | 0 | 2
tiny and many | SAR | 0.1 0.1 0.1 | 24 24 24 | 111 222 222 | 0 | 200
five channels, 36 classes | SAR | 1 1 1 | 128 128 128 | 111 222 222 222 222 222 | 0 | 2
some thick, some thin slices | SAR | 0.8984 0.8984 0.8984 | 112 160 128 | 111 222 222 222 222 122 | 0 | 2
knee MR, sagittal | SAR | 0.7 0.3646 0.3646 | 80 192 160 | 111 222 222 222 222 122 | 0 | 2
whole-body CT at 1.5 mm | SAR | 1.5 1.5 1.5 | 128 112 112 | 111 222 222 222 222 | 0 | 2
"""
MEASURED = dict(line.split(" | ", 1) for line in NNUNET.strip().splitlines())


def fingerprint(spacings, shapes, axes="SAR", channels=1, classes=1, **changes):
    """A fingerprint of files that share one orientation."""
    cases = len(spacings)
    statistics = {"mean": 50.0, "std": 20.0, "percentile_00_5": -10.0, "median": 50.0, "percentile_99_5": 120.0}
    fields = {
        "axes": axes,
        "names": tuple(f"case_{number}" for number in range(cases)),
        "spacings": np.asarray(spacings, dtype=float),
        "shapes": np.asarray(shapes),
        "orientations": ("LPS",) * cases,
        "intensities": ({**statistics, "min": -100.0, "max": 300.0},) * channels,
        "lowest": (-1024.0,) * channels,
        "present": (cases,) * classes,
        "annotated": (cases,) * classes,
        "relative_size": 1.0,
        "foreground_share": 0.05,
    }
    return Fingerprint(**{**fields, **changes})


def line_of(plan):
    """A plan as a line of the table."""
    spacing, patch = (" ".join(f"{value:.4g}" for value in plan[key]) for key in ("spacing", "patch_size"))
    kernels = plan["network"]["kernel_size"]
    flat = kernels.count([1, 3, 3])
    assert kernels == [[1, 3, 3]] * flat + [[3, 3, 3]] * (len(kernels) - flat)
    assert plan["network"]["filters"] == [min(320, 32 * 2**level) for level in range(len(kernels))]
    strides = " ".join("".join(map(str, level)) for level in plan["network"]["strides"])
    return " | ".join([plan["orientation"], spacing, patch, strides, str(flat), str(plan["batch_size"])])


@pytest.mark.parametrize("name", DESCRIBED)
def test_described_data_sets_are_planned_as_by_nnunet(name):
    data = DESCRIBED[name]
    classes = [f"class_{number}" for number in range(1, data.num_outputs)]
    found = fingerprint(data.spacings, data.shapes, channels=len(data.channels), classes=len(classes))
    assert line_of(make_plan_of(found, classes, data.channels, data.memory_gb)[0]) == MEASURED[name]


@pytest.mark.parametrize(
    ("name", "classes", "channel"),
    [
        ("hippocampus", ["Anterior", "Posterior"], "MRI"),
        ("headneck", ["brainstem", "cord", "right_parotid", "left_parotid", "oesophagus", "larynx", "jaw"], "CT"),
    ],
)
def test_real_data_sets_are_planned_as_by_nnunet(shared_data, name, classes, channel):
    found = summarise(read_records(training_cases(shared_data / name)), len(classes))
    assert line_of(make_plan_of(found, classes, [channel])[0]) == MEASURED[name]


def test_whole_plan_of_a_small_ct():
    found = fingerprint([[2.5, 1, 1]] * 30, [[60, 100, 90]] * 30, axes="SAR", classes=3)
    plan, _ = make_plan_of(found, ["left_kidney", "right_kidney", "tumour"], ["CT"], name="kidneys")
    assert list(plan) == [
        *("name", "classes", "channels", "orientation", "spacing", "normalisation", "intensity", "patch_size"),
        *("batch_size", "mirror_axes", "network", "scoring", "fingerprint", "code_version"),
    ]
    assert (plan["name"], plan["orientation"], plan["spacing"]) == ("kidneys", "SAR", [2.5, 1.0, 1.0])
    assert (plan["normalisation"], plan["intensity"]) == ("ct", {"lower": -10, "upper": 120, "mean": 50, "sd": 20})
    assert plan["mirror_axes"] == [0, 1]
    assert plan["network"]["name"] == "NativeScaleDynUNet"
    assert plan["scoring"] == {"tubular": [], "nsd_tolerance_mm": 2.0, "groups": {}}
    assert plan["fingerprint"]["cases_with_class"] == {"left_kidney": 30, "right_kidney": 30, "tumour": 30}
    assert plan["fingerprint"]["shape_after_cropping"]["median"] == [60, 100, 90]


def test_sagittal_files_put_left_right_first():
    found = fingerprint([[3.3, 0.5, 0.5]] * 9, [[12, 512, 256]] * 9, axes="RSA", channels=1)
    plan, _ = make_plan_of(found, ["tumour"], ["T1"])
    assert (plan["orientation"], plan["normalisation"], plan["intensity"]) == ("RSA", "zscore", None)
    assert plan["fingerprint"]["spacing"]["median"] == [3.3, 0.5, 0.5]


def test_order_of_the_files_axes_changes_the_order_of_the_plan_alone():
    spacing, shape = np.array([[4, 0.5, 0.7]] * 9), np.array([[20, 300, 210]] * 9)
    plan, _ = make_plan_of(fingerprint(spacing, shape), ["a"], ["T1"])
    turned, _ = make_plan_of(fingerprint(spacing[:, ::-1], shape[:, ::-1], axes="RAS"), ["a"], ["T1"])
    assert (plan["orientation"], turned["orientation"]) == ("SAR", "SRA")
    for key in ("spacing", "patch_size"):
        assert turned[key] == [plan[key][axis] for axis in (0, 2, 1)]


def test_channels_must_be_as_many_as_the_scans_have():
    with pytest.raises(InputError, match=r"2 channels are named \(T1, T2\) but a scan has 1; name each"):
        make_plan_of(fingerprint([[1, 1, 1]], [[64, 64, 64]]), ["a"], ["T1", "T2"])


@pytest.mark.parametrize(
    ("classes", "channels", "message"),
    [
        (["a", "a"], ["T1"], "classes are named a, a; give each a name of its own with --classes"),
        (["a"], ["T1", "T1"], "channels are named T1, T1; give each a name of its own with --channels"),
    ],
)
def test_names_must_differ(classes, channels, message):
    with pytest.raises(InputError, match=message):
        make_plan_of(fingerprint([[1, 1, 1]], [[64, 64, 64]], channels=len(channels)), classes, channels)


@pytest.mark.parametrize(
    ("channels", "expected"), [(["CT"], "ct"), (["ct"], "ct"), (["MRI"], "zscore"), (["CT", "PET"], "zscore")]
)
def test_normalisation_by_channel_name(channels, expected):
    assert normalisation_of(channels) == expected


@pytest.mark.parametrize("statistics", [{}, {"std": 0.0, "percentile_00_5": 1.0, "percentile_99_5": 1.0, "mean": 1.0}])
def test_ct_without_a_range_of_foreground_is_refused(statistics):
    with pytest.raises(InputError, match="the classes of 3 cases hold no range of intensities to normalise CT by"):
        ct_intensity(statistics, 3)


@pytest.mark.parametrize(("spacing", "expected"), [([1, 1, 1], 2), ([3.3, 0.47, 0.47], 1), ([5, 0.7, 0.7], 1.5)])
def test_surface_tolerance_is_twice_the_finest_spacing(spacing, expected):
    assert surface_tolerance(spacing) == expected


def test_tiny_scans_get_a_network_that_can_be_made():
    """nnU-Net plans two levels; MONAI's U-Net needs three."""
    plan, figures = make_plan_of(fingerprint([[1, 1, 1]] * 5, [[12, 14, 16]] * 5), ["one"], ["MRI"])
    assert len(figures.configuration.topology.strides) == 2
    assert plan["network"]["strides"][-1] == [1, 1, 1]
    build_network(plan["network"], 1, 2, plan["patch_size"])
