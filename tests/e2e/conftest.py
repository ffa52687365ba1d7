"""Fixtures of the end-to-end tests."""

from tests.e2e.kubectl_commands import alice as alice  # for tests with kubectl
