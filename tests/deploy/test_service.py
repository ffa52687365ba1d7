"""The systemd unit allows the server what it needs and nothing else."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.isolation import free_port
from tests.support.sekisho import PASSWORD, Sekisho, make_sekisho
from tests.support.waiting import wait_until

UNIT = Path(__file__).parents[2] / "deploy/sekisho.service"
MOST_EXPOSURE = 1.5
"""In the scale of ``systemd-analyze security``, where 9.6 is a service without limits."""

WANTED = {
    "AmbientCapabilities": "",
    "CapabilityBoundingSet": "",
    "DevicePolicy": "closed",
    "DynamicUser": "yes",
    "KeyringMode": "private",
    "LimitCORE": "0",
    "LockPersonality": "yes",
    "MemoryDenyWriteExecute": "yes",
    "NoNewPrivileges": "yes",
    "PrivateDevices": "yes",
    "PrivateIPC": "yes",
    "PrivateMounts": "yes",
    "PrivateTmp": "yes",
    "PrivateUsers": "yes",
    "ProtectClock": "yes",
    "ProtectControlGroups": "yes",
    "ProtectHome": "yes",
    "ProtectHostname": "yes",
    "ProtectKernelLogs": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelTunables": "yes",
    "ProtectProc": "invisible",
    "ProtectSystem": "strict",
    "RemoveIPC": "yes",
    "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX",
    "RestrictNamespaces": "yes",
    "RestrictRealtime": "yes",
    "RestrictSUIDSGID": "yes",
    "StateDirectory": "sekisho",
    "StateDirectoryMode": "0700",
    "SystemCallArchitectures": "native",
    "SystemCallErrorNumber": "EPERM",
    "SystemCallFilter": "@system-service ~@privileged @resources",
    "UMask": "0077",
}

NO_WRITABLE_CODE = """
import ctypes, os, sys
PR_SET_MDWE, REFUSE_EXEC_GAIN = 65, 1
ctypes.CDLL(None).prctl(PR_SET_MDWE, REFUSE_EXEC_GAIN, 0, 0, 0)
os.umask(0o077)
os.execvp(sys.argv[1], sys.argv[1:])
"""
"""Imitate MemoryDenyWriteExecute where the kernel supports it (Linux 6.3 and later)."""

AS_ROOT = {"chown", "fchown"}
"""System calls that SQLite makes only as root; the service does not run as root."""


def service() -> dict[str, str]:
    """Return the settings in the unit's [Service]; values of a repeated key are joined."""
    found: dict[str, list[str]] = {}
    section = ""
    for line in UNIT.read_text().splitlines():
        if line.startswith("["):
            section = line
        elif section == "[Service]" and line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return {key: " ".join(values) for key, values in found.items()}


def allowed_calls(analyze: Path) -> set[str]:
    """Return the system calls that the unit's filter allows, from systemd's own sets."""
    taken = False
    calls: set[str] = set()
    for word in service()["SystemCallFilter"].split():
        taken = taken or word.startswith("~")
        members = set_members(analyze, word.removeprefix("~"))
        calls = calls - members if taken else calls | members
    return calls


def set_members(analyze: Path, name: str) -> set[str]:
    """Return the members of a set of system calls and of the sets in it."""
    shown = subprocess.run(
        [analyze, "syscall-filter", name], capture_output=True, text=True, check=True
    )
    entries = [line.strip() for line in shown.stdout.splitlines()[1:]]
    members: set[str] = set()
    for entry in entries:
        if entry.startswith("@"):
            members |= set_members(analyze, entry)
        elif entry and not entry.startswith("#"):
            members.add(entry)
    return members


@pytest.fixture(scope="module")
def traced(
    systemd: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Sekisho, str]:
    """Run and stop a server without writable code; return it and the trace of its system calls."""
    folder = tmp_path_factory.mktemp("traced")
    sekisho = make_sekisho(folder, (free_port(), free_port()))
    config = sekisho.config.read_text()
    sekisho.config.write_text(re.sub(r'(server: \{listen: "[^"]+")', r"\1, workers: 2", config))
    assert sekisho.config.read_text() != config
    sekisho.create_user("alice")
    trace = folder / "trace"
    sekisho.prefix = (
        str(systemd["strace"]), "-D", "-f", "-q", "-s", "8", "-o", str(trace), "--",
        sys.executable, "-c", NO_WRITABLE_CODE,
    )  # fmt: skip
    sekisho.start()
    body = {"username": "alice", "password": PASSWORD}
    assert sekisho.request("POST", "/v1/login/local", body=body).status in {200, 201}
    assert sekisho.request("GET", "/k8s/clusters/none/api", token="no").status == 401
    assert sekisho.process is not None
    assert sekisho.stop() == 0
    pid = sekisho.process.pid
    # strace pads a PID of fewer than five digits.
    ended = re.compile(rf"^{pid} +\+\+\+ exited", re.MULTILINE)
    wait_until(lambda: ended.search(trace.read_text()) is not None)
    return sekisho, trace.read_text()


@pytest.mark.parametrize("key", sorted(WANTED))
def test_unit_restricts_what_the_server_does_not_need(key: str) -> None:
    assert service().get(key) == WANTED[key]


def test_unit_allows_descriptors_for_many_connections() -> None:
    assert int(service()["LimitNOFILE"]) >= 65536


def test_unit_settings_are_known_to_systemd_and_limit_exposure(systemd: dict[str, Path]) -> None:
    shown = subprocess.run(
        [systemd["systemd-analyze"], "security", "--offline=true", "--no-pager", UNIT],
        capture_output=True, text=True,
    )  # fmt: skip
    exposure = re.search(r"exposure level for sekisho.service: ([\d.]+)", shown.stdout)
    assert exposure, shown.stderr
    assert float(exposure[1]) <= MOST_EXPOSURE
    assert "sekisho.service" not in shown.stderr


def test_server_makes_only_system_calls_that_the_unit_allows(
    systemd: dict[str, Path], traced: tuple[Sekisho, str]
) -> None:
    made = set(re.findall(r"^\d+ +(\w+)\(", traced[1], re.MULTILINE))
    assert {"execve", "accept4", "prctl"} <= made
    assert made - allowed_calls(systemd["systemd-analyze"]) - AS_ROOT == set()


def test_server_opens_only_sockets_of_families_that_the_unit_allows(
    traced: tuple[Sekisho, str],
) -> None:
    """Check all families but AF_NETLINK.

    With it glibc lists the local addresses; if it cannot, it assumes all families.
    """
    families = set(re.findall(r"^\d+ +socket\((AF_\w+)", traced[1], re.MULTILINE))
    assert "AF_INET" in families
    allowed = set(service()["RestrictAddressFamilies"].split())
    assert families - allowed - {"AF_NETLINK"} == set()


def test_server_maps_no_memory_that_is_writable_and_executable(
    traced: tuple[Sekisho, str],
) -> None:
    _, calls = traced
    gained = re.findall(r"^.*(?:mmap|mprotect)\(.*PROT_WRITE\|PROT_EXEC.*$", calls, re.MULTILINE)
    assert gained == []
    assert re.findall(r"^.*mprotect\(.*PROT_EXEC.*$", calls, re.MULTILINE) == []


def test_files_of_the_server_except_certificates_are_private(
    traced: tuple[Sekisho, str],
) -> None:
    data = traced[0].folder / "data"
    every = [data, *data.rglob("*")]
    open_to_others = [one.name for one in every if one.stat().st_mode & 0o077]
    assert [one for one in open_to_others if not one.endswith(".crt")] == []
