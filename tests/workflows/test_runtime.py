import pytest

from custom.errors import InputError
from custom.options.bundle_options import options_by_name
from custom.workflows.runtime import RUNTIME, refuse_results


@pytest.mark.parametrize("key", ["epochs", "learning_rate", "seed", "train#dataset#batch_size"])
def test_what_changes_a_result_is_no_runtime(key):
    with pytest.raises(InputError, match=f"runtime: {key} is none of the values .*: give it in training"):
        refuse_results({"num_workers": 2, key: 1})


def test_all_are_options_of_a_bundle(project):
    known = set()
    for bundle in ("batseg_spine", "flare_pseudolabel"):
        known |= options_by_name(project / "bundles" / bundle / "configs").keys()
    assert not set(RUNTIME) - known - {"tracking"}, "tracking is MONAI's"
    refuse_results(dict.fromkeys(RUNTIME))
    refuse_results(None)
