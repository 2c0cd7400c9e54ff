import itertools
import math

import numpy as np
import pytest
from scipy.special import log_softmax

from vglib.lstm import prose
from vglib.lstm.characters import (
    bits_unseen,
    characters,
    coded,
    entropies,
    in_two,
    learning_letters,
)


def test_the_prose_is_in_its_alphabet_and_counted():
    text = prose.text()
    assert set(text) <= set(prose.ALPHABET)
    assert 3000 < len(text) < 6000
    counts = np.array([text.count(letter) for letter in sorted(set(text))]) / len(text)
    letters, pairs = entropies()
    assert letters == pytest.approx(-(counts * np.log2(counts)).sum(), abs=0.1)
    assert pairs < letters < math.log2(len(prose.ALPHABET))


def test_a_tenth_is_held_out():
    seen, unseen = in_two()
    np.testing.assert_array_equal(np.concatenate([seen, unseen]), coded())
    assert len(unseen) == len(coded()) // 10
    # Pieces of 31 letters, 12 of them, are all of it.
    assert len(unseen) == 12 * 31
    model = characters(10)
    codes, whole = coded(), np.eye(len(prose.ALPHABET))
    one = model.learner.forward(whole[codes[-31 - 21 : -1], None])
    bits = -log_softmax(model.learner.read(one.h[21:, 0]), axis=-1) / math.log(2)
    last = bits[np.arange(31), codes[-31:]]
    assert bits_unseen(model.learner, pieces=1) == pytest.approx(last.mean(), rel=1e-10)
    assert model.unseen[-1] == bits_unseen(model.learner)
    assert model.looked.tolist() == [model.read[-1] * n / 10 for n in range(1, 11)]


def test_what_is_learned_by_heart_is_not_foreseen():
    model = characters(10, steps=6000, units=48)
    assert model.final < model.unseen[-1] - 0.5


def test_the_character_model_learns_and_writes():
    model = characters(5)
    assert model.final < entropies()[0] - 0.5
    written = model.write("the ", 30)
    assert len(written) == 34
    assert set(written) <= set(prose.ALPHABET)
    assert written == model.write("the ", 30)


def test_clipping_keeps_the_character_model():
    free, clipped = (characters(25, clip, 10.0) for clip in (math.inf, 0.25))
    assert clipped.final < free.final - 0.3
    assert free.clipped == 0 < clipped.clipped


def test_a_model_is_seen_as_it_reads_and_stays_what_it_was():
    seen = list(learning_letters(20, 0.25, 5.0, 3))
    assert len(seen[0].bits) < len(seen[-1].bits) / 8
    for one, other in itertools.pairwise(seen):
        np.testing.assert_array_equal(one.bits, other.bits[: len(one.bits)])
        np.testing.assert_array_equal(one.norms, other.norms[: len(one.norms)])
    assert seen[0].write("the ", 20) != seen[-1].write("the ", 20)
    assert not seen[-1].learner.w_out.flags.writeable
    assert characters(20, 0.25, 5.0, 3) is seen[-1]
