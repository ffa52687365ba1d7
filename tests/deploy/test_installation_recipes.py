"""The recipes for an installation without the internet and for one machine with systemd."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from proxy.workers.child_process import die_with_parent
from tests.support.isolation import free_port
from tests.support.page_session import ROOT, Command, File, pattern, plain, section, steps_of
from tests.support.waiting import wait_until

AIR_GAPPED = ROOT / "docs" / "recipes" / "air-gapped.md"
SYSTEMD = ROOT / "docs" / "recipes" / "systemd.md"
UNIT = ROOT / "deploy" / "sekisho.service"
NOWHERE = "http://127.0.0.1:9"
ISOLATED = {
    "PIP_INDEX_URL": "https://index.invalid/simple",
    "HTTPS_PROXY": NOWHERE,
    "HTTP_PROXY": NOWHERE,
    "ALL_PROXY": NOWHERE,
}
"""For the machine without the internet: each connection elsewhere fails."""

SOURCES = ("agent", "config", "impersonation", "management", "providers", "proxy", "store")
FILES = ("pyproject.toml", "setup.py", "README.md", "LICENSE")

pytestmark = pytest.mark.timeout(900)


def follow(
    page: Path, heading: str, folder: Path, opt: Path, environment: Mapping[str, str]
) -> None:
    """Run the commands below a heading in a folder, with another place for /opt/sekisho."""
    python = Path(sys.executable).parent
    path = f"{python}{os.pathsep}{os.environ['PATH']}"
    for step in steps_of(section(page.read_text(), heading)):
        if not isinstance(step, Command):
            continue
        line = step.line.replace("/opt/sekisho", str(opt)).replace("/etc/sekisho", str(folder))
        done = subprocess.run(
            ["/bin/bash", "-c", line],
            cwd=folder,
            env={"PATH": path, "HOME": str(folder), "LANG": "C.UTF-8", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"$ {line}\n{done.stdout}"
        for text in step.printed:
            assert pattern(text).search(plain(done.stdout)), f"$ {line}\n{done.stdout}"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of what a wheel is made of: building writes into its folder."""
    folder = tmp_path_factory.mktemp("checkout")
    caches = shutil.ignore_patterns("__pycache__", "*.so")
    for name in (*SOURCES, "requirements", "deploy"):
        shutil.copytree(ROOT / name, folder / name, ignore=caches)
    for name in FILES:
        shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture(scope="module")
def installed(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Follow the recipe on both machines. Return the place of /opt/sekisho."""
    isolated = tmp_path_factory.mktemp("isolated")
    opt = isolated / "opt"
    follow(AIR_GAPPED, "1. Where the internet is", checkout, opt, {})
    shutil.copy(checkout / "sekisho-wheelhouse.tar.gz", isolated)
    follow(AIR_GAPPED, "2. Where it is not", isolated, opt, ISOLATED)
    return opt


@pytest.fixture
def machine(installed: Path, tmp_path: Path) -> Path:
    """Write the configuration of the recipe. Return the place of /etc/sekisho."""
    [config] = [one.text for one in steps_of(SYSTEMD.read_text()) if isinstance(one, File)]
    for port in (8443, 9443):
        config = config.replace(f":{port}", f":{free_port()}")
    (tmp_path / "sekisho.yaml").write_text(config)
    return tmp_path


def unit(installed: Path, machine: Path) -> str:
    """Return the unit with this machine's places."""
    text = UNIT.read_text().replace("/opt/sekisho", str(installed))
    return text.replace("/etc/sekisho", str(machine)).replace(
        "/var/lib/sekisho", f"{machine}/state"
    )


def test_installation_without_an_index_has_every_requirement(installed: Path) -> None:
    checked = subprocess.run(
        [installed / "bin" / "pip", "check"], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout


def test_unit_of_the_recipe_is_accepted_by_systemd(
    systemd: dict[str, Path], installed: Path, machine: Path
) -> None:
    file = machine / "sekisho.service"
    file.write_text(unit(installed, machine))
    done = subprocess.run(
        [systemd["systemd-analyze"], "verify", "--man=no", file],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "sekisho.service" not in done.stderr, done.stderr
    assert done.returncode == 0, done.stderr


@pytest.fixture
def service(installed: Path, machine: Path) -> Iterator[Path]:
    """Run the unit's command with its environment and without capabilities.

    systemd is not the first process of most test machines, so it does not start the unit.
    """
    follow(SYSTEMD, "2. Configure", machine, installed, ISOLATED)
    text = unit(installed, machine)
    [command] = re.findall(r"^ExecStart=(.+)$", text, re.MULTILINE)
    environment = dict(re.findall(r"^Environment=(\w+)=(\S+)$", text, re.MULTILINE))
    (machine / "state").mkdir(mode=0o700)
    drop = [str(shutil.which("setpriv")), "--no-new-privs"]
    if os.geteuid() == 0:
        drop += ["--bounding-set=-all", "--inh-caps=-all"]
    with (machine / "journal").open("w") as journal:
        process = subprocess.Popen(
            [*die_with_parent(), *drop, *shlex.split(command)],
            stdout=journal,
            stderr=journal,
            cwd="/",
            env={"PATH": os.environ["PATH"], **environment},
            umask=0o077,
        )
    try:
        wait_until(lambda: process.poll() is not None or is_ready(machine), 60.0)
        assert process.poll() is None, (machine / "journal").read_text()
        yield machine
    finally:
        process.terminate()
        assert process.wait(60) == 0


def is_ready(machine: Path) -> bool:
    """Return whether the metrics listener of the configuration reports a ready server."""
    [port] = re.findall(r"metrics: .*:(\d+)", (machine / "sekisho.yaml").read_text())
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=60) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def test_command_of_the_unit_serves_and_prints_the_first_password(service: Path) -> None:
    journal = service / "journal"
    wait_until(lambda: "one-time password" in journal.read_text())
    assert "first administrator" in journal.read_text()
    assert (service / "state" / "tls" / "ca.crt").exists()
    private = [one for one in (service / "state").rglob("*") if one.is_file()]
    assert {one.suffix for one in private if one.stat().st_mode & 0o077} == {".crt"}
