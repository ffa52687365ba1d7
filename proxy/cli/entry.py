"""Entry points of the installed scripts: ``sekisho``, and kubectl's plug-in ``kubectl sekisho``.

``sekisho credential`` with a good sign-in is done here, before click is imported.
"""

import os
import sys

from proxy.cli.client import cached_token


def main() -> None:
    """Run ``sekisho``."""
    _run("sekisho")


def kubectl_plugin() -> None:
    """Run ``kubectl-sekisho``, which kubectl calls for ``kubectl sekisho``."""
    _run("kubectl sekisho")


def _run(name: str) -> None:
    try:
        if cached_token.main(sys.argv[1:], os.environ):
            return
        from proxy.cli.main import main as command

        command(prog_name=name)
    except OSError as exc:
        # Standard output could not be written, such as of --help or credential: the disk is full.
        from proxy.cli.common import fail, reason

        # Python would report it again when it flushes standard output at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        fail(f"{exc.filename}: {reason(exc)}" if exc.filename else reason(exc))
