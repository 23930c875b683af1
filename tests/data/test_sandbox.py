"""The limits of the sandbox, and that it ends with its server."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest
from PIL import Image

from genmodels.data.sandbox import image_decoders, image_processes
from genmodels.data.sandbox.image_processes import Child, Limits
from genmodels.errors import DataError
from tests.support import bomb_files as bombs
from tests.support import job_processes
from tests.support.picture_files import RED, ROOT, encoded, plain

GOOD = encoded(plain(RED, (40, 30)))
PATIENT = Limits(cpu_seconds=60, wall_seconds=60)
until = partial(job_processes.until, seconds=30)


def warm() -> psutil.Process:
    image_decoders.decode_whole(GOOD)
    pid = image_processes.warm_process.pid()
    assert pid is not None
    return psutil.Process(pid)


def test_a_file_over_the_cpu_limit_is_ended() -> None:
    with Child(Limits(cpu_seconds=0.1, wall_seconds=60)) as child:
        with pytest.raises(DataError, match=r"takes more than 0\.1 seconds to decode"):
            child.decode("whole", bombs.costly())
        assert 0.05 < child.usage.cpu_seconds < 0.3
        with pytest.raises(DataError, match="could not be decoded"):
            child.decode("whole", GOOD)


def test_a_file_over_the_wall_time_limit_is_ended() -> None:
    with Child(Limits(cpu_seconds=60, wall_seconds=0.05)) as child:
        with pytest.raises(DataError, match="takes more than"):
            child.decode("whole", bombs.costly())
        assert child.usage.cpu_seconds < 0.3


def test_a_file_over_the_memory_limit_is_refused_and_the_process_goes_on() -> None:
    with Child(Limits(memory=48 * 2**20, cpu_seconds=60, wall_seconds=60), requests=2) as child:
        with pytest.raises(DataError, match="needs more memory to decode than it may use"):
            child.decode("whole", bombs.costly())
        assert child.usage.peak_bytes < 120 * 2**20
        assert child.decode("whole", GOOD).shape == (30, 40, 3)


def test_the_result_is_limited_to_the_memory_limit() -> None:
    with Child(Limits(memory=48 * 2**20), requests=1) as child, pytest.raises(DataError):
        child.decode("onto", GOOD, size=2_000, channels=3, backgrounds=[0] * 8)


@pytest.mark.slow
def test_the_largest_images_of_each_format_fit_into_the_usual_limits() -> None:
    image = Image.new("RGB", (5_000, 5_000), RED)
    for kind, options in (("JPEG", {"progressive": True}), ("PNG", {"compress_level": 1}), ("WEBP", {"method": 0})):
        raw = encoded(image, kind, **options)
        with Child(Limits(image_processes.LIMITS.memory, PATIENT.cpu_seconds, PATIENT.wall_seconds)) as child:
            assert child.decode("whole", raw, most=image_decoders.SERVED_PIXELS).shape == (5_000, 5_000, 3)
            assert child.usage.peak_bytes < 500 * 2**20


def test_the_limits_apply_after_the_client_has_ended() -> None:
    process = warm()
    before = set(process.children())
    child = Child(Limits(cpu_seconds=1, wall_seconds=60))
    busy = threading.Thread(target=lambda: _ignored(child, bombs.costly()))
    busy.start()
    seen: set[psutil.Process] = set()
    until(lambda: bool(seen.update(set(process.children()) - before) or seen))
    (decoding,) = seen
    child.close()
    until(lambda: not decoding.is_running() or decoding.status() == psutil.STATUS_ZOMBIE)
    busy.join()
    assert not set(process.children()) - before - {decoding}, "no other process was started instead"


def _ignored(child: Child, raw: bytes) -> None:
    with contextlib.suppress(DataError):
        child.decode("whole", raw)


def test_every_child_has_its_limits() -> None:
    process = warm()
    with Child(Limits(memory=64 * 2**20, cpu_seconds=1, wall_seconds=5), requests=3) as child:
        child.decode("whole", GOOD)
        until(lambda: len(process.children()) == 1)
        (pid,) = (found.pid for found in process.children())
        found = psutil.Process(pid)
        assert found.rlimit(psutil.RLIMIT_CPU) == (5, 5)
        assert found.rlimit(psutil.RLIMIT_FSIZE) == (64 * 2**20, 64 * 2**20)
        assert found.rlimit(psutil.RLIMIT_CORE) == (0, 0)
        assert found.rlimit(psutil.RLIMIT_AS)[1] < 2**30
        assert found.cwd() == "/"
        names = [str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir()]
        assert sum("socket" in name for name in names) == 1, "only the one of its own client"


def test_other_requests_are_served_during_a_decoding() -> None:
    done = threading.Event()

    def slow() -> None:
        with contextlib.suppress(DataError):
            image_decoders.decode("whole", bombs.costly(), limits=PATIENT)
        done.set()

    thread = threading.Thread(target=slow)
    thread.start()
    until(lambda: image_decoders._places._free < image_decoders.AT_ONCE)
    assert image_decoders.decode_whole(GOOD).shape == (30, 40, 3)
    assert not done.is_set(), "it did not wait for the expensive one"
    thread.join()


def test_waiting_requests_are_served_in_order_of_arrival() -> None:
    places, order = image_decoders._Places(1), []

    def visitor(name: int) -> None:
        with places.place(30):
            order.append(name)

    threads = [threading.Thread(target=visitor, args=(name,)) for name in range(6)]
    with places.place(0):
        for count, thread in enumerate(threads, 1):
            thread.start()
            until(lambda count=count: len(places._waiting) == count)  # type: ignore[misc]
        with pytest.raises(image_decoders.BusyError), places.place(0.01):
            pass
    for thread in threads:
        thread.join()
    assert order == list(range(6))
    with places.place(0):
        pass


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_the_process_is_started_again_after_it_was_killed(number: signal.Signals) -> None:
    first = warm()
    first.send_signal(number)
    until(lambda: not first.is_running() or first.status() == psutil.STATUS_ZOMBIE)
    assert warm().pid != first.pid


def test_a_crash_of_one_child_is_reported_and_affects_no_other() -> None:
    process = warm()
    with Child(PATIENT) as other, Child(PATIENT) as child:
        assert other.decode("whole", GOOD).shape == (30, 40, 3)
        threading.Thread(target=lambda: _kill(process, child)).start()
        with pytest.raises(DataError, match=r"crashed the decoder \(exit status -11\)"):
            child.decode("whole", bombs.costly())
    assert warm().pid == process.pid


def _kill(process: psutil.Process, child: Child) -> None:
    until(lambda: any(found.cpu_times().user > 0.05 for found in process.children()))
    max(process.children(), key=lambda found: found.cpu_times().user).send_signal(signal.SIGSEGV)


def test_no_file_descriptor_is_left_open() -> None:
    process = warm()
    for raw in (GOOD, b"text", bombs.costly()):
        with contextlib.suppress(DataError):
            image_decoders.decode("whole", raw, limits=Limits(cpu_seconds=0.1))
    until(lambda: not process.children())
    before, within = psutil.Process().num_fds(), process.num_fds()
    for _ in range(5):
        for raw in (GOOD, b"text", bombs.costly()):
            with contextlib.suppress(DataError):
                image_decoders.decode("whole", raw, limits=Limits(cpu_seconds=0.1))
    until(lambda: not process.children())
    assert psutil.Process().num_fds() <= before
    until(lambda: process.num_fds() <= within)


_FORKED = """
import os, sys, threading
from genmodels.data.formats import image_files
from genmodels.data.sandbox import image_decoders, image_processes
raw = sys.stdin.buffer.read()
image_decoders.decode_whole(raw)
ours = image_processes.warm_process.pid()
with image_decoders._places.place(0), image_decoders._places.place(0):  # of the parent
    child = os.fork()
    if child == 0:
        shape = image_decoders.decode_whole(raw).shape
        os._exit(0 if shape == (30, 40, 3) and image_processes.warm_process.pid() not in (None, ours) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert image_decoders.decode_whole(raw).shape == (30, 40, 3)
assert image_processes.warm_process.pid() == ours
print(ours, flush=True)
sys.stdin.close()
if sys.argv[1] == "wait":
    threading.Event().wait()
"""


@pytest.fixture
def server() -> Iterator[subprocess.Popen[bytes]]:
    """A process that has decoded an image and waits."""
    with subprocess.Popen(
        [sys.executable, "-c", _FORKED, "wait"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    ) as process:
        assert process.stdin is not None
        process.stdin.write(GOOD)
        process.stdin.close()
        yield process
        process.kill()


def test_a_forked_server_has_its_own_process_which_ends_when_the_server_is_killed(
    server: subprocess.Popen[bytes],
) -> None:
    assert server.stdout is not None
    pid = int(server.stdout.readline())
    assert psutil.pid_exists(pid)
    server.kill()
    server.wait()
    until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)


def test_the_process_ends_with_its_server() -> None:
    done = subprocess.run([sys.executable, "-c", _FORKED, "end"], input=GOOD, capture_output=True, cwd=ROOT, check=True)
    assert not done.stderr
    pid = int(done.stdout)
    until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
