"""Run a Pod that the chart rendered as a process: its command, environment, files and confinement.

Paths of the Pod are below a temporary folder, and its ports are free ones of loopback. As root, the
process has no capabilities and a read-only file system with the Pod's volumes as the exceptions;
other users cannot confine it, and run it as it is.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from tests.support.helm import Objects, only
from tests.support.isolation import free_port

ROOT = Path(__file__).parents[2]
PLACES = re.compile(r"/etc/sekisho|/var/lib/sekisho|^/(?:tmp|backups)(?=/|$)")
"""Paths of the Pod that its configuration and environment name."""

KEPT = ("PATH", "PYTHONPATH", "PYTHONSAFEPATH")
"""Variables that select the programs and the code."""

OF_ITS_LIBRARIES = ("LD_PRELOAD", "MALLOC_CONF")
"""The image's variables about what this machine may not have."""

Contents = Mapping[str, Mapping[str, str]]
"""Secrets and ConfigMaps that the operator made: by name, then by key."""


class RenderedPod:
    """A Pod of a Deployment, Job, or CronJob, as the object says."""

    def __init__(
        self, folder: Path, objects: Objects, workload: Mapping[str, Any], contents: Contents
    ) -> None:
        spec = pod_template(workload)["spec"]
        [self.container] = spec["containers"]
        maps = [one for one in objects if one["kind"] == "ConfigMap"]
        self._maps = {one["metadata"]["name"]: one["data"] for one in maps}
        self._contents = contents
        self.folder = folder
        self.port, self.metrics_port, self._peering_port = (free_port() for _ in range(3))
        self._volumes = {one["name"]: one for one in spec["volumes"]}
        for mount in self.container["volumeMounts"]:
            self._mount(self._volumes[mount["name"]], self._inside(mount["mountPath"]))
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The container's variables, with the ports and paths of this process."""
        variables = {one["name"]: self._value(one) for one in self.container["env"]}
        variables.setdefault("TMPDIR", str(self._inside("/tmp")))
        ports = {"SERVER": self.port, "METRICS": self.metrics_port, "PEERING": self._peering_port}
        if "SEKISHO_PEERING__ADVERTISE" not in variables:
            del ports["PEERING"]
        listen = {f"SEKISHO_{name}__LISTEN": f"127.0.0.1:{port}" for name, port in ports.items()}
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        return {**image_environment(), **kept, **variables, **listen}

    @property
    def log(self) -> str:
        """What the process wrote."""
        return (self.folder / "log").read_text()

    def run(self, *words: str, stdin: str | None = None) -> str:
        """Run ``sekisho`` inside the Pod, as ``kubectl exec`` does; return its output."""
        done = subprocess.run(
            [*self._confined(), *words],
            input=stdin,
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=self.environment,
            check=False,
        )
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def start(self) -> None:
        """Start the container's command, which is the image's entry point with its arguments."""
        assert "command" not in self.container
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [*self._confined(), *self.container["args"]],
                stdout=log,
                stderr=log,
                cwd=ROOT,
                env=self.environment,
            )

    def run_to_its_end(self) -> None:
        """Run a Job's container."""
        self.run(*map(self._text, self.container["args"]))

    def end(self, number: signal.Signals) -> int:
        """Send a signal, and return the exit status."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(120)

    def _confined(self) -> list[str]:
        command = [sys.executable, "-m", "proxy"]
        security = self.container["securityContext"]
        assert security["readOnlyRootFilesystem"]
        assert security["capabilities"] == {"drop": ["ALL"]}
        if not can_confine():
            return command
        mounts = 'mount --bind "$0" "$0" && mount -o remount,bind,ro / && exec "$@"'
        none = [f"--{name}=-all" for name in ("bounding-set", "inh-caps")]
        dropped = ["setpriv", "--pdeathsig=KILL", "--no-new-privs", *none]
        return ["unshare", "--mount", "sh", "-c", mounts, str(self.folder), *dropped, *command]

    def _inside(self, path: str) -> Path:
        return self.folder / path.lstrip("/")

    def _text(self, text: str) -> str:
        """Return text with the Pod's paths below the folder."""
        return PLACES.sub(lambda found: str(self._inside(found[0])), text)

    def _value(self, variable: Mapping[str, Any]) -> str:
        if "value" in variable:
            return self._text(str(variable["value"]))
        source = variable["valueFrom"]
        if "fieldRef" in source:
            assert source["fieldRef"] == {"fieldPath": "status.podIP"}
            return "127.0.0.1"
        return self._contents[source["secretKeyRef"]["name"]][source["secretKeyRef"]["key"]]

    def _mount(self, volume: Mapping[str, Any], target: Path) -> None:
        """Write the files of a volume as a kubelet does: as links, so that all change at once."""
        target.mkdir(parents=True, exist_ok=True)
        found: dict[str, str] = {}
        sources = volume.get("projected", {}).get("sources", [volume])
        for source in sources:
            for kind, name in (("secret", "secretName"), ("configMap", "name")):
                if kind in source:
                    named = source[kind].get(name) or source[kind]["name"]
                    content = self._maps.get(named) or self._contents[named]
                    found |= _items(content, source[kind].get("items"))
        if not found:
            return
        (target / "..1").mkdir()
        (target / "..data").symlink_to("..1")
        for name, text in found.items():
            (target / "..1" / name).write_text(self._text(text))
            (target / "..1" / name).chmod(0o440)
            (target / name).symlink_to(f"..data/{name}")


def pod_template(workload: Mapping[str, Any]) -> dict[str, Any]:
    """Return the template of the Pods of a Deployment, Job, or CronJob."""
    spec = workload["spec"]
    template: dict[str, Any] = spec.get("jobTemplate", workload)["spec"]["template"]
    return template


def _items(content: Mapping[str, str], items: list[dict[str, str]] | None) -> dict[str, str]:
    if items is None:
        return dict(content)
    return {one["path"]: content[one["key"]] for one in items}


@cache
def image_environment() -> dict[str, str]:
    """Return the variables that the image sets."""
    text = (ROOT / "deploy" / "Dockerfile").read_text().replace("\\\n", " ")
    found = re.findall(r"^ENV (.+)$", text, re.MULTILINE)
    pairs = dict(pair.split("=", 1) for line in found for pair in line.split())
    return {name: value for name, value in pairs.items() if name not in OF_ITS_LIBRARIES}


@cache
def can_confine() -> bool:
    """Return whether this user may make a process's file system read-only."""
    command = ["unshare", "--mount", "setpriv", "--bounding-set=-all", "true"]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def pod_of(objects: Objects, kind: str, name: str, folder: Path, contents: Contents) -> RenderedPod:
    """Return a Pod of the Deployment, Job, or CronJob ``name``."""
    folder.mkdir()
    return RenderedPod(folder, objects, only(objects, kind, name), contents)
