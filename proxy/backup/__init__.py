"""Backups: one encrypted file with the database, the keys, the CA, and the configuration.

A *data key* encrypts one backup. It is wrapped by a passphrase or by a command of a key management
service. A *chunk* is a part of the encrypted stream. A *record* is a JSON object in it: rows of a
table, a file, or the end. May import: ``proxy.files``, ``store``, ``config``.
"""
