"""A cluster, a proxy in front of it, and users with access on both sides."""

import asyncio
import difflib
import itertools
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import pytest
import yaml

from proxy.demo.fake_kubelet import Pod
from tests.comparison.sides import Side, Subject, write_impersonating_kubeconfig
from tests.support.kubernetes import Kubernetes
from tests.support.sekisho import SekishoWithUsers
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from tests.comparison.events import Watchers

USERS = ("alice", "bob", "carol")
"""alice owns the cluster, bob is a member, carol may only read."""

SHARED = "shared"
"""A namespace without changes, where responses to reads are equal byte for byte."""

SHARED_OBJECTS = 5_010
"""Number of ConfigMaps in the shared namespace."""


@dataclass
class World:
    """The state of a comparison: cluster, proxy, users and background watchers."""

    kubernetes: Kubernetes
    proxy: SekishoWithUsers
    kubectl: Path
    folder: Path
    sides: dict[str, tuple[Side, Side]] = field(default_factory=dict)
    watchers: "Watchers | None" = None
    """Watchers that run in the background as long as the fixture."""
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def compare(self, case: Callable[[Side], object], *, user: str = "alice") -> None:
        """Run a case through the proxy and directly. Fails with a diff if the results differ.

        Each side uses a new namespace.
        """
        with self.create_namespaces(user) as sides:
            proxied, direct = ((side, side.as_text(case(side))) for side in sides)
        self._compare(proxied, direct)

    def compare_reads(self, case: Callable[[Side], object], *, user: str = "alice") -> None:
        """Compare like :meth:`compare` for a case that only reads, in the namespace ``shared``."""
        sides = (self.side_in(side, SHARED) for side in self.sides[user])
        proxied, direct = ((side, side.as_text(case(side))) for side in sides)
        self._compare(proxied, direct)

    @contextmanager
    def create_namespaces(self, user: str = "alice") -> Iterator[tuple[Side, Side]]:
        """Create two namespaces with names of equal length, so that table columns are equal."""
        number = next(self._numbers)
        proxied, direct = self.sides[user]
        names = f"case-{number:03d}-p", f"case-{number:03d}-d"
        for name in names:
            self.kubernetes.create_namespace(name)
        for name in names:
            # The certificate appears shortly after the namespace, possibly between two commands.
            wait_until(lambda name=name: self._has_root_certificate(name))  # type: ignore[misc]
        try:
            yield self.side_in(proxied, names[0]), self.side_in(direct, names[1])
        finally:
            for name in names:
                self.kubernetes.delete_namespace(name)

    def _has_root_certificate(self, namespace: str) -> bool:
        path = f"/api/v1/namespaces/{namespace}/configmaps"
        return bool(self.kubernetes.call(self.kubernetes.request("GET", path))["items"])

    def create_pod(self, side: Side, name: str = "worker") -> Pod:
        """Create a running pod in the side's namespace."""
        return self.kubernetes.running_pod(name, side.namespace)

    def side_in(self, side: Side, namespace: str) -> Side:
        """Return the side with another namespace."""
        names = {
            side.server: "https://<server>",
            side.server.split("/k8s/")[0].removeprefix("https://"): "<address>",
            namespace: "<namespace>",
        }
        return replace(side, namespace=namespace, names=names)

    def add_user(self, name: str) -> None:
        """Create both sides of a user of the proxy."""
        user_id = self.proxy.users[name]
        subject = Subject.local(user_id, name)
        self.sides[name] = (self._through(name), self._directly(name, subject))

    def _through(self, name: str) -> Side:
        kubeconfig = self.proxy.kubeconfig(name)
        config = yaml.safe_load(kubeconfig.read_text())
        return Side(
            name="proxy",
            server=config["clusters"][0]["cluster"]["server"],
            kubectl=self.kubectl,
            kubeconfig=kubeconfig,
            plain_kubeconfig=kubeconfig,
            context=ssl.create_default_context(
                cafile=str(self.proxy.folder / "data" / "tls" / "ca.crt")
            ),
            credentials=(("Authorization", f"Bearer {config['users'][0]['user']['token']}"),),
        )

    def _directly(self, name: str, subject: Subject) -> Side:
        server, pki = self.kubernetes.servers[0], self.kubernetes.pki
        folder = self.folder / "direct"
        folder.mkdir(exist_ok=True)
        kubeconfig, plain = folder / f"{name}.kubeconfig", folder / f"{name}-plain.kubeconfig"
        write_impersonating_kubeconfig(self.kubernetes.admin_kubeconfig, subject, kubeconfig)
        pki.issue_client(name, subject.user, ["sekisho:authenticated"], now=datetime.now(UTC))
        pki.write_kubeconfig(name, server, plain)
        context = ssl.create_default_context(cafile=str(self.kubernetes.ca_file))
        context.load_cert_chain(self.kubernetes.admin_certificate, self.kubernetes.admin_key)
        return Side(
            name="direct",
            server=server,
            kubectl=self.kubectl,
            kubeconfig=kubeconfig,
            plain_kubeconfig=plain,
            context=context,
            credentials=subject.headers(),
        )

    def _compare(self, proxied: tuple[Side, str], direct: tuple[Side, str]) -> None:
        """Save both results in files; fail with a diff if they differ."""
        number = next(self._numbers)
        for side, text in (proxied, direct):
            (self.folder / f"{number:03d}-{side.name}.txt").write_text(text)
        if proxied[1] != direct[1]:
            diff = difflib.unified_diff(
                direct[1].splitlines(), proxied[1].splitlines(), "directly", "proxy", lineterm=""
            )
            pytest.fail("the result through the proxy differs:\n" + "\n".join(diff), pytrace=False)

    async def create_shared_objects(self) -> None:
        """Create the objects of the namespace ``shared``."""
        context = ssl.create_default_context(cafile=str(self.kubernetes.ca_file))
        context.load_cert_chain(self.kubernetes.admin_certificate, self.kubernetes.admin_key)
        url = f"{self.kubernetes.servers[0]}/api/v1/namespaces/{SHARED}/configmaps"
        numbers = iter(range(SHARED_OBJECTS))

        async def some(session: aiohttp.ClientSession) -> None:
            for number in numbers:
                labels = {"parity": ("even", "odd")[number % 2]}
                metadata = {"name": f"many-{number:05d}", "labels": labels}
                async with session.post(url, json={"metadata": metadata}) as response:
                    assert response.status == 201, await response.text()

        connector = aiohttp.TCPConnector(ssl=context)
        async with aiohttp.ClientSession(connector=connector) as session:
            await asyncio.gather(*(some(session) for _ in range(16)))
