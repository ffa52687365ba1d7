"""The API's description, OpenAPI 3.1, generated from the route table."""

import importlib.metadata
import re
from functools import cache
from typing import Any

from apispec import APISpec
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from management.api.access_requirements import Public
from management.api.listing import MAX_ITEMS, Listing
from management.api.response_models import ProblemResponse
from management.api.v1.route_table import TABLE, Endpoint

_REFERENCE = "#/components/schemas/{model}"
_PARAMETER = re.compile(r"\{([a-z_]+)(?::[^}]*)?\}")
_WORD = re.compile(r"[a-z0-9]+")
_TITLE = re.compile(r"^(?:GET|POST|PUT|PATCH|DELETE)[^:]*:\s*")
_PATCH = "application/merge-patch+json"
_WATCH = {"type": "string", "enum": ["1", "true"], "description": "Stream changes."}


@cache
def document() -> dict[str, Any]:
    """Return the OpenAPI document."""
    spec = APISpec(
        title="Sekisho",
        version=importlib.metadata.version("sekisho"),
        openapi_version="3.1.0",
        info={"description": "Manage users, clusters, projects and access. See docs/api.md."},
    )
    spec.components.security_scheme("bearer", {"type": "http", "scheme": "bearer"})
    for name, schema in _schemas().items():
        spec.components.schema(name, schema)
    for one in TABLE:
        path = _PARAMETER.sub(r"{\1}", one.path)
        spec.path(path, operations={one.method.lower(): _operation(one)})
    made: dict[str, Any] = spec.to_dict()
    return made


def _schemas() -> dict[str, Any]:
    models: set[type[BaseModel]] = {ProblemResponse}
    models |= {one.description.body for one in TABLE if one.description.body is not None}
    models |= {one.description.response for one in TABLE if one.description.response is not None}
    ordered = sorted(models, key=lambda model: model.__name__)
    _, schemas = models_json_schema(
        [(model, "validation") for model in ordered], ref_template=_REFERENCE
    )
    found: dict[str, Any] = schemas["$defs"]
    return found


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    summary, _, description = _TITLE.sub("", endpoint.documentation).strip().partition("\n\n")
    operation: dict[str, Any] = {
        "summary": " ".join(summary.split()),
        "description": " ".join(description.split()),
        "operationId": _identifier(endpoint),
        "tags": [endpoint.path.split("/")[2]],
        "parameters": _parameters(endpoint),
        "responses": _responses(endpoint),
        "security": [] if isinstance(endpoint.requirement, Public) else [{"bearer": []}],
        "x-requires": str(endpoint.requirement),
    }
    if endpoint.description.body is not None:
        kinds = ["application/json"] + ([_PATCH] if endpoint.method == "PATCH" else [])
        schema = _reference(endpoint.description.body)
        if endpoint.method == "PATCH":
            # Any part of the model (RFC 7396); the result is validated.
            schema = {
                "type": "object",
                "description": f"A merge patch of {endpoint.description.body.__name__}.",
            }
        content = {kind: {"schema": schema} for kind in kinds}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _identifier(endpoint: Endpoint) -> str:
    words = _WORD.findall(_PARAMETER.sub(r"\1", endpoint.path.removeprefix("/v1")))
    return "_".join([endpoint.method.lower(), *words])


def _parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    text = {"type": "string", "minLength": 1}
    found = [
        {"name": name, "in": "path", "required": True, "schema": text}
        for name in _PARAMETER.findall(endpoint.path)
    ]
    if isinstance(endpoint.serve, Listing):
        found += _list_parameters(endpoint.serve)
    found += [
        {"name": name, "in": "query", "schema": schema}
        for name, schema in endpoint.description.query.items()
    ]
    if endpoint.description.watched:
        found.append({"name": "watch", "in": "query", "schema": _WATCH})
    if endpoint.method in {"PATCH", "DELETE"} and endpoint.description.revised:
        found.append({"name": "If-Match", "in": "header", "schema": {"type": "string"}})
    if endpoint.method == "POST" and not isinstance(endpoint.requirement, Public):
        key = {"type": "string", "minLength": 1, "maxLength": 255}
        found.append({"name": "Idempotency-Key", "in": "header", "schema": key})
    return found


def _list_parameters(listing: Listing) -> list[dict[str, Any]]:
    plain = [one.removeprefix("-") for one in listing.sorts]
    sorts = [*plain, *(f"-{one}" for one in plain)]
    schemas: dict[str, Any] = {
        "limit": {"type": "integer", "minimum": 1, "maximum": MAX_ITEMS},
        "continue": {"type": "string", "description": "The value from the previous page."},
        "sort": {"type": "string", "enum": sorts},
        "search": {"type": "string", "description": f"In {', '.join(listing.searched)}."},
        "watch": _WATCH,
    }
    schemas |= {name: {"type": "string"} for name in listing.parameters}
    return [{"name": name, "in": "query", "schema": one} for name, one in schemas.items()]


def _responses(endpoint: Endpoint) -> dict[str, Any]:
    problem = {"application/problem+json": {"schema": _reference(ProblemResponse)}}
    responses: dict[str, Any] = {
        "default": {"description": "Error", "content": problem},
        str(endpoint.description.status): {"description": "Done", **_content(endpoint)},
    }
    return responses | {
        str(one): {"description": "Accepted"} for one in endpoint.description.others
    }


def _content(endpoint: Endpoint) -> dict[str, Any]:
    if endpoint.description.response is None:
        return {}
    schema: dict[str, Any] = _reference(endpoint.description.response)
    if not isinstance(endpoint.serve, Listing) and not endpoint.description.many:
        return {"content": {"application/json": {"schema": schema}}}
    page = {
        "type": "object",
        "required": ["items"],
        "properties": {
            "items": {"type": "array", "items": schema},
            "continue": {"type": "string"},
            **(endpoint.serve.noted if isinstance(endpoint.serve, Listing) else {}),
        },
    }
    return {
        "content": {
            "application/json": {"schema": page},
            **({"text/event-stream": {}} if isinstance(endpoint.serve, Listing) else {}),
        }
    }


def _reference(model: type[BaseModel]) -> dict[str, Any]:
    return {"$ref": _REFERENCE.format(model=model.__name__)}


def operations() -> dict[str, list[dict[str, Any]]]:
    """Return the operations for the page, by first word of the path, with models resolved."""
    described = document()
    schemas = described["components"]["schemas"]
    found: dict[str, list[dict[str, Any]]] = {}
    for path, methods in described["paths"].items():
        for method, one in methods.items():
            body = next(iter(one.get("requestBody", {}).get("content", {}).values()), None)
            shown = {**one, "method": method.upper(), "path": path}
            shown["fields"] = _fields(body["schema"], schemas) if body is not None else []
            found.setdefault(one["tags"][0], []).append(shown)
    return found


def _fields(schema: dict[str, Any], schemas: dict[str, Any]) -> list[dict[str, Any]]:
    name = schema.get("$ref", "").rpartition("/")[2] or str(schema.get("description", ""))[17:-1]
    model = schemas.get(name, {})
    required = model.get("required", [])
    return [
        {"name": field, "required": field in required, "type": _type(one)}
        for field, one in model.get("properties", {}).items()
    ]


def _type(schema: dict[str, Any]) -> str:
    """Return a short name for the type of a field."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "enum" in schema:
        return " or ".join(map(str, schema["enum"]))
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return str(schema.get("type", "anything"))
