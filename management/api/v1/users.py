"""Users, for managers of users. A manager acts only on users who hold no more."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC
from typing import Annotated, Any, cast

from aiohttp import web
from pydantic import AfterValidator, Field, SecretStr

from impersonation.display_names import trimmed, visible
from management.api import response_models
from management.api.access_requirements import GlobalPermission, managed_user
from management.api.authentication import caller_of
from management.api.listing import Item, Listing, PageRequest
from management.api.openapi_metadata import openapi
from management.api.preconditions import check_match, conflict, json_with_etag, read_patch
from management.api.request_models import Labels, Line, Name, RequestModel
from management.api.services import services_of
from management.api.user_management import reach_of, require_reach
from management.authorization.permissions import USERS
from management.http.body import read_body
from management.http.problem import ApiProblem
from management.http.request_notes import add_audit_note
from management.identity.users import MAX_USERNAME_LENGTH, checked_username, new_user
from store.errors import Conflict, StaleRevision
from store.interfaces import Store
from store.page_records import UserFilter, UserOrder
from store.pieces import in_pieces
from store.records import Principal, User


class NewUser(RequestModel):
    """A local user; the password must be changed at the first sign-in, within 24 hours.

    Without a password, the user cannot sign in until one is set or a principal is linked.
    """

    username: Annotated[
        str, Field(min_length=1, max_length=MAX_USERNAME_LENGTH), AfterValidator(trimmed)
    ]
    display_name: Line = ""
    labels: Labels = Field(default_factory=dict)
    password: SecretStr | None = None


class UserSpec(RequestModel):
    """The fields of a user that can be changed."""

    display_name: Name
    enabled: bool = True
    labels: Labels = Field(default_factory=dict)


_SCANNED = 500
"""Users that are read together where the store cannot decide which are wanted."""


async def collect(request: web.Request) -> Sequence[Item]:
    """List all users. ``?principal=`` returns the user with that principal."""
    wanted = _wanted(request)
    found = await services_of(request).store.users.page(wanted, UserOrder()) if wanted else ()
    return [user_json(one) async for one in in_pieces(found)]


async def read_page(request: web.Request, page: PageRequest) -> Sequence[Item]:
    """Read the users of a page, and one more."""
    users, wanted = services_of(request).store.users, _wanted(request)
    order = UserOrder(cast(Any, page.field), page.descending)
    after = page.place
    size = max(page.limit + 1, _SCANNED) if page.matched else page.limit + 1
    found: list[Item] = []
    while wanted is not None and len(found) <= page.limit:
        read = await users.page(wanted, order, after=after, limit=size)
        async for one in in_pieces(read):
            item = user_json(one)
            if not page.matched or page.matches(item):
                found.append(item)
        if len(read) < size:
            break
        after = (getattr(read[-1], page.field), read[-1].id)
    return found[: page.limit + 1]


def _wanted(request: web.Request) -> UserFilter | None:
    """Return the conditions of the query, or None if no user can satisfy them."""
    query = request.query
    search = query.get("search", "")
    flags = {name: query.get(name) for name in ("enabled", "administrator")}
    if not {None, "true", "false"}.issuperset(flags.values()):
        return None
    enabled, administrator = (None if one is None else one == "true" for one in flags.values())
    return UserFilter(
        username=query.get("username"),
        principal=query.get("principal"),
        enabled=enabled,
        administrator=administrator,
        search=search if search.isascii() else "",
    )


LIST = Listing(
    collect,
    response=response_models.UserResponse,
    sorts=("username", "display_name", "created_at", "id"),
    filters=("username", "enabled", "administrator"),
    searched=("username", "display_name", "id"),
    kinds=frozenset({"user"}),
    own_parameters=("principal",),
    labelled=True,
    read_page=read_page,
)


@openapi(response=response_models.ManagedUserResponse)
async def get_user(request: web.Request) -> web.Response:
    """Return a user. ``denied`` is why the caller may not act on the user, or null."""
    return await _shown(request, await _asked(request))


@openapi(body=NewUser, response=response_models.ManagedUserResponse, status=201)
async def create_user(request: web.Request) -> web.Response:
    """Create a local user."""
    services = services_of(request)
    body = await read_body(request, NewUser)
    try:
        username = checked_username(body.username)
    except ValueError as exc:
        raise ApiProblem(422, f"username: {exc}") from None
    await _check_free(services.store, username)
    user = replace(new_user(username, display_name=body.display_name), labels=body.labels)
    password = None
    if body.password is not None:
        password = await services.passwords.given(user, body.password.get_secret_value())
    await services.store.users.create(user, password=password)
    add_audit_note(request, created=user.id)
    return await _shown(request, user, 201)


async def _check_free(store: Store, username: str) -> None:
    """Raise Conflict if a local user has the name, also one who has no password yet.

    Two requests at the same moment may both pass. The database gives only one of them a password.
    """
    named = [one for user in await store.users.find(username) for one in user.principals]
    taken = any(one.provider == "local" and one.name == username for one in named)
    if taken or await store.users.password(username) is not None:
        raise Conflict(f'a local user "{username}" exists already')


@openapi(body=UserSpec, response=response_models.ManagedUserResponse, revised=True)
async def change_user(request: web.Request) -> web.Response:
    """Change a user. Disabling a user ends their sessions and requests immediately."""
    services, user = services_of(request), managed_user(request)
    check_match(request, user.revision)
    # A provider's display name may be longer, and must not block other changes.
    shown_as = visible(user.display_name)[:64].strip() or user.id
    current = UserSpec.model_construct(
        display_name=shown_as, enabled=user.enabled, labels=dict(user.labels)
    )
    wanted = await read_patch(request, current)
    try:
        changed = await services.store.users.update(
            user.id,
            display_name=user.display_name
            if wanted.display_name == shown_as
            else wanted.display_name,
            enabled=wanted.enabled,
            labels=wanted.labels,
            revision=user.revision,
            check=reach_of(caller_of(request), user.id),
        )
    except StaleRevision:
        raise conflict(request) from None
    add_audit_note(request, changed=user.id)
    return await _shown(request, changed)


@openapi(status=204, revised=True)
async def delete_user(request: web.Request) -> web.Response:
    """Delete a user with all their tokens and bindings. What the user created stays."""
    services, user = services_of(request), managed_user(request)
    check_match(request, user.revision)
    if user.id == caller_of(request).user.id:
        raise ApiProblem(409, "you cannot delete yourself: ask another administrator")
    check = reach_of(caller_of(request), user.id)
    await services.store.users.delete(user.id, check=check)
    add_audit_note(request, deleted=user.id)
    return web.Response(status=204)


@openapi(response=response_models.RevokedResponse)
async def revoke_all(request: web.Request) -> web.Response:
    """Revoke every token and session of a user."""
    services, user = services_of(request), managed_user(request)
    check = reach_of(caller_of(request), user.id)
    ended = await services.store.identities.revoke_tokens(user_id=user.id, check=check)
    add_audit_note(request, revoked_count=str(ended))
    return web.json_response({"revoked": ended})


async def _asked(request: web.Request) -> User:
    user = await services_of(request).store.users.get(request.match_info["id"])
    if user is None:
        raise ApiProblem(404, "user not found")
    return user


async def _shown(request: web.Request, user: User, status: int = 200) -> web.Response:
    body = user_json(user) | {"denied": await _denial(request, user)}
    return json_with_etag(body, user.revision, status)


async def _denial(request: web.Request, user: User) -> str | None:
    """Return what the requirement ``OverUser`` answers a change of the user; None if it holds."""
    caller = caller_of(request)
    try:
        GlobalPermission(USERS).require(caller)
        await require_reach(services_of(request).store, caller, user)
    except ApiProblem as problem:
        return problem.detail
    return None


def user_json(user: User) -> dict[str, object]:
    """Return a user as the API shows it."""
    return {
        "id": user.id,
        "username": user.username,
        "display_name": user.display_name,
        "enabled": user.enabled,
        "administrator": user.administrator,
        "labels": dict(user.labels),
        "principals": [
            {
                "id": one.id,
                "provider": one.provider,
                "display_name": one.name,
                "refresh": _refresh_state(one),
            }
            for one in user.principals
        ],
        "created_at": user.created_at.astimezone(UTC).isoformat(),
    }


def _refresh_state(principal: Principal) -> str:
    """Return whether the principal can be refreshed: ``ok``, ``failing`` or ``sign_in_needed``."""
    if principal.grant_ended_at is not None:
        return "sign_in_needed"
    return "failing" if principal.refresh_failures else "ok"
