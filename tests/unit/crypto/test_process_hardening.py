"""Hardening a process, seen from inside a process that did it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

HARDEN = """
import ctypes, json, os, resource, sys
from hearthkms.crypto.memory import harden

if "without-privilege" in sys.argv:
    # Enough for the process as it is, where the system lets us have that, and too little for the block below.
    limit = resource.getrlimit(resource.RLIMIT_MEMLOCK)[1]
    limit = 256 << 20 if limit == resource.RLIM_INFINITY else min(limit, 256 << 20)
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (limit, limit))
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
reached = harden()
block = bytearray(512 << 20)
with open("/proc/self/status", encoding="utf-8") as status:
    fields = dict(line.rstrip().split(":", 1) for line in status)
child = os.fork()
if child == 0:
    os._exit(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
print(json.dumps({
    "reached": reached._asdict(),
    "locked_kb": int(fields["VmLck"].split()[0]),
    "core_limit": resource.getrlimit(resource.RLIMIT_CORE),
    "dumpable": ctypes.CDLL(None).prctl(3, 0, 0, 0, 0),
    "child_dumpable": os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]),
}))
"""


def harden(*arguments: str) -> dict[str, object]:
    command = [sys.executable, "-c", HARDEN, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=os.sep)
    told: dict[str, object] = json.loads(done.stdout)
    return told


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("arguments", [(), ("without-privilege",)])
def test_what_it_reports_is_what_the_system_does(arguments: tuple[str, ...]) -> None:
    told = harden(*arguments)
    reached = told["reached"]
    assert isinstance(reached, dict)
    assert reached["no_core_dumps"]
    assert told["core_limit"] == [0, 0]
    assert reached["not_traceable"]
    assert (told["dumpable"], told["child_dumpable"]) == (0, 0)
    assert reached["memory_locked"] is (told["locked_kb"] != 0)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_without_privilege_memory_is_left_unlocked_and_can_grow() -> None:
    told = harden("without-privilege")
    assert told["locked_kb"] == 0
