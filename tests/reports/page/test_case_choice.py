"""Which cases are shown, in which order."""

from custom.reports.page.case_choice import choose_cases

ALL = {"a": "xyz0123456789", "b": "xyz"}
SCORES = {"a": {"x": 0.1, "y": 0.5, "z": 0.9}, "b": {"x": 0.2, "y": 0.1, "z": 0.3}}


def test_the_worst_of_all_methods_come_first():
    assert list(choose_cases(SCORES, 3, ALL).items()) == [
        ("x", ["worst of a", "median of b"]),
        ("y", ["worst of b", "median of a"]),
        ("z", ["best of a", "best of b"]),
    ]


def test_any_number_of_cases():
    assert choose_cases(SCORES, 0, ALL) == {}
    assert choose_cases(SCORES, 1, ALL) == {"x": ["worst of a"], "y": ["worst of b"]}
    many = choose_cases({"a": {str(n): n / 10 for n in range(10)}}, 4, ALL)
    assert many["3"] == ["33 % of the way up of a"]
    assert choose_cases({"a": {}}, 3, ALL) == {}


def test_of_a_case_whose_label_map_was_not_kept_the_nearest_is_shown_and_not_called_the_median():
    """A fold keeps its own best, median and worst: the median of those is not that of all."""
    every = {"a": {str(n): n / 10 for n in range(9)}}
    assert choose_cases(every, 3, {"a": "08"}) == {"0": ["worst of a"], "8": ["best of a"]}, (
        "no case is near two places"
    )
    scores = {"a": {str(n): n / 10 for n in range(9)}}
    assert choose_cases(scores, 3, {"a": "0158"}) == {
        "0": ["worst of a"],
        "8": ["best of a"],
        "5": ["near the median of a"],
    }
    assert choose_cases(scores, 3, {"a": ""}) == {}
    assert choose_cases(scores, 1, {}) == {}
