"""Names in messages."""

from custom.nearest_name import did_you_mean


def test_the_nearest_name_is_named_and_none_where_none_is_near():
    assert did_you_mean("learningrate", ["epochs", "learning_rate"]) == " (did you mean learning_rate?)"
    assert did_you_mean("xyz", ["epochs"]) == ""
