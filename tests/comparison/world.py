"""A cluster, a gate in front of it, and people who can go both ways."""

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

from proxy.demo.kubelet import Pod
from tests.comparison.sides import Side, Subject, impersonating
from tests.parts.kubernetes import Kubernetes
from tests.parts.sekisho import Gate
from tests.parts.waiting import until

if TYPE_CHECKING:
    from tests.comparison.events import Watchers

PEOPLE = ("alice", "bob", "carol")
"""alice owns the cluster, bob is a member, carol may only read."""

SHARED = "shared"
"""A namespace that nobody changes: what is read there is the same byte for byte."""

MANY = 5_010
"""How many objects there are to list in it."""


@dataclass
class World:
    """Everything that a comparison needs."""

    kubernetes: Kubernetes
    gate: Gate
    kubectl: Path
    folder: Path
    sides: dict[str, tuple[Side, Side]] = field(default_factory=dict)
    watchers: "Watchers | None" = None
    """Who watches in the background, for as long as the world is there."""
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def same(self, play: Callable[[Side], object], *, person: str = "alice") -> None:
        """Play a case through the gate and directly; fail with a diff where the answers differ.

        Each side has a namespace of its own, in which nothing has happened before.
        """
        with self.namespaces(person) as sides:
            through, directly = ((side, side.as_text(play(side))) for side in sides)
        self._compare(through, directly)

    def same_to_read(self, play: Callable[[Side], object], *, person: str = "alice") -> None:
        """The same for a case that only reads, in the namespace ``shared``."""
        sides = (self.side(side, SHARED) for side in self.sides[person])
        through, directly = ((side, side.as_text(play(side))) for side in sides)
        self._compare(through, directly)

    @contextmanager
    def namespaces(self, person: str = "alice") -> Iterator[tuple[Side, Side]]:
        """Two new namespaces with names of the same length, for tables keep their columns."""
        number = next(self._numbers)
        through, directly = self.sides[person]
        names = f"case-{number:03d}-g", f"case-{number:03d}-d"
        for name in names:
            self.kubernetes.create_namespace(name)
        for name in names:
            # It comes a moment after the namespace, and would come between any two commands.
            until(lambda name=name: self._has_root_certificate(name))  # type: ignore[misc]
        try:
            yield self.side(through, names[0]), self.side(directly, names[1])
        finally:
            for name in names:
                self.kubernetes.delete_namespace(name)

    def _has_root_certificate(self, namespace: str) -> bool:
        path = f"/api/v1/namespaces/{namespace}/configmaps"
        return bool(self.kubernetes.call(self.kubernetes.request("GET", path))["items"])

    def pod(self, side: Side, name: str = "worker") -> Pod:
        """A running pod in a side's namespace."""
        return self.kubernetes.running_pod(name, side.namespace)

    def side(self, side: Side, namespace: str) -> Side:
        """The side in another namespace."""
        names = {
            side.server: "https://<server>",
            side.server.split("/k8s/")[0].removeprefix("https://"): "<address>",
            namespace: "<namespace>",
        }
        return replace(side, namespace=namespace, names=names)

    def add(self, name: str) -> None:
        """Make both sides of a person whom the gate knows."""
        user = self.gate.users[name]
        subject = Subject.local(user, name)
        self.sides[name] = (self._through(name), self._directly(name, subject))

    def _through(self, name: str) -> Side:
        kubeconfig = self.gate.kubeconfig(name)
        config = yaml.safe_load(kubeconfig.read_text())
        return Side(
            name="gate",
            server=config["clusters"][0]["cluster"]["server"],
            kubectl=self.kubectl,
            kubeconfig=kubeconfig,
            plain_kubeconfig=kubeconfig,
            context=ssl.create_default_context(
                cafile=str(self.gate.folder / "data" / "tls" / "ca.crt")
            ),
            credentials=(("Authorization", f"Bearer {config['users'][0]['user']['token']}"),),
        )

    def _directly(self, name: str, subject: Subject) -> Side:
        server, pki = self.kubernetes.servers[0], self.kubernetes.pki
        folder = self.folder / "direct"
        folder.mkdir(exist_ok=True)
        kubeconfig, plain = folder / f"{name}.kubeconfig", folder / f"{name}-plain.kubeconfig"
        impersonating(self.kubernetes.admin_kubeconfig, subject, kubeconfig)
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

    def _compare(self, through: tuple[Side, str], directly: tuple[Side, str]) -> None:
        """Keep both answers in files, and show how they differ."""
        number = next(self._numbers)
        for side, text in (through, directly):
            (self.folder / f"{number:03d}-{side.name}.txt").write_text(text)
        if through[1] != directly[1]:
            diff = difflib.unified_diff(
                directly[1].splitlines(), through[1].splitlines(), "directly", "gate", lineterm=""
            )
            pytest.fail("through the gate it is different:\n" + "\n".join(diff), pytrace=False)

    async def fill(self) -> None:
        """Create the many objects of ``shared``."""
        context = ssl.create_default_context(cafile=str(self.kubernetes.ca_file))
        context.load_cert_chain(self.kubernetes.admin_certificate, self.kubernetes.admin_key)
        url = f"{self.kubernetes.servers[0]}/api/v1/namespaces/{SHARED}/configmaps"
        numbers = iter(range(MANY))

        async def some(session: aiohttp.ClientSession) -> None:
            for number in numbers:
                labels = {"parity": ("even", "odd")[number % 2]}
                metadata = {"name": f"many-{number:05d}", "labels": labels}
                async with session.post(url, json={"metadata": metadata}) as answer:
                    assert answer.status == 201, await answer.text()

        connector = aiohttp.TCPConnector(ssl=context)
        async with aiohttp.ClientSession(connector=connector) as session:
            await asyncio.gather(*(some(session) for _ in range(16)))
