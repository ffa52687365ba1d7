"""A real Active Directory for the test session: Samba's domain controller.

Samba's ports (389, 636) are fixed, so it uses a separate loopback address. Entries are added with
ldbadd, which is much faster than LDAP. Each test creates its entries with unique names.
"""

import base64
import contextlib
import os
import random
import re
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from providers.active_directory.settings import ActiveDirectorySettings
from proxy.workers.child_process import die_with_parent
from tests.support.debian import install_for, need_programs
from tests.support.directory_pki import DirectoryPki, make_pki
from tests.support.waiting import wait_until

PACKAGES = (
    "samba",
    "samba-dsdb-modules",
    "samba-vfs-modules",
    "winbind",
    "samba-ad-provision",
    "samba-ad-dc",
    "ldb-tools",
)
PROGRAMS = ("samba", "samba-tool", "ldbadd", "ldbmodify", "ldbsearch")
START_SECONDS = 300.0
DOMAIN = "corp.example.test"
BASE = "DC=corp,DC=example,DC=test"
PEOPLE = f"CN=Users,{BASE}"
ADMINISTRATOR = f"CN=Administrator,{PEOPLE}"
ADMINISTRATOR_PASSWORD = "Adm1n-Passw0rd!"
PASSWORD = "Passw0rd of users!"

DISABLED, NORMAL = 514, 512


@dataclass
class Samba:
    """A running domain controller."""

    folder: Path
    host: str
    pki: DirectoryPki
    programs: dict[str, Path]
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        """Return the LDAPS URL."""
        return f"ldaps://{self.host}"

    def settings(self, **changes: Any) -> ActiveDirectorySettings:
        """Return the provider's settings for this directory."""
        return ActiveDirectorySettings.model_validate(self.config(**changes))

    def config(self, **changes: Any) -> dict[str, Any]:
        """Return the settings as in a configuration file. None removes a setting."""
        values = {
            "servers": [self.url],
            "domain": DOMAIN,
            "bind_dn": ADMINISTRATOR,
            "bind_password": ADMINISTRATOR_PASSWORD,
            "ca_file": self.pki.ca,
        } | changes
        return {name: value for name, value in values.items() if value is not None}

    def add(self, records: Iterable[str]) -> None:
        """Add entries (LDIF) in one transaction."""
        self._ldb("ldbadd", "\n".join(records))

    def modify(self, record: str, *options: str) -> None:
        """Modify, rename or delete an entry (LDIF with a changetype)."""
        self._ldb("ldbmodify", record, *options)

    def create_user(self, **attributes: Any) -> str:
        """Create a user; return the account name."""
        name = f"u{uuid.uuid4().hex[:12]}"
        self.add([user_record(name, **attributes)])
        return name

    def create_group(self, *members: str, **attributes: Any) -> str:
        """Create a group with member DNs; return its name."""
        name = f"g{uuid.uuid4().hex[:12]}"
        self.add([group_record(name, members, **attributes)])
        return name

    def create_group_chains(self, user: str, count: int, levels: int) -> str:
        """Put a user into ``count`` chains of ``levels`` nested groups; return their OU."""
        mark = uuid.uuid4().hex[:8]
        ou = f"OU=chains-{mark},{BASE}"
        records = []
        for chain in range(count):
            member = dn_of(user)
            for level in range(levels):
                name = f"m{mark}-{chain:03d}-{level}"
                records.append(group_record(name, [member], base=ou))
                member = dn_of(name, ou)
        self.add([f"dn: {ou}\nobjectClass: organizationalUnit\n", *records])
        return ou

    def delete_tree(self, ou: str) -> None:
        """Delete an OU and its content."""
        self.modify(f"dn: {ou}\nchangetype: delete\n", "--controls=tree_delete:1")

    def make_primary(self, user: str, group: str) -> None:
        """Make a group the user's primary group. The user must be a member."""
        done = self._ldb("ldbsearch", "", "-b", dn_of(group), "-s", "base", "objectSid")
        found = re.search(r"^objectSid: S-[\d-]+-(\d+)$", done, re.MULTILINE)
        assert found, done
        self.modify(
            f"dn: {dn_of(user)}\nchangetype: modify\nreplace: primaryGroupID\n"
            f"primaryGroupID: {found[1]}\n"
        )

    def cpu_seconds(self) -> float:
        """Return the CPU seconds that the server has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _ldb(self, program: str, records: str, *options: str) -> str:
        database = self.folder / "dc" / "private" / "sam.ldb"
        done = subprocess.run(
            [self.programs[program], "-H", database, *options],
            input=records + "\n",
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout


def dn_of(name: str, base: str = PEOPLE) -> str:
    """Return the DN of an entry that a test created."""
    return f"CN={name},{base}"


def user_record(name: str, *, base: str = PEOPLE, **attributes: Any) -> str:
    """Return the LDIF of a user with PASSWORD."""
    values: dict[str, Any] = {
        "objectClass": "user",
        "sAMAccountName": name,
        "userPrincipalName": f"{name}@{DOMAIN}",
        "displayName": f"{name} of the tests",
        "mail": f"{name}@example.test",
        "userAccountControl": NORMAL,
    }
    password = base64.b64encode(f'"{PASSWORD}"'.encode("utf-16-le")).decode()
    return _record(dn_of(name, base), values | attributes) + f"unicodePwd:: {password}\n"


def group_record(
    name: str, members: Iterable[str] = (), *, base: str = PEOPLE, **attributes: Any
) -> str:
    """Return the LDIF of a group."""
    values: dict[str, Any] = {"objectClass": "group", "sAMAccountName": name}
    lines = "".join(f"member: {member}\n" for member in members)
    return _record(dn_of(name, base), values | attributes) + lines


def _record(dn: str, values: dict[str, Any]) -> str:
    lines = (
        f"{name}:: {base64.b64encode(str(value).encode()).decode()}\n"
        for name, value in values.items()
    )
    return f"dn:: {base64.b64encode(dn.encode()).decode()}\n" + "".join(lines)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Install Samba in CI."""
    install_for(session, "samba", PROGRAMS, PACKAGES)


