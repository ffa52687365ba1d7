"""The folder of a move: documents, the report, and the operator's translations."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from config.bounded_yaml import InvalidYaml, load_bounded
from proxy.cli.apply.yaml_text import yaml_text
from proxy.cli.common import CommandFailed
from proxy.cli.rancher.move import Move
from proxy.cli.rancher.principals import InvalidTranslations, Translations
from proxy.cli.rancher.report import report_text

DOCUMENTS, REPORT, PRINCIPALS, USERS = "documents", "report.md", "principals.yaml", "users.tsv"

_HEADER = """\
# Principals of Rancher, and those of the same users and groups at Sekisho. Fill in what is empty,
# and run the command again. `schemes` translates all principals of a scheme, such as
# keycloakoidc_user: oidc_corp_user, if the keys are the same.
"""


def read_translations(folder: Path) -> Translations:
    """Return the translations of an earlier run. Raises CommandFailed.

    The folder must be new, empty, or one of this command: its documents are replaced.
    """
    file = folder / PRINCIPALS
    if folder.exists() and any(folder.iterdir()) and not (folder / REPORT).is_file():
        raise CommandFailed(f"{folder}: has files of others; give another folder with -o")
    if not file.exists():
        return Translations()
    try:
        return Translations.parse(load_bounded(file.read_text()))
    except (InvalidYaml, InvalidTranslations, UnicodeDecodeError) as exc:
        raise CommandFailed(f"{file}: {exc}") from exc


def write_move(folder: Path, move: Move, translations: Translations) -> None:
    """Write everything. Documents of an earlier run are replaced.

    Raises CommandFailed if a document would be outside of the folder: ids are from a server.
    """
    documents = folder / DOCUMENTS
    for name in move.files:
        if ".." in PurePath(name).parts or PurePath(name).is_absolute():
            raise CommandFailed(f"Rancher has a cluster whose id is no name: {name!r}")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / REPORT).write_text(report_text(move))
    if documents.exists():
        shutil.rmtree(documents)
    documents.mkdir()
    for name, text in move.files.items():
        file = documents / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (folder / USERS).write_text(_table(move.users))
    (folder / PRINCIPALS).write_text(_HEADER + yaml_text([_principals(translations)]))


def _principals(translations: Translations) -> Mapping[str, Any]:
    known = dict(sorted(translations.principals.items()))
    wanted = {one: "" for one in sorted(translations.wanted) if one not in known}
    return {"principals": {**wanted, **known}, "schemes": dict(translations.schemes)}


def _table(rows: Sequence[tuple[str, str]]) -> str:
    """Return rows with a tab between. Neither names nor principals have control characters."""
    return "".join(f"{name}\t{principal}\n" for name, principal in rows)
