"""Private files and the data directory. May import: ``config``, ``store`` (keyring)."""
