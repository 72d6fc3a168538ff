"""Prepared cases on disk: equal to those in memory, read by pages, sound after kills."""

import errno
import logging
import multiprocessing
import os
import re
import shutil
import signal
import threading
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.transforms import (
    CastToTyped,
    ClassesToIndicesd,
    Compose,
    EnsureChannelFirstd,
    Lambdad,
    LoadImaged,
    NormalizeIntensityd,
)

from custom.data import disk_cache
from custom.data.disk_cache import DiskCache
from custom.errors import InputError
from custom.transforms import RandWarpedPatchd

SETTINGS = {"spacing": [2.0, 1.0, 1.0]}
SHAPE = (12, 11, 10)
processes = multiprocessing.get_context("fork")


def preparation(*more):
    steps = [
        LoadImaged(["image", "label"], image_only=True),
        EnsureChannelFirstd(["image", "label"]),
        NormalizeIntensityd("image"),
        CastToTyped("label", torch.uint8),
        ClassesToIndicesd("label", num_classes=4),
    ]
    return Compose([*steps, *more])


def write_case(folder, number, shape=SHAPE):
    """A scan of noise and a label of class 1 and, in every second case, 3; returns the case."""
    random = np.random.default_rng(number)
    label = np.zeros(shape, np.uint8)
    label[2:5, 3:6, 1:4] = 1
    label[7:9, 2, 5] = 3 * (number % 2)
    case = {"image": str(folder / f"image_{number}.nii.gz"), "label": str(folder / f"case_{number}.nii.gz")}
    nib.save(nib.Nifti1Image(random.normal(50, 20, shape).astype(np.float32), np.eye(4)), case["image"])
    nib.save(nib.Nifti1Image(label, np.eye(4)), case["label"])
    return {**case, "annotated": [1, 3]}


@pytest.fixture
def data(tmp_path):
    return [write_case(tmp_path, number) for number in range(3)]


def cache(data, folder, prepare=None, settings=SETTINGS, **options):
    return DiskCache(data, prepare or preparation(), folder / "cache", settings, **options)


class Counted:
    """Counts the cases that are prepared, over threads."""

    def __init__(self):
        self.files = []
        self.lock = threading.Lock()

    def __call__(self, data):
        with self.lock:
            self.files.append(Path(data["image"]).name)
        return data


def counting():
    counted = Counted()
    return counted, Compose([counted, *preparation().transforms])


def prepared(data, folder, settings=SETTINGS, **options):
    """Names of the scans that opening a cache prepared."""
    counted, steps = counting()
    cache(data, folder, steps, settings, **options)
    return sorted(counted.files)


def test_equals_the_case_in_memory_but_for_half_precision(tmp_path, data):
    stored = cache(data, tmp_path)
    assert len(stored) == 3
    for number, case in enumerate(data):
        memory, disk = preparation()(case), stored[number]
        assert disk["image"].dtype == torch.float16
        assert disk["image"].shape == (1, *SHAPE)
        assert torch.equal(disk["image"], memory["image"].as_tensor().half())
        assert torch.equal(disk["label"], memory["label"].as_tensor())
        assert disk["label"].dtype == torch.uint8
        assert len(disk["label_cls_indices"]) == 4
        for one, other in zip(disk["label_cls_indices"], memory["label_cls_indices"], strict=True):
            assert np.array_equal(one, other)
        assert disk["annotated"] == [1, 3]
    assert [len(voxels) for voxels in stored[1]["label_cls_indices"]] == [1320 - 27 - 2, 27, 0, 2]


def test_values_beyond_half_precision_keep_the_full_one(tmp_path, data):
    stored = cache(data, tmp_path, preparation(Lambdad("image", lambda image: image + 70000.0)))[0]["image"]
    assert stored.dtype == torch.float32
    assert stored.isfinite().all()


def test_unlabelled_case(tmp_path, data):
    prepare = Compose([LoadImaged("image", image_only=True), EnsureChannelFirstd("image")])
    case = cache([{"image": data[0]["image"]}], tmp_path, prepare)[0]
    assert set(case) == {"image"}


def test_other_arrays_of_the_preparation_are_kept(tmp_path, data):
    to_mask = Lambdad("annotated", lambda ids: torch.tensor([True, 1 in ids, 2 in ids, 3 in ids]))
    assert cache(data, tmp_path, preparation(to_mask))[0]["annotated"].tolist() == [True, True, False, True]


