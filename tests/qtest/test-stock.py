# SPDX-License-Identifier: BSD-3-Clause
"""mpring-pci with a stock QEMU, -machine x-remote, as its worker; and who may start when."""
import argparse
import os
import signal
import subprocess
import sys
import time

from qtest import (Machine, Stats, no_kvm, no_nasm, run_guest, run_tests, sleeping_rom,
                   wait_for)

IO, MEM, RAM_BAR = 0xC000, 0xFE000000, 0xFE002000

# Registers of the chip, by the names of its manual.
DSTAT, ISTAT, SCRATCHA, DSP, DSPS, DIEN = 0x0C, 0x14, 0x34, 0x2C, 0x30, 0x39
SIR = 0x04

PROGRAM, SOURCE, TARGET = 0x10000, 0x20000, 0x30000
MOVE_MEMORY, INT = 0xC0000000, 0x98080000
STALE = "the stock protocol has no reports of memory writes"


def stock(tools):
    def command(fd, folder):
        disk = os.path.join(folder, "disk.img")
        with open(disk, "wb") as f:
            f.truncate(1 << 20)
        return [tools.qemu, "-machine", "x-remote", "-nodefaults", "-display", "none",
                "-device", "lsi53c895a,id=lsi0", "-drive", "if=none,id=d0,file=%s,format=raw" % disk,
                "-device", "scsi-hd,drive=d0,bus=lsi0.0,scsi-id=0",
                "-object", "x-remote-object,id=o0,devid=lsi0,fd=%d" % fd]
    return command


def machine(tools, device="", **more):
    m = Machine(tools, worker=stock(tools), device=",dma-report=off" + device, **more)
    m.enable(IO, MEM, RAM_BAR)
    m.command("irq_intercept_in ioapic")
    return m


def start_scripts(m, *words):
    for i, word in enumerate(words):
        m.write(PROGRAM + 4 * i, word)
    m.write(MEM + DIEN, SIR, 1)
    m.write(MEM + DSP, PROGRAM)


def lowered(m):
    """The line is low, and stays so: a rise that the worker had sent before it knew is gone too."""
    def low():
        m.read(MEM + ISTAT, 1)
        last = m.irqs[-1] if m.irqs else "lower 11"
        m.irqs.clear()
        return last == "lower 11"
    wait_for(low, "the line to fall", 5)
    for _ in range(5):
        m.read(MEM + ISTAT, 1)
    assert not m.irqs or m.irqs[-1] == "lower 11", m.irqs
    m.irqs.clear()


def test_device_is_what_the_stock_worker_has(tools):
    with machine(tools) as m:
        assert m.cfg_read(0x00) == 0x00121000
        assert m.cfg_read(0x08) >> 8 == 0x010000
        assert m.cfg_read(0x3D, 1) == 1
        for reg, want in ((0x10, 0xFFFFFF01), (0x14, 0xFFFFFC00), (0x18, 0xFFFFE000), (0x1C, 0)):
            m.cfg_write(reg, 0xFFFFFFFF)
            assert m.cfg_read(reg) == want, "BAR at 0x%x: 0x%x" % (reg, m.cfg_read(reg))
        assert m.log() == "", m.log()


def test_registers_by_port_and_by_memory(tools):
    stats = Stats(tools.source_root)
    with machine(tools, stats=stats) as m:
        m.write(MEM + SCRATCHA, 0x12345678)
        assert m.inp(IO + SCRATCHA) == 0x12345678
        m.out(IO + SCRATCHA + 2, 0xAB, 1)
        assert m.read(MEM + SCRATCHA) == 0x12AB5678
        assert stats["proxy_posted_writes"] == 1
        assert stats["proxy_socket_messages"] > 10
        assert stats["proxy_shadow_reads"] == 0


def test_scripts_ram_keeps_its_bytes_in_a_burst(tools):
    with machine(tools) as m:
        for i in range(0, 0x2000, 8):
            m.write(RAM_BAR + i, i << 32 | ~i & 0xFFFFFFFF, 8)
        for i in range(0, 0x2000, 8):
            assert m.read(RAM_BAR + i, 8) == i << 32 | ~i & 0xFFFFFFFF


def test_bars_that_move_are_found_where_they_are(tools):
    with machine(tools) as m:
        m.write(MEM + SCRATCHA, 0x12345678)
        m.cfg_write(0x14, 0xFE100000)
        assert m.read(0xFE100000 + SCRATCHA) == 0x12345678
        m.cfg_write(0x10, 0xD000)
        assert m.inp(0xD000 + SCRATCHA) == 0x12345678
        m.cfg_write(0x04, 0, 2)
        m.cfg_write(0x04, 7, 2)
        assert m.inp(0xD000 + SCRATCHA) == 0x12345678
        assert m.log() == "", m.log()


