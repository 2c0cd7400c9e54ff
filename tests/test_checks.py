import numpy as np
import pytest

from vglib.checks import one_of, require, whole


def test_what_an_argument_must_be_is_one_sentence():
    require("depth", 3, True, "at least 1")
    with pytest.raises(ValueError, match=r"^depth is -1; it must be at least 1\.$"):
        require("depth", -1, False, "at least 1")
    with pytest.raises(ValueError, match=r"^name is 'x'; it must be one of a, b\.$"):
        require("name", "x", (), "one of a, b")
    with pytest.raises(ValueError, match="float64'>; it must be a number"):
        require("q", np.float64, False, "a number")
    with pytest.raises(ValueError, match=r"^q is -1\.0; it must be 0 or positive\.$"):
        require("q", np.float64(-1), False, "0 or positive")
    with pytest.raises(
        ValueError, match=r"^q is \[-1\.0, .{50}\.\.\.; it must be 0 or positive\.$"
    ):
        require("q", np.linspace(-1, 1, 200), False, "0 or positive")


def test_a_name_is_one_of_those_known():
    one_of("net", "a", {"a": 1})
    one_of("option", 2, (1, 2))
    with pytest.raises(ValueError, match=r"^There is no net called 'x'; choose from a, b\.$"):
        one_of("net", "x", iter("ab"))
    with pytest.raises(ValueError, match=r"^There is no option called 3; choose from 1, 2\.$"):
        one_of("option", 3, (1, 2))


@pytest.mark.parametrize(
    ("value", "is_whole"),
    [
        *((1, True), (np.int64(5), True), (0, False), (-1, False), (1.0, False)),
        *((True, False), ("1", False), (None, False), (float("nan"), False)),
    ],
)
def test_a_whole_number_is_no_truth_and_no_float(value, is_whole):
    assert whole(value, 1) is is_whole
