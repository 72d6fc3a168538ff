"""Which cases are shown, in which order."""

from custom.reports.page.case_choice import choose_cases

SCORES = {"a": {"x": 0.1, "y": 0.5, "z": 0.9}, "b": {"x": 0.2, "y": 0.1, "z": 0.3}}


def test_the_worst_of_all_methods_come_first():
    assert list(choose_cases(SCORES, 3).items()) == [
        ("x", ["worst of a", "median of b"]),
        ("y", ["worst of b", "median of a"]),
        ("z", ["best of a", "best of b"]),
    ]


def test_any_number_of_cases():
    assert choose_cases(SCORES, 0) == {}
    assert choose_cases(SCORES, 1) == {"x": ["worst of a"], "y": ["worst of b"]}
    many = choose_cases({"a": {str(n): n / 10 for n in range(10)}}, 4)
    assert many["3"] == ["33 % of the way up of a"]
    assert choose_cases({"a": {}}, 3) == {}