def test_scripts_move_memory_and_interrupt(tools):
    with machine(tools) as m:
        m.command("memset 0x%x 64 0x77" % SOURCE)
        start_scripts(m, MOVE_MEMORY | 64, SOURCE, TARGET, INT, 0xCAFE)
        m.irq("raise 11")
        assert m.read_bytes(TARGET, 65) == b"\x77" * 64 + b"\0"
        assert m.read(MEM + DSPS) == 0xCAFE
        assert m.read(MEM + DSTAT, 1) & SIR
        lowered(m)


def test_line_rises_again_until_the_cause_is_gone(tools):
    stats = Stats(tools.source_root)
    with machine(tools, stats=stats) as m:
        start_scripts(m, INT, 1)
        for _ in range(20):
            m.irq("raise 11")
            m.read(MEM + ISTAT, 1)  # doesn't clear it
            m.irq("lower 11")
        assert stats["proxy_resamples"] >= 20
        m.read(MEM + DSTAT, 1)
        lowered(m)


def test_interrupts_come_one_after_the_other(tools):
    with machine(tools) as m:
        for i in range(100):
            start_scripts(m, INT, i)
            m.irq("raise 11")
            assert m.read(MEM + DSPS) == i
            assert m.inp(IO + DSTAT, 1) & SIR
            lowered(m)


def check_interrupts(tools, device, accel):
    """100 interrupts; the guest leaves every second one's cause for the next."""
    stats = Stats(tools.source_root)
    got = run_guest(tools, "guest-irq", ",dma-report=off" + device, accel, stats, ["-DCHIP"],
                    stock(tools))
    assert got == [200, 100, 0], got
    return stats


def test_guest_takes_each_interrupt_once_under_tcg(tools):
    if no_nasm(tools):
        return no_nasm(tools)
    stats = check_interrupts(tools, "", "tcg")
    assert stats["proxy_irq_raised"] == 100, stats["proxy_irq_raised"]


def test_guest_takes_each_interrupt_once_under_kvm_with_irqfd(tools):
    if no_kvm(tools):
        return no_kvm(tools)
    # KVM has both eventfds: neither the irq thread nor an access sees anything.
    stats = check_interrupts(tools, ",irqfd=on", "kvm")
    assert stats["proxy_irq_wakes"] == 0, stats["proxy_irq_wakes"]


def test_guest_takes_each_interrupt_once_under_kvm_without_irqfd(tools):
    if no_kvm(tools):
        return no_kvm(tools)
    check_interrupts(tools, ",irqfd=off", "kvm")


def test_no_dma_after_bus_mastering_is_forbidden(tools):
    with machine(tools) as m:
        m.command("memset 0x%x 64 0x77" % SOURCE)
        m.cfg_write(0x04, 3, 2)
        start_scripts(m, MOVE_MEMORY | 64, SOURCE, TARGET, INT, 0xCAFE)
        m.read(MEM + DSPS)
        assert m.read_bytes(TARGET, 64) == b"\0" * 64
        assert m.alive()


def test_reset_resets_the_device_and_its_header(tools):
    with machine(tools) as m:
        start_scripts(m, INT, 1)
        m.irq("raise 11")
        m.write(MEM + SCRATCHA, 0x11111111)
        m.out(0xCF9, 6, 1)
        wait_for(lambda: m.cfg_read(0x04, 2) == 0, "the reset")
        m.enable(IO, MEM, RAM_BAR)
        assert m.read(MEM + SCRATCHA) == 0
        lowered(m)
        start_scripts(m, INT, 2)
        m.irq("raise 11")
        assert m.read(MEM + DSPS) == 2
        assert m.log() == "", m.log()


def test_killed_stock_worker_costs_the_device_only(tools):
    with machine(tools) as m:
        start_scripts(m, INT, 1)
        m.irq("raise 11")
        m.worker.kill()
        m.irq("lower 11")
        assert m.read(MEM + ISTAT) == 0xFFFFFFFF
        assert m.inp(IO + ISTAT, 1) == 0xFF
        m.write(MEM + SCRATCHA, 1)
        m.cfg_write(0x04, 0, 2)
        assert m.cfg_read(0x00) == 0x00121000
        assert m.alive()
        assert m.log().count("mpring-pci lsi0: worker is gone") == 1, m.log()


def test_stopped_stock_worker_is_bounded_and_revived_by_reset(tools):
    with machine(tools, ",reply-timeout=300") as m:
        m.worker.send_signal(signal.SIGSTOP)
        begin = time.monotonic()
        assert m.read(MEM + SCRATCHA) == 0xFFFFFFFF
        assert 0.25 < time.monotonic() - begin < 5
        assert "worker is stuck" in m.log(), m.log()
        begin = time.monotonic()
        assert m.read(MEM + SCRATCHA) == 0xFFFFFFFF
        m.write(MEM + SCRATCHA, 1)
        assert time.monotonic() - begin < 0.25
        m.worker.send_signal(signal.SIGCONT)
        m.out(0xCF9, 6, 1)
        wait_for(lambda: "answers again" in m.log(), "the reset")
        m.enable(IO, MEM, RAM_BAR)
        m.write(MEM + SCRATCHA, 0x55AA55AA)
        assert m.read(MEM + SCRATCHA) == 0x55AA55AA
        assert m.log().count("worker is stuck") == 1, m.log()


