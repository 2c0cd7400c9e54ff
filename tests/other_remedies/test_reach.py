import numpy as np
import pytest

from vglib.data import digits
from vglib.other_remedies.descent import OF_EACH, descending, images
from vglib.other_remedies.net import build
from vglib.other_remedies.reach import patience, reaching, run, widened
from vglib.results import last


def test_both_trainings_are_watched():
    found = list(reaching(depth=3, seed=6))
    first, final = found[0], found[-1]
    assert first.verdict.startswith("so far, SGD ")
    assert "by then" in first.verdict
    assert final.verdict.startswith(f"after {final.steps} steps, SGD ")
    for name in ("SGD", "Adam"):
        plain = last(run(name, 3, seed=6))
        np.testing.assert_array_equal(final.runs[name].losses, plain.losses)
        assert first.runs[name].taken == final.steps // 10


def test_a_run_that_is_known_stays_beside_one_that_is_not():
    last(run("SGD", 2, 1.0, seed=7))
    last(reaching("Adam", depth=2, seed=7))
    found = list(reaching("RMSprop", depth=2, seed=7))
    assert found[0].runs["SGD"].done
    assert not found[0].runs["RMSprop"].done
    assert "SGD" in found[0].verdict
    assert len(found) > 1


def test_a_balanced_batch_has_as_many_of_each_digit(monkeypatch):
    net, seen = build(1, 5), []
    gradient = net.gradient
    monkeypatch.setattr(net, "gradient", lambda x, y: (seen.append(y), gradient(x, y))[1])
    last(descending(net, "SGD", 0.1, 10, balanced=True))
    assert len(seen) == 10
    for labels in seen:
        np.testing.assert_array_equal(np.bincount(labels), [OF_EACH] * 10)
    assert not np.array_equal(seen[0], np.sort(digits().y_train[: len(seen[0])]))


@pytest.mark.parametrize("seed", range(5))
def test_adam_wins_one_direction_back_in_300_steps(seed):
    start, end = widened(0, seed=seed), widened(300, seed=seed)
    assert start.spread < 1e-5
    assert start.part < 1e-4
    assert start.named == 1
    assert end.spread > 0.3
    assert end.first > 0.99
    assert end.part > 0.5
    assert end.named == 2


def test_patience_is_the_accuracy_of_a_run_by_its_tenths():
    found = patience(0.003, 50, seed=1)
    assert len(found) == 10
    assert found[-1] == last(run("Adam", 10, lr=0.003, steps=50, seed=1)).accuracy
    assert found != patience(0.003, 50, seed=1, balanced=True)


@pytest.mark.slow
def test_with_balanced_batches_adam_is_there_sooner():
    assert all(patience(steps=4000, seed=seed, balanced=True)[-1] > 0.6 for seed in range(3))


def test_once_the_readout_knows_the_counts_the_gradient_of_all_images_knows_the_labels():
    net, (x, y) = build(10, 30), images()

    def part() -> float:
        anew = np.random.default_rng(0).permutation(y)
        g, other = (net.split(net.gradient(x, labels)[1])[0][-2] for labels in (y, anew))
        return float(np.linalg.norm(g - other) / np.linalg.norm(g))

    assert part() < 1e-4
    for _ in range(300):
        # Nothing moves but the readout's biases.
        net.biases[-1][...] -= 5 * net.split(net.gradient(x, y)[1])[1][-1]
    assert part() > 0.5
