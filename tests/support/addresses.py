"""Address policy for tests with clusters on loopback addresses."""

from config.address_policy import AddressPolicy

LOOPBACK_ALLOWED = AddressPolicy.of(allow=["127.0.0.0/8", "::1/128"])

LOOPBACK = ("127.0.0.1", "::1")
"""Value of ``trusted_addresses`` in records of clusters on this machine."""

LOOPBACK_SETTING = 'clusters: {allow_networks: ["127.0.0.0/8", "::1/128"]}\n'
"""The policy as configuration text."""
