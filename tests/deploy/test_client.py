"""The client's distribution and archive, on a machine without the server and its libraries."""

import json
import re
import subprocess
import sys
import venv
from collections.abc import Sequence
from importlib import util
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.kubernetes import kubectl
from tests.support.sekisho import PASSWORD, SekishoWithUsers

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "deploy" / "client" / "build.py"
REQUIREMENTS = ROOT / "requirements" / "client.txt"

POSIX_ONLY = ("fcntl", "grp", "posix_ipc", "pty", "pwd", "resource", "syslog", "termios", "tty")
SERVER = (
    *("aiohttp", "alembic", "aiosqlite", "argon2", "asyncpg", "authlib", "cryptography"),
    *("httptools", "jinja2", "joserfc", "keyring", "ldap3", "prometheus_client", "pydantic"),
    *("pydantic_settings", "sqlalchemy", "structlog", "uvloop", "management", "providers"),
    *("store", "impersonation"),
)

WITHOUT = f"""
import importlib.abc, sys, types

class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {(*POSIX_ONLY, *SERVER)!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
for name in {POSIX_ONLY!r}:
    sys.modules.pop(name, None)
windows = types.ModuleType("msvcrt")
windows.LK_LOCK, windows.locking = 1, lambda descriptor, mode, count: None
sys.modules["msvcrt"] = windows
platform, sys.platform = sys.platform, "win32"
import proxy.files.private_files
sys.platform = platform
del sys.modules["msvcrt"]  # subprocess looks for it
sys.argv[0] = "sekisho"
from proxy.cli.entry import main
main()
"""
"""Runs the command line without POSIX's modules, and with Windows' lock, which always succeeds."""


