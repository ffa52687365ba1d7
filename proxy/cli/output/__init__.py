"""How commands show what a server sent: tables, JSON, YAML, names.

* :class:`~proxy.cli.output.columns.Kind`: the columns of one kind of object.
* :class:`~proxy.cli.output.printer.Printer`: prints objects, lists and changes in one format.
* :func:`~proxy.cli.output.options.printed`: adds ``-o`` to a command, and gives it a printer.

Text of others is shown without control characters. May import ``proxy.cli.client``.
"""
