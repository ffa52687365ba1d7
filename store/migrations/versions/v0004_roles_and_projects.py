"""Roles, bindings, projects, what is seen of clusters, leases, kept answers.

Grants become bindings to the roles of the same name, and every former administrator is bound to
that role.
"""

import base64
import secrets
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

from store.tables import SafeText, UtcDateTime

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    _make_tables()
    _bind()
    op.drop_table("grants")
    op.drop_column("users", "administrator")
    for table in ("users", "clusters"):
        op.add_column(table, _revision(server_default="1"))
    op.add_column(
        "clusters", sa.Column("isolation", SafeText(), nullable=False, server_default="shared")
    )
    op.add_column("clusters", sa.Column("removing_since", UtcDateTime(), nullable=True))
    op.add_column("tokens", sa.Column("projects", sa.JSON(), nullable=False, server_default="[]"))


def _revision(server_default: str | None = None) -> sa.Column[int]:
    return sa.Column("revision", sa.Integer(), nullable=False, server_default=server_default)


def _cluster(table: str, *, nullable: bool = False) -> list[Any]:
    key = sa.ForeignKeyConstraint(
        ["cluster_id"], ["clusters.id"], name=op.f(f"fk_{table}_cluster_id"), ondelete="CASCADE"
    )
    return [sa.Column("cluster_id", SafeText(), nullable=nullable), key]


def _make_tables() -> None:
    op.create_table(
        "roles",
        sa.Column("id", SafeText(), nullable=False),
        sa.Column("scope", SafeText(), nullable=False),
        sa.Column("name", SafeText(), nullable=False),
        sa.Column("description", SafeText(), nullable=False),
        sa.Column("permissions", sa.JSON(), nullable=False),
        sa.Column("rules", sa.JSON(), nullable=False),
        sa.Column("cluster_roles", sa.JSON(), nullable=False),
        sa.Column("inherits", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        _revision(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_roles")),
        sa.UniqueConstraint("scope", "name", name=op.f("uq_roles_scope_name")),
    )
    op.create_table(
        "projects",
        sa.Column("id", SafeText(), nullable=False),
        *_cluster("projects"),
        sa.Column("name", SafeText(), nullable=False),
        sa.Column("description", SafeText(), nullable=False),
        sa.Column("quota", sa.JSON(), nullable=False),
        sa.Column("namespace_quota", sa.JSON(), nullable=False),
        sa.Column("container_limits", sa.JSON(), nullable=False),
        sa.Column("isolated", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        _revision(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_projects")),
        sa.UniqueConstraint("cluster_id", "name", name=op.f("uq_projects_cluster_id_name")),
    )
    op.create_table(
        "project_namespaces",
        *_cluster("project_namespaces"),
        sa.Column("namespace", SafeText(), nullable=False),
        sa.Column("uid", SafeText(), nullable=False),
        sa.Column("project_id", SafeText(), nullable=True),
        sa.Column("agreed", SafeText(), nullable=True),
        sa.Column("quota", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["projects.id"],
            name=op.f("fk_project_namespaces_project_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("cluster_id", "namespace", name=op.f("pk_project_namespaces")),
    )
    op.create_index(op.f("ix_project_namespaces_project_id"), "project_namespaces", ["project_id"])
    _make_bindings()
    _make_fleet()


def _make_bindings() -> None:
    op.create_table(
        "bindings",
        sa.Column("id", SafeText(), nullable=False),
        sa.Column("role_id", SafeText(), nullable=False),
        sa.Column("user_id", SafeText(), nullable=True),
        sa.Column("group_id", SafeText(), nullable=True),
        sa.Column("name", SafeText(), nullable=False),
        *_cluster("bindings", nullable=True),
        sa.Column("project_id", SafeText(), nullable=True),
        sa.Column("subject", SafeText(), nullable=False),
        sa.Column("target", SafeText(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_bindings_user_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_bindings_project_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bindings")),
        sa.UniqueConstraint(
            "target", "subject", "role_id", name=op.f("uq_bindings_target_subject_role_id")
        ),
    )
    for column in ("role_id", "user_id", "group_id", "cluster_id", "project_id"):
        op.create_index(op.f(f"ix_bindings_{column}"), "bindings", [column])


def _make_fleet() -> None:
    op.create_table(
        "cluster_status",
        *_cluster("cluster_status"),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("cluster_id", name=op.f("pk_cluster_status")),
    )
    op.create_table(
        "nodes",
        *_cluster("nodes"),
        sa.Column("uid", SafeText(), nullable=False),
        sa.Column("name", SafeText(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("appeared_at", UtcDateTime(), nullable=False),
        sa.Column("left_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("cluster_id", "uid", name=op.f("pk_nodes")),
    )
    op.create_index(op.f("ix_nodes_left_at"), "nodes", ["left_at"])
    op.create_table(
        "leases",
        sa.Column("name", SafeText(), nullable=False),
        sa.Column("holder", SafeText(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )
    op.create_table(
        "answers",
        sa.Column("key", sa.LargeBinary(32), nullable=False),
        sa.Column("request", sa.LargeBinary(32), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_answers")),
    )
    op.create_index(op.f("ix_answers_expires_at"), "answers", ["expires_at"])


def _bind() -> None:
    """The roles that grants and administrators had."""
    connection = op.get_bind()
    users = sa.table("users", sa.column("id"), sa.column("username"), sa.column("administrator"))
    grants = sa.table("grants", sa.column("cluster_id"), sa.column("user_id"), sa.column("role"))
    named = sa.select(grants.c.cluster_id, grants.c.user_id, grants.c.role, users.c.username).join(
        users, users.c.id == grants.c.user_id
    )
    found = [
        (f"cluster-{row.role}", row.user_id, row.username, row.cluster_id)
        for row in connection.execute(named)
    ]
    administrators = sa.select(users.c.id, users.c.username).where(
        users.c.administrator == sa.true()
    )
    found += [
        ("administrator", row.id, row.username, None) for row in connection.execute(administrators)
    ]
    bindings = sa.table(
        "bindings",
        *(sa.column(name) for name in ("id", "role_id", "user_id", "name", "cluster_id")),
        *(sa.column(name) for name in ("subject", "target")),
        sa.column("created_at", UtcDateTime()),
    )
    rows = [
        {
            "id": f"b-{base64.b32encode(secrets.token_bytes(7)).decode().lower()[:10]}",
            "role_id": role,
            "user_id": user,
            "name": name,
            "cluster_id": cluster,
            "subject": user,
            "target": cluster or "",
            "created_at": datetime.now(UTC),
        }
        for role, user, name, cluster in found
    ]
    if rows:
        connection.execute(sa.insert(bindings), rows)