def build_module() -> ModuleType:
    spec = util.spec_from_file_location("client_build", BUILD)
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, BUILD, "--output", folder], check=True, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel and the pinned libraries; return the folder of scripts."""
    folder = tmp_path_factory.mktemp("client")
    venv.create(folder, with_pip=True)
    [wheel] = built.glob("*.whl")
    pip = (folder / "bin" / "python", "-m", "pip", "--disable-pip-version-check")
    install = (*pip, "install", "--quiet", "--no-deps")
    subprocess.run([*install, "--require-hashes", "-r", REQUIREMENTS], check=True)
    subprocess.run([*install, wheel], check=True)
    subprocess.run([*pip, "check"], check=True)  # Nothing that the wheel needs is missing.
    return folder / "bin"


def environment(home: Path) -> dict[str, str]:
    """Return the environment of a user who is not signed in."""
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "settings"),
        "SEKISHO_CREDENTIAL_STORE": "file",
    }


def work(command: Sequence[str | Path], proxy: SekishoWithUsers, home: Path, cwd: Path) -> None:
    """Sign in as bob, write a kubeconfig, and use it with kubectl."""

    def run(*words: str, stdin: str = "") -> str:
        done = subprocess.run(
            [*command, *words],
            input=stdin,
            capture_output=True,
            text=True,
            cwd=cwd,
            env=environment(home),
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    ca_file = str(proxy.folder / "data" / "tls" / "ca.crt")
    signed_in = run(
        *("login", "--server", proxy.url, "--provider", "local", "--username", "bob"),
        *("--password-stdin", "--ca-file", ca_file),
        stdin=f"{PASSWORD}\n",
    )
    assert signed_in.startswith("signed in as bob")
    assert run("whoami", "-o", "name") == "user/bob\n"
    assert "test" in run("clusters")
    run("kubeconfig", "--merge")
    token = json.loads(run("credential", "--server", proxy.url))["status"]["token"]
    assert proxy.request("GET", "/v1/me", token=token).json()["username"] == "bob"
    file = home / ".kube" / "config"
    who = kubectl(file, "auth", "whoami", "-o", "json", env=environment(home))
    assert json.loads(who.stdout)["status"]["userInfo"]["username"] == proxy.users["bob"]
    assert run("logout") == "signed out\n"


def test_client_imports_neither_the_server_nor_its_libraries() -> None:
    files = build_module().modules()
    assert {one.parts[0] for one in files} == {"agent", "config", "proxy"}
    assert {one.parts[1] for one in files if one.parts[0] == "agent"} == {"__init__.py", "http"}
    assert Path("proxy/cli/kubeconfig/commands.py") in files
    assert not any("admin" in one.parts for one in files)


def test_pinned_libraries_are_those_of_the_client_in_the_versions_of_the_server() -> None:
    def pins(file: Path) -> set[str]:
        return set(re.findall(r"^[\w.-]+==[\w.]+", file.read_text(), re.MULTILINE))

    found = pins(REQUIREMENTS)
    names = {name.lower() for name in build_module().LIBRARIES.values()}
    assert {one.partition("==")[0] for one in found} == names
    assert found <= pins(ROOT / "requirements" / "runtime.txt")


def test_import_of_the_server_fails_the_build(tmp_path: Path) -> None:
    build = build_module()
    for package in ("config", "proxy", "store"):
        for file in (ROOT / package).rglob("*.py"):
            target = tmp_path / file.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())
    command = tmp_path / "proxy" / "cli" / "verbs" / "whoami.py"
    before = command.read_text()
    for line in ("def f():\n    import aiohttp\n", "from store.records import User\n"):
        command.write_text(before + line)
        with pytest.raises(build.NotPortable):
            build.modules(tmp_path)
    command.write_text(before + "if TYPE_CHECKING:\n    import aiohttp\n")
    build.modules(tmp_path)


def test_client_works_from_its_wheel(
    installed: Path, proxy: SekishoWithUsers, tmp_path: Path
) -> None:
    work([installed / "sekisho"], proxy, tmp_path, tmp_path)
    entry = (tmp_path / ".kube" / "config").read_text()
    assert f"command: {installed / 'sekisho'}\n" in entry
    listed = subprocess.run(
        [installed / "python", "-m", "pip", "list", "--format", "freeze"],
        capture_output=True,
        text=True,
        check=True,
    )
    names = {line.partition("=")[0].lower() for line in listed.stdout.split()}
    assert names - {"pip", "setuptools", "wheel"} == {"sekisho-client", "click", "h11", "pyyaml"}


def test_client_works_from_its_archive(
    built: Path, proxy: SekishoWithUsers, tmp_path: Path
) -> None:
    work([sys.executable, "-I", "-S", built / "sekisho.pyz"], proxy, tmp_path, tmp_path)
    assert str(built / "sekisho.pyz") in (tmp_path / ".kube" / "config").read_text()


def test_client_works_without_the_modules_of_posix_and_of_the_server(
    proxy: SekishoWithUsers, tmp_path: Path
) -> None:
    work([sys.executable, "-c", WITHOUT], proxy, tmp_path, ROOT)


@pytest.mark.parametrize("words", [("serve",), ("admin", "user", "list"), ("demo", "--help")])
def test_command_of_the_server_names_its_package(
    installed: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    done = subprocess.run(
        [installed / "sekisho", *words],
        capture_output=True,
        text=True,
        env=environment(tmp_path),
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == ("sekisho: error: this needs the server's package: pip install sekisho\n")


def test_client_shows_its_version_and_help(installed: Path, tmp_path: Path) -> None:
    def output(name: str, option: str) -> str:
        return subprocess.run(
            [installed / name, option],
            capture_output=True,
            text=True,
            env=environment(tmp_path),
            check=True,
        ).stdout

    assert output("sekisho", "version").startswith("sekisho ")
    assert "kubeconfig" in output("sekisho", "--help")
    shown = output("kubectl-sekisho", "-h")
    assert shown.startswith("Usage: kubectl sekisho ")
    assert "\n  serve " not in shown
