import os
import subprocess
import sys

from bench.cgroups import group_of
from bench.machine import children, cpu_seconds, family, resident_kib, rss_kib, ticks_of

# A process name with spaces and brackets, as /proc shows it.
STAT = "42 (a (b) c) S 1 42 42 0 -1 4194560 100 0 0 0 70 20 6 4 20 0 1 0 100 1000 100"
STATUS = "Name:\tpython\nVmHWM:\t  9000 kB\nVmRSS:\t  8192 kB\nThreads:\t1\n"
MEMBERSHIP = "9:name=systemd:/\n2:cpu,cpuacct:/one/two\n0::/\n"


def test_ticks_include_ended_children() -> None:
    assert ticks_of(STAT) == 70 + 20 + 6 + 4


def test_resident_memory_is_parsed_from_status() -> None:
    assert resident_kib(STATUS) == 8192
    assert resident_kib("Name:\tgone\n") == 0


def test_group_is_found_by_controller_even_if_shared() -> None:
    assert group_of(MEMBERSHIP, "cpuacct") == "/one/two"
    assert group_of(MEMBERSHIP, "memory") is None


def test_descendants_are_counted_while_they_run() -> None:
    waits = "import sys; sys.stdin.read()"
    starts = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {waits!r}])"
    with subprocess.Popen([sys.executable, "-c", starts], stdin=subprocess.PIPE) as child:
        assert child.stdin is not None
        while len(family(child.pid)) < 2:
            assert child.poll() is None
        assert children(child.pid) == family(child.pid)[1:]
        assert rss_kib(child.pid) > rss_kib(children(child.pid)[0]) > 0
        child.stdin.close()
        child.wait()
        assert children(child.pid) == []
        assert rss_kib(child.pid) == 0


def test_cpu_time_of_this_process_grows() -> None:
    before = cpu_seconds(os.getpid())
    while cpu_seconds(os.getpid()) == before:
        sum(range(100_000))
    assert cpu_seconds(os.getpid()) > before
