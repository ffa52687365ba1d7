"""Programs that build images: docker with its daemon, podman or buildah without."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


class BuildError(Exception):
    """Why there is no image. The message is for the terminal."""


@dataclass(frozen=True)
class Tool:
    """A program of the family, by its name."""

    name: str

    def build(
        self,
        dockerfile: Path,
        context: Path,
        image: str,
        arguments: Mapping[str, str],
        platform: str = "",
    ) -> None:
        """Build an image. Raises BuildError."""
        command = ["build", "--file", str(dockerfile), "--tag", image]
        for name, value in arguments.items():
            command += ["--build-arg", f"{name}={value}"]
        if platform:
            command += ["--platform", platform]
        if self.name != "docker":
            # OCI's format has no health check. The time is that of the commit, in every layer;
            # docker's builder takes it from the argument SOURCE_DATE_EPOCH.
            command += ["--format", "docker", "--layers"]
            command += ["--timestamp", arguments["SOURCE_DATE_EPOCH"]]
        if self.name == "buildah":
            # The others need a runtime such as runc, and may not work in a container.
            command += ["--isolation", "chroot"]
        self._run([*command, str(context)], shown=True)

    def read(self, image: str, path: str) -> str:
        """Return a file of an image as text. Raises BuildError."""
        if self.name != "buildah":
            command = ["run", "--rm", "--network", "none", "--entrypoint", "cat", image, path]
            return self._run(command)
        container = self._run(["from", "--pull-never", image]).strip()
        try:
            return self._run(["run", "--isolation", "chroot", container, "--", "cat", path])
        finally:
            self._run(["rm", container])

    def digest(self, image: str) -> str:
        """Return the digest of an image's configuration, as ``sha256:…``. Raises BuildError."""
        if self.name == "buildah":
            command = ["inspect", "--type", "image", "--format", "{{.FromImageID}}", image]
        else:
            command = ["image", "inspect", "--format", "{{.Id}}", image]
        found = self._run(command).strip()
        return found if found.startswith("sha256:") else f"sha256:{found}"

    def _run(self, words: Sequence[str], *, shown: bool = False) -> str:
        command = [self.name, *words]
        done = subprocess.run(command, stdout=None if shown else subprocess.PIPE, text=True)
        if done.returncode:
            raise BuildError(f"{self.name} {words[0]} failed with status {done.returncode}")
        return done.stdout or ""


def find_tool(wanted: str = "") -> Tool:
    """Return the program that can build here: ``wanted``, or the first that works.

    Raises BuildError.
    """
    if wanted:
        return Tool(wanted)
    for name in ("docker", "podman", "buildah"):
        if shutil.which(name) and _works(name):
            return Tool(name)
    raise BuildError("no builder works here; start docker, or install podman or buildah")


def _works(name: str) -> bool:
    done = subprocess.run([name, "info"], capture_output=True, check=False)
    return done.returncode == 0
