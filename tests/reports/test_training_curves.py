"""Curves drawn from hand-written logs."""

from __future__ import annotations

import matplotlib.image
import pytest

from custom.errors import InputError
from custom.reports.training_curves import draw_training_curves, panels_of, read_training_log

HEADER = "epoch,iterations,seconds,learning_rate,loss"


def write(path, header, *rows):
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def height_of(path):
    picture = matplotlib.image.imread(path)
    assert picture[..., :3].std() > 0.05
    return picture.shape[0]


def test_a_single_epoch_gives_a_picture(tmp_path):
    log = write(tmp_path / "log.csv", HEADER, "1,250,3.5,0.01,0.9")
    draw_training_curves(log, tmp_path / "curves.png", "one epoch")
    assert height_of(tmp_path / "curves.png") > 400
    assert sorted(p.name for p in tmp_path.iterdir()) == ["curves.png", "log.csv"]


def test_a_thousand_epochs_with_rare_validation_give_a_picture(tmp_path):
    rows = [
        f"{e},{e * 250},3,{0.01 * (1 - e / 1001)},{1 / e + 0.1},{1e-3 / e},1.5,{e / 2000 if e % 10 == 0 else ''}"
        for e in range(1, 1001)
    ]
    log = write(tmp_path / "log.csv", HEADER + ",loss/b,gradient_norm/b,validation/dice/cord", *rows)
    draw_training_curves(log, tmp_path / "curves.png")
    assert height_of(tmp_path / "curves.png") > 900


def test_a_panel_is_drawn_for_what_the_log_holds_and_only_for_that(tmp_path):
    header = HEADER + ",loss/dice,gradient_norm/dice,validation/dice,validation/dice/a,validation/hd95_mm,other"
    log = write(tmp_path / "log.csv", header, "1,2,3,0.01,1,0.5,,0.4,0.3,80,9", "2,4,3,0.01,1,0.5,,,,,9")
    assert panels_of(read_training_log(log)) == {
        "loss": ["loss", "loss/dice"],
        "validation/dice": ["validation/dice", "validation/dice/a"],
        "validation/hd95_mm": ["validation/hd95_mm"],
        "learning_rate": ["learning_rate"],
    }


def test_diverged_and_empty_values_leave_gaps(tmp_path):
    log = write(tmp_path / "log.csv", HEADER, "1,1,1,0.01,0.5", "2,2,1,0.01,nan", "3,3,1,0.01,inf", "4,4,1,0.01,")
    draw_training_curves(log, tmp_path / "curves.png")
    assert height_of(tmp_path / "curves.png") > 400


def test_a_log_of_a_run_that_diverged_at_once_still_gives_a_picture(tmp_path):
    draw_training_curves(write(tmp_path / "log.csv", HEADER, "1,1,1,nan,nan"), tmp_path / "curves.png")
    assert (tmp_path / "curves.png").is_file()


def test_a_log_that_is_no_text_is_named(tmp_path):
    (tmp_path / "log.csv").write_bytes(bytes(range(128, 256)))
    with pytest.raises(InputError, match=r"log\.csv: cannot be read as a table"):
        read_training_log(tmp_path / "log.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no such training log"),
        ("", "not a training log"),
        (HEADER + "\n", "not a training log"),
        ("a,b\n1,2\n", "not a training log"),
        ("epoch,loss\n1,x\n", "not a training log .*'x'"),
    ],
)
def test_what_is_no_log_is_named_and_draws_nothing(tmp_path, text, message):
    log = tmp_path / "log.csv"
    if text is not None:
        log.write_text(text)
    with pytest.raises(InputError, match=rf"log\.csv: {message}"):
        draw_training_curves(log, tmp_path / "curves.png")
    assert not (tmp_path / "curves.png").exists()
