"""The two sides of a comparison: through the proxy, and directly with the same identity."""

import json
import ssl
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.comparison.normalization import normalized
from tests.support.kubernetes import KUBECTL_SECONDS, kubectl_environment

MANIFESTS = Path(__file__).parent / "manifests"


@dataclass(frozen=True, slots=True)
class Side:
    """One side of the comparison, with its namespace."""

    name: str
    """``proxy`` or ``direct``."""
    server: str
    """The base URL of the Kubernetes API, without a trailing slash."""
    kubectl: Path
    kubeconfig: Path
    """The complete identity: name, uid, groups and extras."""
    plain_kubeconfig: Path
    """The same user without impersonation: on the direct side, by a client certificate.

    ``kubectl --as`` and the Python clients need it. A certificate has no extras.
    """
    context: ssl.SSLContext
    credentials: tuple[tuple[str, str], ...]
    """Headers of the same identity, for raw HTTP."""
    namespace: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    """Names that differ between the sides, with their placeholders."""

    def command(self, *arguments: str | Path, plain: bool = False) -> list[str]:
        """Return the command line of a kubectl in the namespace."""
        config = self.plain_kubeconfig if plain else self.kubeconfig
        options = [f"--kubeconfig={config}", f"--namespace={self.namespace}"]
        return [str(self.kubectl), *options, *map(str, arguments)]

    def environment(self, env: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return kubectl's environment, without the user's own settings."""
        return kubectl_environment(self.kubeconfig) | dict(env or {})

    def run(
        self,
        *arguments: str | Path,
        stdin: str | None = None,
        env: Mapping[str, str] | None = None,
        plain: bool = False,
        timeout: float = KUBECTL_SECONDS,
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl to its end in the folder of the manifests."""
        return subprocess.run(
            self.command(*arguments, plain=plain),
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=timeout,
            env=self.environment(env),
            cwd=MANIFESTS,
            check=False,
        )

    def run_checked(self, *arguments: str | Path, env: Mapping[str, str] | None = None) -> str:
        """Run kubectl and return its output. Fails if kubectl fails."""
        done = self.run(*arguments, env=env)
        assert done.returncode == 0, f"{self.name}: {done.stderr}"
        return done.stdout

    def start(
        self, *arguments: str | Path, env: Mapping[str, str] | None = None
    ) -> "subprocess.Popen[str]":
        """Start a kubectl that keeps running."""
        return subprocess.Popen(
            self.command(*arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            bufsize=1,
            env=self.environment(env),
            cwd=MANIFESTS,
        )

    def normalized(self, text: str) -> str:
        """Return the text with placeholders for volatile values."""
        return normalized(text, self.names)

    def as_text(self, found: object) -> str:
        """Return the result of a case as comparable text."""
        if isinstance(found, subprocess.CompletedProcess):
            found = transcript(found)
        if not isinstance(found, str):
            found = json.dumps(found, indent=2, default=repr)
        return self.normalized(found)


def transcript(done: "subprocess.CompletedProcess[str]", *, command: str = "") -> str:
    """Return command, exit code and output of one kubectl as text."""
    parts = [f"$ kubectl {command}".rstrip(), f"exit code {done.returncode}"]
    for stream, text in (("stdout", done.stdout), ("stderr", done.stderr)):
        if text:
            parts.append(f"--- {stream}\n{text.rstrip()}")
    return "\n".join(parts) + "\n"


def write_impersonating_kubeconfig(kubeconfig: Path, subject: "Subject", target: Path) -> None:
    """Write an administrator's kubeconfig that impersonates ``subject`` completely."""
    config: dict[str, Any] = yaml.safe_load(kubeconfig.read_text())
    config["users"][0]["user"] |= {
        "as": subject.user,
        "as-uid": subject.uid,
        "as-groups": list(subject.groups),
        "as-user-extra": {key: list(values) for key, values in subject.extra.items()},
    }
    target.write_text(yaml.safe_dump(config))
    target.chmod(0o600)


@dataclass(frozen=True, slots=True)
class Subject:
    """The identity that the proxy sends to the cluster for a local user, without the request id."""

    user: str
    groups: tuple[str, ...]
    extra: Mapping[str, tuple[str, ...]]

    @property
    def uid(self) -> str:
        """Return the uid, which equals the user name."""
        return self.user

    @classmethod
    def local(cls, user: str, name: str) -> "Subject":
        """Return the identity of the user ``name`` of the provider ``local``."""
        return cls(
            user,
            ("system:authenticated", "sekisho:authenticated"),
            {"username": (name,), "principalid": (f"local://{user}",)},
        )

    def headers(self) -> tuple[tuple[str, str], ...]:
        """Return the impersonation headers."""
        return (
            ("Impersonate-User", self.user),
            ("Impersonate-Uid", self.uid),
            *(("Impersonate-Group", group) for group in self.groups),
            *(
                (f"Impersonate-Extra-{key.capitalize()}", value)
                for key, values in self.extra.items()
                for value in values
            ),
        )
