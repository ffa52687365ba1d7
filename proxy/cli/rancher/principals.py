"""Translate Rancher's users and groups into those of Sekisho. Pure.

Rancher names users and groups of a directory by distinguished names, which change when an entry
moves. Sekisho uses the directory's stable ids. The operator's file ``principals.yaml`` has what
cannot be derived, and a principal without a translation gets no access.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from config.errors import UserError
from proxy.cli.apply.fields import MOST_TEXT
from proxy.cli.rancher.names import LONGEST_NAME, line
from proxy.cli.rancher.objects import Kind, RancherUser, Subject

SAME = frozenset({"github_user", "github_org", "github_team"})
"""Schemes that Sekisho has with the same keys, if the provider is the first of its type."""

BY_NAME = frozenset(
    f"{kind}_{what}"
    for kind in ("activedirectory", "openldap", "freeipa")
    for what in ("user", "group")
)
"""Schemes whose keys are distinguished names."""

ADMIN = "admin"
"""The user name of Rancher's first administrator."""

LOCAL = "local"
"""The provider of users with a password of Sekisho."""

_PRINCIPAL = re.compile(r"[a-z][a-z0-9_-]{0,63}://\S.{0,500}")
_SCHEME = re.compile(r"[a-z][a-z0-9_-]{0,63}")


class InvalidTranslations(UserError):
    """``principals.yaml`` is not valid."""


class Untranslated(Exception):
    """A user or group has no equivalent. The message is the reason."""


@dataclass(slots=True)
class Translations:
    """Principals and schemes of Rancher, and those of Sekisho. ``wanted`` are missing ones."""

    principals: dict[str, str] = field(default_factory=dict)
    schemes: dict[str, str] = field(default_factory=dict)
    wanted: dict[str, None] = field(default_factory=dict)

    @classmethod
    def parse(cls, value: Any) -> "Translations":
        """Return the content of ``principals.yaml``. Raises InvalidTranslations."""
        if value is None:
            return cls()
        if not isinstance(value, dict) or value.keys() - {"principals", "schemes"}:
            raise InvalidTranslations("must be a mapping with principals and schemes")
        return cls(
            _checked(value.get("principals"), _PRINCIPAL, "activedirectory_group://5f0c…"),
            _checked(value.get("schemes"), _SCHEME, "oidc_corp_user"),
        )

    def translated(self, principal: str) -> str:
        """Return Sekisho's principal. Raises Untranslated, and adds it to the wanted ones."""
        scheme, separator, key = principal.partition("://")
        if not separator or not key:
            raise Untranslated("it is not a principal")
        if self.principals.get(principal):
            return self.principals[principal]
        if not principal.isprintable() or len(principal) > MOST_TEXT:
            raise Untranslated("it has characters that no principal of Sekisho has, or too many")
        if scheme in self.schemes or scheme in SAME:
            return f"{self.schemes.get(scheme, scheme)}://{key}"
        self.wanted.setdefault(principal)
        raise Untranslated("add its principal at Sekisho to principals.yaml")


@dataclass(slots=True)
class Directory:
    """Finds who holds a grant. ``users`` are Rancher's, by id; the names are by principal."""

    users: Mapping[str, RancherUser]
    translations: Translations
    group_names: Mapping[str, str] = field(default_factory=dict)
    external: dict[str, RancherUser] = field(default_factory=dict)
    """Users of providers that were found, by their principals at Sekisho."""

    _owners: dict[str, RancherUser] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for user in self.users.values():
            for principal in user.principals:
                self._owners.setdefault(principal, user)

    def fields(self, subject: Subject) -> dict[str, str]:
        """Return the fields of a document that name the subject. Raises Untranslated."""
        if subject.other:
            raise Untranslated("its subject is neither a user nor a group of a provider")
        if subject.kind == "group":
            found = {"group": self.translations.translated(subject.principal)}
            name = self.group_names.get(subject.principal)
            return {**found, "groupName": name} if name else found
        return self._user(subject)

    def local_users(self) -> Iterable[RancherUser]:
        """Yield the users who sign in with a password of Rancher, but not its administrator."""
        for one in self.users.values():
            if is_local(one) and one.username != ADMIN and has_usable_name(one):
                yield one

    def _user(self, subject: Subject) -> dict[str, str]:
        user = self._known(subject)
        if user is None:
            if not subject.principal or subject.principal.startswith("local://"):
                raise Untranslated("the user does not exist")
            return {"user": self.translations.translated(subject.principal)}
        if is_local(user):
            if user.username == ADMIN:
                raise Untranslated("Sekisho has an administrator of its own")
            if not has_usable_name(user):
                raise Untranslated("Sekisho accepts no such user name")
            # A user of a provider may have the same name.
            return {"user": user.username, "provider": LOCAL}
        if not user.enabled:
            raise Untranslated("the user is disabled at Rancher")
        found = self.translations.translated(_external(user)[0])
        self.external[found] = user
        return {"user": found}

    def _known(self, subject: Subject) -> RancherUser | None:
        if subject.user:
            return self.users.get(subject.user)
        return self._owners.get(subject.principal)


def has_usable_name(user: RancherUser) -> bool:
    """Return whether the name of a user with a password can be one at Sekisho."""
    return bool(user.username) and line(user.username, LONGEST_NAME) == user.username


def is_system(user: RancherUser) -> bool:
    """Return whether the user is one of Rancher's components."""
    return any(one.startswith("system:") for one in user.principals)


def is_local(user: RancherUser) -> bool:
    """Return whether the user signs in with a user name and a password of Rancher only."""
    return not _external(user)


def _external(user: RancherUser) -> list[str]:
    return [one for one in user.principals if not one.startswith(("local://", "system:"))]


def kind_of(principal: str) -> Kind:
    """Return what a principal is, by its scheme."""
    return "user" if principal.partition("://")[0].endswith("_user") else "group"


def _checked(value: Any, pattern: re.Pattern[str], example: str) -> dict[str, str]:
    """Return the pairs that have a value. Raises InvalidTranslations."""
    found: dict[str, str] = {}
    if value is not None and not isinstance(value, dict):
        raise InvalidTranslations("principals and schemes must be mappings")
    for key, one in (value or {}).items():
        if one in (None, ""):
            continue
        if not isinstance(one, str) or not pattern.fullmatch(one) or not one.isprintable():
            raise InvalidTranslations(f"{str(key)[:200]!r} must have a value such as {example}")
        found[str(key)] = one
    return found
