# SPDX-License-Identifier: BSD-3-Clause
"""The machine stops and goes on: by its user, and by an I/O error of a disk.

Errors are made without privilege, by a limit of the worker's file sizes; a file
system that is really full is a tmpfs, and needs root.
"""
import argparse
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time

from qtest import DEADLINE_S, Machine, but_events, run_tests, sleeping_rom, wait_for

IO, MEM, RAM_BAR = 0xC000, 0xFE000000, 0xFE002000
DSTAT, DSP, DSPS, SCRATCHA = 0x0C, 0x2C, 0x30, 0x34
SIR = 0x04
PROGRAM, MESSAGES, CDB, DATA = 0x10000, 0x11000, 0x11100, 0x20000
DISK_BYTES, FAR_LBA, LIMIT = 1 << 20, 1024, 1 << 16

# Registers of tests/lib/fake_peer.h.
STOP, IN_FLIGHT, PAUSED = 0x60, 0x64, 0x68


class Monitor:
    """A QMP connection that keeps its events."""

    def __init__(self, m, name="qmp"):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(DEADLINE_S)
        self.sock.connect(os.path.join(m.dir, name))
        self.lines = self.sock.makefile("rw")
        but_events(self.lines)
        self.events, self.data = [], {}
        self.run("qmp_capabilities")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.lines.close()
        self.sock.close()

    def _take(self):
        answer = json.loads(self.lines.readline())
        if "event" in answer:
            self.events.append(answer["event"])
            self.data[answer["event"]] = answer.get("data")
        return answer

    def answer(self, command):
        self.lines.write(json.dumps({"execute": command}) + "\n")
        self.lines.flush()
        while True:
            answer = self._take()
            if "event" not in answer:
                return answer

    def run(self, command):
        answer = self.answer(command)
        assert "return" in answer, answer
        return answer["return"]

    def status(self):
        return self.run("query-status")["status"]

    def wait(self, event):
        while event not in self.events:
            self._take()
        self.events.remove(event)


def idle(tools):
    """It runs, but its only CPU sleeps for ever: the qtest protocol has the device for itself."""
    return {"paused": False, "qemu_args": ["-bios", tools.rom]}


def machine(tools, policy, folder=None, device="", monitor=False):
    """A running machine whose disk has an error policy; its worker may have a monitor, "worker-qmp"."""
    def command(fd, own_folder):
        disk = os.path.join(folder or own_folder, "disk.img")
        with open(disk, "wb") as f:
            f.truncate(DISK_BYTES)
        return [tools.worker, "-machine", "x-remote", "-device", "lsi53c895a,id=lsi0",
                "-drive", "id=d0,file=%s,format=raw,%s" % (disk, policy),
                "-device", "scsi-hd,drive=d0,bus=lsi0.0,scsi-id=0",
                "-object", "x-remote-object,id=o0,devid=lsi0,fd=%d" % fd] + (
                    ["-qmp", "unix:%s/worker-qmp,server=on,wait=off" % own_folder] if monitor else [])
    m = Machine(tools, worker=command, device=device, **idle(tools))
    m.disk = os.path.join(folder or m.dir, "disk.img")
    m.enable(IO, MEM, RAM_BAR)
    return m


def fake(tools, device=""):
    m = Machine(tools, device=device, **idle(tools))
    m.enable()
    return m


def begin(m, cdb, n_bytes=0):
    """One command to target 0, by the program that SeaBIOS has for it."""
    words = (0x40000000, 0,
             0x06000001, MESSAGES,          # MESSAGE OUT: IDENTIFY
             0x02000010, CDB,               # COMMAND
             0x87820000, 0x18,              # relative jump if it is MESSAGE IN: disconnect
             0x07000002, MESSAGES + 4, 0x50000000, 0, 0x07000002, MESSAGES + 4,
             n_bytes, DATA if n_bytes else 0,
             0x03000001, MESSAGES + 8,      # STATUS
             0x07000001, MESSAGES + 4,      # COMMAND COMPLETE
             0x98080000, 0)                 # interrupt
    for i, word in enumerate(words):
        m.write(PROGRAM + 4 * i, word)
    m.write(MESSAGES, 0x80, 1)
    m.write(MESSAGES + 8, 0xFF, 1)
    for i, byte in enumerate(cdb.ljust(16, b"\0")):
        m.write(CDB + i, byte, 1)
    m.write(MEM + DSP, PROGRAM)


