"""Make the changes of a plan, one document after another.

A document that fails does not end the run, but documents that refer to it are skipped. A server
that does not respond, or no longer accepts the credential, ends it.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from proxy.cli.apply.bodies import fields_of, grant_body
from proxy.cli.apply.changes import Change, Outcome, Plan, Result
from proxy.cli.apply.kinds import BINDING, CLUSTER, MANAGEMENT, MEMBER, PROJECT, ROLE, USER
from proxy.cli.apply.object_changes import deleted, patched, removed, replaced
from proxy.cli.apply.observed import Observed
from proxy.cli.apply.project_changes import ProjectChange
from proxy.cli.client.problems import Refused
from proxy.cli.client.server_client import Unreachable
from proxy.cli.client.server_session import ServerSession, path_of
from proxy.cli.common import CommandFailed

_DONE: Mapping[str, Result] = {"create": "created", "change": "changed", "delete": "deleted"}

_PATHS = {
    USER.name: "users",
    ROLE.name: "roles",
    CLUSTER.name: "clusters",
    PROJECT.name: "projects",
}


class Executor:
    """Makes the changes of one plan."""

    def __init__(self, session: ServerSession, observed: Observed, plan: Plan) -> None:
        self._session = session
        self._plan = plan
        self._roles = {
            (str(one["scope"]), str(one["name"])): str(one["id"]) for one in observed.roles
        }
        self._projects = {
            (str(one["cluster"]), str(one["name"])): str(one["id"]) for one in observed.projects
        }
        self._inside = {
            (str(one["cluster"]), str(one["name"])): str(one["project"])
            for one in observed.namespaces
        }
        self._claimed = {
            (change.key[1][0], str(one["name"])): change.key[1]
            for change in plan.changes
            if change.kind == PROJECT.name
            for one in (change.content or {}).get("namespaces", ())
        }
        self._failed: set[int] = set()

    async def outcomes(self) -> AsyncIterator[Outcome]:
        """Make every change, and yield what became of it."""
        stopped = ""
        for change in self._plan.changes:
            if change.action == "keep":
                yield Outcome(change, "unchanged")
                continue
            why = stopped or self._blocked(change)
            if why:
                self._fail(change)
                yield Outcome(change, "skipped", why)
                continue
            outcome, ends = await self._outcome(change)
            if outcome.result == "failed":
                self._fail(change)
            stopped = "the run ended before it" if ends else ""
            yield outcome

    async def _outcome(self, change: Change) -> tuple[Outcome, bool]:
        """Make a change. Return what became of it, and whether the run must end."""
        project = self._project_change(change)
        try:
            pending = await self._make(change, project)
        except CommandFailed as exc:
            ends = isinstance(exc, Unreachable) or (isinstance(exc, Refused) and exc.status == 401)
            message = "; ".join(exc.lines)
            if project.done:
                message += f" (before that, {'; '.join(project.done)})"
            return Outcome(change, "failed", message), ends
        return Outcome(change, _DONE[change.action], "", (*project.pending, *pending)), False

    async def _make(self, change: Change, project: ProjectChange) -> tuple[str, ...]:
        """Make a change. Return what the cluster does not have yet. Raises CommandFailed."""
        if change.action == "delete":
            await self._delete(change, project)
        elif change.kind in {BINDING.name, MEMBER.name}:
            return await self._grant(change)
        elif change.kind == PROJECT.name:
            await self._make_project(change, project)
        elif change.kind == MANAGEMENT.name:
            path = path_of("clusters", change.key[1][0], "provisioning")
            await replaced(self._session, path, self._fields(change))
        elif change.action == "create":
            await self._create(change)
        else:
            assert change.existing is not None
            path = path_of(_PATHS[change.kind], change.existing.id)
            await patched(self._session, path, self._fields(change))
        return ()

    async def _create(self, change: Change) -> None:
        """Create a user or a role."""
        assert change.document is not None
        body = self._fields(change)
        if change.kind == ROLE.name:
            scope, name = change.key[1]
            made = await self._session.send(
                "POST", "/v1/roles", {**body, "name": name, "scope": scope}
            )
            self._roles[scope, name] = str(made.data["id"])
            return
        enabled = body.pop("enabled", True)
        body["username"] = change.document.name
        made = await self._session.send("POST", "/v1/users", body)
        if not enabled:
            await patched(self._session, path_of("users", str(made.data["id"])), {"enabled": False})

    async def _make_project(self, change: Change, project: ProjectChange) -> None:
        content = change.content or {}
        namespaces, body = content.get("namespaces"), self._fields(change)
        if change.existing is not None:
            await project.change(change.existing.id, body, namespaces)
            return
        cluster, name = change.key[1]
        self._projects[cluster, name] = await project.create(cluster, name, body, namespaces)

    async def _grant(self, change: Change) -> tuple[str, ...]:
        assert change.document is not None
        path = self._grants_path(change)
        body = grant_body(change.document)
        if change.existing is not None and change.existing.item["user"]:
            # The id that was found: another user could get the name meanwhile.
            body |= {"user": change.existing.item["user"]}
            body.pop("provider", None)
        made = await self._session.send("POST", path, body)
        pending = made.data.get("pending")
        return (str(pending),) if pending else ()

    def _grants_path(self, change: Change) -> str:
        place = change.key[1][0]
        if change.kind == BINDING.name:
            return "/v1/bindings"
        assert change.document is not None
        name = change.document.spec.get("project")
        if name is None:
            return path_of("clusters", place, "members")
        if place.startswith("+"):
            cluster = place.removeprefix("+").partition("/")[0]
            place = self._projects[cluster, str(name)]
        return path_of("projects", place, "members")

    async def _delete(self, change: Change, project: ProjectChange) -> None:
        one = change.existing
        assert one is not None
        if change.kind == BINDING.name:
            await removed(self._session, path_of("bindings", one.id))
        elif change.kind == MEMBER.name:
            place = "projects" if one.item["project"] else "clusters"
            path = path_of(place, change.key[1][0], "members", one.subject)
            await removed(self._session, path, role=one.item["role_id"])
        else:
            if change.kind == PROJECT.name:
                await project.empty(one.id)
            await deleted(self._session, path_of(_PATHS[change.kind], one.id), one.labels)

    def _project_change(self, change: Change) -> ProjectChange:
        if change.kind != PROJECT.name:
            return ProjectChange(self._session, (), ())
        cluster = change.key[1][0]
        mine = change.existing.id if change.existing is not None else ""
        elsewhere = {
            name for (at, name), owner in self._inside.items() if at == cluster and owner != mine
        }
        claimed = {
            name
            for (at, name), owner in self._claimed.items()
            if at == cluster and owner != change.key[1]
        }
        return ProjectChange(self._session, elsewhere, claimed)

    def _fields(self, change: Change) -> dict[str, Any]:
        assert change.document is not None
        scope = change.document.spec.get("scope")
        ids = {name: one for (at, name), one in self._roles.items() if at == scope}
        return fields_of(change.document.kind, change.content or {}, change.labels, ids)

    def _blocked(self, change: Change) -> str:
        """Return why a change cannot be made: a document that it needs has failed."""
        for one in change.needs:
            if id(one) in self._failed:
                return f"{one.kind.name} {one.name} at {one.place} was not applied"
        return ""

    def _fail(self, change: Change) -> None:
        if change.document is not None:
            self._failed.add(id(change.document))
