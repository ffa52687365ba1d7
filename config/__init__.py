"""Settings from ``sekisho.yaml`` and the environment. Pure: no network.

* :class:`~config.settings.Settings`: all settings; one module for each large section.
* :func:`~config.loading.load`: reads and validates them, and returns every problem at once.
* :class:`~config.address_policy.AddressPolicy`: the addresses that connections may go to.
* :mod:`~config.bounded_json`, :mod:`~config.bounded_yaml`, :mod:`~config.bounded_inflate`:
  readers for data that is not trusted; :mod:`~config.yaml_documents`: streams of documents.
* :mod:`~config.labels`: labels of objects, and selectors; :mod:`~config.exact_names`: names that
  are never usernames.

Imports nothing else of Sekisho.
"""
