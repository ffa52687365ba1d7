"""Errors that a command prints, and errors that are defects."""

import pytest

from config.errors import Problem, UserError
from config.problems import ConfigError
from management.authorization.role_catalog import InvalidRole
from management.errors import ClusterNotFound
from management.identity.tokens import TtlTooLong
from management.kubernetes.errors import ApiUnreachable, NotManagedError
from providers.base import ProviderUnavailable
from proxy.cli.common import CommandFailed, expected
from proxy.demo.binaries import BinariesMissing
from store.errors import StoreUnavailable

EXPECTED = (
    ApiUnreachable,
    BinariesMissing,
    ClusterNotFound,
    CommandFailed,
    InvalidRole,
    NotManagedError,
    ProviderUnavailable,
    StoreUnavailable,
    TtlTooLong,
)


@pytest.mark.parametrize("kind", EXPECTED, ids=lambda kind: kind.__name__)
def test_expected_error_is_one_line(kind: type[Exception]) -> None:
    assert issubclass(kind, UserError)
    assert expected(kind("do this")) == ("do this",)


def test_configuration_error_is_one_line_for_each_problem() -> None:
    problems = [Problem("a.yaml:1", "x", "wrong"), Problem("a.yaml:2", "y", "missing")]
    assert expected(ConfigError(problems)) == ("a.yaml:1: x: wrong", "a.yaml:2: y: missing")


def test_error_of_another_class_is_a_defect() -> None:
    class Mine(Exception):
        __module__ = "management.clusters.service"

    assert expected(Mine("x")) is None
    assert expected(ValueError("x")) is None