def finish(m):
    """Waits for the end of the command; its status."""
    wait_for(lambda: m.read(MEM + DSTAT, 1) & SIR, "the command")
    return m.read(MESSAGES + 8, 1)


def ready(m):
    begin(m, b"")
    assert finish(m) == 2       # power on
    begin(m, b"")
    assert finish(m) == 0


def begin_far_write(m):
    m.command("memset 0x%x 512 0x5a" % DATA)
    begin(m, bytes((0x2A, 0, 0, 0, FAR_LBA >> 8, FAR_LBA & 255, 0, 0, 1)), 512)


def limit_files(m, n_bytes):
    """of the worker, which is a child where there is a monitor"""
    with open("/proc/%d/task/%d/children" % (m.worker.pid, m.worker.pid)) as f:
        pids = [m.worker.pid] + [int(pid) for pid in f.read().split()]
    for pid in pids:
        hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (n_bytes, hard))


def on_disk(m):
    with open(m.disk, "rb") as f:
        f.seek(FAR_LBA * 512)
        return f.read(512)


def test_write_error_stops_the_machine_and_cont_finishes_the_write(tools):
    with machine(tools, "werror=stop") as m, Monitor(m) as mon:
        ready(m)
        limit_files(m, LIMIT)
        begin_far_write(m)
        mon.wait("STOP")
        assert mon.status() == "io-error"
        error = mon.data["BLOCK_IO_ERROR"]
        assert (error["device"], error["operation"], error["action"], error["nospace"]) == \
            ("lsi0", "write", "stop", False), error
        mon.run("cont")             # nothing has changed: it stops again
        mon.wait("RESUME")
        mon.wait("STOP")
        assert mon.status() == "io-error"
        limit_files(m, resource.RLIM_INFINITY)
        assert on_disk(m) == b"\0" * 512
        mon.run("cont")
        assert finish(m) == 0
        assert on_disk(m) == b"\x5a" * 512
        assert mon.status() == "running"
        assert m.log().count("stops the machine") == 2, m.log()


def test_who_has_stopped_the_machine_continues_it(tools):
    with machine(tools, "werror=stop", monitor=True) as m, Monitor(m) as mon, Monitor(m, "worker-qmp") as ours:
        ready(m)
        limit_files(m, LIMIT)
        begin_far_write(m)
        mon.wait("STOP")
        assert ours.status() == "io-error"
        limit_files(m, resource.RLIM_INFINITY)
        assert ours.answer("cont")["error"]["desc"] == \
            "An I/O error has stopped QEMU's machine: say cont at QEMU's monitor"
        assert ours.status() == "io-error" and mon.status() == "io-error"
        assert "RESUME" not in ours.events
        mon.run("cont")
        assert finish(m) == 0
        assert on_disk(m) == b"\x5a" * 512
        assert ours.status() == "running"
        ours.run("stop")
        ours.run("cont")
        assert ours.status() == "running"


def mount_tmpfs(folder):
    """Why not, or nothing."""
    if os.geteuid() != 0:
        return "only root mounts a tmpfs"
    r = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder],
                       stderr=subprocess.PIPE, text=True)
    return "no tmpfs here: " + r.stderr.strip() if r.returncode else ""


def test_full_file_system_stops_the_machine_by_default(tools):
    folder = tempfile.mkdtemp(prefix="mpring-full-")
    why = mount_tmpfs(folder)
    if why:
        os.rmdir(folder)
        return why
    try:
        with open(os.path.join(folder, "ballast"), "wb") as f:
            f.write(b"\1" * 65536)
        with machine(tools, "cache=writeback", folder) as m, Monitor(m) as mon:
            ready(m)
            begin_far_write(m)
            mon.wait("STOP")
            assert mon.status() == "io-error"
            assert mon.data["BLOCK_IO_ERROR"]["nospace"] is True
            subprocess.run(["mount", "-o", "remount,size=2M", folder], check=True)
            mon.run("cont")
            assert finish(m) == 0
            assert on_disk(m) == b"\x5a" * 512
    finally:
        # io_uring lets go of its files some time after its process has ended.
        wait_for(lambda: subprocess.run(["umount", "-q", folder], stderr=subprocess.DEVNULL)
                 .returncode == 0, "the disk to be let go")
        os.rmdir(folder)
    return ""


