"""Principals of tests."""

from store.records import Principal

GITHUB = Principal("github_user://1", "github", "alice")
LOCAL = "local://u-alice"
