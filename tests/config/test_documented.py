"""Tests of the documentation of settings."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from config.audit_settings import AuditRule
from config.renamed_settings import RENAMED
from config.settings import Settings
from config.sign_in_settings import ProviderEntry

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/configuration.md").read_text()
EXAMPLES = {
    "server.tls.cert_file", "server.tls.key_file", "server.tls.ca_file",
    "metrics.tls.cert_file", "metrics.tls.key_file",
    "namespaces.guarded_keys",
}  # fmt: skip
"""What the page shows an example of, or a part, in place of a default."""

ELSEWHERE: dict[type[BaseModel], str] = {ProviderEntry: "providers.md", AuditRule: "audit.md"}
"""Models of which there may be many; each has a page of its own."""


def shown() -> dict[str, Any]:
    """Return the page's own ``sekisho.yaml``."""
    block = re.search(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert block
    found = yaml.safe_load(block[1])
    assert isinstance(found, dict)
    return found


def section(field: FieldInfo) -> type[BaseModel] | None:
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def fields(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Yield every value that can be set, by its dotted path."""
    for name, field in model.model_fields.items():
        inner = section(field)
        if inner is None:
            yield prefix + name, field
        else:
            yield from fields(inner, f"{prefix}{name}.")


def at(tree: Any, path: str) -> Any:
    for name in path.split("."):
        tree = tree[name]
    return tree


SETTINGS = dict(fields(Settings))


def is_secret(field: FieldInfo) -> bool:
    return SecretStr in (field.annotation, *get_args(field.annotation))


@pytest.mark.parametrize("path", SETTINGS)
def test_every_setting_is_documented(path: str) -> None:
    at(shown(), f"{path}_file" if is_secret(SETTINGS[path]) else path)


def test_documented_settings_exist() -> None:
    """Read by the settings themselves, which refuse what they don't know."""
    tree = shown()
    tree["store"].pop("encryption_keys_file")
    tree["metrics"].pop("token_file")
    tree["backup"].pop("passphrase_file")
    tree["traces"].pop("headers_file")
    for path in [path for path in SETTINGS if not is_secret(SETTINGS[path])]:
        folder, _, name = path.rpartition(".")
        if "…" in str(at(tree, path)):
            at(tree, folder).pop(name)
    Settings.model_validate(tree)


@pytest.mark.parametrize("path", sorted(set(SETTINGS) - EXAMPLES))
def test_documented_defaults_are_correct(path: str) -> None:
    if is_secret(SETTINGS[path]) or "…" in str(at(shown(), path)):
        return
    folder, _, name = path.rpartition(".")
    tree: dict[str, Any] = {}
    inner = tree
    for part in folder.split(".") if folder else []:
        inner = inner.setdefault(part, {})
    inner[name] = at(shown(), path)
    set_to, default = Settings.model_validate(tree), Settings()
    for part in path.split("."):
        set_to, default = getattr(set_to, part), getattr(default, part)
    assert set_to == default


@pytest.mark.parametrize("model", ELSEWHERE, ids=lambda model: model.__name__)
def test_settings_of_list_items_are_documented(model: type[BaseModel]) -> None:
    page = (ROOT / "docs" / ELSEWHERE[model]).read_text()
    assert [name for name in model.model_fields if not re.search(rf"\b{name}\b", page)] == []


def classes() -> Iterator[tuple[str, ast.ClassDef]]:
    for file in sorted((ROOT / "config").glob("*.py")):
        for node in ast.parse(file.read_text()).body:
            bases = " ".join(map(ast.unparse, getattr(node, "bases", ())))
            if isinstance(node, ast.ClassDef) and re.search(r"Section|Model|Limits|Setting", bases):
                yield file.name, node


def undescribed(node: ast.ClassDef, described: set[str]) -> Iterator[str]:
    """Yield fields without a description of their own, of their section, or of the base class."""
    for index, statement in enumerate(node.body):
        if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
            continue
        after = node.body[index + 1] if index + 1 < len(node.body) else None
        own = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
        kind = ast.unparse(statement.annotation)
        inherited = any(isinstance(base, ast.Name) and base.id in described for base in node.bases)
        if not own and kind not in described and not inherited:
            yield f"{node.name}.{statement.target.id}"


def test_every_setting_has_a_description() -> None:
    models = list(classes())
    described = {node.name for _, node in models if ast.get_docstring(node)} - {"Section"}
    assert [node.name for _, node in models if not ast.get_docstring(node)] == []
    assert [one for _, node in models for one in undescribed(node, described)] == []


@pytest.mark.parametrize("page", sorted((ROOT / "docs").rglob("*.md")), ids=lambda page: page.name)
def test_pages_name_no_renamed_setting(page: Path) -> None:
    old = "|".join(re.escape(".".join(path)) for path in RENAMED)
    assert re.findall(rf"`(?:{old})\b[^`]*`", page.read_text()) == []