def test_other_errors_are_reported_by_default(tools):
    with machine(tools, "cache=writeback") as m, Monitor(m) as mon:
        ready(m)
        limit_files(m, LIMIT)
        begin_far_write(m)
        assert finish(m) == 2
        assert mon.status() == "running"


def test_vm_stop_off_makes_the_worker_report(tools):
    with machine(tools, "werror=stop", device=",vm-stop=off") as m, Monitor(m) as mon:
        ready(m)
        limit_files(m, LIMIT)
        begin_far_write(m)
        assert finish(m) == 2
        assert mon.status() == "running"


def test_stop_of_the_user_halts_scripts_until_cont(tools):
    with machine(tools, "werror=stop") as m, Monitor(m) as mon:
        mon.run("stop")
        m.write(PROGRAM, 0x98080000)
        m.write(PROGRAM + 4, 0xCAFE)
        m.write(MEM + DSP, PROGRAM)
        for _ in range(100):
            assert m.read(MEM + DSTAT, 1) & SIR == 0
        m.write(MEM + SCRATCHA, 0x12345678)
        assert m.read(MEM + SCRATCHA) == 0x12345678
        mon.run("cont")
        wait_for(lambda: m.read(MEM + DSTAT, 1) & SIR, "SCRIPTS")
        assert m.read(MEM + DSPS) == 0xCAFE


def test_qemu_ends_while_an_error_has_stopped_it(tools):
    with machine(tools, "werror=stop") as m, Monitor(m) as mon:
        ready(m)
        limit_files(m, LIMIT)
        begin_far_write(m)
        mon.wait("STOP")
        begun = time.monotonic()
        mon.run("quit")
        assert m.qemu.wait(DEADLINE_S) == 0
        assert m.worker.wait(DEADLINE_S) == 0
        assert time.monotonic() - begun < 5


def test_system_reset_while_an_error_has_stopped_it(tools):
    with machine(tools, "werror=stop") as m, Monitor(m) as mon:
        ready(m)
        limit_files(m, LIMIT)
        begin_far_write(m)
        mon.wait("STOP")
        mon.run("system_reset")
        limit_files(m, resource.RLIM_INFINITY)
        mon.run("cont")
        m.enable(IO, MEM, RAM_BAR)
        ready(m)
        assert on_disk(m) == b"\0" * 512    # the write died with the machine


def test_hostile_worker_gets_one_stop_for_each_cont(tools):
    with fake(tools) as m, Monitor(m) as mon:
        for _ in range(500):
            m.write(MEM + STOP, 1)
        mon.wait("STOP")
        for _ in range(500):
            m.write(MEM + STOP, 1)
        m.read(MEM + PAUSED)
        assert mon.status() == "io-error"
        assert "STOP" not in mon.events
        assert m.log().count("stops the machine") == 1, m.log()
        mon.run("cont")
        assert m.read(MEM + PAUSED, 1) == 0
        m.write(MEM + STOP, 1)
        mon.wait("STOP")
        assert m.log().count("stops the machine") == 2, m.log()


def test_hostile_worker_gets_none_with_vm_stop_off(tools):
    with fake(tools, ",vm-stop=off") as m, Monitor(m) as mon:
        for _ in range(500):
            m.write(MEM + STOP, 1)
        assert m.read(MEM + PAUSED, 1) == 0
        assert mon.status() == "running" and not mon.events


def test_stop_waits_for_io_in_flight_but_not_for_ever(tools):
    with fake(tools, ",reply-timeout=300") as m, Monitor(m) as mon:
        m.write(MEM + IN_FLIGHT, 20)
        mon.run("stop")
        assert m.read(MEM + PAUSED, 1) == 1
        assert "did not end" not in m.log()
        mon.run("cont")
        m.write(MEM + IN_FLIGHT, 0xFFFFFFFF)
        begun = time.monotonic()
        mon.run("stop")
        assert 0.2 < time.monotonic() - begun < 5
        assert "block I/O did not end within reply-timeout" in m.log(), m.log()


def main():
    parser = argparse.ArgumentParser()
    for name in ("qemu", "so", "worker", "fake-worker"):
        parser.add_argument("--" + name)
    parser.add_argument("--only", default="")
    tools = parser.parse_args()
    tests = [f for name, f in globals().items() if name.startswith("test_") and tools.only in name]
    with sleeping_rom() as rom:
        tools.rom = rom
        sys.exit(run_tests(tests, tools))


if __name__ == "__main__":
    main()
