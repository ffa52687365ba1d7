"""The OpenAPI document is valid and describes what the API does."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis import checks, openapi

from management.api.v1.openapi import document
from management.api.v1.route_table import TABLE
from tests.support.sekisho import Sekisho, free_port, make_sekisho, running

CHECKS = (
    checks.not_a_server_error,
    checks.response_schema_conformance,
    checks.content_type_conformance,
)


def test_openapi_document_is_valid_openapi_3_1() -> None:
    OpenAPIV31SpecValidator(document()).validate()
    for schema in document()["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_every_endpoint_has_a_summary_sentence() -> None:
    described = [one for path in document()["paths"].values() for one in path.values()]
    assert len(described) == len(TABLE)
    assert len({one["operationId"] for one in described}) == len(TABLE)
    for one in described:
        assert one["summary"].endswith("."), one["operationId"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sekisho, str]]:
    """A running Sekisho for this module, and an administrator's token."""
    folder = tmp_path_factory.mktemp("described")
    made = make_sekisho(folder, (free_port(), free_port()))
    made.environment["SEKISHO_LOGIN__ATTEMPTS_PER_ADDRESS"] = "1000000"
    with running(made):
        made.create_user("root", "--admin")
        yield made, made.token("root")


def test_openapi_document_needs_no_credential(server: tuple[Sekisho, str]) -> None:
    sekisho, _ = server
    assert sekisho.request("GET", "/openapi.json").json() == document()
    page = sekisho.request("GET", "/docs")
    assert page.headers["Content-Type"].startswith("text/html")
    assert b"/v1/projects/{project}/namespaces" in page.body


# Endpoints that end the caller's token, or that follow another protocol.
_LEFT_OUT = {"/v1/logout", "/v1/me/tokens", "/v1/me/password", "/v1/token"}


def test_api_responses_match_the_openapi_document(server: tuple[Sekisho, str]) -> None:
    """Generated requests never cause a 5xx, and every response matches the document."""
    sekisho, token = server
    schema = openapi.from_dict(document())
    for found in schema.get_all_operations():
        operation: Any = found.ok()  # type: ignore[union-attr]
        if operation.path in _LEFT_OUT or "login" in operation.path:
            continue
        _tried(operation, sekisho, token)


def _tried(operation: Any, sekisho: Sekisho, token: str) -> None:
    @given(case=operation.as_strategy())
    @settings(
        max_examples=15,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def once(case: Any) -> None:
        # A stream would not end.
        if case.query:
            case.query.pop("watch", None)
        case.call_and_validate(
            base_url=sekisho.url,
            headers={"Authorization": f"Bearer {token}"},
            verify=str(sekisho.folder / "data" / "tls" / "ca.crt"),
            checks=CHECKS,
        )

    once()
