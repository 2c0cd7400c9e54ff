from math import exp, log, sqrt

import numpy as np
import pytest

from vglib.attention.collapse import (
    KINDS,
    ROOT,
    alike,
    collapse,
    nearly_alike,
    powers,
    uniform_cosine,
)


def test_alike_is_the_mean_over_all_pairs():
    tokens = np.random.default_rng(0).standard_normal((7, 5))
    unit = tokens / np.linalg.norm(tokens, axis=1, keepdims=True)
    pairs = [unit[i] @ unit[j] for i in range(7) for j in range(7) if i != j]
    apart = np.linalg.norm(tokens - tokens.mean(0)) / np.linalg.norm(tokens)
    for scale in (1.0, 1e-200, 1e200):
        cosine, log_apart = alike(scale * tokens)
        assert cosine == pytest.approx(np.mean(pairs))
        assert exp(log_apart) == pytest.approx(apart)
    assert np.isnan(alike(np.zeros((3, 2)))).all()
    assert np.isnan(alike(np.array([[1.0, 0.0], [0.0, 0.0]]))).all()
    assert np.isnan(alike(np.array([[1.0, np.inf], [0.0, 1.0]]))).all()


def test_the_five_nets():
    """The numbers to expect: cosines 1, 1, 1, .9, below .1, and the gradients of the last layer."""
    seen = [collapse(seed=seed) for seed in range(5)]
    last = {name: np.median([one.cosine[name][-1] for one in seen]) for name in KINDS}
    assert last["attention alone"] == pytest.approx(1, abs=1e-12)
    assert last["skip"] > 0.99
    assert last["post-LN"] > 0.999
    assert 0.8 < last["pre-LN"] < 0.97
    assert last[ROOT] < 0.1
    for one in seen:
        assert (one.log_by_q["attention alone"][6:] < log(1e-12)).all()
        assert abs(one.log_by_q[ROOT][-1] - one.log_by_q[ROOT][0]) < log(1.5)
        assert one.log_by_q["skip"][0] > log(1e5)


def test_small_weights_leave_the_tokens_apart_where_there_is_a_skip():
    seen = collapse(24, 0.05)
    assert seen.cosine["attention alone"][-1] == pytest.approx(1, abs=1e-9)
    for name in ("skip", "post-LN", "pre-LN", ROOT):
        assert seen.cosine[name][-1] < 0.1


@pytest.mark.parametrize(("layers", "b"), [(3, 1.0), (8, 0.5), (24, 1 / sqrt(24))])
def test_uniform_attention_has_a_closed_form(layers, b):
    generator, seen = np.random.default_rng(1), []
    for _ in range(12):
        x = generator.standard_normal((32, 200))
        for _ in range(layers):
            x = x + b * x.mean(0) @ generator.standard_normal((200, 200)) / sqrt(200)
        seen.append(alike(x)[0])
    assert np.mean(seen) == pytest.approx(uniform_cosine(layers, b), abs=0.03)
    assert uniform_cosine(0, 1.0) == 0


def test_no_queries_is_uniform_attention():
    one = collapse(6, qk=0.0, seed=2).cosine
    assert one["attention alone"][1] == pytest.approx(1, abs=1e-12)
    assert one["skip"][-1] == pytest.approx(uniform_cosine(6, 1.0), abs=0.15)


@pytest.mark.parametrize("seed", range(3))
def test_what_nearly_equal_tokens_lose(seed):
    seen = powers(seed)
    assert seen["apart"] == pytest.approx(3, abs=0.02)
    assert seen["w_q"] == pytest.approx(2, abs=0.02)
    assert seen["w_k"] == pytest.approx(2, abs=0.02)
    assert seen["w_v"] == pytest.approx(0, abs=0.02)
    assert nearly_alike(0.01).apart < 1e-5


def test_the_verdict_says_what_overflows_and_what_is_narrowed():
    assert "Width 32" in collapse(40).verdict
    assert "Width" not in collapse(24).verdict
    assert "skip overflows" in collapse(60, 20.0, mlp=True).verdict
