"""A sign-in on the command line."""

import subprocess

from tests.support.sekisho import PASSWORD, Sekisho


def login(
    laptop: Sekisho, server: Sekisho, password: str = PASSWORD, *options: str
) -> subprocess.CompletedProcess[str]:
    ca_file = str(server.folder / "data" / "tls" / "ca.crt")
    return laptop.run(
        *("login", "--server", server.url, "--provider", "local", "--username", "alice"),
        *("--password-stdin", "--ca-file", ca_file, *options),
        stdin=f"{password}\n",
        check=False,
    )
