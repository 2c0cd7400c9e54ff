import numpy as np
import torch

from vglib import data


def test_digits_are_standardised_and_split_by_class():
    d = data.digits()
    assert (d.n_in, int(d.y_train.max()) + 1, len(d.x_train), len(d.x_test)) == (64, 10, 1437, 360)
    assert d.x_train.dtype == torch.float64
    assert d.y_train.dtype == torch.int64
    torch.testing.assert_close(d.x_train.mean(0), torch.zeros(64, dtype=torch.float64))
    std = d.x_train.std(0, correction=0)
    constant = std == 0
    assert 0 < constant.sum() < 5
    torch.testing.assert_close(std[~constant], torch.ones_like(std[~constant]))
    assert (d.x_test[:, constant] == 0).all()
    assert d.x_test.isfinite().all()
    for c in range(10):
        ratio = (d.y_test == c).sum() / ((d.y_test == c).sum() + (d.y_train == c).sum())
        assert abs(float(ratio) - 0.2) < 0.01


def test_digits_are_fixed_and_the_seed_changes_the_split():
    assert torch.equal(data.digits().x_train, data.digits().x_train)
    assert not torch.equal(data.digits().y_train, data.digits(seed=1).y_train)
    assert data.digits(torch.float32).x_test.dtype == torch.float32


def test_digits_raw_pixels_lie_in_the_unit_interval():
    d = data.digits(standardised=False)
    assert float(d.x_train.min()) == 0
    assert float(d.x_train.max()) == 1


def test_the_repr_is_one_line():
    expected = "Dataset(digits: 1437 training and 360 test examples, 64 inputs, 10 classes)"
    assert repr(data.digits()) == expected


def test_whoever_writes_on_the_digits_writes_on_a_copy():
    data.digits().x_train.zero_()
    assert data.digits().x_train.any()


def test_a_split_is_of_four_fifths_by_class():
    x, y = np.arange(200.0).reshape(100, 2), np.arange(100) % 2
    d = data.split(x, y, "toy", torch.float32, False, seed=3)
    assert (d.n_in, int(d.y_train.max()) + 1, len(d.x_train), len(d.x_test)) == (2, 2, 80, 20)
    assert int(d.y_test.sum()) == 10
    assert not torch.equal(d.x_train, data.split(x, y, "toy", torch.float32, False, 4).x_train)