def test_what_cannot_be_stored_is_refused(tmp_path, data):
    with pytest.raises(InputError, match="gives 'annotated' as str, which the cache cannot store; make it a tensor"):
        cache(data, tmp_path, preparation(Lambdad("annotated", str)))


@pytest.mark.parametrize("key", ["image", "label"])
def test_tensors_share_memory_with_the_file(tmp_path, data, key, monkeypatch):
    """Also through `convert_to_tensor`, by which RandWarpedPatchd takes them."""
    loaded = {}
    original = np.load

    def load(file, **options):
        loaded[Path(file).stem] = original(file, **options)
        return loaded[Path(file).stem]

    stored = cache(data, tmp_path)
    monkeypatch.setattr(np, "load", load)
    tensor = stored[0][key]
    assert isinstance(loaded[key], np.memmap)
    assert tensor.data_ptr() == loaded[key].ctypes.data
    assert disk_cache.convert_to_tensor(tensor, track_meta=False).data_ptr() == tensor.data_ptr()


def test_what_is_written_to_a_case_does_not_reach_the_disk(tmp_path, data):
    stored = cache(data, tmp_path)
    before = stored[0]["image"].clone()
    stored[0]["image"].zero_()
    assert torch.equal(stored[0]["image"], before)


@pytest.mark.parametrize("warped", [0.0, 1.0])
def test_patches_equal_those_of_memory(tmp_path, data, warped):
    stored = cache(data, tmp_path)
    cut = RandWarpedPatchd(
        ["image", "label"], (6, 7, 5), modes=["bilinear", "nearest"], rotate_prob=warped, scale_prob=warped
    )
    for seed in range(6):
        patches = []
        for case in (stored[1], preparation()(data[1])):
            cut.set_random_state(seed)
            patches.append(cut({**case, "forced_foreground": seed % 2 == 0}))
        disk, memory = patches
        assert torch.equal(disk["label"], memory["label"].as_tensor())
        assert torch.allclose(disk["image"].float(), memory["image"].as_tensor(), atol=4e-3)


def resident_bytes(file):
    """Bytes of a mapped file that this process has touched, as the kernel counts them."""
    total, inside = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            inside = line.endswith(str(file))
        elif inside and line.startswith("Rss:"):
            total += int(line.split()[1]) * 1024
    return total


@pytest.mark.skipif(not Path("/proc/self/smaps").is_file(), reason="needs Linux's account of mapped pages")
def test_a_patch_reads_its_own_pages_only(tmp_path, data):
    """Of a volume of 256 MiB, sparse on disk; the kernel may map 2 MiB at a touch."""
    stored = cache(data, tmp_path)
    files = [stored.entries[0] / f"{key}.npy" for key in ("image", "label")]
    for file, dtype in zip(files, (np.float16, np.uint8), strict=True):
        file.unlink()
        np.lib.format.open_memmap(file, mode="w+", dtype=dtype, shape=(1, 8192, 128, 128)).flush()
    case = stored[0]
    assert all(resident_bytes(file) <= 1 << 22 for file in files)
    for warp in (0.0, 1.0):
        cut = RandWarpedPatchd(
            ["image", "label"], (16, 64, 64), modes=["bilinear", "nearest"], rotate_prob=warp, scale_prob=warp
        )
        assert cut(case)["image"].shape == (1, 16, 64, 64)
    assert all(0 < resident_bytes(file) < file.stat().st_size / 8 for file in files)


def test_a_second_opening_prepares_nothing(tmp_path, data):
    assert prepared(data, tmp_path) == ["image_0.nii.gz", "image_1.nii.gz", "image_2.nii.gz"]
    assert prepared(data, tmp_path) == []
    assert prepared(data, tmp_path, {"spacing": (2, 1, 1)}) == [], "2 and 2.0, tuple and list are one"


def test_only_new_cases_are_prepared(tmp_path, data):
    prepared(data[:2], tmp_path)
    assert prepared(data, tmp_path) == ["image_2.nii.gz"]


def test_changed_settings_files_and_entries_are_prepared_anew(tmp_path, data):
    prepared(data, tmp_path)
    assert len(prepared(data, tmp_path, {"spacing": [3, 1, 1]})) == 3
    assert len(prepared([{**case, "annotated": [1]} for case in data], tmp_path)) == 3
    for key in ("image", "label"):
        file = Path(data[1][key])
        os.utime(file, ns=(0, file.stat().st_mtime_ns + 1))
        assert prepared(data, tmp_path) == ["image_1.nii.gz"], key
    elsewhere = shutil.copy2(data[0]["image"], tmp_path / "copy.nii.gz")
    assert prepared([{**data[0], "image": str(elsewhere)}], tmp_path) == ["copy.nii.gz"]


