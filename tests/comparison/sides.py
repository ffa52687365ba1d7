"""The two ways to one API server: through the gate, and straight at it as the same identity."""

import json
import ssl
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.comparison.normal import normalised
from tests.parts.kubernetes import KUBECTL_SECONDS, kubectl_environment

MANIFESTS = Path(__file__).parent / "manifests"


@dataclass(frozen=True, slots=True)
class Side:
    """One way to the cluster, and a namespace there to work in."""

    name: str
    """``gate`` or ``direct``."""
    server: str
    """The URL below which the Kubernetes API is, without a slash at its end."""
    kubectl: Path
    kubeconfig: Path
    """The identity, complete: name, uid, groups and extras."""
    plain_kubeconfig: Path
    """The same user where no impersonation can be asked for: directly, by a client certificate.

    ``kubectl --as`` and the Python clients need it; a certificate has no extras.
    """
    context: ssl.SSLContext
    credentials: tuple[tuple[str, str], ...]
    """Header lines of the same identity, for raw HTTP."""
    namespace: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    """What is called differently on the two sides, and the word that stands for it."""

    def command(self, *arguments: str | Path, plain: bool = False) -> list[str]:
        """The command line of a kubectl in the namespace."""
        config = self.plain_kubeconfig if plain else self.kubeconfig
        options = [f"--kubeconfig={config}", f"--namespace={self.namespace}"]
        return [str(self.kubectl), *options, *map(str, arguments)]

    def environment(self, env: Mapping[str, str] | None = None) -> dict[str, str]:
        """Its environment: nothing of the user's."""
        return kubectl_environment(self.kubeconfig) | dict(env or {})

    def run(
        self,
        *arguments: str | Path,
        stdin: str | None = None,
        env: Mapping[str, str] | None = None,
        plain: bool = False,
        timeout: float = KUBECTL_SECONDS,
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl to its end, in the folder of the manifests."""
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

    def ok(self, *arguments: str | Path, env: Mapping[str, str] | None = None) -> str:
        """What kubectl printed; fails where it failed."""
        done = self.run(*arguments, env=env)
        assert done.returncode == 0, f"{self.name}: {done.stderr}"
        return done.stdout

    def start(
        self, *arguments: str | Path, env: Mapping[str, str] | None = None
    ) -> "subprocess.Popen[str]":
        """Start a kubectl that goes on."""
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

    def normalised(self, text: str) -> str:
        """The text as it is compared."""
        return normalised(text, self.names)

    def as_text(self, found: object) -> str:
        """Anything that a case found, as text that is compared."""
        if isinstance(found, subprocess.CompletedProcess):
            found = transcript(found)
        if not isinstance(found, str):
            found = json.dumps(found, indent=2, default=repr)
        return self.normalised(found)


def transcript(done: "subprocess.CompletedProcess[str]", *, said: str = "") -> str:
    """What one kubectl did, for the eye."""
    parts = [f"$ kubectl {said}".rstrip(), f"exit code {done.returncode}"]
    for stream, text in (("stdout", done.stdout), ("stderr", done.stderr)):
        if text:
            parts.append(f"--- {stream}\n{text.rstrip()}")
    return "\n".join(parts) + "\n"


def impersonating(kubeconfig: Path, subject: "Subject", target: Path) -> None:
    """Write an administrator's kubeconfig that acts as somebody, in full."""
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
    """Exactly what the gate tells the cluster about a local user, but for the request's id."""

    user: str
    groups: tuple[str, ...]
    extra: Mapping[str, tuple[str, ...]]

    @property
    def uid(self) -> str:
        """The id is both."""
        return self.user

    @classmethod
    def local(cls, user: str, name: str) -> "Subject":
        """The user ``name`` of the provider ``local``."""
        return cls(
            user,
            ("system:authenticated", "sekisho:authenticated"),
            {"username": (name,), "principalid": (f"local://{user}",)},
        )

    def headers(self) -> tuple[tuple[str, str], ...]:
        """Impersonation as header lines."""
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
