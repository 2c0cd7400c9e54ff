"""Runs spread over processes and over a Dask cluster, which may lose a worker in the middle."""

import os
import signal
import time

import dask
import pytest
from distributed import LocalCluster

from tools.spread import SETTING, spread


def slow_square(number, seconds=0.0):
    time.sleep(seconds)
    return number, number**2, os.getpid()


def test_every_run_comes_back_once(monkeypatch):
    monkeypatch.delenv(SETTING, raising=False)
    found = list(spread(slow_square, [(n,) for n in range(20)], jobs=2))
    assert sorted((n, square) for n, square, _ in found) == [(n, n * n) for n in range(20)]


def test_what_a_run_raises_is_raised(monkeypatch):
    monkeypatch.delenv(SETTING, raising=False)
    with pytest.raises(TypeError):
        list(spread(slow_square, [("text",)], jobs=1))


def test_a_scheduler_that_does_not_answer_is_one_sentence(monkeypatch):
    monkeypatch.setenv(SETTING, "tcp://127.0.0.1:1")
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "1s"}),
        pytest.raises(ValueError, match="no Dask scheduler answers"),
    ):
        list(spread(slow_square, [(1,)]))


def test_a_killed_worker_loses_nothing(monkeypatch):
    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
    ) as cluster:
        monkeypatch.setenv(SETTING, cluster.scheduler_address)
        # Each worker stays with a run for a while, so that the kill meets one in the middle.
        found = []
        for result in spread(slow_square, [(n, 0.4) for n in range(12)]):
            found.append(result)
            if len(found) == 3:
                os.kill(result[2], signal.SIGKILL)
                killed = result[2]
    assert sorted((n, square) for n, square, _ in found) == [(n, n * n) for n in range(12)]
    others = {pid for _, _, pid in found[3:]} - {killed}
    assert others