def test_mute_worker_is_given_up_with_the_way_out(tools):
    with Machine(tools, worker=lambda fd, folder: ["sleep", "60"],
                 device=",connect-timeout=300") as m:
        assert m.qemu.poll() == 1
        assert "no answer to the first message: is a worker there, and running?" in m.log(), m.log()


def test_unplug_ends_the_stock_worker(tools):
    with machine(tools) as m:
        assert "return" in m.qmp(("device_del", {"id": "lsi0"}))
        m.out(0xAE08, 1 << 4)  # the guest ejects slot 4
        assert m.worker.wait(10) == 0
        assert m.cfg_read(0x00) == 0xFFFFFFFF
        assert m.log() == "", m.log()


def test_stock_worker_ends_when_qemu_ends(tools):
    with machine(tools) as m:
        m.qemu.kill()
        assert m.worker.wait(10) == 0


def test_stop_and_cont_go_through(tools):
    with machine(tools, paused=False, qemu_args=["-bios", tools.rom]) as m:
        m.write(MEM + SCRATCHA, 3)
        m.qmp(("stop", {}), ("cont", {}))
        assert m.read(MEM + SCRATCHA) == 3
        assert m.log() == "", m.log()


def test_more_than_seven_pieces_of_memory_are_said(tools):
    args = []
    for i in range(12):
        args += ["-object", "memory-backend-memfd,id=d%d,size=128M,share=on" % i,
                 "-device", "pc-dimm,memdev=d%d" % i]
    with machine(tools, qemu_args=args) as m:
        m.write(MEM + SCRATCHA, 4)
        assert m.read(MEM + SCRATCHA) == 4
        assert m.log().count("a stock worker takes 7 pieces of guest memory") == 1, m.log()


def test_missing_reports_are_warned_of_under_tcg(tools):
    with Machine(tools, worker=stock(tools)) as m:
        assert m.log().count(STALE) == 1 and "dma-report=off" in m.log(), m.log()


def test_missing_reports_that_were_asked_for_are_refused(tools):
    with Machine(tools, worker=stock(tools), device=",dma-report=on") as m:
        assert m.qemu.poll() == 1
        assert "dma-report=on, but the stock protocol" in m.log(), m.log()


def test_transport_ring_refuses_a_stock_worker(tools):
    with Machine(tools, worker=stock(tools), device=",transport=ring") as m:
        assert m.qemu.poll() == 1
        assert "is the other end an mpring worker" in m.log(), m.log()


def test_transport_socket_offers_no_rings(tools):
    with Machine(tools, worker=stock(tools), device=",transport=socket,dma-report=off") as m:
        m.enable(IO, MEM, RAM_BAR)
        m.write(MEM + SCRATCHA, 5)
        assert m.read(MEM + SCRATCHA) == 5


def test_transport_auto_takes_rings_of_a_worker_that_has_them(tools):
    stats = Stats(tools.source_root)
    with Machine(tools, stats=stats) as m:
        m.enable()
        m.write(0xFE000020, 5)
        assert m.read(0xFE000020) == 5
        assert stats["proxy_socket_messages"] == 0


def test_unknown_transport_is_refused(tools):
    with Machine(tools, device=",transport=pigeon") as m:
        assert m.qemu.poll() == 1
        assert "transport=pigeon is none of auto, ring, socket" in m.log(), m.log()


def test_worker_may_start_after_qemu(tools):
    late = []

    def start(m):
        late.append(subprocess.Popen([tools.fake_worker, "--listen", os.path.join(m.dir, "late")]))

    with Machine(tools, by_path="late", started=start) as m:
        m.enable()
        m.write(0xFE000020, 6)
        assert m.read(0xFE000020) == 6
        m.qemu.kill()
        assert late[0].wait(10) == 0


def test_worker_that_never_starts_is_given_up(tools):
    with Machine(tools, by_path="late", device=",connect-timeout=200") as m:
        assert m.qemu.poll() == 1
        assert "nobody listens on socket=" in m.log() and "connect-timeout=MILLISECONDS" in m.log()


def main():
    parser = argparse.ArgumentParser()
    for name in ("qemu", "so", "fake-worker", "nasm", "source-root"):
        parser.add_argument("--" + name)
    parser.add_argument("--only", default="")
    tools = parser.parse_args()
    tests = [f for name, f in globals().items() if name.startswith("test_") and tools.only in name]
    with sleeping_rom() as rom:
        tools.rom = rom
        sys.exit(run_tests(tests, tools))


if __name__ == "__main__":
    main()
