from pathlib import Path

import pytest

from custom.fingerprint.case_cache import Format, read_cases

LENGTHS: Format[int] = Format(1, "length", "a cache", int, int, lambda found: found > 0)


@pytest.fixture
def cases(tmp_path):
    files = [tmp_path / name for name in ("a", "b", "c")]
    for number, file in enumerate(files):
        file.write_bytes(b"x" * number)
    return [{"image": str(file)} for file in files]


def length(case, read):
    read.append(case["image"])
    return len(Path(case["image"]).read_bytes())


def test_sound_findings_are_remembered_and_others_read_again(cases, tmp_path):
    read = []
    for _ in range(2):
        assert read_cases(cases, lambda case: length(case, read), LENGTHS, tmp_path / "cache.json") == [0, 1, 2]
    assert sorted(read) == sorted([case["image"] for case in cases] + [cases[0]["image"]])


def test_nothing_is_written_without_a_cache(cases, tmp_path):
    before = set(tmp_path.iterdir())
    assert read_cases(cases, lambda case: length(case, []), LENGTHS) == [0, 1, 2]
    assert set(tmp_path.iterdir()) == before


def test_other_versions_are_replaced(cases, tmp_path):
    read_cases(cases, lambda case: length(case, []), LENGTHS, tmp_path / "cache.json")
    doubled = LENGTHS._replace(version=2)
    assert read_cases(cases, lambda case: 2 * length(case, []), doubled, tmp_path / "cache.json") == [0, 2, 4]
