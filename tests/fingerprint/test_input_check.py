"""The input check: hand-built scans beyond each limit, and real scans, of which none of the same kind is unusual."""

from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from custom.fingerprint.data_check import CaseFacts
from custom.fingerprint.dataset_fingerprint import CaseRecord, read_records
from custom.fingerprint.input_check import scan_ranges, unusual
from custom.fingerprint.scan_figures import ChannelFigures, ScanFigures, scan_figures

AIR_AND_BODY = ChannelFigures(mean=-400.0, sd=500.0, low=-1000.0, median=-700.0, high=900.0, autocorrelation=0.9)
T1 = ChannelFigures(mean=500.0, sd=200.0, low=80.0, median=500.0, high=900.0, autocorrelation=0.8)
SCAN = ScanFigures("RAS", 3.0, (1.0, 1.0, 3.0), (400.0, 300.0, 240.0), (AIR_AND_BODY,))
HEAD = replace(SCAN, channels=(T1,))


def record(figures):
    facts = CaseFacts("case", ["case.nii.gz"], None, [], [], [], {}, [])
    return CaseRecord(facts, "RAS", [], [], [], figures)


def plan(*scans, channel="CT"):
    ranges = scan_ranges([record(scan) for scan in scans])
    normalisation = "ct" if channel == "CT" else "zscore"
    return {"channels": [channel], "normalisation": normalisation, "fingerprint": {"scans": ranges}}


def with_intensities(**changed):
    return replace(SCAN, channels=(replace(AIR_AND_BODY, **changed),))


CT = plan(SCAN, replace(SCAN, spacing=(0.7, 0.7, 5.0)))
MRI = plan(HEAD, channel="T1")


@pytest.mark.parametrize(
    "scan",
    [
        SCAN,
        replace(SCAN, spacing=(0.4, 0.4, 10.0), tilt=17.0),
        replace(SCAN, extent=(590.0, 210.0, 350.0)),
        with_intensities(low=-3024.0),  # padding
        with_intensities(high=2400.0),  # metal
        with_intensities(autocorrelation=0.7),  # noisy
    ],
)
def test_scans_within_the_margins_are_usual(scan):
    assert unusual(scan, CT) == ""


@pytest.mark.parametrize(
    ("scan", "said"),
    [
        (replace(SCAN, axes="ASR"), "axes along ASR (training RAS)"),
        (replace(SCAN, tilt=19.0), "axes tilted by 19 degrees (training up to 3)"),
        (replace(SCAN, spacing=(1, 1, 11)), "spacing 1 x 1 x 11 mm (training 0.7 to 1 x 0.7 to 1 x 3 to 5)"),
        (replace(SCAN, spacing=(0.3, 1, 3)), "spacing 0.3 x 1 x 3 mm (training 0.7 to 1 x 0.7 to 1 x 3 to 5)"),
        (replace(SCAN, extent=(400, 300, 90)), "extent 400 x 300 x 90 mm (training 400 x 300 x 240)"),
        (with_intensities(low=24.0), "0.5th percentile of the intensities 24 HU (training -1000)"),
        (with_intensities(autocorrelation=0.6), "correlation of neighbouring voxels 0.6 (training 0.9)"),
        (with_intensities(high=0.9), "99.5th percentile of the intensities 0.9 HU (training 900)"),
    ],
)
def test_scans_beyond_a_limit_are_named_with_the_figures(scan, said):
    assert unusual(scan, CT) == said


def test_padding_outside_the_field_of_view_is_usual_in_ct_whatever_the_training_had():
    """GE's scanners write -2000 or -3024 there."""
    padded = with_intensities(low=-2000.0)
    assert unusual(padded, plan(padded)) == unusual(SCAN, plan(padded)) == unusual(padded, CT) == ""


def test_all_differences_stand_in_one_line():
    assert unusual(replace(SCAN, axes="ASR", tilt=40.0), CT).count("; ") == 1


def test_the_scale_of_mri_has_no_meaning_but_ct_is_known():
    scaled = ChannelFigures(mean=5000.0, sd=2000.0, low=800.0, median=5000.0, high=9000.0, autocorrelation=0.8)
    assert unusual(replace(HEAD, channels=(scaled,)), MRI) == ""
    assert unusual(SCAN, MRI) == "intensities from -1000, as in CT (training from 80)"


