"""A real OpenLDAP for the whole test session, with a configuration of the tests' own.

One database with the memberOf and password policy overlays, people and groups in every shape that
directories have them in, and a schema that looks like FreeIPA's where that matters. A second suffix
refers to another server.
"""

import contextlib
import socket
import subprocess
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from proxy.under_us import under_us
from tests.parts.debian import install_for, need_programs
from tests.parts.directory_pki import DirectoryPki, make_pki

PACKAGES = ("slapd", "ldap-utils")
PROGRAMS = ("slapd", "ldapadd", "ldapmodify")
START_SECONDS = 30.0
BASE = "dc=example,dc=test"
PEOPLE = f"ou=people,{BASE}"
GROUPS = f"ou=groups,{BASE}"
OPEN = f"ou=open,{BASE}"
"""What anybody may read."""

SERVICE = f"cn=sekisho,{BASE}"
SERVICE_PASSWORD = "the service's password"
ROOT = f"cn=root,{BASE}"
ROOT_PASSWORD = "the root's password"
PASSWORD = "a person's password"

CONFIG = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/nis.schema
include /etc/ldap/schema/inetorgperson.schema
include {folder}/freeipa.schema
modulepath {modules}
moduleload back_mdb
moduleload memberof
moduleload ppolicy
pidfile {folder}/slapd.pid
TLSCACertificateFile {pki.ca}
TLSCertificateFile {pki.certificate}
TLSCertificateKeyFile {pki.key}
sizelimit size.soft=500 size.hard=500 size.prtotal=unlimited
database mdb
suffix "{base}"
rootdn "{root}"
rootpw "{root_password}"
directory {folder}/db
maxsize 268435456
dbnosync
index objectClass,uid,cn,member,uniqueMember,memberUid,entryUUID eq
access to attrs=userPassword by anonymous auth by * none
access to dn.subtree="{open}" by * read
access to * by dn.exact="{service}" read by users none by anonymous auth
overlay memberof
memberof-refint TRUE
overlay ppolicy
ppolicy_default "cn=policy,{base}"
ppolicy_use_lockout
"""

SCHEMA = """
attributetype ( 2.16.840.1.113730.3.8.3.1 NAME 'ipaUniqueID' EQUALITY caseIgnoreMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
attributetype ( 2.16.840.1.113730.3.1.610 NAME 'nsAccountLock'
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
attributetype ( 2.16.840.1.113719.1.301.4.11.1 NAME 'krbPrincipalExpiration'
  EQUALITY generalizedTimeMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.24 SINGLE-VALUE )
objectclass ( 2.16.840.1.113730.3.8.4.1 NAME 'ipaObject' AUXILIARY
  MUST ipaUniqueID MAY ( nsAccountLock $ krbPrincipalExpiration ) )
objectclass ( 2.16.840.1.113730.3.8.4.3 NAME 'ipaUserGroup' AUXILIARY )
"""

TREE = f"""
dn: {BASE}
objectClass: domain
dc: example

dn: {PEOPLE}
objectClass: organizationalUnit
ou: people

dn: {GROUPS}
objectClass: organizationalUnit
ou: groups

dn: ou=elsewhere,{BASE}
objectClass: organizationalUnit
ou: elsewhere

dn: {OPEN}
objectClass: organizationalUnit
ou: open

dn: {SERVICE}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: sekisho
userPassword: {SERVICE_PASSWORD}

dn: cn=policy,{BASE}
objectClass: device
objectClass: pwdPolicy
cn: policy
pwdAttribute: userPassword
pwdLockout: TRUE
pwdMaxFailure: 5
pwdMustChange: TRUE
"""


@dataclass
class OpenLdap:
    """A running slapd."""

    folder: Path
    port: int
    tls_port: int
    pki: DirectoryPki
    programs: dict[str, Path]

    @property
    def url(self) -> str:
        """LDAPS."""
        return f"ldaps://127.0.0.1:{self.tls_port}"

    @property
    def plain_url(self) -> str:
        """LDAP, for StartTLS."""
        return f"ldap://127.0.0.1:{self.port}"

    def config(self, **changes: Any) -> dict[str, Any]:
        """A provider's settings for this directory. None takes a setting out."""
        values = {
            "servers": [self.url],
            "ca_file": self.pki.ca,
            "bind_dn": SERVICE,
            "bind_password": SERVICE_PASSWORD,
            "base": BASE,
        } | changes
        return {name: value for name, value in values.items() if value is not None}

    def add(self, records: Iterable[str]) -> None:
        """Add entries (LDIF)."""
        self._run("ldapadd", "\n".join(records))

    def change(self, record: str) -> None:
        """Modify, rename or delete (LDIF with a changetype)."""
        self._run("ldapmodify", record)

    def user(self, name: str = "", **attributes: str) -> str:
        """Make a user with PASSWORD; the uid."""
        name = name or f"u{uuid.uuid4().hex[:12]}"
        self.add([user_record(name, **attributes)])
        return name

    def group(self, kind: str, **members: Iterable[str]) -> str:
        """Make a group of an object class, with members in the attributes named; its cn."""
        name = f"g{uuid.uuid4().hex[:12]}"
        self.add([group_record(name, kind, **members)])
        return name

    def _run(self, program: str, records: str) -> None:
        done = subprocess.run(
            [self.programs[program], "-x", "-H", self.plain_url, "-D", ROOT, "-w", ROOT_PASSWORD],
            input=records + "\n",
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr + done.stdout


def user_dn(name: str) -> str:
    """The DN of a user that a test made."""
    return f"uid={name},{PEOPLE}"


def group_dn(name: str) -> str:
    """The DN of a group that a test made."""
    return f"cn={name},{GROUPS}"


def user_record(name: str, *, classes: str = "", base: str = PEOPLE, **attributes: str) -> str:
    """A user's LDIF."""
    kinds = "".join(f"objectClass: {kind}\n" for kind in ("inetOrgPerson", *classes.split()))
    more = "".join(f"{key}: {value}\n" for key, value in attributes.items())
    return (
        f"dn: uid={name},{base}\n{kinds}uid: {name}\ncn: {name} of the tests\nsn: {name}\n"
        f"displayName: {name} of the tests\nmail: {name}@example.test\n"
        f"userPassword: {PASSWORD}\n{more}"
    )


def group_record(name: str, kind: str, **members: Iterable[str]) -> str:
    """A group's LDIF; ``kind`` is an object class, or several."""
    kinds = "".join(f"objectClass: {one}\n" for one in kind.split())
    values = "".join(f"{key}: {value}\n" for key, all_ in members.items() for value in all_)
    return f"dn: {group_dn(name)}\n{kinds}cn: {name}\n{values}"


def pytest_collection_finish(session: pytest.Session) -> None:
    """Install OpenLDAP where that is ours to do."""
    install_for(session, "openldap", PROGRAMS, PACKAGES)


@pytest.fixture(scope="session")
def openldap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenLdap]:
    """The session's slapd."""
    programs = need_programs(PROGRAMS, PACKAGES)
    folder = tmp_path_factory.mktemp("openldap")
    pki = make_pki(folder / "pki", "ldap.example.test", "127.0.0.1")
    _configure(folder, pki)
    with _serving(programs, folder, pki) as running:
        running.add([TREE])
        yield running


def _configure(folder: Path, pki: DirectoryPki) -> None:
    (folder / "db").mkdir()
    (folder / "freeipa.schema").write_text(SCHEMA)
    (folder / "slapd.conf").write_text(
        CONFIG.format(
            folder=folder,
            pki=pki,
            modules="/usr/lib/ldap",
            base=BASE,
            root=ROOT,
            root_password=ROOT_PASSWORD,
            service=SERVICE,
            open=OPEN,
        )
    )


@contextlib.contextmanager
def _serving(programs: dict[str, Path], folder: Path, pki: DirectoryPki) -> Iterator[OpenLdap]:
    made = OpenLdap(folder, _free_port(), _free_port(), pki, programs)
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            [
                *under_us(),
                *(programs["slapd"], "-f", folder / "slapd.conf", "-d", "0"),
                *("-h", f"{made.plain_url} {made.url}"),
            ],
            stdout=output,
            stderr=output,
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not (_listens(made.port) and _listens(made.tls_port)):
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"slapd did not start:\n{(folder / 'output').read_text()[-2000:]}")
            time.sleep(0.02)
        yield made
    finally:
        process.kill()
        process.wait(START_SECONDS)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number
