import itertools
import math

import numpy as np
import pytest

from vglib.lstm import prose
from vglib.lstm.characters import characters, entropies, learning_letters


def test_the_prose_is_in_its_alphabet_and_counted():
    text = prose.text()
    assert set(text) <= set(prose.ALPHABET)
    assert 3000 < len(text) < 6000
    letters, pairs = entropies()
    counts = np.array([text.count(letter) for letter in sorted(set(text))]) / len(text)
    assert letters == pytest.approx(-(counts * np.log2(counts)).sum(), abs=0.01)
    assert pairs < letters < math.log2(len(prose.ALPHABET))


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
