"""Users, for those who manage them. Nobody manages who holds more than they do themselves."""

from collections.abc import Sequence
from typing import Annotated

from aiohttp import web
from pydantic import Field, SecretStr

from management.accounts import end_sign_ins
from management.api import answers
from management.api.bodies import Body, Line, Name
from management.api.described import described
from management.api.listing import Item, Listing
from management.api.revisions import check_match, lost_race, read_patch, shown
from management.authentication import Caller, caller_of
from management.authorization.access import Access, access_of
from management.authorization.book import RoleBook
from management.problems import Problem, read_body
from management.services import Services, services_of
from management.session_endpoints import user_json
from management.telling import note
from management.users import MAX_USERNAME_LENGTH, checked_username, new_user
from store.interfaces import StaleRevision, User


class NewUser(Body):
    """A local user; the password must be changed at the first sign-in.

    Without a password the user can't sign in until one is set or a principal is linked.
    """

    username: Annotated[str, Field(min_length=1, max_length=MAX_USERNAME_LENGTH)]
    display_name: Line = ""
    password: SecretStr | None = None


class UserSpec(Body):
    """What can be changed of a user."""

    display_name: Name
    enabled: bool = True


async def collect(request: web.Request) -> Sequence[Item]:
    """Every user."""
    return [user_json(one) for one in await services_of(request).store.users.list_all()]


LIST = Listing(
    collect,
    answer=answers.UserAnswer,
    sorts=("username", "display_name", "created_at", "id"),
    filters=("username", "enabled", "administrator"),
    searched=("username", "display_name", "id"),
    kinds=frozenset({"user"}),
)


@described(answer=answers.UserAnswer)
async def get_user(request: web.Request) -> web.Response:
    """One user."""
    user = await _asked(request)
    return shown(user_json(user), user.revision)


@described(body=NewUser, answer=answers.UserAnswer, status=201)
async def create_user(request: web.Request) -> web.Response:
    """Make a local user."""
    services = services_of(request)
    body = await read_body(request, NewUser)
    try:
        username = checked_username(body.username)
    except ValueError as exc:
        raise Problem(422, f"username: {exc}") from None
    user = new_user(username, display_name=body.display_name)
    hashed = None
    if body.password is not None:
        hashed = await services.passwords.hashed(body.password.get_secret_value())
    await services.store.users.create(user, password_hash=hashed, must_change=hashed is not None)
    note(request, made=user.id)
    return shown(user_json(user), user.revision, 201)


@described(body=UserSpec, answer=answers.UserAnswer, revised=True)
async def change_user(request: web.Request) -> web.Response:
    """Change a user. One who is disabled is cut off at once, wherever they are."""
    services, user = services_of(request), await _managed(request)
    check_match(request, user.revision)
    wanted = await read_patch(
        request, UserSpec(display_name=user.display_name, enabled=user.enabled)
    )
    try:
        changed = await services.store.users.update(
            user.id,
            display_name=wanted.display_name,
            enabled=wanted.enabled,
            revision=user.revision,
        )
    except StaleRevision:
        raise lost_race(request) from None
    note(request, changed=user.id)
    return shown(user_json(changed), changed.revision)


@described(status=204, revised=True)
async def delete_user(request: web.Request) -> web.Response:
    """Delete a user with all they hold. What they made stays."""
    services, user = services_of(request), await _managed(request)
    check_match(request, user.revision)
    if user.id == caller_of(request).user.id:
        raise Problem(409, "this is yourself: let another administrator delete you")
    await services.store.users.delete(user.id)
    note(request, deleted=user.id)
    return web.Response(status=204)


@described(answer=answers.RevokedAnswer)
async def revoke_all(request: web.Request) -> web.Response:
    """End every token and session of a user."""
    services, user = services_of(request), await _managed(request)
    ended = await end_sign_ins(services.store, user.id, tokens=True)
    note(request, ended=str(ended))
    return web.json_response({"revoked": ended})


async def require_managed(request: web.Request, user_id: str) -> User:
    """The user, if the caller may manage them. Raises Problem with 404 or 403."""
    services, caller = services_of(request), caller_of(request)
    user = await services.store.users.get(user_id)
    if user is None:
        raise Problem(404, "there is no such user")
    theirs = await access_of_user(services, user)
    if not _reaches(caller, theirs):
        raise Problem(403, "the user holds more than you do, so you can't manage them")
    return user


async def access_of_user(services: Services, user: User) -> Access:
    """What a user holds, by name and through groups."""
    groups = [one.id for one in await services.store.users.memberships(user.id)]
    held = await services.store.tokens.holdings(user.id, groups)
    return access_of(held.bindings, RoleBook(held.roles))


def _reaches(caller: Caller, theirs: Access) -> bool:
    mine = caller.access
    return theirs.overall <= mine.overall and (mine.administrator or not theirs.administrator)


async def _asked(request: web.Request) -> User:
    user = await services_of(request).store.users.get(request.match_info["id"])
    if user is None:
        raise Problem(404, "there is no such user")
    return user


async def _managed(request: web.Request) -> User:
    return await require_managed(request, request.match_info["id"])