def test_cases_that_an_earlier_version_read_otherwise_are_prepared_anew(tmp_path, data, monkeypatch):
    now = disk_cache.FORMAT_VERSION
    assert now > 1, "1 read scans at an angle onto another grid than inference"
    monkeypatch.setattr(disk_cache, "FORMAT_VERSION", now - 1)
    assert len(prepared(data, tmp_path)) == 3
    monkeypatch.setattr(disk_cache, "FORMAT_VERSION", now)
    assert len(prepared(data, tmp_path)) == 3
    assert prepared(data, tmp_path) == []


@pytest.mark.skipif(os.name != "posix", reason="only POSIX has a umask")
def test_who_may_read_prepared_cases_is_as_the_umask_says(tmp_path, data):
    before = os.umask(0o077)
    try:
        cache(data[:1], tmp_path)
    finally:
        os.umask(before)
    (entry,) = (tmp_path / "cache").iterdir()
    assert {path.stat().st_mode & 0o077 for path in (entry, *entry.iterdir())} == {0}


def test_folders_are_called_by_their_case(tmp_path, data):
    stored = cache(data, tmp_path)
    assert re.fullmatch("case_0-[0-9a-f]{16}", stored.entries[0].name)
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == sorted(path.name for path in stored.entries)


def kill_while_writing(data, folder, written):
    """In a process of its own: killed while it writes array number `written` of a case."""
    save, count = np.save, []

    def dying(*arguments, **options):
        count.append(None)
        if len(count) == written:
            os.kill(os.getpid(), signal.SIGKILL)
        save(*arguments, **options)

    np.save = dying
    cache(data, folder, num_workers=1)


@pytest.mark.parametrize("written", [1, 3, 6])
def test_a_kill_leaves_nothing_half_written_in_use(tmp_path, data, written):
    whole = cache(data, tmp_path / "undisturbed")
    child = processes.Process(target=kill_while_writing, args=(data, tmp_path, written))
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL
    left = [path.name for path in (tmp_path / "cache").iterdir()]
    (leftover,) = (name for name in left if name.startswith(".tmp-"))
    os.utime(tmp_path / "cache" / leftover, (0, 0))
    resumed = cache(data, tmp_path)
    assert not list((tmp_path / "cache").glob(".tmp-*"))
    for number in range(3):
        assert torch.equal(resumed[number]["image"], whole[number]["image"])
        assert torch.equal(resumed[number]["label"], whole[number]["label"])


def test_leftovers_stay_for_an_hour_as_they_may_be_in_use(tmp_path, data):
    for name in (".tmp-new", ".tmp-old"):
        (tmp_path / "cache" / name).mkdir(parents=True)
    os.utime(tmp_path / "cache" / ".tmp-old", (0, 0))
    cache(data, tmp_path)
    assert {path.name for path in (tmp_path / "cache").glob(".tmp-*")} == {".tmp-new"}


def fill_at_once(data, folder, both, rank, world, log):
    """In a process of its own; the processes prepare their first case at the same time."""
    os.environ["RANK"], os.environ["WORLD_SIZE"] = str(rank), str(world)
    counted = Counted()

    def meet(image):
        if len(counted.files) == 1:
            both.wait(30)
        return image

    steps = Compose([counted, *preparation(Lambdad("image", meet)).transforms])
    stored = cache(data, folder, steps, num_workers=1)
    log.put((rank, counted.files, all(entry.is_dir() for entry in stored.entries)))


@pytest.mark.parametrize("world", [1, 2])
def test_two_processes_at_once(tmp_path, world):
    """Two runs (world 1, the same case first) or the two processes of one: every case is whole for both."""
    data = [write_case(tmp_path, number) for number in range(6)]
    both, log = processes.Barrier(2), processes.Queue()
    children = [
        processes.Process(target=fill_at_once, args=(data, tmp_path, both, number % world, world, log))
        for number in range(2)
    ]
    for child in children:
        child.start()
    results = sorted(log.get(timeout=60) for _ in children)
    for child in children:
        child.join(60)
    assert all(complete for _, _, complete in results)
    assert [files[0] for _, files, _ in results] == ["image_0.nii.gz", f"image_{world - 1}.nii.gz"]
    assert len(list((tmp_path / "cache").iterdir())) == 6
    expected = cache(data, tmp_path / "alone")
    for number, case in enumerate(cache(data, tmp_path)):
        assert torch.equal(case["image"], expected[number]["image"])


