"""Programs of others that the recipes use, built from their Go modules into the cache.

They take minutes each, so tests build and use them only with ``SEKISHO_TEST_RECIPES=1``.
"""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.support.isolation import exclusive_lock

SWITCH = "SEKISHO_TEST_RECIPES"

on_request = pytest.mark.skipif(
    not os.environ.get(SWITCH), reason=f"builds programs of others for minutes: {SWITCH}=1"
)


GO_1_27 = "go1.27.0"
"""A toolchain that Go downloads as a module. Some programs need a newer Go than the tests."""

MAINS = Path(__file__).parent / "go_mains"

UNOPTIMIZED = ("-gcflags=all=-N -l",)
"""A flag that saves a third of the time of a build."""


@dataclass(frozen=True)
class GoProgram:
    """A program: its module, the version that a recipe names, and the package in it.

    ``toolchain`` is the Go that it needs, ``flags`` are further ones of ``go build``. ``main`` is a
    file of :data:`MAINS` that becomes the package's ``main.go``. ``edits`` are options of ``go mod
    edit``, for modules that cannot be had as its go.mod names them.
    """

    module: str
    version: str
    package: str = "."
    toolchain: str = "local"
    flags: tuple[str, ...] = ()
    main: str = ""
    edits: tuple[str, ...] = ()

    @property
    def environment(self) -> dict[str, str]:
        """The environment of ``go``."""
        settings = {"CGO_ENABLED": "0", "GOFLAGS": "-p=2", "GOWORK": "off"}
        return os.environ | settings | {"GOTOOLCHAIN": self.toolchain}


K9S = GoProgram("github.com/derailed/k9s", "v0.50.16")
TOFU = GoProgram("github.com/opentofu/opentofu", "v1.12.6", "./cmd/tofu")
KUBERNETES_PROVIDER = GoProgram(
    "github.com/hashicorp/terraform-provider-kubernetes",
    "v1.13.4",
    edits=("-replace=vbom.ml/util=github.com/fvbommel/util@v0.0.0-20180919145318-efcd4e0f9787",),
)
"""The newest that can be had as a Go module. Its dependency ``vbom.ml/util`` has moved."""

VELERO = GoProgram(
    "github.com/vmware-tanzu/velero",
    "v1.18.3",
    "./cmd/velero",
    edits=("-require=k8s.io/cli-runtime@v0.33.4",),
)
VELERO_FOLDER = replace(VELERO, package="./cmd/folder", main="velero_folder.go")
"""A plug-in of Velero that keeps backups in a folder."""

KUSTOMIZE_CONTROLLER = GoProgram("github.com/fluxcd/kustomize-controller", "v1.9.6")
SOURCE_CONTROLLER = GoProgram("github.com/fluxcd/source-controller", "v1.9.6")
"""Only its definitions are used: one of its modules (``fluxcd/pkg/artifact``) is not served."""

ARGO_CD = GoProgram(
    "github.com/argoproj/argo-cd/v3", "v3.6.1", "./cmd", GO_1_27, UNOPTIMIZED, "argo_cd.go"
)


def built(program: GoProgram, name: str) -> Path:
    """Return the path of a program, which is built if the cache lacks it."""
    home = Path(os.environ.get("SEKISHO_CACHE") or Path.home() / ".cache" / "sekisho")
    target = home / "recipes" / f"{name}-{program.version}"
    with exclusive_lock(f"recipes-{name}"):
        if not target.exists():
            _build(program, target)
    return target


def source(program: GoProgram) -> Path:
    """Return the read-only folder of a program's module, which Go downloads and verifies."""
    found = subprocess.run(
        ["go", "mod", "download", "-json", f"{program.module}@{program.version}"],
        cwd="/",
        env=program.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    folder = json.loads(found.stdout or "{}").get("Dir")
    assert folder, f"{program.module}: {found.stdout}{found.stderr}"
    return Path(folder)


def _build(program: GoProgram, target: Path) -> None:
    """Build in a copy of the module, because the module cache is read-only."""
    work = target.with_suffix(".build")
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(source(program), work, copy_function=shutil.copyfile)
    for folder in (work, *(path for path in work.rglob("*") if path.is_dir())):
        folder.chmod(0o755)
    _require_released(work / "go.mod", program.environment)
    if program.edits:
        subprocess.run(
            ["go", "mod", "edit", *program.edits], cwd=work, env=program.environment, check=True
        )
    if program.main:
        package = work / program.package
        package.mkdir(parents=True, exist_ok=True)
        (package / "main.go").write_text((MAINS / program.main).read_text())
    command = ["go", "build", "-mod=mod", "-trimpath", "-buildvcs=false", "-ldflags=-s -w"]
    command += [*program.flags, "-o", str(work / "program"), program.package]
    subprocess.run(command, cwd=work, env=program.environment, check=True)
    (work / "program").replace(target)
    shutil.rmtree(work)


def _require_released(mod: Path, environment: dict[str, str]) -> None:
    """Drop replacements by folders of a program's repository: they are modules of their own.

    A module's archive does not contain them, and their releases have the required versions.
    """
    shown = subprocess.run(
        ["go", "mod", "edit", "-json", str(mod)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    for one in json.loads(shown.stdout)["Replace"] or []:
        if one["New"]["Path"].startswith("."):
            drop = f"-dropreplace={one['Old']['Path']}"
            subprocess.run(["go", "mod", "edit", drop, str(mod)], env=environment, check=True)
