"""Migrations of the schema, run by :mod:`store.schema` in one transaction each time."""
