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
    if cached_token.main(sys.argv[1:], os.environ):
        return
    from proxy.cli.main import main as command

    command(prog_name=name)
