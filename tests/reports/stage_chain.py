"""Hand-written records of stages."""

CHECKSUM = "0123456789abcdef" * 4


def scores(dice, tumour=None, nsd=0.9):
    found = {"organs": {"dice": dice, "nsd": nsd, "cases": 8, "dice_sd": 0.05}}
    return found if tumour is None else found | {"tumour": {"dice": tumour, "cases": 5}}


def fill(group, model, cases):
    return {
        "group": group,
        "model_stage": model,
        "model_sha256": CHECKSUM,
        "cases": cases,
        "seconds": 60,
    }


def records():
    return [
        {
            "stage": "one",
            "state": "done",
            "train": ["a"],
            "cases": {"a": 10},
            "fill": [],
            "epochs": 4,
            "training_seconds": 3599.6,
            "model_sha256": CHECKSUM,
            "scores": scores(0.7),
        },
        {
            "stage": "two",
            "state": "done",
            "train": ["a", "b"],
            "cases": {"a": 10, "b": 20},
            "fill": [fill("b", "one", 20)],
            "suspicious": 3,
            "epochs": 4,
            "training_seconds": 100,
            "model_sha256": CHECKSUM,
            "scores": scores(0.65, 0.2),
        },
        {
            "stage": "three",
            "state": "running",
            "cases": {"b": 20, "c": 5},
            "fill": [fill("c", "one", 5)],
            "filled_by": {"b": "two"},
        },
        {"stage": "four"},
    ]


CONTROLS = [{"stage": "annotations alone", "control": True, "scores": scores(0.6, 0.1)}]
