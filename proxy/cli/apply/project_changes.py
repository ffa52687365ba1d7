"""Change one project with its namespaces.

A project is several requests, because a namespace is an object of its cluster. They are ordered so
that each is allowed: removals, the project, the quotas of namespaces, then new namespaces. If one
fails, those before it stay, and the error says which.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from proxy.cli.apply.object_changes import patched
from proxy.cli.client.problems import Refused
from proxy.cli.client.server_session import Item, ServerSession, path_of
from proxy.cli.merge_patch import merge_patch

Namespaces = Sequence[Mapping[str, Any]]


@dataclass(slots=True)
class ProjectChange:
    """The requests for one project. ``done`` lists the finished steps, ``pending`` the unfinished.

    ``elsewhere`` are namespaces that are now in other projects; ``claimed`` are those that another
    document wants.
    """

    session: ServerSession
    elsewhere: Collection[str]
    claimed: Collection[str]
    done: list[str] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)

    async def create(
        self, cluster: str, name: str, body: Item, namespaces: Namespaces | None
    ) -> str:
        """Create a project with its namespaces. Return its id. Raises CommandFailed."""
        sent = {**body, "cluster": cluster, "name": name}
        made = await self.session.send("POST", "/v1/projects", sent)
        project_id = str(made.data["id"])
        self.done.append("the project was created")
        for one in namespaces or ():
            await self._add(project_id, one)
        return project_id

    async def change(self, project_id: str, desired: Item, namespaces: Namespaces | None) -> None:
        """Change a project with its namespaces (None: leave them). Raises CommandFailed."""
        path = path_of("projects", project_id)
        if namespaces is None:
            await patched(self.session, path, desired)
            return
        at = path_of("projects", project_id, "namespaces")
        present = {str(one["name"]): one async for one in self.session.list(at)}
        wanted = {str(one["name"]): one for one in namespaces}
        for name in sorted(present.keys() - wanted.keys() - set(self.claimed)):
            await self.session.send("DELETE", path_of("projects", project_id, "namespaces", name))
            self.done.append(f"namespace {name} was removed from the project")
        quotas = [one for name, one in wanted.items() if name in present]
        try:
            await patched(self.session, path, desired)
        except Refused as exc:
            # The namespaces may request more than the new quota: their requests first.
            if exc.status != 422 or not await self._quotas(project_id, quotas, present):
                raise
            await patched(self.session, path, desired)
        else:
            await self._quotas(project_id, quotas, present)
        for name in sorted(wanted.keys() - present.keys()):
            await self._add(project_id, wanted[name])

    async def empty(self, project_id: str) -> None:
        """Remove every namespace from a project. They stay in the cluster."""
        at = path_of("projects", project_id, "namespaces")
        for name in [str(one["name"]) async for one in self.session.list(at)]:
            await self.session.send("DELETE", path_of("projects", project_id, "namespaces", name))
            self.done.append(f"namespace {name} was removed from the project")

    async def _quotas(
        self, project_id: str, namespaces: Namespaces, present: Mapping[str, Item]
    ) -> bool:
        """Change the requests of namespaces. Return whether there was any change."""
        changed = False
        for one in namespaces:
            name = str(one["name"])
            if one["quota"] != dict(present[name]["quota"]):
                await self._quota(project_id, name, present[name]["quota"], one["quota"])
                changed = True
        return changed

    async def _quota(self, project_id: str, name: str, before: Item, after: Item) -> None:
        path = path_of("projects", project_id, "namespaces", name)
        body = {"quota": merge_patch(before, after)}
        self._note(name, (await self.session.send("PATCH", path, body)).data)
        self.done.append(f"the quota of namespace {name} was changed")

    async def _add(self, project_id: str, namespace: Mapping[str, Any]) -> None:
        """Create a namespace in the project, or move the existing one into it."""
        name, quota = str(namespace["name"]), namespace["quota"]
        path = path_of("projects", project_id, "namespaces")
        if name not in self.elsewhere:
            try:
                made = await self.session.send("POST", path, {"name": name, "quota": quota})
            except Refused as exc:
                if exc.status != 409:
                    raise
            else:
                self._note(name, made.data)
                self.done.append(f"namespace {name} was created")
                return
        moved = await self.session.send("POST", path, {"name": name, "existing": True})
        self._note(name, moved.data)
        self.done.append(f"namespace {name} was moved into the project")
        if dict(moved.data.get("quota") or {}) != quota:
            await self._quota(project_id, name, moved.data.get("quota") or {}, quota)

    def _note(self, name: str, data: Item) -> None:
        if data.get("pending"):
            self.pending.append(f"namespace {name}: {data['pending']}")
