"""Contract tests of providers, including the example in the documentation."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from argon2 import PasswordHasher

from providers import local
from providers.base import Account
from providers.conformance.password import check_password_provider

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "sekisho-provider-example"


class OneAccount:
    """A store of local accounts with one user."""

    def __init__(self) -> None:
        password_hash = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(
            "a long password"
        )
        self._alice = Account("u-alice", "alice", True, password_hash)

    async def find(self, username: str) -> Account | None:
        return self._alice if username == "alice" else None

    async def rehash(self, account: Account, password_hash: str) -> None:
        self._alice = Account("u-alice", "alice", True, password_hash)


async def test_local_provider_meets_the_contract() -> None:
    await check_password_provider(
        local.PROVIDER,
        local.LocalSettings(),
        valid=("alice", "a long password"),
        accounts=OneAccount(),
    )


async def test_example_provider_meets_the_contract() -> None:
    module = _example()
    settings = module.ExampleSettings(username="zoe", password="sesame open")
    await check_password_provider(module.PROVIDER, settings, valid=("zoe", "sesame open"))


async def test_contract_rejects_a_provider_with_undeclared_schemes() -> None:
    module = _example()
    settings = module.ExampleSettings(username="zoe", password="sesame open")

    class WrongSchemes(module.ExampleType):  # type: ignore[name-defined,misc]
        def schemes(self, name: str, settings: object) -> tuple[str, ...]:
            return ("other",)

    with pytest.raises(AssertionError, match="does not declare the scheme"):
        await check_password_provider(WrongSchemes(), settings, valid=("zoe", "sesame open"))


def _example() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "example", EXAMPLE / "sekisho_provider_example.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["example"] = module
    spec.loader.exec_module(module)
    return module
