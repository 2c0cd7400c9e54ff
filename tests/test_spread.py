"""Runs spread over processes and over a Dask cluster, which may lose a worker in the middle."""

import gc
import json
import os
import signal
import subprocess
import sys
import time

import dask
import pytest
from distributed import Client, LocalCluster

from tools.spread import SETTING, spread

DRIVER = """
import sys
sys.path.insert(0, sys.argv[1])
from tests.test_spread import slow_square
from tools.spread import spread
print(sorted(n for n, _, _ in spread(slow_square, [(n,) for n in range(6)])))
"""


@pytest.fixture(autouse=True)
def nothing_left_for_another_test():
    """Collect what Dask leaves open here: a later test that makes warnings errors would fail."""
    yield
    gc.collect()


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


def test_workers_started_elsewhere_need_not_have_the_tools(tmp_path):
    # As a user starts a cluster: none of its processes is a child of the one that spreads the runs.
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    place = str(tmp_path / "scheduler.json")
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", SETTING)}
    start = [sys.executable, "-m"]
    quiet = {"cwd": tmp_path, "env": environment, "stderr": subprocess.DEVNULL}
    parts = [
        ["distributed.cli.dask_scheduler", "--port", "0", "--no-dashboard"],
        ["distributed.cli.dask_worker", "--nthreads", "2", "--no-nanny", "--no-dashboard"],
    ]
    processes = [
        subprocess.Popen([*start, *part, "--scheduler-file", place], **quiet) for part in parts
    ]
    try:
        for _ in range(200):
            if os.path.exists(place):
                break
            time.sleep(0.1)
        with open(place, encoding="utf-8") as file:
            address = json.load(file)["address"]
        with Client(address) as client:
            client.wait_for_workers(1, timeout=30)
        done = subprocess.run(
            [sys.executable, "-c", DRIVER, root],
            cwd=tmp_path,
            env=environment | {SETTING: address},
            capture_output=True,
            text=True,
            timeout=40,
        )
    finally:
        # Killed: a worker that is asked to end may wait half a minute for its scheduler's answer.
        for process in processes:
            process.kill()
            process.wait()
    assert done.stdout.strip() == str(list(range(6))), done.stderr
