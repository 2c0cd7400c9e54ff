import torch

from vglib.batch_norm.layers import deep_net
from vglib.batch_norm.rescue import rescue, rescuing
from vglib.data import digits


def test_which_norm_rescues_sigmoids():
    assert rescue("none").accuracy < 0.2
    assert rescue("batch").accuracy > 0.6
    assert rescue("layer").accuracy < 0.2


def test_a_training_is_seen_from_its_start():
    seen = list(rescuing("batch", depth=3, seed=7, steps=40))
    assert [one.history.steps[-1] for one in seen] == [0, 10, 20, 30, 40]
    assert all(one.verdict.startswith("so far") for one in seen[:-1])
    end = rescue("batch", depth=3, seed=7, steps=40)
    assert end is seen[-1]
    assert (end.history.test_accuracy[:3] == seen[2].history.test_accuracy).all()
    assert (end.log_delta == seen[0].log_delta).all()


def test_weight_norm_starts_standardised():
    net = deep_net("weight", "relu", 3, 30, 0)
    x = digits().x_train[:256]
    z = net[0](x)
    torch.testing.assert_close(z.mean(0), torch.zeros(30, dtype=z.dtype), atol=1e-9, rtol=0)
    torch.testing.assert_close(z.std(0, correction=0), torch.ones(30, dtype=z.dtype))


def test_a_net_leaves_the_readers_random_state_alone():
    before = torch.get_rng_state()
    deep_net("weight", "relu", 2, 10, 0)
    assert torch.equal(torch.get_rng_state(), before)