@pytest.mark.parametrize(("modality", "said"), [("CT", ""), ("", ""), ("MR", "modality MR (trained on CT)")])
def test_modality(modality, said):
    assert unusual(SCAN, CT, modality) == said
    assert unusual(SCAN, {**CT, "fingerprint": {}}, modality) == said, "also where a plan knows no scans"


def test_no_scans_no_ranges():
    assert scan_ranges([record(None)]) == {}


@pytest.mark.slow
@pytest.mark.parametrize(("folder", "channel"), [("hippocampus", "T1"), ("headneck", "CT")])
def test_no_held_out_scan_of_the_same_data_is_unusual(shared_data, folder, channel):
    """Five folds of all scans."""
    files = sorted((shared_data / folder / "imagesTr").glob("[!.]*.nii.gz"))
    if not files:
        pytest.skip(f"no {folder} in {shared_data}")
    records = read_records([{"image": str(file)} for file in files])
    found = []
    for fold in range(5):
        known = plan(*(one.figures for number, one in enumerate(records) if number % 5 != fold), channel=channel)
        found += [unusual(one.figures, known) for number, one in enumerate(records) if number % 5 == fold]
    assert len(found) == len(files) >= 200
    assert [line for line in found if line] == []


@pytest.fixture
def figures_of(shared_data):
    def figures(name, change=lambda voxels: voxels):
        image = nib.load(shared_data / name)
        return scan_figures(image.shape, image.affine, [change(np.asarray(image.dataobj, dtype=np.float32))])

    return figures


def known_data(shared_data, figures_of, folder, channel):
    """A plan of six scans, and the next."""
    *files, other = sorted((shared_data / folder / "imagesTr").glob("[!.]*.nii.gz"))[:7]
    return plan(*map(figures_of, files), channel=channel), other


def test_real_scans_of_another_kind_are_unusual(shared_data, figures_of):
    hippocampus, other = known_data(shared_data, figures_of, "hippocampus", "T1")
    assert unusual(figures_of(other), hippocampus) == ""
    said = unusual(figures_of("ct/torso.nii.gz"), hippocampus)
    for part in ("spacing 3 x 3 x 3 mm", "extent 366 x 303 x 336 mm", "as in CT"):
        assert part in said
    assert "extent 38 x 257 x 201 mm" in unusual(figures_of("spine/t2_lumbar.nii.gz"), hippocampus)


WRONG = (lambda hu: hu + 1024, lambda hu: hu / 1000, lambda hu: np.clip((hu + 160) / 400, 0, 1))


@pytest.mark.parametrize("wrong", WRONG)
def test_a_real_ct_in_wrong_units_is_unusual(shared_data, figures_of, wrong):
    headneck, other = known_data(shared_data, figures_of, "headneck", "CT")
    assert unusual(figures_of(other), headneck) == ""
    assert "HU (training" in unusual(figures_of(other, wrong), headneck)


def wrong_order(voxels):
    """As read from a file whose axes are taken for each other's."""
    return voxels.ravel(order="F").reshape(voxels.shape[::-1], order="F").reshape(voxels.shape)


def other_bytes(voxels):
    """As read with the bytes of each voxel in the other order."""
    return np.round(voxels).astype(np.int16).byteswap().clip(-1000, 1000)


def only_noise(voxels):
    """Of the same intensities."""
    return np.random.default_rng(0).permutation(voxels.ravel()).reshape(voxels.shape)


@pytest.mark.parametrize("wrong", [wrong_order, other_bytes, only_noise])
@pytest.mark.parametrize(("folder", "channel"), [("hippocampus", "T1"), ("headneck", "CT")])
def test_noise_and_misread_voxels_of_real_scans_are_unusual(shared_data, figures_of, wrong, folder, channel):
    known, other = known_data(shared_data, figures_of, folder, channel)
    assert "correlation of neighbouring voxels" in unusual(figures_of(other, wrong), known)


def test_plans_without_a_correlation_are_not_compared_by_it():
    ranges = CT["fingerprint"]["scans"]
    (channel,) = ranges["intensity"]
    earlier = ranges | {"intensity": [{key: channel[key] for key in ("raw", "standardised")}]}
    assert unusual(with_intensities(autocorrelation=0.0), {**CT, "fingerprint": {"scans": earlier}}) == ""
