"""The ``sekisho`` command."""
