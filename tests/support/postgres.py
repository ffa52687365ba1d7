"""A real PostgreSQL server for the test session, and an empty database per test.

The server is Debian's package, run from a temporary directory on a free loopback port. An existing
Debian cluster is not used. If the tests install the package, Debian creates no cluster.
"""

import contextlib
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.demo.pki import write_private
from tests.support.debian import OPTIONS, apt_get, explained
from tests.support.isolation import exclusive_lock
from tests.support.isolation import free_port as free_port
from tests.support.waiting import wait_until

START_SECONDS = 300.0
"""Seconds to wait for the server, which normally needs less than one."""

USER = "sekisho"
KEEP_CONFIGURATION = (*OPTIONS, "-o", "Dpkg::Options::=--force-confold")
CLUSTER_CONFIG = Path("/etc/postgresql-common/createcluster.conf")


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """Run a server; yields the superuser's URL of the database ``postgres``."""
    programs = find_programs()
    # Not in pytest's directory: it is private to this user, and socket paths must be short.
    with tempfile.TemporaryDirectory(prefix="sekisho-postgres-") as name:
        directory = Path(name)
        shutil.chown(directory, server_user())
        with serving(programs, directory) as url:
            yield url


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[str]:
    """Create an empty database; yields its URL. It is dropped even with open connections."""
    name = f"test_{uuid.uuid4().hex}"
    programs = find_programs()
    run(programs / "createdb", f"--maintenance-db={postgres_url}", "--template=template0", name)
    yield postgres_url.rpartition("/")[0] + "/" + name
    run(programs / "dropdb", f"--maintenance-db={postgres_url}", "--force", "--if-exists", name)


def find_programs() -> Path:
    """Return the directory of PostgreSQL's programs. CI installs them if they are missing."""
    if found := installed_programs():
        return found
    if not os.environ.get("CI"):
        pytest.skip("PostgreSQL is not installed: `apt-get install postgresql`")
    if os.geteuid() == 0 and shutil.which("apt-get"):
        with exclusive_lock("install"):
            if not installed_programs():
                install()
    if found := installed_programs():
        return found
    pytest.fail(explained("PostgreSQL could not be installed"), pytrace=False)


def installed_programs() -> Path | None:
    """Return the programs' directory: Debian's newest release, else from PATH; or None."""
    releases = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = sorted(releases, key=lambda path: float(path.parts[-3]), reverse=True)
    on_path = shutil.which("initdb")
    candidates = [*newest, *([Path(on_path).resolve()] if on_path else [])]
    return next((path.parent for path in candidates if path.exists()), None)


def install() -> None:
    """Install Debian's package without creating its default cluster."""
    apt_get("update")
    apt_get("install", "postgresql-common", options=KEEP_CONFIGURATION)
    if not CLUSTER_CONFIG.exists():
        return
    with CLUSTER_CONFIG.open("a") as config:
        config.write("\ncreate_main_cluster = false\n")
    apt_get("install", "postgresql", options=KEEP_CONFIGURATION)


@contextlib.contextmanager
def serving(programs: Path, directory: Path) -> Iterator[str]:
    """Run a server in ``directory``; yields its URL."""
    password = secrets.token_hex(16)
    make_cluster(programs, directory, password)
    port = free_port()
    log = (directory / "log").open("wb")
    options = [f"-D{directory}/data", f"-k{directory}", "-h127.0.0.1", f"-p{port}"]
    settings = ["-F", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]
    server = subprocess.Popen(
        as_server_user(programs / "postgres", *options, *settings), stdout=log, stderr=log
    )
    try:
        url = f"postgresql://{USER}:{password}@127.0.0.1:{port}/postgres"
        wait_until_ready(programs, url, server, directory / "log")
        yield url
    finally:
        server.send_signal(3)  # SIGQUIT: stop immediately, the data is not needed
        server.wait(START_SECONDS)
        log.close()


def make_cluster(programs: Path, directory: Path, password: str) -> None:
    """Create a database cluster with one superuser, whose password is always required."""
    secret = directory / "password"
    write_private(secret, password.encode())
    shutil.chown(secret, server_user())
    options = ["--encoding=UTF8", "--no-locale", "--no-sync", "--auth=scram-sha-256"]
    superuser = [f"--username={USER}", f"--pwfile={secret}"]
    run(*as_server_user(programs / "initdb", "-D", directory / "data", *options, *superuser))


def wait_until_ready(programs: Path, url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    """Poll with pg_isready until the server accepts connections."""
    check = [str(programs / "pg_isready"), "--quiet", f"--dbname={url}"]

    def responds_or_ended() -> bool:
        return server.poll() is not None or subprocess.run(check, check=False).returncode == 0

    wait_until(responds_or_ended, START_SECONDS, lambda: f"PostgreSQL:\n{log.read_text()[-2000:]}")
    if server.poll() is not None:
        pytest.fail(f"PostgreSQL did not start:\n{log.read_text()[-2000:]}", pytrace=False)


def as_server_user(*command: str | Path) -> list[str]:
    """Return a command that runs as a non-root user and ends with this process."""
    wrapper = ["setpriv", "--pdeathsig=QUIT"] if shutil.which("setpriv") else []
    if os.geteuid() == 0:
        account = pwd.getpwnam(server_user())
        ids = [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
        wrapper = ["setpriv", "--pdeathsig=QUIT", *ids]
    return [*wrapper, *map(str, command)]


def server_user() -> str:
    """Return the owner of the server's files: this user, or for root another one."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid()).pw_name
    names = {account.pw_name for account in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def run(*command: str | Path) -> None:
    """Run a program of PostgreSQL. Fails the test with its error output."""
    # Not in this process's directory, which the server's user may be unable to enter.
    done = subprocess.run(
        [str(part) for part in command], cwd="/", capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.fail(f"{command[0]} failed:\n{done.stderr}", pytrace=False)
