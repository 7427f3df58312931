"""Keep key material out of core dumps, debuggers and swap, as far as the system lets a process.

What Python cannot promise: `bytes` are never wiped. A key that has been revealed leaves copies in freed
memory until something else overwrites them, and the interpreter, its codecs and the C libraries make copies
that nobody can list. Keys that OpenSSL holds are wiped when their object goes, others are not. Root, and
whoever controls the machine or its hypervisor, can read all of it; so can a suspend to disk.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from typing import NamedTuple

_PR_GET_DUMPABLE = 3
_PR_SET_DUMPABLE = 4
_MCL_CURRENT = 1
_MCL_FUTURE = 2
# Lock pages as they are touched; without it, every mapped page of every library would become resident.
_MCL_ONFAULT = 4
_CAP_IPC_LOCK = 14


class Hardening(NamedTuple):
    """What was reached: each is a promise kept by the system, or False."""

    no_core_dumps: bool
    not_traceable: bool
    memory_locked: bool


def harden() -> Hardening:
    """Harden this process: no core dumps, no tracing by other processes of the same user, no swap.

    Core dumps and tracing stay off in forked children; memory locks do not pass on, so each child calls this
    again. Memory is locked only where it may be locked without limit (RLIMIT_MEMLOCK, or CAP_IPC_LOCK): under
    a limit, later allocations would fail. Does what the system has, and never raises.
    """
    return Hardening(_no_core_dumps(), _no_tracing(), _lock_memory())


def _no_core_dumps() -> bool:
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (OSError, ValueError):
        return False
    return resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)


def _no_tracing() -> bool:
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    return bool(libc.prctl(_PR_GET_DUMPABLE, 0, 0, 0, 0) == 0)


def _lock_memory() -> bool:
    if sys.platform != "linux" or not _may_lock_without_limit():
        return False
    libc = ctypes.CDLL(None)
    return bool(libc.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT) == 0)


def _may_lock_without_limit() -> bool:
    if resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] == resource.RLIM_INFINITY:
        return True
    return bool(_effective_capabilities() >> _CAP_IPC_LOCK & 1)


def _effective_capabilities() -> int:
    try:
        with open(f"/proc/{os.getpid()}/status", encoding="utf-8") as status:
            for line in status:
                if line.startswith("CapEff:"):
                    return int(line.split()[1], 16)
    except OSError:
        pass
    return 0
