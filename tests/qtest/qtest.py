# SPDX-License-Identifier: BSD-3-Clause
"""QEMU without a guest: its text qtest protocol, a PCI device, a worker.

One Machine is one QEMU with one worker process, in a folder of its own.
"""
import contextlib
import fcntl
import json
import os
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time

CONFIG_ADDRESS, CONFIG_DATA = 0xCF8, 0xCFC
DEADLINE_S = 30


def but_events(lines):
    """QMP's next message that is none; one may even come before the greeting."""
    while True:
        message = json.loads(lines.readline())
        if "event" not in message:
            return message


class Stats:
    """A page of counters, as stats/stats.h has it."""

    def __init__(self, source_root):
        with open(os.path.join(source_root, "stats", "counters.def")) as f:
            self.names = re.findall(r'^MP_COUNTER\(\w+, "(\w+)"', f.read(), re.M)
        self.fd = os.memfd_create("counters", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.pwrite(self.fd, struct.pack("<QQ", 0x3154415453504D00, len(self.names)), 0)
        os.ftruncate(self.fd, 4096)
        fcntl.fcntl(self.fd, fcntl.F_ADD_SEALS,
                    fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)

    def __getitem__(self, name):
        at = 16 + 8 * self.names.index(name)
        return struct.unpack("<Q", os.pread(self.fd, 8, at))[0]


class Machine:
    """QEMU with mpring-pci as device 4 of the root bus, and its worker."""

    def __init__(self, tools, machine="pc", device="", ram=("128M", "on"), qemu_args=(),
                 worker=None, accel="tcg", paused=True, by_path=False, so=None, stats=None,
                 started=None):
        self.dir = tempfile.mkdtemp(prefix="mpring-qtest-")
        self.log_path = os.path.join(self.dir, "qemu.log")
        self.pending, self.irqs = b"", []
        self.worker = self.qemu = self.sock = None
        self.started = started      # called when QEMU runs, before it answers
        size, share = ram
        args = ["-accel", accel, "-m", size + ",slots=32,maxmem=8G",
                "-object", "memory-backend-memfd,id=mem,size=%s,share=%s" % (size, share),
                "-machine", machine + ",memory-backend=mem",
                "-plugin", so or tools.so] + list(qemu_args) + (["-S"] if paused else [])
        try:
            ours, where = self._start_worker(tools, worker, by_path)
            with ours:
                fds = [ours.fileno()] + ([stats.fd] if stats else [])
                device += ",stats-fd=%d" % stats.fd if stats else ""
                args += ["-device", "mpring-pci,id=lsi0,addr=4,%s%s" % (where, device)]
                self._start_qemu(tools, args, fds)
        except BaseException:
            self.__exit__()
            raise

    def _start_worker(self, tools, worker, by_path):
        """The worker on one end of a socket pair, or on a path; what the proxy needs."""
        ours, theirs = socket.socketpair()
        path = os.path.join(self.dir, "worker")
        if by_path == "late":       # the test starts it
            theirs.close()
            return ours, "socket=" + os.path.join(self.dir, "late")
        with theirs:
            if worker:
                args = worker(theirs.fileno(), self.dir)
            elif by_path:
                args = [tools.fake_worker, "--listen", path]
            else:
                args = [tools.fake_worker, "--fd", str(theirs.fileno())]
            self.worker = subprocess.Popen(args, pass_fds=[theirs.fileno()])
        if not by_path:
            return ours, "fd=%d" % ours.fileno()
        wait_for(lambda: os.path.exists(path), "the worker to listen")
        return ours, "socket=" + path

    def _start_qemu(self, tools, args, fds):
        qtest_path = os.path.join(self.dir, "qtest")
        command = [tools.qemu, "-nodefaults", "-display", "none",
                   "-qtest", "unix:%s,server=on,wait=off" % qtest_path, "-qtest-log", "none",
                   "-qmp", "unix:%s,server=on,wait=off" % os.path.join(self.dir, "qmp")] + args
        with open(self.log_path, "w") as log:
            self.qemu = subprocess.Popen(command, pass_fds=fds, stderr=log, stdout=log,
                                         stdin=subprocess.DEVNULL)
        wait_for(lambda: os.path.exists(qtest_path) or self.qemu.poll() is not None, "QEMU")
        if self.started:
            self.started(self)
        if self.qemu.poll() is None:
            self._connect(qtest_path)

    def _connect(self, path):
        self.sock = socket.socket(socket.AF_UNIX)

        def connected():
            try:
                self.sock.connect(path)
                return True
            except OSError:
                return self.qemu.poll() is not None
        wait_for(connected, "QEMU's qtest socket")
        if self.qemu.poll() is not None:
            return
        # The first answer comes when every device is realized, or never.
        try:
            self.command("endianness")
        except EOFError:
            self.qemu.wait(DEADLINE_S)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for p in (self.qemu, self.worker):
            if p and p.poll() is None:
                p.send_signal(signal.SIGCONT)
                p.kill()
            if p:
                p.wait()
        if self.sock:
            self.sock.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def log(self):
        with open(self.log_path) as f:
            return f.read()

    def alive(self):
        return self.qemu.poll() is None

    def _line(self, timeout):
        end = time.monotonic() + timeout
        while b"\n" not in self.pending:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.sock], [], [], left)[0]:
                return None
            got = self.sock.recv(65536)
            if not got:
                raise EOFError("QEMU is gone: " + self.log())
            self.pending += got
        line, self.pending = self.pending.split(b"\n", 1)
        return line.decode()

    def command(self, text):
        try:
            self.sock.sendall(text.encode() + b"\n")
            while True:
                line = self._line(DEADLINE_S)
                if line is None:
                    raise TimeoutError("no answer to " + text)
                if line.startswith("IRQ "):
                    self._note_irq(line)
                elif line.startswith("OK"):
                    return line[3:]
                else:
                    raise AssertionError("%s: %s" % (text, line))
        except (BrokenPipeError, ConnectionResetError) as e:
            raise EOFError("QEMU is gone: " + self.log()) from e

    def qmp(self, *commands):
        """Runs QMP commands on a connection of their own; the last one's answer."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(DEADLINE_S)
            sock.connect(os.path.join(self.dir, "qmp"))
            lines = sock.makefile("rw")
            answer = but_events(lines)
            for name, arguments in (("qmp_capabilities", {}),) + commands:
                lines.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
                lines.flush()
                answer = but_events(lines)
            return answer

    def _note_irq(self, line):
        # Others, the timer's at reset for example, are not ours.
        if line.endswith(" 11"):
            self.irqs.append(line[4:])

    def irq(self, want, timeout=5):
        """Waits for the next level change, "raise N" or "lower N"."""
        while not self.irqs:
            line = self._line(timeout)
            if line is None:
                raise AssertionError("no IRQ line, wanted " + want)
            self._note_irq(line)
        got = self.irqs.pop(0)
        assert got == want, "IRQ %s, wanted %s" % (got, want)

    def no_irq(self):
        self.command("endianness")
        assert not self.irqs, self.irqs

    def out(self, port, value, size=4):
        self.command("out%s 0x%x 0x%x" % ("bwl"[size.bit_length() - 1], port, value))

    def inp(self, port, size=4):
        return int(self.command("in%s 0x%x" % ("bwl"[size.bit_length() - 1], port)), 16)

    def write(self, addr, value, size=4):
        self.command("write%s 0x%x 0x%x" % ("bwlq"[size.bit_length() - 1], addr, value))

    def read(self, addr, size=4):
        return int(self.command("read%s 0x%x" % ("bwlq"[size.bit_length() - 1], addr)), 16)

    def read_bytes(self, addr, n):
        return bytes.fromhex(self.command("read 0x%x %d" % (addr, n))[2:])

    def _select(self, slot, reg):
        self.out(CONFIG_ADDRESS, 0x80000000 | slot << 11 | reg & ~3)
        return CONFIG_DATA + (reg & 3)

    def cfg_read(self, reg, size=4, slot=4):
        return self.inp(self._select(slot, reg), size)

    def cfg_write(self, reg, value, size=4, slot=4):
        self.out(self._select(slot, reg), value, size)

    def enable(self, io=0xC000, mem=0xFE000000, ram=0xFE001000):
        """Maps the BARs, allows I/O, memory and bus mastering, routes INTx (pc)."""
        self.cfg_write(0x10, io)
        self.cfg_write(0x14, mem)
        self.cfg_write(0x18, ram)
        self.cfg_write(0x04, 7, 2)
        for reg, irq in zip(range(0x60, 0x64), (10, 10, 11, 11)):
            self.cfg_write(reg, irq, 1, slot=1)


@contextlib.contextmanager
def sleeping_rom():
    """Firmware of a guest that sleeps for ever: the qtest protocol has its devices for itself."""
    with tempfile.NamedTemporaryFile(prefix="mpring-rom-") as rom:
        # The reset vector: cli; hlt; and again.
        rom.write(b"\0" * 0xFFF0 + b"\xfa\xf4\xeb\xfd".ljust(16, b"\0"))
        rom.flush()
        yield rom.name


def wait_for(condition, what, timeout=DEADLINE_S):
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("waited in vain for " + what)
        time.sleep(0.005)


def build_guest(tools, folder, name, *define):
    rom = os.path.join(folder, name + ".rom")
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), name + ".asm")
    subprocess.run([tools.nasm, "-i", os.path.dirname(source) + "/", "-f", "bin", "-o", rom,
                    *define, source], check=True)
    return rom


def run_guest(tools, name, device="", accel="tcg", stats=None, define=(), worker=None):
    """Runs a guest program to its end; the words that it left at 0x6000."""
    with tempfile.TemporaryDirectory(prefix="mpring-qtest-") as folder:
        rom = build_guest(tools, folder, name, *define)
        with Machine(tools, device=device, accel=accel, paused=False, stats=stats,
                     worker=worker,
                     # Without local APIC the PIC is wired to the CPU.
                     qemu_args=["-bios", rom, "-cpu", "qemu64,-apic"]) as m:
            wait_for(lambda: m.read(0x6006, 2) == 0x600D, "the guest program: " + m.log())
            assert "mpring" not in m.log(), m.log()
            return [m.read(0x6000 + 2 * i, 2) for i in range(3)]


def no_nasm(tools):
    return None if tools.nasm else "nasm is not installed"


def no_kvm(tools):
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "/dev/kvm can't be opened"
    return no_nasm(tools)


def run_tests(tests, *args):
    """TAP; a test that returns text was skipped, and that is why."""
    failed = 0
    print("TAP version 13\n1..%d" % len(tests), flush=True)
    for i, test in enumerate(tests, 1):
        skip = ""
        try:
            why = test(*args)
            skip = " # SKIP " + why if why else ""
        except Exception as e:  # a test ends, the others go on
            failed += 1
            for line in ("%s: %s" % (type(e).__name__, e)).splitlines():
                print("# " + line)
            print("not ", end="")
        print("ok %d - %s%s" % (i, test.__name__, skip), flush=True)
    return 1 if failed else 0
