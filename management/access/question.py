"""A question about access: one request that a client could send to a cluster. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from config.errors import UserError
from management.access.resources import resolve
from store.access_records import PolicyRule

MAX_NAME = 253
"""Characters of a name in Kubernetes."""

MAX_URL = 1024

_VERB = re.compile(r"[a-z][a-z-]{0,62}|\*")
_RESOURCE = re.compile(r"[a-z0-9*][a-z0-9.*-]{0,252}")
_SUBRESOURCE = re.compile(r"[a-zA-Z0-9*][a-zA-Z0-9./*:_-]{0,252}")
_GROUP = re.compile(r"\*|[a-z0-9.-]{0,253}")
_NAMESPACE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")

PARAMETERS = ("verb", "resource", "subresource", "group", "namespace", "name", "url")
"""The parts of a question, by their names in the API."""


class InvalidQuestion(UserError, ValueError):
    """A question that no client could ask a cluster. The message has the reason."""


@dataclass(frozen=True, slots=True)
class AccessQuestion:
    """The attributes of a request, as RBAC sees them.

    ``namespace`` empty: in the whole cluster, which only cluster-wide bindings allow. ``anywhere``:
    in at least one namespace. ``url`` is set for a request without a resource, such as
    ``/metrics``.
    """

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    url: str = ""
    anywhere: bool = False

    @property
    def action(self) -> PolicyRule:
        """Return the request as a single action, for :func:`rbac_rules.covers`."""
        if self.url:
            return PolicyRule(verbs=(self.verb,), non_resource_urls=(self.url,))
        return PolicyRule(
            verbs=(self.verb,),
            api_groups=(self.group,),
            resources=(self.combined,),
            resource_names=(self.name,),
        )

    @property
    def combined(self) -> str:
        """Return the resource with its subresource, as in rules: ``pods/log``."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource

    def __str__(self) -> str:
        if self.url:
            return f"{self.verb} {self.url}"
        resource = f"{self.resource}.{self.group}" if self.group not in {"", "*"} else self.resource
        what = f"{resource}/{self.subresource}" if self.subresource else resource
        name = f' "{self.name}"' if self.name else ""
        if self.anywhere:
            return f"{self.verb} {what}{name} in any namespace"
        place = f'namespace "{self.namespace}"' if self.namespace else "the whole cluster"
        return f"{self.verb} {what}{name} in {place}"


def question_from(given: Mapping[str, str], *, anywhere: bool = False) -> AccessQuestion:
    """Return the question with those :data:`PARAMETERS`.

    ``resource`` may be a short name, and may contain its group and its subresource:
    ``deployments.apps/scale``. ``group`` and ``subresource`` win if they are given as well.

    Raises:
        InvalidQuestion: a part is missing or malformed, or the resource is not known.
    """
    verb = _checked("verb", given.get("verb", ""), _VERB, "such as get, list or *")
    resource, url = given.get("resource", ""), given.get("url", "")
    if bool(resource) == bool(url):
        raise InvalidQuestion("give either resource or url")
    if url:
        return _about_url(verb, url, given)
    before, _, after = resource.partition("/")
    group, plural = _resource(before, given.get("group"))
    subresource = given.get("subresource") or after
    if subresource:
        _checked("subresource", subresource, _SUBRESOURCE, "such as log or scale")
    name, namespace = given.get("name", ""), given.get("namespace", "")
    if len(name) > MAX_NAME or not name.isprintable():
        raise InvalidQuestion(f"name must be one line of at most {MAX_NAME} characters")
    if anywhere and namespace:
        raise InvalidQuestion("give either namespace or all_namespaces")
    # The API server takes /api/v1/namespaces/shop as a request in the namespace shop.
    if (group, plural) == ("", "namespaces") and name and not anywhere:
        namespace = namespace or name
    if namespace:
        _checked("namespace", namespace, _NAMESPACE, "a DNS label, such as shop")
    return AccessQuestion(verb, group, plural, subresource, namespace, name=name, anywhere=anywhere)


def _about_url(verb: str, url: str, given: Mapping[str, str]) -> AccessQuestion:
    for other in ("group", "subresource", "namespace", "name"):
        if given.get(other):
            raise InvalidQuestion(f"a question about a url has no {other}")
    if not url.startswith("/") or len(url) > MAX_URL or not url.isprintable():
        raise InvalidQuestion(f"url must be a path, such as /metrics, of at most {MAX_URL} bytes")
    return AccessQuestion(verb, url=url)


def _resource(name: str, group: str | None) -> tuple[str, str]:
    _checked("resource", name, _RESOURCE, "such as secrets or deployments.apps")
    found = resolve(name)
    if group is not None:
        _checked("group", group, _GROUP, 'such as apps; "" is the core group')
        plural = found[1] if found is not None and found[0] == group else name
        return group, plural
    if found is None:
        raise InvalidQuestion(
            f'resource "{name}" is not one of Kubernetes\' own: write it with its API group, as '
            f"{name}.example.com"
        )
    return found


def _checked(name: str, value: str, pattern: re.Pattern[str], hint: str) -> str:
    if not pattern.fullmatch(value):
        shown = value if len(value) <= 60 else f"{value[:60]}…"
        raise InvalidQuestion(f"{name} {shown!r} is not valid: {hint}")
    return value
