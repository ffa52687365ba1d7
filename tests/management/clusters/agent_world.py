"""A management API, a real cluster, and a dialer in the place of the agent's tunnel."""

import base64
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from management.identity.tokens import TokenSpec
from management.kubernetes.manifests import AGENT, CONTROLLER, IMPERSONATOR, token_path
from store.interfaces import Store
from tests.management.conftest import OwnCluster, user
from tests.support.kubernetes import kubectl
from tests.support.management_app import Client, make_token_issuer
from tests.support.port_dialer import PortDialer

SECRET = f"/api/v1/namespaces/sekisho-system/secrets/{AGENT}"


@dataclass
class AgentWorld:
    """What a test of an agent's registration needs."""

    store: Store
    client: Client
    cluster: OwnCluster
    dialer: PortDialer
    folder: Path
    caller: str = "alice"

    async def _bearer(self) -> str:
        """Return a new token of the caller. The application's token cache is never renewed."""
        found = await self.store.users.get(user(self.caller).id)
        assert found is not None
        tokens = make_token_issuer(self.store)
        spec = TokenSpec(kind="session", ttl=timedelta(hours=1))
        return (await tokens.issue(found, spec)).bearer

    async def send(
        self, method: str, path: str, body: object = None, *, anonymous: bool = False
    ) -> tuple[int, Any]:
        """Send a request. Return the status, and the JSON or text of the response."""
        headers = {} if anonymous else {"Authorization": f"Bearer {await self._bearer()}"}
        async with self.client.request(method, path, json=body, headers=headers) as answer:
            text = await (answer.json() if "json" in answer.content_type else answer.text())
            return answer.status, text

    async def register(self, name: str = "edge", **options: object) -> str:
        """Create a registration. Return its manifest."""
        body = {"name": name, "reach": "agent", **options}
        status, manifest = await self.send("POST", "/v1/registrations", body)
        assert status == 201, manifest
        text: str = manifest
        return text

    def apply(self, manifest: str) -> str:
        """Apply a manifest as the cluster's administrator."""
        file = self.folder / "manifest.yaml"
        file.write_text(manifest)
        done = kubectl(self.cluster.admin_kubeconfig, "apply", "-f", str(file))
        assert done.returncode == 0, done.stderr
        return done.stdout

    def completion(self, manifest: str, **changes: object) -> dict[str, object]:
        """Return what the registering Job sends."""
        [code] = [
            one["stringData"]["code"]
            for one in yaml.safe_load_all(manifest)
            if one["kind"] == "Secret" and "code" in one["stringData"]
        ]
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        tokens = {
            f"{account.removeprefix('sekisho-')}_token": self.cluster.ask(
                "POST", token_path(account), request
            )["status"]["token"]
            for account in (IMPERSONATOR, CONTROLLER)
        }
        return {"code": code, "ca_pem": self.cluster.ca_pem.decode(), **tokens, **changes}

    async def complete(self, manifest: str, **changes: object) -> tuple[int, Any]:
        """Send what the registering Job sends."""
        body = self.completion(manifest, **changes)
        return await self.send("POST", "/v1/registrations/complete", body, anonymous=True)

    async def registered(self, name: str = "edge") -> str:
        """Register the cluster. Return its id."""
        manifest = await self.register(name)
        self.apply(manifest)
        status, answer = await self.complete(manifest)
        assert status == 204, answer
        cluster = await self.store.clusters.get(name)
        assert cluster is not None
        return cluster.id

    def secret_token(self) -> str:
        """Return the token in the agent's Secret."""
        data = self.cluster.ask("GET", SECRET)["data"]
        return base64.b64decode(data["token"]).decode()
