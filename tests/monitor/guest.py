# SPDX-License-Identifier: BSD-3-Clause
"""A guest behind a stock proxy, small enough to be understood: one SCSI command at a time.

It speaks multi-process QEMU's protocol to the worker, or to QEMU as one, and has the chip run a
script for each command: select, IDENTIFY, the CDB, a disconnection if there is one, data, status.
"""
import array
import mmap
import os
import socket
import struct
import time

from monitor import DEADLINE_S

SYNC_SYSMEM, RET, CFGWRITE, CFGREAD, BAR_WRITE, BAR_READ, SET_IRQFD = range(7)
RAM_GPA, RAM_BYTES, MMIO = 0x100000, 1 << 20, 0xfe000000
PROGRAM, CDB, MSG_OUT, MSG_IN, STATUS, DATA = 0, 0x200, 0x210, 0x214, 0x218, 0x1000
DSTAT, DSP, SIST0 = 0x0c, 0x2c, 0x42
GOOD, CHECK_CONDITION = 0, 2


class Guest:
    """Be sure that a stock remote has answered on its monitor first: it resets itself when it has started."""

    def __init__(self, sock):
        self.sock = sock
        self.sock.settimeout(DEADLINE_S)
        ram = os.memfd_create("guest")
        os.ftruncate(ram, RAM_BYTES)
        self.ram = mmap.mmap(ram, RAM_BYTES)
        table = struct.pack("<24Q", *([RAM_GPA] + [0] * 7 + [RAM_BYTES] + [0] * 15))
        self.send(SYNC_SYSMEM, table, [ram])
        os.close(ram)
        self.irq = [os.eventfd(0, os.EFD_NONBLOCK) for _ in range(2)]
        self.send(SET_IRQFD, b"", self.irq)
        self.call(CFGWRITE, struct.pack("<IIi", 0x14, MMIO, 4))
        self.call(CFGWRITE, struct.pack("<IIi", 0x04, 6, 2))

    def close(self):
        self.ram.close()
        for fd in self.irq:
            os.close(fd)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def send(self, command, payload, fds=()):
        control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        data = struct.pack("<IIQ", command, 0, len(payload)) + payload
        assert self.sock.sendmsg([data], control) == len(data)

    def receive(self, n):
        data = b""
        while len(data) < n:
            more = self.sock.recv(n - len(data))
            assert more, "the worker has closed the socket"
            data += more
        return data

    def call(self, command, payload):
        self.send(command, payload)
        command, _, size = struct.unpack("<IIQ", self.receive(16))
        assert command == RET, command
        return int.from_bytes(self.receive(size), "little")

    def read(self, register, size):
        return self.call(BAR_READ, struct.pack("<QQIB3x", MMIO + register, 0, size, 1))

    def write(self, register, size, value):
        self.call(BAR_WRITE, struct.pack("<QQIB3x", MMIO + register, value, size, 1))

    def begin(self, target, cdb, send=b"", n_read=0):
        phase, n_data = (0x01000000, n_read) if n_read else (0, len(send))
        words = [0x40000000 | target << 16, 0, 0x06000001, RAM_GPA + MSG_OUT, 0x02000010, RAM_GPA + CDB,
                 0x87820000, 0x18, 0x07000002, RAM_GPA + MSG_IN, 0x50000000, 0, 0x07000002, RAM_GPA + MSG_IN]
        if n_data:
            words += [phase | n_data, RAM_GPA + DATA]
        words += [0x03000001, RAM_GPA + STATUS, 0x07000001, RAM_GPA + MSG_IN, 0x98080000, 0]
        for at, what in ((PROGRAM, struct.pack("<%dI" % len(words), *words)), (CDB, bytes(cdb).ljust(16, b"\0")),
                         (MSG_OUT, b"\x80"), (MSG_IN, b"\xff"), (STATUS, b"\xff"), (DATA, send)):
            self.ram[at:at + len(what)] = what
        # A write of 32 bits; the last byte starts the script.
        self.write(DSP, 4, RAM_GPA + PROGRAM)

    def is_done(self):
        """The status, or None: not yet."""
        dstat, sist = self.read(DSTAT, 1), self.read(SIST0, 1) | self.read(SIST0 + 1, 1) << 8
        assert not sist, "the chip saw an error: %#x" % sist
        if not dstat & 4:
            return None
        assert self.ram[MSG_IN] == 0
        return self.ram[STATUS]

    def finish(self):
        end = time.monotonic() + DEADLINE_S
        while True:
            status = self.is_done()
            if status is not None:
                return status
            assert time.monotonic() < end, "the command doesn't end"

    def run(self, target, cdb, send=b"", n_read=0):
        self.begin(target, cdb, send, n_read)
        return self.finish()

    def wake(self, target):
        """Takes what the unit has to tell since power-on."""
        for _ in range(8):
            if self.run(target, [0] * 6) == GOOD:
                return
            self.run(target, [3, 0, 0, 0, 18, 0], n_read=18)
        raise AssertionError("target %d isn't ready" % target)

    def tray(self, target, open_it):
        return self.run(target, [0x1b, 0, 0, 0, 2 if open_it else 3, 0])

    def lock(self, target, locked):
        return self.run(target, [0x1e, 0, 0, 0, 1 if locked else 0, 0])
