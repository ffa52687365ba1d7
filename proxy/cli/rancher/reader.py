"""Read Rancher's objects, page by page, and keep only what is converted."""

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass, field

from management.kubernetes.client import ClusterClient
from management.kubernetes.errors import ApiNotFound
from management.kubernetes.manifests import Manifest
from proxy.cli.common import CommandFailed
from proxy.cli.rancher import objects
from proxy.cli.rancher.move import RancherState

GROUP = "/apis/management.cattle.io/v3"
NAMESPACES = "/api/v1/namespaces"

MAX_OBJECTS = 100_000
"""Objects of one run. Each takes about a kilobyte of memory."""


@dataclass(slots=True)
class Reader:
    """Reads into ``state``. ``only`` are ids or names of clusters; empty: all of them."""

    only: Collection[str] = ()
    state: RancherState = field(default_factory=RancherState)
    _count: int = 0

    async def read_rancher(self, client: ClusterClient) -> None:
        """Read everything but namespaces from Rancher's local cluster.

        Raises CommandFailed if that is not Rancher's, and ClusterApiError.
        """
        state = self.state
        try:
            await self._read(client, "clusters", self._keep_cluster)
        except ApiNotFound as exc:
            raise CommandFailed(
                "this cluster has no objects of Rancher (management.cattle.io): give the "
                "kubeconfig of the cluster in which Rancher itself runs"
            ) from exc
        for one in set(self.only) - state.clusters.keys():
            if one not in {cluster.name for cluster in state.clusters.values()}:
                raise CommandFailed(f"Rancher has no cluster {one!r}")
        await self._read(client, "users", self._keep_user)
        await self._read_optional(client, "userattributes", self._keep_attributes)
        await self._read(client, "roletemplates", self._keep_template)
        await self._read(client, "globalroles", self._keep_global_role)
        await self._read(client, "projects", self._keep_project)
        await self._read(client, "globalrolebindings", self._keep_grant(objects.global_grant_of))
        for plural, parse in (
            ("clusterroletemplatebindings", objects.cluster_grant_of),
            ("projectroletemplatebindings", objects.project_grant_of),
        ):
            await self._read(client, plural, self._keep_grant(parse))

    async def read_namespaces(self, client: ClusterClient, cluster: str) -> None:
        """Read the namespaces of a cluster, by Rancher's id or the name that users see."""
        known = self.state.clusters
        found = [one.id for one in known.values() if cluster in {one.id, one.name}]
        if len(found) != 1:
            raise CommandFailed(
                f"--namespaces: {cluster!r} is {'no cluster' if not found else 'not the only one'} "
                f"of this run; the ids are {', '.join(sorted(known))}"
            )
        kept = self.state.namespaces.setdefault(found[0], [])
        async for page in self._pages(client, NAMESPACES):
            kept += [one for one in map(objects.namespace_of, page) if one is not None]

    def _keep_cluster(self, manifest: Manifest) -> None:
        cluster = objects.cluster_of(manifest)
        if not self.only or {cluster.id, cluster.name} & set(self.only):
            self.state.clusters[cluster.id] = cluster

    def _keep_user(self, manifest: Manifest) -> None:
        user = objects.user_of(manifest)
        self.state.users[user.id] = user

    def _keep_attributes(self, manifest: Manifest) -> None:
        self.state.logins |= objects.logins_of(manifest)
        self.state.group_names |= objects.group_names_of(manifest)
        if len(self.state.group_names) > MAX_OBJECTS:
            raise _too_many()

    def _keep_template(self, manifest: Manifest) -> None:
        template = objects.role_template_of(manifest)
        self.state.templates[template.id] = template

    def _keep_global_role(self, manifest: Manifest) -> None:
        role = objects.global_role_of(manifest)
        self.state.global_roles[role.id] = role

    def _keep_project(self, manifest: Manifest) -> None:
        project = objects.project_of(manifest)
        if project.cluster in self.state.clusters:
            self.state.projects.append(project)

    def _keep_grant(self, parse: Callable[[Manifest], objects.Grant]) -> Callable[[Manifest], None]:
        def keep(manifest: Manifest) -> None:
            grant = parse(manifest)
            if not self.only or not grant.cluster or grant.cluster in self.state.clusters:
                self.state.grants.append(grant)

        return keep

    async def _read(
        self, client: ClusterClient, plural: str, keep: Callable[[Manifest], None]
    ) -> None:
        async for page in self._pages(client, f"{GROUP}/{plural}"):
            for one in page:
                keep(one)

    async def _read_optional(
        self, client: ClusterClient, plural: str, keep: Callable[[Manifest], None]
    ) -> None:
        try:
            await self._read(client, plural, keep)
        except ApiNotFound:
            return

    async def _pages(self, client: ClusterClient, path: str) -> AsyncIterator[Sequence[Manifest]]:
        async for page in client.pages(path):
            self._count += len(page.items)
            if self._count > MAX_OBJECTS:
                raise _too_many()
            yield page.items


def _too_many() -> CommandFailed:
    return CommandFailed(
        f"more than {MAX_OBJECTS} objects: move some clusters at a time, --cluster"
    )
