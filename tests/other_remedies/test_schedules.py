import numpy as np
import pytest
import torch

from vglib.other_remedies.schedules import (
    SCHEDULES,
    cosine_decay,
    run,
    scheduling,
    share_of_peak,
    step_decay,
)
from vglib.results import last


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_schedule_stays_within_its_peak(schedule):
    shares = [share_of_peak(schedule, t, 20, 100) for t in range(100)]
    assert min(shares) > 0
    assert max(shares) == 1.0
    if "warm-up" in schedule:
        np.testing.assert_allclose(shares[:20], np.arange(1, 21) / 20)


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="no schedule"):
        share_of_peak("triangle", 0, 1, 10)


def test_step_decay_and_cosine_against_torch():
    parameter = [torch.nn.Parameter(torch.zeros(1))]
    for mine, make in (
        (
            lambda t: step_decay(t, 40),
            lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [20, 30], 0.1),
        ),
        (
            lambda t: cosine_decay(t, 40),
            lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 40),
        ),
    ):
        optimiser = torch.optim.SGD(parameter, 1.0)
        scheduler = make(optimiser)
        for t in range(40):
            assert mine(t) == pytest.approx(scheduler.get_last_lr()[0], rel=1e-9)
            optimiser.step()
            scheduler.step()


def test_warm_up_saves_what_a_constant_step_loses():
    found = last(scheduling(seed=2))
    assert found.constant.accuracy < 0.25
    assert found.scheduled.accuracy > 0.7
    assert found.scheduled.probed[0] < found.lr / 20
    assert last(run("constant", "SGD", 0.025, 0, 6, 1.5, 2)).accuracy > 0.4


def test_an_overflow_is_told():
    found = last(scheduling(lr=1.0, depth=20, weight_scale=20.0, schedule="constant"))
    assert found.constant.broke
    assert "overflow" in found.verdict


def test_both_runs_are_watched():
    found = list(scheduling(depth=3, seed=4))
    assert found[0].verdict.startswith("so far constant has ")
    assert "by then" in found[0].verdict
    assert found[0].constant.taken == found[0].scheduled.taken == 30
    plain = last(run("warm-up", "SGD", 0.25, 30, 3, 1.5, 4, True))
    np.testing.assert_array_equal(found[-1].scheduled.losses, plain.losses)
    # What has been watched to its end is there at once.
    assert len(list(scheduling(depth=3, seed=4))) == 1
