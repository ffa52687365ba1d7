"""The folder of a move."""

from pathlib import Path

import pytest

from proxy.cli.common import CommandFailed
from proxy.cli.rancher import objects
from proxy.cli.rancher.files import write_move
from proxy.cli.rancher.move import RancherState, move
from proxy.cli.rancher.principals import Translations


def test_document_outside_of_the_folder_is_refused(tmp_path: Path) -> None:
    made, cluster = RancherState(), "../../../outside"
    manifest = {"metadata": {"name": cluster}, "spec": {"displayName": "prod"}}
    made.clusters[cluster] = objects.cluster_of(manifest)
    project = {"metadata": {"name": "p-1"}, "spec": {"clusterName": cluster, "displayName": "shop"}}
    made.projects.append(objects.project_of(project))
    folder = tmp_path / "a" / "b"
    with pytest.raises(CommandFailed, match="whose id is no name"):
        write_move(folder, move(made, Translations()), Translations())
    assert list(tmp_path.iterdir()) == []