@pytest.mark.parametrize(("count", "world"), [(7, 3), (2, 3), (4, 1), (0, 2)])
def test_working_order_begins_with_the_own_share_and_holds_every_case(count, world):
    orders = [disk_cache._working_order(count, rank, world) for rank in range(world)]
    for rank, order in enumerate(orders):
        own = list(range(rank, count, world))
        assert order[: len(own)] == own
        assert sorted(order) == list(range(count))


def test_the_first_of_two_writers_wins(tmp_path):
    entry = tmp_path / "case"
    for value in (1, 2):
        disk_cache._write(entry, {"image": np.full(3, value)})
    assert np.load(entry / "image.npy").tolist() == [1, 1, 1]
    assert [path.name for path in tmp_path.iterdir()] == ["case"]


@pytest.mark.parametrize("damage", ["gone", "empty", "no label", "no list", "truncated", "zero", "rubbish"])
def test_a_missing_or_damaged_case_is_prepared_when_it_is_needed(tmp_path, data, damage, caplog):
    stored = cache(data, tmp_path)
    expected, label = stored[1]["image"].clone(), stored[1]["label"].clone()
    file = stored.entries[1] / "image.npy"
    if damage == "gone":
        shutil.rmtree(stored.entries[1])
    elif damage == "empty":
        for array in stored.entries[1].iterdir():
            array.unlink()
    elif damage.startswith("no "):
        (stored.entries[1] / {"no label": "label.npy", "no list": "names.json"}[damage]).unlink()
    else:
        whole = file.read_bytes()
        file.write_bytes({"truncated": whole[:-10], "zero": b"", "rubbish": b"x" * len(whole)}[damage])
    with caplog.at_level(logging.WARNING):
        assert torch.equal(stored[1]["image"], expected)
    assert torch.equal(stored[1]["label"], label)
    assert "prepared again" in caplog.text
    assert len(list((tmp_path / "cache").iterdir())) == 3


def test_a_case_that_cannot_be_prepared_is_named(tmp_path, data):
    Path(data[1]["image"]).write_bytes(b"no scan")
    with pytest.raises(
        InputError, match=r"image_1.nii.gz: cannot be prepared \(.+\); check it and its label"
    ) as caught:
        cache(data, tmp_path)
    assert "\n" not in str(caught.value)


def test_an_input_error_of_the_preparation_keeps_its_words(tmp_path, data):
    def refuse(image):
        raise InputError("too thin; leave it out")

    with pytest.raises(InputError, match=r"image_0.nii.gz: cannot be prepared: too thin; leave it out$"):
        cache(data, tmp_path, preparation(Lambdad("image", refuse)))


@pytest.mark.parametrize("value", [-1.0, 256.0, 0.5])
def test_labels_that_are_no_classes(tmp_path, data, value):
    with pytest.raises(InputError, match=r"image_0.nii.gz: .*label values are not whole numbers from 0 to 255"):
        cache(data, tmp_path, preparation(Lambdad("label", lambda label: label.float() + value)))


def test_missing_file(tmp_path, data):
    Path(data[2]["label"]).unlink()
    with pytest.raises(InputError, match=r"case_2.nii.gz: cannot be read \(No such file or directory\); restore it"):
        cache(data, tmp_path)


@pytest.mark.parametrize(
    ("number", "reason"), [(errno.ENOSPC, "full"), (errno.EDQUOT, "full"), (None, r"is the disk full\?")]
)
def test_full_disk(tmp_path, data, monkeypatch, number, reason):
    save = np.save

    def full(file, array, **options):
        save(file, array[:0], **options)
        raise OSError(number, "full") if number else OSError("1320 requested and 100 written")

    cache(data[:1], tmp_path)
    monkeypatch.setattr(np, "save", full)
    with pytest.raises(
        InputError, match=rf"cache cannot be written \({reason}\): free space.* GB for 2 of 3 cases"
    ) as caught:
        cache(data, tmp_path)
    assert "\n" not in str(caught.value)
    monkeypatch.undo()
    assert prepared(data, tmp_path) == ["image_1.nii.gz", "image_2.nii.gz"]
    assert not list((tmp_path / "cache").glob(".tmp-*"))


def test_folder_that_cannot_be_made(tmp_path, data):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(InputError, match=r"cache cannot be written \(File exists\): pass another cache folder$"):
        cache(data, tmp_path)


def test_settings_must_be_plain(tmp_path, data):
    with pytest.raises(InputError, match="cache settings must be numbers, words and lists"):
        cache(data, tmp_path, settings={"transform": object()})
