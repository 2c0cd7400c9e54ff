import numpy as np

from vglib.sigmoid.hidden import hidden_sigmoids, training


def test_deep_sigmoid_nets():
    plain = hidden_sigmoids("plain")
    assert plain.accuracy < 0.2
    assert plain.verdict.startswith("does not learn")
    assert plain.log_delta_start[0] - plain.log_delta_start[-1] < -20
    residual = hidden_sigmoids("residual")
    assert residual.accuracy > 0.8
    assert abs(residual.log_delta_start[0] - residual.log_delta_start[-1]) < 3


def test_a_training_is_watched_from_its_start():
    *early, end = results = list(training("batch norm", 3, 0.3, 4))
    assert [r.steps[-1] for r in results] == list(range(0, 151, 15))
    for earlier in early:
        seen = len(earlier.steps)
        np.testing.assert_array_equal(earlier.test_accuracy, end.test_accuracy[:seen])
        assert np.isnan(earlier.log_delta_end).all()
        assert earlier.verdict.startswith("in training: 3 sigmoid layers, batch norm, ")
    assert np.isfinite(end.log_delta_end).all()
    assert end.verdict.startswith("learns")
    alone = hidden_sigmoids("batch norm", 3, 0.3, 4, records=1)
    assert alone.steps.tolist() == [0, 150]
    assert alone.accuracy == end.accuracy
