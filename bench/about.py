"""Facts about the measuring machine, and versions of the programs on it."""

import os
import platform
import re
import shutil
import ssl
import subprocess
import sysconfig
from ctypes.util import find_library
from importlib.metadata import version
from pathlib import Path

_SAY_VERSION = {
    "Go": ("go", "version"),
    "nginx": ("nginx", "-v"),
    "HAProxy": ("haproxy", "-v"),
    "PostgreSQL": ("psql", "--version"),
    "wrk": ("wrk", "-v"),
}


def about_machine() -> dict[str, str]:
    """Return what the machine and its programs are, by name; missing programs are left out."""
    known = {
        "CPU": f"{os.cpu_count()} cores, {_cpu_model()}",
        "kernel": f"{platform.system()} {platform.release().split('-')[0]}",
        "Python": platform.python_version(),
        "OpenSSL": ssl.OPENSSL_VERSION.split()[1],
        "Python's build": _build(),
        "the proxy's allocator": find_library("jemalloc") or "the C library's",
    }
    for package in ("uvloop", "aiohttp", "httptools"):
        known[package] = version(package)
    for name, command in _SAY_VERSION.items():
        found = _said(*command)
        if found:
            known[name] = found
    return known


def _build() -> str:
    """Return whether the interpreter was built with optimizations."""
    options = sysconfig.get_config_var("CONFIG_ARGS") or ""
    return (
        "optimized (PGO)"
        if "--enable-optimizations" in options
        else "without --enable-optimizations"
    )


def version_in(said: str) -> str:
    """Return the first version number in a text; empty if there is none."""
    found = re.search(r"\d+(?:\.\d+)+", said)
    return found[0] if found else ""


def _said(program: str, argument: str) -> str:
    where = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
    if where is None:
        return ""
    done = subprocess.run([where, argument], capture_output=True, text=True, check=False)
    return version_in(done.stdout + done.stderr)


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
