"""Finding the programs of a local Kubernetes: what is installed, else what was built into a cache.

``KUBEBUILDER_ASSETS`` is how projects around Kubernetes name a directory of such programs; then
comes ``PATH``; then the cache that ``tests/kubernetes/build.py`` fills.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from config.errors import UserError

KUBERNETES_VERSION = "v1.36.3"
"""The release that ``tests/kubernetes/go.mod`` pins, and that the cache is looked into for."""

RELEASED = ("kube-apiserver", "kube-controller-manager", "kubectl")
"""The programs of which another release than that can be asked for."""


class BinariesMissing(UserError):
    """A program isn't there; the message names the command that gets it."""


@dataclass(frozen=True, slots=True)
class Binaries:
    """Where each program is, or ``None`` where there is none."""

    etcd: Path | None = None
    kube_apiserver: Path | None = None
    kube_controller_manager: Path | None = None
    kubectl: Path | None = None
    kubelet_standin: Path | None = None

    def path(self, name: str) -> Path:
        """Return a program's path by its name (``kube-apiserver``); :class:`BinariesMissing`."""
        self.require(name)
        found: Path = getattr(self, _field(name))
        return found

    def missing(self, *names: str) -> list[str]:
        """Return those of ``names`` (by default, of all programs) that were not found."""
        return [name for name in names or PROGRAMS if getattr(self, _field(name)) is None]

    def require(self, *names: str) -> None:
        """Raise :class:`BinariesMissing`, with the way out, unless all of ``names`` are there."""
        missing = self.missing(*names)
        if not missing:
            return
        raise BinariesMissing(
            f"not found in $KUBEBUILDER_ASSETS, PATH or {cached_programs(os.environ)}: "
            f"{', '.join(missing)}; run `make kubernetes` in a checkout of Sekisho (it needs Go)"
        )


PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kubectl", "kubelet-standin")


def find_assets(
    environment: Mapping[str, str] = os.environ, release: str = KUBERNETES_VERSION
) -> Binaries:
    """Look for every program in every place, the operator's choice first.

    Programs of another ``release`` are only looked for in the cache, where their version is known.
    """
    found = {_field(name): _find(name, environment) for name in PROGRAMS}
    if release != KUBERNETES_VERSION:
        built = cached_programs(environment, release)
        for name in RELEASED:
            found[_field(name)] = built / name if _executable(built / name) else None
    return Binaries(**found)


def cached_programs(environment: Mapping[str, str], release: str = KUBERNETES_VERSION) -> Path:
    """Return the directory in which a build leaves its programs, whether it is there or not."""
    return cache_directory(environment) / "kubernetes" / release / "bin"


def cache_directory(environment: Mapping[str, str]) -> Path:
    """Return where Sekisho keeps what can be made again; ``build.py`` chooses the same place."""
    if chosen := environment.get("SEKISHO_CACHE"):
        return Path(chosen)
    home = environment.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "sekisho"


def _field(name: str) -> str:
    return name.replace("-", "_")


def _find(name: str, environment: Mapping[str, str]) -> Path | None:
    """Return the first place's executable of that name."""
    return next((path for path in _candidates(name, environment) if _executable(path)), None)


def _candidates(name: str, environment: Mapping[str, str]) -> Iterator[Path]:
    """Yield where a program may be, in order of preference."""
    if directory := environment.get("KUBEBUILDER_ASSETS"):
        yield Path(directory) / name
    if found := shutil.which(name, path=environment.get("PATH", os.defpath)):
        yield Path(found)
    yield cached_programs(environment) / name


def _executable(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)
