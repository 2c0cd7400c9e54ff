import os
import signal
from contextlib import contextmanager
from pathlib import Path

import pytest
from jupyter_client.manager import start_new_kernel

from tests import kernels
from tests.browser.driver import wait_for
from tests.kernels.client import ADDRESS

pytestmark = [
    pytest.mark.xdist_group("kernels"),
    pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="kernels are forked on Linux alone"),
]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with pytest.MonkeyPatch.context() as before:
        for name in (ADDRESS, "JUPYTER_PATH"):
            before.setenv(name, "")
        folder = tmp_path_factory.mktemp("kernels")
        server = kernels.start(folder)
        wait_for(lambda: (folder / "server").exists(), what="the server of kernels")
        before.setenv("JUPYTER_PATH", kernels.asking()["JUPYTER_PATH"])
        yield
        server.stdin.close()
        assert server.wait(10) == 0


@contextmanager
def kernel(**options):
    manager, client = start_new_kernel(kernel_name="python3", **options)
    try:
        yield manager, lambda code: told(client, code)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def told(client, code: str) -> str:
    """What code prints, or the name of what it raises."""
    said = []
    reply = client.execute_interactive(code, output_hook=said.append, timeout=20)
    printed = [m["content"].get("text", "") for m in said if m["header"]["msg_type"] == "stream"]
    return reply["content"].get("ename") or "".join(printed).strip()


KNOWN = "import os, sys; print(*(name in sys.modules for name in ('torch', 'vglib')), os.getcwd())"


@pytest.mark.usefixtures("served")
class TestForked:
    def test_it_has_what_takes_long_and_nothing_of_the_course(self, tmp_path: Path):
        with kernel(cwd=str(tmp_path), env={**os.environ, "ONE": "1"}) as (_, run):
            assert run(KNOWN) == f"True False {tmp_path}"
            assert run("print(os.environ['ONE'], sys.argv[1])").startswith("1 -f")
            assert run("from vglib.concept import labs") == ""

    def test_signals_reach_it_and_its_end_is_the_clients(self):
        with kernel() as (manager, run):
            beside = "import signal, threading, os, time\n"
            stop = "threading.Timer(0.3, os.kill, (%d, signal.SIGINT)).start()\ntime.sleep(20)"
            assert run(beside + stop % manager.provisioner.pid) == "KeyboardInterrupt"
            number = int(run("print(os.getpid())"))
            os.kill(manager.provisioner.pid, signal.SIGKILL)
            wait_for(lambda: not Path(f"/proc/{number}").exists())

    def test_a_kernel_that_ends_by_itself_is_seen_to_have_ended(self):
        with kernel() as (manager, run):
            assert run("import os, threading; threading.Timer(0.1, os._exit, (3,)).start()") == ""
            wait_for(lambda: manager.provisioner.process.poll() is not None)
            assert manager.provisioner.process.poll() == 3

    def test_where_it_does_not_fit_the_usual_one_starts(self):
        with kernel(env={**os.environ, "OMP_NUM_THREADS": "3"}) as (_, run):
            assert run(KNOWN).startswith("False False")
