import numpy as np
import torch
from torch import nn

from vglib.batch_norm.article import (
    PLACE_NAMES,
    article_model,
    folded,
    folding_error,
    least_gain,
    place_accuracy,
    placing,
)
from vglib.results import last


def test_the_articles_model_and_its_folding():
    model = article_model("article", 784)
    assert sum(p.numel() for p in model.parameters()) == 268_978
    assert folding_error(1) < 1e-5
    # Behind a ReLU there is no linear layer to fold into, and nothing is lost.
    after = article_model("after").eval()
    assert len(folded(after)) == len(after)
    assert len(folded(article_model("before"))) == len(after) - 2


def test_folding_moves_statistics_and_scale():
    linear, norm = nn.Linear(3, 4), nn.BatchNorm1d(4)
    with torch.no_grad():
        for tensor in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
            assert tensor is not None
            tensor.uniform_(0.5, 2)
    x = torch.randn(6, 3)
    torch.testing.assert_close(folded(nn.Sequential(linear, norm))[0](x), norm.eval()(linear(x)))


def test_places():
    seen = last(placing(1.0, 40))
    assert seen.accuracy["none"][-1] < seen.accuracy["before"][-1]
    assert len(seen.steps) == len(seen.accuracy["none"]) == 5


def test_the_worse_place_still_gains():
    none, before, after = (
        place_accuracy(place, 1.0, 0, 60)[1][-1] for place in ("none", "before", "after")
    )
    assert 0 < least_gain(0, 1.0) == min(before, after) - none


def test_the_four_trainings_come_quarter_by_quarter():
    seen = list(placing(0.2, 12, seed=1))
    assert [len(one.steps) for one in seen] == [1, 2, 3, 4, 5]
    assert "after 3 steps" in seen[1].verdict
    for place in PLACE_NAMES:
        steps, accuracy = place_accuracy(place, 0.2, 1, 12)
        np.testing.assert_array_equal(seen[-1].steps, steps)
        np.testing.assert_array_equal(seen[-1].accuracy[place], accuracy)
    assert list(placing(0.2, 12, seed=1)) == seen[-1:]


def test_a_length_that_four_does_not_divide_ends_at_its_fourth_quarter():
    seen = last(placing(0.2, 14))
    np.testing.assert_array_equal(seen.steps, [0, 3, 6, 9, 12])
    steps, accuracy = place_accuracy("after", 0.2, 0, 14)
    assert steps[-1] == 14
    np.testing.assert_array_equal(seen.accuracy["after"], accuracy[:5])
