# SPDX-License-Identifier: BSD-3-Clause
"""The real worker behind the real proxy: registers, SCRIPTS, its end."""
import argparse
import os
import signal
import sys
import time

from qtest import Machine, Stats, run_tests, wait_for

IO, MEM, RAM_BAR = 0xC000, 0xFE000000, 0xFE002000

# Registers of the chip, by the names of its manual.
DSTAT, ISTAT, SCRATCHA, DSP, DSPS, DIEN = 0x0C, 0x14, 0x34, 0x2C, 0x30, 0x39
SIR, DIP = 0x04, 0x01

PROGRAM, SOURCE, TARGET = 0x10000, 0x20000, 0x30000
MOVE_MEMORY, INT = 0xC0000000, 0x98080000


def machine(tools, **more):
    def command(fd, folder):
        disk = os.path.join(folder, "disk.img")
        with open(disk, "wb") as f:
            f.truncate(1 << 20)
        return [tools.worker, "-machine", "x-remote", "-device", "lsi53c895a,id=lsi0",
                "-drive", "id=d0,file=%s,format=raw" % disk,
                "-device", "scsi-hd,drive=d0,bus=lsi0.0,scsi-id=0",
                "-object", "x-remote-object,id=o0,devid=lsi0,fd=%d" % fd]
    m = Machine(tools, worker=command, **more)
    m.enable(IO, MEM, RAM_BAR)
    m.command("irq_intercept_in ioapic")
    return m


def start_scripts(m, *words):
    for i, word in enumerate(words):
        m.write(PROGRAM + 4 * i, word)
    m.write(MEM + DIEN, SIR, 1)
    m.write(MEM + DSP, PROGRAM)


def test_identity_is_the_chips(tools):
    with machine(tools) as m:
        assert m.cfg_read(0x00) == 0x00121000
        assert m.cfg_read(0x08) >> 8 == 0x010000
        for reg, want in ((0x10, 0xFFFFFF01), (0x14, 0xFFFFFC00), (0x18, 0xFFFFE000)):
            m.cfg_write(reg, 0xFFFFFFFF)
            assert m.cfg_read(reg) == want, "BAR at 0x%x: 0x%x" % (reg, m.cfg_read(reg))


def test_scratch_registers_by_port_and_by_memory(tools):
    with machine(tools) as m:
        m.write(MEM + SCRATCHA, 0x12345678)
        assert m.inp(IO + SCRATCHA) == 0x12345678
        m.out(IO + SCRATCHA + 2, 0xAB, 1)
        assert m.read(MEM + SCRATCHA) == 0x12AB5678


def test_scripts_ram_keeps_its_bytes(tools):
    with machine(tools) as m:
        m.write(RAM_BAR, 0x1122334455667788, 8)
        m.write(RAM_BAR + 0x1FFC, 0xA5A5A5A5)
        assert m.read(RAM_BAR, 8) == 0x1122334455667788
        assert m.read(RAM_BAR + 0x1FFC) == 0xA5A5A5A5


def test_status_register_is_read_from_the_shadow(tools):
    stats = Stats(tools.source_root)
    with machine(tools, stats=stats) as m:
        m.inp(IO + DSTAT, 1)
        before = stats["proxy_waited_reads"]
        for _ in range(10):
            assert m.read(MEM + ISTAT, 1) == 0
        assert stats["proxy_waited_reads"] == before
        assert stats["proxy_shadow_reads"] >= 10


def test_scripts_move_memory_and_interrupt(tools):
    with machine(tools) as m:
        m.command("memset 0x%x 64 0x77" % SOURCE)
        start_scripts(m, MOVE_MEMORY | 64, SOURCE, TARGET, INT, 0xCAFE)
        m.irq("raise 11")
        assert m.read(MEM + ISTAT, 1) == DIP
        assert m.read_bytes(TARGET, 65) == b"\x77" * 64 + b"\0"
        assert m.read(MEM + DSPS) == 0xCAFE
        assert m.read(MEM + DSTAT, 1) & SIR
        m.irq("lower 11")
        assert m.read(MEM + ISTAT, 1) == 0


def test_each_interrupt_is_raised_and_lowered_once(tools):
    with machine(tools) as m:
        for i in range(200):
            start_scripts(m, INT, i)
            m.irq("raise 11")
            assert m.read(MEM + DSPS) == i
            assert m.inp(IO + DSTAT, 1) & SIR
            m.irq("lower 11")
        m.no_irq()


def test_reset_stops_scripts_and_lowers_the_line(tools):
    with machine(tools) as m:
        start_scripts(m, INT, 1)
        m.irq("raise 11")
        m.write(MEM + SCRATCHA, 0x11111111)
        m.out(0xCF9, 6, 1)
        m.irq("lower 11")
        m.enable(IO, MEM, RAM_BAR)
        assert m.read(MEM + SCRATCHA) == 0
        assert m.read(MEM + ISTAT, 1) == 0


def test_no_dma_after_bus_mastering_is_forbidden(tools):
    with machine(tools) as m:
        m.command("memset 0x%x 64 0x77" % SOURCE)
        m.cfg_write(0x04, 3, 2)
        start_scripts(m, MOVE_MEMORY | 64, SOURCE, TARGET, INT, 0xCAFE)
        m.read(MEM + DSPS)
        assert m.read_bytes(TARGET, 64) == b"\0" * 64
        assert m.alive()


def test_killed_worker_costs_the_device_only(tools):
    with machine(tools) as m:
        start_scripts(m, INT, 1)
        m.irq("raise 11")
        m.worker.kill()
        m.irq("lower 11")
        assert m.read(MEM + ISTAT) == 0xFFFFFFFF
        assert m.alive()
        assert m.log().count("worker is gone") == 1, m.log()


def test_stopped_worker_works_again_after_a_reset(tools):
    with machine(tools, device=",reply-timeout=1000") as m:
        m.worker.send_signal(signal.SIGSTOP)
        begin = time.monotonic()
        assert m.read(MEM + DSTAT, 1) == 0xFF
        assert time.monotonic() - begin < 5
        m.worker.send_signal(signal.SIGCONT)
        m.out(0xCF9, 6, 1)
        wait_for(lambda: "answers again" in m.log(), "the reset")
        m.enable(IO, MEM, RAM_BAR)
        start_scripts(m, INT, 7)
        m.irq("raise 11")
        assert m.read(MEM + DSPS) == 7


def test_worker_ends_when_qemu_ends(tools):
    with machine(tools) as m:
        m.qemu.kill()
        assert m.worker.wait(10) == 0


def main():
    parser = argparse.ArgumentParser()
    for name in ("qemu", "so", "worker", "source-root"):
        parser.add_argument("--" + name)
    parser.add_argument("--only", default="")
    tools = parser.parse_args()
    tests = [f for name, f in globals().items() if name.startswith("test_") and tools.only in name]
    sys.exit(run_tests(tests, tools))


if __name__ == "__main__":
    main()