@pytest.fixture(scope="session")
def samba() -> Iterator[Samba]:
    """Run the session's domain controller."""
    programs = need_programs(PROGRAMS, PACKAGES)
    host = _loopback_address()
    # Not in pytest's directory: socket paths must be short.
    with tempfile.TemporaryDirectory(prefix="sekisho-samba-") as name:
        folder = Path(name)
        pki = make_pki(folder / "pki", "dc1.corp.example.test", host)
        _provision(programs["samba-tool"], folder, host, pki)
        with _serving(programs, folder, host, pki) as running:
            yield running


def _loopback_address() -> str:
    """Return a loopback address whose LDAP port is free and may be bound."""
    for _ in range(50):
        numbers = [random.randint(1, 254) for _ in range(3)]
        host = f"127.{numbers[0]}.{numbers[1]}.{numbers[2]}"
        try:
            with socket.socket() as probe:
                probe.bind((host, 389))
        except PermissionError:
            reason = "an Active Directory listens on port 389, which only root may here"
            if os.environ.get("CI"):
                pytest.fail(reason, pytrace=False)
            pytest.skip(reason)
        except OSError:
            continue
        return host
    pytest.fail("no loopback address is free for an Active Directory", pytrace=False)


def _provision(tool: Path, folder: Path, host: str, pki: DirectoryPki) -> None:
    options = {
        "posix:eadb": folder / "eadb.tdb",
        "interfaces": f"{host}/8",
        "bind interfaces only": "yes",
        "server services": "ldap",
        "log file": folder / "log.samba",
        "pid directory": folder / "run",
        "ncalrpc dir": folder / "ncalrpc",
        "tls enabled": "yes",
        "tls keyfile": pki.key,
        "tls certfile": pki.certificate,
        "tls cafile": pki.ca,
    }
    (folder / "run").mkdir()
    done = subprocess.run(
        [
            *(tool, "domain", "provision", f"--targetdir={folder / 'dc'}"),
            *(f"--realm={DOMAIN.upper()}", "--domain=CORP", "--server-role=dc"),
            *("--dns-backend=NONE", f"--adminpass={ADMINISTRATOR_PASSWORD}", "--host-name=dc1"),
            *(f"--option={name}={value}" for name, value in options.items()),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.fail(f"samba-tool failed:\n{done.stderr[-2000:]}", pytrace=False)


@contextlib.contextmanager
def _serving(
    programs: dict[str, Path], folder: Path, host: str, pki: DirectoryPki
) -> Iterator[Samba]:
    with (folder / "output").open("wb") as output:
        config = folder / "dc" / "etc" / "smb.conf"
        process = subprocess.Popen(
            [*die_with_parent(), programs["samba"], "-s", config, "-i", "-M", "single"],
            stdin=subprocess.PIPE,  # Samba ends with this pipe
            stdout=output,
            stderr=output,
        )
    try:
        wait_until(
            lambda: process.poll() is not None or _listens(host),
            START_SECONDS,
            lambda: f"Samba:\n{(folder / 'output').read_text()[-2000:]}",
        )
        if process.poll() is not None:
            pytest.fail(f"Samba did not start:\n{(folder / 'output').read_text()[-2000:]}")
        yield Samba(folder, host, pki, programs, process)
    finally:
        process.kill()
        process.wait(START_SECONDS)


def _listens(host: str) -> bool:
    try:
        socket.create_connection((host, 636), timeout=1).close()
    except OSError:
        return False
    return True
