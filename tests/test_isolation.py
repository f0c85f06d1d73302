import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from oddframe.errors import InputError, SettingsError
from oddframe.isolation import ProcessServer, run_in_process
from tests.support.in_own_process import (
    end_at_once,
    fill,
    fill_within,
    modules_of_measuring,
    print_and_count,
    refuse,
)


def test_the_answer_comes_from_another_process():
    assert run_in_process(os.getpid) != os.getpid()


def test_memory_is_its_own():
    ballast = fill(300)
    assert ballast[1] > 300
    # This process had more, which a fork or the system's own account of it would have handed on.
    _, small = run_in_process(fill, 1)
    assert small < 200
    _, large = run_in_process(fill, 300)
    assert large - small > 250


@pytest.mark.parametrize(
    ("error", "message"),
    [(SettingsError("it must be so"), "it must be so"), (RuntimeError("no"), "RuntimeError: no")],
)
def test_what_fails_there_is_an_error_here(error, message):
    with pytest.raises(InputError, match=f"^{message}$"):
        run_in_process(refuse, error)


def test_a_process_that_dies_is_an_error():
    with pytest.raises(InputError, match="died with exit code 7"):
        run_in_process(end_at_once, 7)


def test_torch_stays_out_of_it():
    """Else rows of ONNX Runtime had torch's memory, and a base install no rows."""
    loaded = run_in_process(modules_of_measuring)
    assert "oddframe.speed.measure" in loaded
    assert "torch" not in loaded


def test_a_process_that_takes_too_long_is_ended():
    with pytest.raises(InputError, match="not done after 1 seconds"):
        run_in_process(time.sleep, 600, timeout_s=1.0)


def test_what_the_work_prints_is_no_part_of_the_result():
    assert run_in_process(print_and_count, "shown") == 5


def test_more_memory_than_allowed_is_an_error():
    assert run_in_process(fill_within, 10, 200)[0] == 10_000_000
    with pytest.raises(InputError, match="MemoryError"):
        run_in_process(fill_within, 400, 200)


UNPROTECTED = """
import os
from oddframe.isolation import ProcessServer, run_in_process
print(run_in_process(os.getpid) != os.getpid())
"""


def test_a_program_need_not_protect_itself_from_being_run_again(tmp_path):
    (tmp_path / "program.py").write_text(UNPROTECTED)
    ran = subprocess.run([sys.executable, tmp_path / "program.py"], capture_output=True, text=True)
    assert (ran.stdout, ran.stderr) == ("True\n", "")


@pytest.fixture
def server():
    server = ProcessServer("json")
    yield server
    server.close()


def test_each_call_of_a_server_has_a_process_of_its_own(server):
    pids = {server.call(os.getpid) for _ in range(3)}
    assert len(pids) == 3
    assert len({server.call(os.getppid) for _ in range(3)}) == 1


def test_a_call_that_dies_or_fails_leaves_the_server_to_the_next(server):
    before = server.call(os.getppid)
    with pytest.raises(InputError, match="died with exit code -6"):
        server.call(os.abort)
    with pytest.raises(InputError, match="it must be so"):
        server.call(refuse, SettingsError("it must be so"))
    assert server.call(os.getppid) == before


def test_a_server_is_replaced_after_a_call_that_took_too_long_and_after_its_own_death(server):
    with pytest.raises(InputError, match="not done after 1 seconds"):
        server.call(time.sleep, 600, timeout_s=1.0)
    first = server.call(os.getppid)
    os.kill(first, signal.SIGKILL)
    # What comes first may still find the dead one.
    with suppress(InputError):
        server.call(os.getppid)
    assert server.call(os.getppid) != first


def test_a_relative_path_means_the_same_in_both_processes(server, tmp_path, monkeypatch):
    server.call(os.getpid)
    monkeypatch.chdir(tmp_path)
    assert server.call(os.getcwd) == str(tmp_path)


def test_no_call_gets_the_answer_of_one_that_was_interrupted(server):
    def interrupt(_number, _frame):
        raise KeyboardInterrupt

    server.call(os.getpid)
    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with pytest.raises(KeyboardInterrupt):
            server.call(time.sleep, 600, timeout_s=600)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert server.call(abs, -3) == 3


def test_what_is_large_comes_whole(server):
    data = bytes(range(256)) * 40_000
    assert server.call(bytes.upper, data) == data.upper()


def test_a_server_serves_many_threads(server):
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda number: server.call(abs, -number), range(12))) == [
            *range(12)
        ]


def test_a_process_that_was_forked_has_a_server_of_its_own(server):
    mine = server.call(os.getppid)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, str(server.call(os.getppid)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert int(os.read(reader, 32)) != mine
    assert server.call(os.getppid) == mine
    os.close(reader)
    os.close(writer)
