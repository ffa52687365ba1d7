"""What Sekisho remembers: users, principals, tokens, clusters and grants.

:mod:`store.interfaces` says what the rest of Sekisho may ask; everything else here is the one
implementation of it on SQLAlchemy, for SQLite (one replica) and PostgreSQL (many).
"""
