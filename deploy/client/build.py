"""Build the client: the distribution ``sekisho-client`` and the archive ``sekisho.pyz``.

    python deploy/client/build.py [--output dist] [--wheel-only]

Both contain the commands for a user's machine and the modules that these import, from this
checkout. What they import is computed, not listed: a command that would need the server's packages
or libraries fails the build. See docs/decisions/0038-client-distribution.md.
"""

import argparse
import ast
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipapp
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
OWN = ("agent", "config", "impersonation", "management", "providers", "proxy", "store")
LIBRARIES = {"click": "click", "h11": "h11", "yaml": "PyYAML"}
"""What the client may import from others, and the distributions of it."""

REQUIREMENTS = ROOT / "requirements" / "client.txt"
"""Exact versions of LIBRARIES with their hashes, for the archive; written by ``make lock``."""

OPTIONAL = frozenset({"keyring"})
SERVER_COMMANDS = frozenset(
    {"admin", "agent", "serve", "demo", "check_config", "register", "rancher"}
)
"""Modules of ``proxy.cli`` that need the server's package."""

SCRIPTS = {"sekisho": "proxy.cli.entry:main", "kubectl-sekisho": "proxy.cli.entry:kubectl_plugin"}


class NotPortable(Exception):
    """The client imports something that a user's machine does not have."""


def modules(root: Path = ROOT) -> list[Path]:
    """Return the files of the client, relative to ``root``. Raises NotPortable."""
    waiting = sorted(_commands(root))
    found: dict[str, Path] = {}
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found[name] = _file(root, name)
        for imported in _imports(root / found[name], name):
            top = imported.partition(".")[0]
            if top in OWN:
                waiting += [one for one in _with_parents(imported) if _exists(root, one)]
            elif top not in sys.stdlib_module_names | LIBRARIES.keys() | OPTIONAL:
                raise NotPortable(f"{found[name]} imports {imported}")
    servers = sorted(str(one) for one in found.values() if _is_of_the_server(one))
    if servers:
        raise NotPortable(f"the client imports parts of the server: {', '.join(servers)}")
    return sorted(found.values())


def _is_of_the_server(file: Path) -> bool:
    """Return whether a module is in no package that the client may contain."""
    of_agent = file.parts[0] == "agent" and file != Path("agent", "__init__.py")
    return file.parts[0] not in {"agent", "config", "proxy"} or (
        of_agent and file.parts[1] != "http"
    )


def stage(folder: Path) -> None:
    """Write the sources of the distribution into ``folder``."""
    files = modules()
    for file in files:
        target = folder / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / file, target)
    for name in ("LICENSE", "README.md"):
        shutil.copyfile(ROOT / name, folder / name)
    packages = sorted({str(one.parent).replace("/", ".") for one in files})
    (folder / "pyproject.toml").write_text(_metadata(packages))


def build(output: Path, *, archive: bool = True) -> list[Path]:
    """Build the wheel, and the archive with its libraries; return their paths."""
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "source").mkdir()
        stage(folder / "source")
        _pip("wheel", "--no-deps", "--no-build-isolation", "-w", folder, folder / "source")
        [wheel] = folder.glob("*.whl")
        made = [Path(shutil.copy(wheel, output))]
        if archive:
            made.append(_archive(wheel, folder / "archive", output / "sekisho.pyz"))
    return made


def _archive(wheel: Path, folder: Path, target: Path) -> Path:
    """Return a zip archive that runs on every machine with Python 3.11 or newer."""
    into = ("install", "--no-compile", "--no-deps", "--target", folder)
    _pip(*into, "--require-hashes", "-r", REQUIREMENTS)
    _pip(*into, wheel)
    shutil.rmtree(folder / "bin", ignore_errors=True)
    for binary in (*folder.rglob("*.so"), *folder.rglob("*.pyd")):
        binary.unlink()  # PyYAML works without its C part, which no archive can load
    zipapp.create_archive(
        folder, target, "/usr/bin/env python3", "proxy.cli.entry:main", compressed=True
    )
    target.chmod(0o755)
    return target


def _pip(*arguments: str | Path) -> None:
    quiet = ("--quiet", "--disable-pip-version-check", "--no-input")
    command = [sys.executable, "-m", "pip", arguments[0], *quiet, *arguments[1:]]
    subprocess.run([str(one) for one in command], check=True)


def _metadata(packages: list[str]) -> str:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [one for one in project["dependencies"] if _name(one) in LIBRARIES.values()]
    keyring = project["optional-dependencies"]["keyring"]
    scripts = "".join(f'{name} = "{where}"\n' for name, where in SCRIPTS.items())
    return f"""\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "sekisho-client"
version = "{project["version"]}"
description = "The command line of Sekisho for users: sign-in, kubeconfigs, and kubectl's plug-in"
readme = "README.md"
requires-python = "{project["requires-python"]}"
license = "{project["license"]}"
license-files = ["LICENSE"]
classifiers = ["Operating System :: OS Independent"]
dependencies = {wanted}

[project.optional-dependencies]
keyring = {keyring}

[project.scripts]
{scripts}
[tool.setuptools]
packages = {packages}
"""


def _name(requirement: str) -> str:
    return requirement.partition(">")[0].partition("[")[0]


def _commands(root: Path) -> Iterator[str]:
    """Yield the modules of the command line that run on a user's machine."""
    folder = root / "proxy" / "cli"
    for file in folder.rglob("*.py"):
        parts = file.relative_to(root).with_suffix("").parts
        if parts[2] not in SERVER_COMMANDS:
            yield from _with_parents(".".join(parts).removesuffix(".__init__"))
    yield "proxy.__main__"


def _imports(file: Path, module: str) -> Iterator[str]:
    """Yield what a module imports, in functions too, but not for types alone."""
    for node in _executed(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{one.name}" for one in node.names)


def _executed(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes below ``node`` without blocks of ``if TYPE_CHECKING``."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from _executed(child)


def _with_parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[: count + 1]) for count in range(len(parts))]


def _exists(root: Path, name: str) -> bool:
    place = root / name.replace(".", "/")
    return place.with_suffix(".py").is_file() or (place / "__init__.py").is_file()


def _file(root: Path, name: str) -> Path:
    place = Path(name.replace(".", "/"))
    package = place / "__init__.py"
    return package if (root / package).is_file() else place.with_suffix(".py")


def main() -> None:
    """Build both into a folder."""
    parser = argparse.ArgumentParser(description="Build sekisho-client and sekisho.pyz.")
    parser.add_argument("--output", type=Path, default=ROOT / "dist")
    parser.add_argument("--wheel-only", action="store_true", help="no archive")
    options = parser.parse_args()
    try:
        for path in build(options.output, archive=not options.wheel_only):
            print(path)
    except NotPortable as exc:
        sys.exit(f"error: {exc}")


if __name__ == "__main__":
    main()
