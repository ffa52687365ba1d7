"""Cluster API's managers as processes on loopback, with the definitions that they need."""

import signal
from pathlib import Path

import aiohttp

from providers.http.response_body import open_session
from proxy.demo.local_cluster import START_SECONDS, LocalCluster
from proxy.demo.processes import Component
from tests.support.builds import built_program
from tests.support.capi.definitions import (
    CORE,
    Object,
    Part,
    definitions,
    webhook_configurations,
)
from tests.support.isolation import free_port

STOP_SECONDS = 5.0


class Manager:
    """The program. Its webhooks listen on every interface, because they have no flag for it."""

    def __init__(self, cluster: LocalCluster, directory: Path, part: Part = CORE) -> None:
        self._cluster = cluster
        self._part = part
        self._component = Component(part.program, directory / f"{part.program}.log")
        self._webhooks, self._health = free_port(), free_port()

    def objects(self) -> list[Object]:
        """Return the definitions and webhooks, for server-side apply: they are large."""
        url, authority = f"https://127.0.0.1:{self._webhooks}", self._cluster.ca_pem
        return [
            *definitions(url, authority, self._part),
            *webhook_configurations(url, authority, self._part),
        ]

    async def start(self) -> None:
        """Start the program, and wait until it is ready. Its objects must exist."""
        pki = self._cluster.pki
        await self._component.start(
            [
                "/usr/bin/env",
                "POD_IP=127.0.0.1",  # where the provider in memory serves API servers
                built_program(self._part.program),
                f"--kubeconfig={self._cluster.admin_kubeconfig}",
                f"--webhook-port={self._webhooks}",
                f"--webhook-cert-dir={pki.directory}",
                f"--webhook-cert-name={pki.certificate('kube-apiserver').name}",
                f"--webhook-key-name={pki.key('kube-apiserver').name}",
                f"--health-addr=127.0.0.1:{self._health}",
                "--diagnostics-address=0",  # no metrics
                "--insecure-diagnostics",
                "--feature-gates=ClusterTopology=true",
            ]
        )
        await self._component.wait_until(self._ready, what="readiness", seconds=START_SECONDS)

    async def stop(self) -> None:
        """Stop the program. Its webhooks refuse connections then."""
        await self._component.stop(grace=STOP_SECONDS)

    def pause(self) -> None:
        """Freeze the program: its webhooks accept connections, but do not respond."""
        self._component.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Resume the paused program."""
        self._component.signal(signal.SIGCONT)

    async def _ready(self) -> bool:
        address = f"http://127.0.0.1:{self._health}/readyz"
        try:
            async with open_session() as session, session.get(address) as response:
                return response.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False
