import pytest
import torch

from vglib.backprop import Flat
from vglib.concept.descent import LOSSES, descend
from vglib.concept.epochs import train
from vglib.concept.speed import sigmoid_net
from vglib.data import digits
from vglib.networks import mlp
from vglib.probe import trace
from vglib.results import last
from vglib.training import fit


@pytest.mark.parametrize("loss", LOSSES)
def test_the_hand_written_descent_is_fit(loss):
    data = digits()

    def net():
        return mlp(3, 7, output="sigmoid", init="1/fan_in", bias_scale=1.0, seed=3)

    mine, theirs = net(), net()
    assert [*descend(Flat(mine, LOSSES[loss]), data, lr=0.7, epochs=2, seed=5)] == [1, 2]
    fit(theirs, data, loss=LOSSES[loss], lr=0.7, epochs=2, seed=5, probe_size=300, progress=False)
    for a, b in zip(mine.parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(a, b, rtol=1e-9, atol=1e-12)
    probe = data.x_train[:300], data.y_train[:300]
    one, other = (trace(net, *probe, LOSSES[loss]) for net in (mine, theirs))
    assert one.loss == pytest.approx(other.loss, rel=1e-8)
    for x, y in (probe, (data.x_test, data.y_test)):
        right = [(net(x).argmax(1) == y).sum() for net in (mine, theirs)]
        assert right[0] == right[1]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"lr": 0.0}, "lr is 0.0"),
        ({"lr": float("nan")}, "lr is nan"),
        ({"epochs": 0}, "whole numbers from 1 on"),
        ({"batch": 0}, "whole numbers from 1 on"),
    ],
)
def test_a_descent_that_cannot_be_is_refused(change, says):
    net = Flat(sigmoid_net(1, 3), LOSSES["quadratic"])
    with pytest.raises(ValueError, match=says):
        last(descend(net, digits(), **{"lr": 0.5, "epochs": 1, **change}))


def test_an_unknown_loss_is_refused():
    with pytest.raises(ValueError, match="no loss called 'hinge'"):
        train(1, 3, "hinge")
