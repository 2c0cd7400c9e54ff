import numpy as np
import pytest

from vglib.networks import mlp
from vglib.other_remedies import labs
from vglib.other_remedies import stages as module
from vglib.other_remedies.pretraining import lab_data, last_over_first, measure, pretrain
from vglib.other_remedies.stages import WIDTH, pretraining
from vglib.results import last


def net(width, depth):
    return mlp(depth, width, output="sigmoid", init="1/fan_in")


def test_the_cached_nets_stay_as_they_are():
    first = last(pretraining(epochs=7))
    other = last(pretraining(epochs=3))
    again = last(pretraining(epochs=7))
    np.testing.assert_array_equal(first.accuracy, again.accuracy)
    np.testing.assert_array_equal(first.accuracy[:4], other.accuracy)
    np.testing.assert_array_equal(first.log_delta, again.log_delta)
    module._tuning.cache_clear()
    np.testing.assert_array_equal(last(pretraining(epochs=7)).accuracy, first.accuracy)


def test_the_first_layers_do_not_depend_on_the_depth():
    one, other = (
        last(pretraining(depth=3, layers=3, epochs=1)),
        last(pretraining(layers=3, epochs=1)),
    )
    np.testing.assert_allclose(one.spread, other.spread[:3], rtol=1e-12)
    np.testing.assert_allclose(one.pictures, other.pictures[:4], rtol=1e-12)


def test_pretraining_by_copying_in_the_notebook_is_the_labs():
    network = net(WIDTH, 4)
    stack = pretrain(network, lab_data().x_train.numpy(), epochs=2)
    result = last(pretraining(pretraining_epochs=2, epochs=1))
    assert last_over_first(measure(network, lab_data())) == pytest.approx(
        float(np.exp(result.log_delta[-1] - result.log_delta[0]))
    )
    assert len(stack) == 4


def test_the_pictures_of_a_pretrained_stack_are_the_digits():
    def worst(**values):
        pictures = last(pretraining(epochs=1, **values)).pictures
        real, rebuilt = pictures[0].reshape(6, -1), pictures[-1].reshape(6, -1)
        return min(np.corrcoef(a, b)[0, 1] for a, b in zip(real, rebuilt, strict=True))

    assert worst() > 0.8
    assert worst(layers=0) < 0.8
    assert worst(afterwards="shuffle the entries") < 0.8


def test_the_words_of_the_lab():
    deep = last(pretraining(depth=8, layers=8, epochs=40))
    assert len(deep.accuracy) == 21
    assert "not 40" in deep.verdict
    assert "gradient" not in last(pretraining(depth=1, epochs=1)).verdict
    assert "no layer pretrained" in last(pretraining(layers=0, epochs=1)).verdict
    assert last(pretraining(layers=8, epochs=1)).start.layers == 4


def test_each_pretrained_layer_brings_gradient_and_spread():
    lab = labs.pretraining_lab()
    names = ("one layer", "two layers", "three layers", "all four layers")
    found = [lab.preset(name).result for name in names]
    ratios = [f.log_delta[-1] - f.log_delta[0] for f in found]
    assert ratios == sorted(ratios, reverse=True)
    assert [f.spread[-1] for f in found] == sorted(f.spread[-1] for f in found)
    assert found[0].accuracy[-1] < 0.3
    assert found[-1].accuracy[-1] > 0.9


def test_scale_decides_whether_and_directions_how_soon():
    lab = labs.pretraining_lab()
    kept = lab.preset("all four layers").result.accuracy
    mixed = lab.preset("pretrained, shuffled, centred").result.accuracy
    assert kept[5] > mixed[5] + 0.1
    assert mixed[-1] > 0.9
    assert lab.preset("4x Glorot, no pretraining").result.accuracy[-1] > 0.7
    assert lab.preset("a stack of RBMs").result.accuracy[-1] > 0.8


def test_the_net_is_watched_layer_by_layer_and_epoch_by_epoch():
    values = {"depth": 3, "layers": 2, "epochs": 3, "pretraining_epochs": 2, "seed": 8}
    found = list(pretraining(**values))
    assert [one.start.layers for one in found] == [0, 1, 2, 2, 2, 2]
    assert [int(np.isfinite(one.accuracy).sum()) for one in found] == [1, 1, 1, 2, 3, 4]
    assert all(len(one.epochs) == 4 for one in found)
    assert "With 1 of 3 layers pretrained" in found[1].verdict
    assert "after 0 epochs on the labels" in found[1].verdict
    assert "not" not in found[1].verdict
    # What has been trained once is there at once, and fewer epochs are its beginning.
    (again,) = pretraining(**values)
    np.testing.assert_array_equal(again.accuracy, found[-1].accuracy)
    (fewer,) = pretraining(**{**values, "epochs": 2})
    np.testing.assert_array_equal(fewer.accuracy, found[-1].accuracy[:3])


def test_an_epoch_that_is_interrupted_leaves_no_trace(monkeypatch):
    values = {"depth": 2, "layers": 0, "epochs": 2, "seed": 9}
    whole = last(pretraining(**values)).accuracy
    module._tuning.cache_clear()
    descend = module.greedy.descend

    def interrupted(network, *arguments, **options):
        descend(network, *arguments, **options)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module.greedy, "descend", interrupted)
        with pytest.raises(KeyboardInterrupt):
            last(pretraining(**values))
    np.testing.assert_array_equal(last(pretraining(**values)).accuracy, whole)
