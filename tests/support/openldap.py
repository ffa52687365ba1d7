"""A real OpenLDAP server for the test session.

It has one database with the memberOf and password policy overlays, and a schema with the attributes
of FreeIPA that the providers use.
"""

import contextlib
import socket
import subprocess
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from proxy.workers.child_process import die_with_parent
from tests.support.debian import install_for, need_programs
from tests.support.directory_pki import DirectoryPki, make_pki
from tests.support.isolation import free_port
from tests.support.waiting import wait_until

PACKAGES = ("slapd", "ldap-utils")
PROGRAMS = ("slapd", "ldapadd", "ldapmodify")
START_SECONDS = 300.0
BASE = "dc=example,dc=test"
PEOPLE = f"ou=people,{BASE}"
GROUPS = f"ou=groups,{BASE}"
OPEN = f"ou=open,{BASE}"
"""A subtree that anonymous clients may read."""

SERVICE = f"cn=sekisho,{BASE}"
SERVICE_PASSWORD = "the service's password"
ROOT = f"cn=root,{BASE}"
ROOT_PASSWORD = "the root's password"
PASSWORD = "a user's password"

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
        """Return the LDAPS URL."""
        return f"ldaps://127.0.0.1:{self.tls_port}"

    @property
    def plain_url(self) -> str:
        """Return the LDAP URL, for StartTLS."""
        return f"ldap://127.0.0.1:{self.port}"

    def config(self, **changes: Any) -> dict[str, Any]:
        """Return provider settings for this directory. None removes a setting."""
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

    def modify(self, record: str) -> None:
        """Modify, rename or delete an entry (LDIF with a changetype)."""
        self._run("ldapmodify", record)

    def create_user(self, name: str = "", **attributes: str) -> str:
        """Create a user with PASSWORD; return the uid."""
        name = name or f"u{uuid.uuid4().hex[:12]}"
        self.add([user_record(name, **attributes)])
        return name

    def create_group(self, kind: str, **members: Iterable[str]) -> str:
        """Create a group of an object class with members by attribute; return its cn."""
        name = f"g{uuid.uuid4().hex[:12]}"
        self.add([group_record(name, kind, **members)])
        return name

    def add_with_uuids(self, records: Iterable[str]) -> None:
        """Add entries with a chosen entryUUID, as a directory administrator can."""
        self._run("ldapadd", "\n".join(records), "-e", "relax")

    def _run(self, program: str, records: str, *options: str) -> None:
        account = ("-D", ROOT, "-w", ROOT_PASSWORD)
        done = subprocess.run(
            [self.programs[program], "-x", "-H", self.plain_url, *account, *options],
            input=records + "\n",
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr + done.stdout


def user_dn(name: str) -> str:
    """Return the DN of a user that a test created."""
    return f"uid={name},{PEOPLE}"


def group_dn(name: str) -> str:
    """Return the DN of a group that a test created."""
    return f"cn={name},{GROUPS}"


def user_record(name: str, *, classes: str = "", base: str = PEOPLE, **attributes: str) -> str:
    """Return the LDIF of a user."""
    kinds = "".join(f"objectClass: {kind}\n" for kind in ("inetOrgPerson", *classes.split()))
    more = "".join(f"{key}: {value}\n" for key, value in attributes.items())
    return (
        f"dn: uid={name},{base}\n{kinds}uid: {name}\ncn: {name} of the tests\nsn: {name}\n"
        f"displayName: {name} of the tests\nmail: {name}@example.test\n"
        f"userPassword: {PASSWORD}\n{more}"
    )


def group_record(name: str, kind: str, **members: Iterable[str]) -> str:
    """Return the LDIF of a group. ``kind`` is one object class or several."""
    kinds = "".join(f"objectClass: {one}\n" for one in kind.split())
    values = "".join(f"{key}: {value}\n" for key, all_ in members.items() for value in all_)
    return f"dn: {group_dn(name)}\n{kinds}cn: {name}\n{values}"


def pytest_collection_finish(session: pytest.Session) -> None:
    """Install OpenLDAP in CI."""
    install_for(session, "openldap", PROGRAMS, PACKAGES)


@pytest.fixture(scope="session")
def openldap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenLdap]:
    """Run the session's slapd."""
    programs = need_programs(PROGRAMS, PACKAGES)
    folder = tmp_path_factory.mktemp("openldap")
    pki = make_pki(folder / "pki", "ldap.example.test", "127.0.0.1")
    _configure(folder, pki)
    with _serving(programs, folder, pki) as running:
        running.add([TREE])
        yield running


@pytest.fixture(scope="session")
def other_openldap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenLdap]:
    """Run a second directory with the same suffix."""
    programs = need_programs(PROGRAMS, PACKAGES)
    folder = tmp_path_factory.mktemp("other-openldap")
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
    made = OpenLdap(folder, free_port(), free_port(), pki, programs)
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            [
                *die_with_parent(),
                *(programs["slapd"], "-f", folder / "slapd.conf", "-d", "0"),
                *("-h", f"{made.plain_url} {made.url}"),
            ],
            stdout=output,
            stderr=output,
        )
    try:
        wait_until(
            lambda: process.poll() is not None or (_listens(made.port) and _listens(made.tls_port)),
            START_SECONDS,
            lambda: f"slapd:\n{(folder / 'output').read_text()[-2000:]}",
        )
        if process.poll() is not None:
            pytest.fail(f"slapd did not start:\n{(folder / 'output').read_text()[-2000:]}")
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
