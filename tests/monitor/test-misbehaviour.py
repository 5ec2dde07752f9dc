# SPDX-License-Identifier: BSD-3-Clause
"""Workers, servers and clients that misbehave, or die, and what is left of the others then."""
import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

from monitor import DEADLINE_S, Qmp, Remote, run_tests

MIB = 1 << 20
DISK = ["-drive", "id=d0,if=none,format=raw,file={dir}/disk.img",
        "-device", "scsi-hd,id=h0,drive=d0,bus=lsi0.0,scsi-id=0"]
QCOW2 = ["-drive", "id=q0,if=none,format=qcow2,file={dir}/disk.qcow2",
         "-device", "scsi-hd,id=h1,drive=q0,bus=lsi0.0,scsi-id=1"]


def remote(tools, *args, **kwargs):
    return Remote(tools.worker, DISK + list(args), [("disk.img", MIB)], **kwargs)


def children(pid):
    with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
        return [int(c) for c in f.read().split()]


def name_of(pid):
    with open("/proc/%d/comm" % pid) as f:
        return f.read().strip()


def worker_of(r):
    return [c for c in children(r.process.pid) if name_of(c) == "mpring-worker"][0]


def wait_until(what, is_so):
    end = time.monotonic() + DEADLINE_S
    while not is_so():
        assert time.monotonic() < end, what
        time.sleep(0.01)


def is_gone(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_the_worker_has_no_standard_input_and_output_of_the_user(tools):
    with remote(tools) as r, Qmp(r) as q:
        q.run("query-status")
        for fd in (0, 1):
            assert os.readlink("/proc/%d/fd/%d" % (worker_of(r), fd)) == "/dev/null"


def test_block_resize_leaves_the_worker_without_a_way_to_truncate(tools):
    """It is the supervisor that does it: also when the worker is in its last sandbox."""
    with remote(tools) as r, Qmp(r) as q:
        q.run("block_resize", device="d0", size=2 * MIB)
        assert q.run("query-block")[0]["inserted"]["image"]["virtual-size"] == 2 * MIB
        assert q.fails("block_resize", device="d0", size=0) == ("GenericError", "Invalid argument")
        assert os.path.getsize(r.path("disk.img")) == 2 * MIB


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--worker")
    parser.add_argument("--only", default="")
    tools = parser.parse_args()
    tests = [f for name, f in globals().items() if name.startswith("test_") and tools.only in name]
    sys.exit(run_tests(tests, tools))


if __name__ == "__main__":
    main()
