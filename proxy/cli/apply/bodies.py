"""The bodies of requests for changes. Pure."""

from collections.abc import Mapping
from typing import Any

from proxy.cli.apply.documents import Document
from proxy.cli.apply.kinds import (
    MANAGEMENT,
    PROJECT,
    ROLE,
    Kind,
    api_names,
    limits_to_api,
    order_limits_to_api,
    rule_to_api,
)
from proxy.cli.merge_patch import merge_patch


def fields_of(
    kind: Kind,
    content: Mapping[str, Any],
    labels: Mapping[str, str],
    role_ids: Mapping[str, str],
) -> dict[str, Any]:
    """Return the desired fields as the API has them, without namespaces.

    ``role_ids`` are those of the roles of the scope, by name.
    """
    values = {key: value for key, value in content.items() if key != "namespaces"}
    if kind is ROLE:
        values["rules"] = [rule_to_api(one) for one in values["rules"]]
        values["inherits"] = [role_ids.get(one, one) for one in values["inherits"]]
    if kind is PROJECT:
        values["containerLimits"] = limits_to_api(values["containerLimits"])
    if kind is MANAGEMENT:
        values["limits"] = order_limits_to_api(values["limits"])
    return api_names(values, kind.fields) | ({"labels": dict(labels)} if kind.labelled else {})


def patch_of(item: Mapping[str, Any], desired: Mapping[str, Any]) -> dict[str, Any]:
    """Return the merge patch that gives an item of the API its desired fields."""
    present = {key: item[key] for key in desired if key in item}
    found = merge_patch(present, desired)
    return {key: value for key, value in found.items() if key in desired}


def grant_body(document: Document) -> dict[str, Any]:
    """Return the body that creates a binding or member, or changes its labels."""
    spec = document.spec
    body: dict[str, Any] = {"role": spec["role"], "labels": dict(document.labels)}
    for key, name in (("user", "user"), ("provider", "provider"), ("group", "group")):
        if key in spec:
            body[name] = spec[key]
    if "groupName" in spec:
        body["name"] = spec["groupName"]
    return body
