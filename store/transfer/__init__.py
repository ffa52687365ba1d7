"""Whole databases: copied from SQLite to PostgreSQL, written into backups, and read from them.

Rows are carried as they are stored. Encrypted values stay encrypted with the same keys, and JSON
stays the same text. A *shape* names the columns of a table and their kinds, so that rows of an
older schema can be stored as well. A *snapshot* is one consistent state of a database.
"""
