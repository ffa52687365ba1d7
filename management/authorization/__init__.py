"""Roles, permissions, what a user holds, and what a user may grant. Pure.

:class:`.access.Access` is what a user holds, by place; :class:`.role_catalog.RoleCatalog` has all
roles with what they inherit; :mod:`.escalation` compares what is granted with what the granter
holds. May import: store records.
"""
