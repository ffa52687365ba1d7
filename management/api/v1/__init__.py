"""The endpoints of version 1 of the API: one module for each resource.

:data:`.route_table.TABLE` is the table of contents; routes, access checks and the OpenAPI document
come from it. May import: all of ``management`` except ``app``, ``web`` and ``controllers``.
"""
