"""Inside fair weather all is as on the first day, and afterwards as the user had it."""

import warnings

import numpy as np
import pytest
import torch

from tests.storm import storm
from vglib.weather import fair_weather


def seen():
    return {
        "dtype": torch.get_default_dtype(),
        "device": torch.empty(0).device.type,
        "gradients": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "threads": torch.get_num_threads(),
        "numpy": np.geterr(),
        "warnings": [f[0] for f in warnings.filters[:2]],
    }


CALM = {
    "dtype": torch.float32,
    "device": "cpu",
    "gradients": True,
    "inference": False,
    "deterministic": False,
    "threads": 1,
    "numpy": {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"},
    "warnings": ["ignore", "default"],
}


@pytest.fixture
def stormy():
    with storm():
        yield


def test_a_storm_stays_outside_and_comes_back(stormy):
    assert all(seen()[name] != CALM[name] for name in CALM)
    before = seen()
    with fair_weather():
        assert seen() == CALM
        assert torch.ones(2).device.type == "cpu"
        leaf = torch.ones(2, requires_grad=True)
        (leaf * 2).sum().backward()
        assert leaf.grad.tolist() == [2.0, 2.0]
    assert seen() == before
    assert torch.is_deterministic_algorithms_warn_only_enabled()


def test_it_comes_back_after_an_error_too(stormy):
    before = seen()
    with pytest.raises(ZeroDivisionError), fair_weather():
        raise ZeroDivisionError
    assert seen() == before


def test_random_states_are_left_alone():
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()
    with fair_weather():
        pass
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == np.random.get_state()[1].tolist()
