import pytest

from custom.datalist import which_cases


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("/data/spine", 2), ", held-out fold 2"),
        (("/data/spine", "all"), ", TRAINING cases"),
        (("/data/spine", "all", True), ", other data"),
        (("/data/cohort.json", "all"), ""),
        (("/data/cohort.json", "all", True), ", other data"),
    ],
)
def test_training_cases_are_never_called_held_out(arguments, words):
    assert which_cases(*arguments) == words
