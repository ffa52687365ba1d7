"""A container of a built image without a runtime: its root in a mount namespace, as its user.

The root is read-only, except for the volume and ``/tmp``; the process has no capabilities and
cannot get any. The network is this machine's.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.support.image_base import run

_MOUNTS = """\
set -e
mount --bind "$0" "$0"
mount -o remount,bind,ro "$0"
mount -t tmpfs -o mode=1777 tmpfs "$0/tmp"
mount --rbind "$VOLUME" "$0/var/lib/sekisho"
mount -t proc proc "$0/proc"
mount --rbind /dev "$0/dev"
unset VOLUME
exec chroot "$0" "$@"
"""


class ImageContainer:
    """A mounted image. ``volume`` is for what is at ``/var/lib/sekisho``."""

    def __init__(self, image: str, volume: Path) -> None:
        found = json.loads(run("buildah", "inspect", "--type", "image", image))
        self.config: dict[str, Any] = found["Docker"]["config"]
        self.digest = f"sha256:{found['FromImageID']}"
        self.volume = volume
        self._container = run("buildah", "from", "--pull-never", image).strip()
        self.root = Path(run("buildah", "mount", self._container).strip())
        volume.mkdir()
        os.chown(volume, int(self.config["User"]), -1)

    def close(self) -> None:
        """Unmount the image, and remove what belongs to the container."""
        run("buildah", "rm", self._container)

    @property
    def environment(self) -> dict[str, str]:
        """The variables that the image sets."""
        return dict(one.split("=", 1) for one in self.config["Env"])

    def command(self, *words: str, **environment: str) -> list[str]:
        """Return a command that runs ``words`` inside."""
        user = self.config["User"]
        identity = (f"--reuid={user}", f"--regid={user}", "--clear-groups")
        none = ("--no-new-privs", "--bounding-set=-all", "--inh-caps=-all")
        variables = {**self.environment, **environment}
        inside = ["env", "-i", *(f"{name}={value}" for name, value in variables.items()), *words]
        command = ["unshare", "--mount", "env", f"VOLUME={self.volume}", "sh", "-c", _MOUNTS]
        return [*command, str(self.root), "setpriv", *identity, *none, *inside]

    def run(self, *words: str, stdin: str | None = None, **environment: str) -> str:
        """Run a command to its end, and return its output."""
        done = subprocess.run(
            self.command(*words, **environment),
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout
