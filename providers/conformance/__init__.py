"""Checks of the provider contract, for built-in and third-party providers.

Part of the public interface of provider packages (docs/providers.md):
:mod:`~providers.conformance.password` runs the whole life of a password provider,
:mod:`~providers.conformance.capabilities` checks the other capabilities. May import:
``providers.base``, ``impersonation``.
"""
