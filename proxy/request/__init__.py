"""A client's request as values: pure parsing, no I/O.

May import: ``impersonation``, ``management.authentication``, ``management.http``. Nothing else of
``proxy``.
"""
