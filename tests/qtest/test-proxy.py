# SPDX-License-Identifier: BSD-3-Clause
"""mpring-pci in the installed QEMU, against the fake worker."""
import argparse
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

from qtest import Machine, Stats, build_guest, no_kvm, no_nasm, run_guest, run_tests, wait_for

IO, MEM, RAM_BAR = 0xC000, 0xFE000000, 0xFE001000

# Registers of tests/lib/fake_peer.h.
SCRATCH, UNSHADOWED, IRQ, N_WRITES = 0x00, 0x20, 0x40, 0x44
DMA_ADDR, DMA_GO, DMA_OK, EXIT, N_RESETS, LIE = 0x48, 0x4C, 0x50, 0x54, 0x58, 0x5C
CFG, N_REGIONS, REGION, REGION_GPA, REGION_LEN, REGION_FLAGS = 0x80, 0xC0, 0xC4, 0xC8, 0xCC, 0xD0


def test_config_header_is_the_workers(tools):
    with Machine(tools) as m:
        assert m.cfg_read(0x00) == 0x00121000
        assert m.cfg_read(0x08) == 0x01000002
        assert m.cfg_read(0x2C) == 0x12341000
        assert m.cfg_read(0x3D, 1) == 1
        assert m.cfg_read(0x3E, 2) == 0x4011


def test_bars_have_their_kind_and_size(tools):
    with Machine(tools) as m:
        for reg, want in ((0x10, 0xFFFFFF01), (0x14, 0xFFFFFC00), (0x18, 0xFFFFF000), (0x1C, 0)):
            m.cfg_write(reg, 0xFFFFFFFF)
            assert m.cfg_read(reg) == want, "BAR at 0x%x: 0x%x" % (reg, m.cfg_read(reg))


def test_registers_by_port_and_by_memory_are_the_same(tools):
    with Machine(tools) as m:
        m.enable()
        m.write(MEM + UNSHADOWED, 0x11223344)
        assert m.read(MEM + UNSHADOWED) == 0x11223344
        assert m.inp(IO + UNSHADOWED) == 0x11223344
        m.out(IO + SCRATCH + 1, 0xAB, 1)
        assert m.read(MEM + SCRATCH) == 0xAB00
        assert m.inp(IO + SCRATCH, 2) == 0xAB00


def test_eight_bytes_are_two_messages(tools):
    with Machine(tools) as m:
        m.enable()
        m.write(MEM + UNSHADOWED, 0x1122334455667788, 8)
        assert m.read(MEM + N_WRITES) == 2
        assert m.read(MEM + UNSHADOWED, 8) == 0x1122334455667788


def test_posted_writes_keep_their_order(tools):
    with Machine(tools) as m:
        m.enable()
        for i in range(3000):
            m.write(MEM + UNSHADOWED, i)
        assert m.read(MEM + UNSHADOWED) == 2999
        assert m.read(MEM + N_WRITES) == 3000


def test_worker_is_told_of_config_writes(tools):
    with Machine(tools) as m:
        m.enable()
        m.cfg_write(0x3C, 11, 1)
        assert m.read(MEM + CFG + 0x04, 2) == 7
        assert m.read(MEM + CFG + 0x10) == IO | 1
        assert m.read(MEM + CFG + 0x14) == MEM
        assert m.read(MEM + CFG + 0x3C, 1) == 11


def test_interrupt_follows_the_level(tools):
    with Machine(tools) as m:
        m.enable()
        m.command("irq_intercept_in ioapic")
        m.out(IO + IRQ, 1)
        m.irq("raise 11")
        assert m.cfg_read(0x06, 2) & 8
        m.out(IO + IRQ, 1)
        m.no_irq()
        m.out(IO + IRQ, 0)
        m.irq("lower 11")
        assert not m.cfg_read(0x06, 2) & 8


def test_interrupt_arrives_without_an_access(tools):
    with Machine(tools) as m:
        m.enable()
        m.command("irq_intercept_in ioapic")
        # Posted: only the irq thread can raise it afterwards.
        m.write(MEM + IRQ, 1)
        m.irq("raise 11")
        m.write(MEM + IRQ, 0)
        m.irq("lower 11")


def test_port_write_has_lowered_the_line_when_it_returns(tools):
    with Machine(tools) as m:
        m.enable()
        m.command("irq_intercept_in ioapic")
        m.write(MEM + IRQ, 1)
        m.irq("raise 11")
        m.out(IO + IRQ, 0)
        assert m.irqs == ["lower 11"], m.irqs


def test_intx_disable_is_honoured(tools):
    with Machine(tools) as m:
        m.enable()
        m.command("irq_intercept_in ioapic")
        m.cfg_write(0x04, 0x407, 2)
        m.out(IO + IRQ, 1)
        m.no_irq()
        m.cfg_write(0x04, 7, 2)
        m.irq("raise 11")


def regions(m):
    found = []
    for i in range(m.read(MEM + N_REGIONS)):
        m.write(MEM + REGION, i)
        found.append((m.read(MEM + REGION_GPA) << 12, m.read(MEM + REGION_LEN) << 12,
                      m.read(MEM + REGION_FLAGS)))
    return found


def test_memory_is_offered_only_to_a_bus_master(tools):
    with Machine(tools) as m:
        m.cfg_write(0x14, MEM)
        m.cfg_write(0x04, 2, 2)
        assert regions(m) == []
        m.cfg_write(0x04, 6, 2)
        found = regions(m)
        assert found[0][0] == 0 and found[0][1] >= 0xA0000, found
        assert found[-1] == (0x100000, 127 << 20, 0), found
        m.cfg_write(0x04, 2, 2)
        assert regions(m) == []


def test_many_pieces_of_memory_all_arrive(tools):
    args = []
    for i in range(12):
        args += ["-object", "memory-backend-memfd,id=d%d,size=128M,share=on" % i,
                 "-device", "pc-dimm,memdev=d%d" % i]
    with Machine(tools, qemu_args=args) as m:
        m.enable()
        dimms = [r for r in regions(m) if r[0] >= 1 << 32 and r[1] == 128 << 20]
        assert len(dimms) == 12, regions(m)
        assert len({r[0] for r in dimms}) == 12


def test_dma_lands_in_guest_memory(tools):
    with Machine(tools) as m:
        m.enable()
        m.out(IO + DMA_ADDR, 0x200000)
        m.out(IO + DMA_GO, 0x5A)
        assert m.inp(IO + DMA_OK) == 1
        assert m.read_bytes(0x200000, 64) == b"\x5a" * 64
        assert m.read_bytes(0x200040, 1) == b"\0"


def test_private_memory_is_refused_with_the_way_out(tools):
    with Machine(tools, ram=("128M", "off")) as m:
        assert m.qemu.poll() == 1
        assert "guest memory is private to QEMU; start it with -object " \
            "memory-backend-memfd,id=mem,size=<RAM size>,share=on " \
            "-machine memory-backend=mem" in m.log(), m.log()


def test_iommu_is_refused(tools):
    with Machine(tools, machine="q35", qemu_args=["-device", "intel-iommu"]) as m:
        assert m.qemu.poll() == 1
        assert "vIOMMU" in m.log(), m.log()


def test_other_qemu_is_refused(tools):
    with Machine(tools, so=tools.wrong_so) as m:
        assert m.qemu.poll() == 1
        assert "built for QEMU 9.9.9" in m.log(), m.log()
        assert "./quickstart --build-only" in m.log(), m.log()


def test_socket_path_works_too(tools):
    with Machine(tools, by_path=True) as m:
        m.enable()
        m.write(MEM + UNSHADOWED, 77)
        assert m.read(MEM + UNSHADOWED) == 77


def test_missing_and_double_socket_are_explained(tools):
    with Machine(tools, device=",socket=/nowhere") as m:
        assert m.qemu.poll() == 1
        assert "give either fd=N" in m.log(), m.log()


def test_descriptor_that_nobody_passed_is_named(tools):
    with Machine(tools, device=",stats-fd=333") as m:
        assert m.qemu.poll() == 1, m.qemu.poll()
        assert "descriptor 333 isn't open; whoever starts QEMU passes it on" in m.log(), m.log()


def test_path_too_long_for_a_socket_is_named(tools):
    with Machine(tools, by_path=True, device=",socket=/" + 110 * "x") as m:
        assert m.qemu.poll() == 1, m.qemu.poll()
        assert "a socket's path has at most 107 characters" in m.log(), m.log()


def test_killed_worker_costs_the_device_only(tools):
    with Machine(tools) as m:
        m.enable()
        m.command("irq_intercept_in ioapic")
        m.out(IO + IRQ, 1)
        m.irq("raise 11")
        m.worker.kill()
        m.worker.wait()
        m.irq("lower 11")
        assert m.read(MEM + UNSHADOWED) == 0xFFFFFFFF
        assert m.inp(IO + UNSHADOWED, 1) == 0xFF
        m.write(MEM + UNSHADOWED, 1)
        m.cfg_write(0x04, 0, 2)
        assert m.cfg_read(0x00) == 0x00121000
        assert m.alive()
        assert m.log().count("mpring-pci lsi0: worker is gone") == 1, m.log()


def test_worker_that_exits_in_a_wait_is_noticed_at_once(tools):
    with Machine(tools) as m:
        m.enable()
        begin = time.monotonic()
        m.write(MEM + EXIT, 1)
        assert m.read(MEM + UNSHADOWED) == 0xFFFFFFFF
        assert time.monotonic() - begin < 2
        assert "worker is gone" in m.log(), m.log()


def test_stopped_worker_is_bounded_and_revived_by_reset(tools):
    with Machine(tools, device=",reply-timeout=300") as m:
        m.enable()
        m.worker.send_signal(signal.SIGSTOP)
        begin = time.monotonic()
        assert m.read(MEM + UNSHADOWED) == 0xFFFFFFFF
        assert 0.25 < time.monotonic() - begin < 5
        assert "worker is stuck" in m.log(), m.log()
        begin = time.monotonic()
        assert m.read(MEM + UNSHADOWED) == 0xFFFFFFFF
        assert time.monotonic() - begin < 0.25
        m.worker.send_signal(signal.SIGCONT)
        m.out(0xCF9, 6, 1)
        m.command("endianness")
        wait_for(lambda: "answers again" in m.log(), "the reset")
        m.enable()
        assert m.read(MEM + N_RESETS) >= 2
        assert m.log().count("worker is stuck") == 1, m.log()


def test_slow_worker_is_waited_for(tools):
    with Machine(tools) as m:
        m.enable()
        m.worker.send_signal(signal.SIGSTOP)
        resume = subprocess.Popen(["sh", "-c", "sleep 0.3; kill -CONT %d" % m.worker.pid])
        m.write(MEM + UNSHADOWED, 9)
        assert m.read(MEM + UNSHADOWED) == 9
        resume.wait()
        assert m.log() == "", m.log()


def test_report_of_what_is_no_memory_reaches_no_device(tools):
    """Mapping registers for writing would write to them, through a bounce buffer."""
    with Machine(tools, device=",dma-report=on") as m:
        m.enable()
        m.out(IO + DMA_ADDR, MEM)
        before = m.read(MEM + N_WRITES)
        m.out(IO + LIE, 64)
        assert m.read(MEM + N_WRITES) == before + 1
        for at, length in ((0xFFFFF000, 0x2000), (0x80000000, 1 << 27), (0xA0000, 0x60000)):
            m.out(IO + DMA_ADDR, at)
            m.out(IO + LIE, length)
        m.write(MEM + UNSHADOWED, 7)
        assert m.read(MEM + UNSHADOWED) == 7
        assert m.log() == "", m.log()


def test_code_that_dma_has_overwritten_runs_as_written(tools):
    if no_nasm(tools):
        return no_nasm(tools)
    got = run_guest(tools, "guest-code")
    assert got == [64, 0x10000 - 64, 64], got


def test_without_reports_old_code_would_run(tools):
    """The test above tests something: TCG does need the reports."""
    if no_nasm(tools):
        return no_nasm(tools)
    got = run_guest(tools, "guest-code", ",dma-report=off")
    assert got[1] == 64, got


def check_interrupts(tools, device="", accel="tcg"):
    """100 interrupts; the guest leaves every second one's cause for the next."""
    stats = Stats(tools.source_root)
    got = run_guest(tools, "guest-irq", device, accel, stats)
    assert got == [200, 100, 0], got
    return stats["proxy_irq_wakes"]


def test_guest_takes_each_interrupt_once_under_tcg(tools):
    if no_nasm(tools):
        return no_nasm(tools)
    check_interrupts(tools)


def test_guest_takes_each_interrupt_once_under_kvm_with_irqfd(tools):
    if no_kvm(tools):
        return no_kvm(tools)
    # KVM takes the eventfd: the irq thread never sees it, but for the time
    # before the guest has routed the pin.
    n_wakes = check_interrupts(tools, ",irqfd=on", "kvm")
    assert n_wakes == 0, n_wakes


def test_guest_takes_each_interrupt_once_under_kvm_without_irqfd(tools):
    if no_kvm(tools):
        return no_kvm(tools)
    check_interrupts(tools, ",irqfd=off", "kvm")


def reading_guest(tools, device="", worker=None):
    """A vCPU that reads a register in a loop, and waits for each answer."""
    folder = tempfile.TemporaryDirectory(prefix="mpring-qtest-")
    rom = build_guest(tools, folder.name, "guest-reader")
    m = Machine(tools, device=device, worker=worker, paused=False, qemu_args=["-bios", rom])
    m.folder = folder
    wait_for(lambda: m.read(0x6006, 2) == 0x600D, "the guest program: " + m.log())
    return m


def stop_worker_and_vcpu(m):
    """Stops the worker, and returns when the vCPU is in its wait."""
    m.worker.send_signal(signal.SIGSTOP)
    counts = [-1]

    def stands_still():
        counts.append(m.read(0x6000, 2))
        time.sleep(0.02)
        return counts[-1] == counts[-2]
    wait_for(stands_still, "the vCPU to wait")


def test_blocked_vcpu_leaves_the_rest_of_qemu_alone(tools):
    if no_nasm(tools):
        return no_nasm(tools)
    with reading_guest(tools) as m:
        stop_worker_and_vcpu(m)
        count = m.read(0x6000, 2)
        begin = time.monotonic()
        m.cfg_read(0x00)
        m.cfg_write(0x3C, 9, 1)  # kept until the vCPU is through
        m.cfg_write(0x04, 0x405, 2)
        assert time.monotonic() - begin < 1
        assert m.read(0x6000, 2) == count
        m.worker.send_signal(signal.SIGCONT)
        wait_for(lambda: m.read(0x6000, 2) != count, "the vCPU")
        assert m.inp(IO + CFG + 0x3C, 1) == 9
        assert m.inp(IO + CFG + 0x04, 2) == 0x405
        assert m.read(0x6004, 2) == 0
        assert m.log() == "", m.log()


def test_second_access_waits_for_the_blocked_first(tools):
    if no_nasm(tools):
        return no_nasm(tools)
    with reading_guest(tools) as m:
        m.out(IO + UNSHADOWED, 0x1234)
        stop_worker_and_vcpu(m)
        resume = subprocess.Popen(["sh", "-c", "sleep 0.3; kill -CONT %d" % m.worker.pid])
        assert m.inp(IO + UNSHADOWED) == 0x1234
        resume.wait()
        assert m.read(0x6004, 2) == 0
        assert m.log() == "", m.log()


def test_worker_killed_under_a_blocked_vcpu(tools):
    if no_nasm(tools):
        return no_nasm(tools)
    with reading_guest(tools) as m:
        stop_worker_and_vcpu(m)
        m.worker.kill()
        wait_for(lambda: m.read(0x6004, 2) > 0, "the guest to read ones")
        assert m.log().count("worker is gone") == 1, m.log()


def test_byte_out_of_turn_under_a_blocked_vcpu_is_not_forgotten(tools):
    """Used to make QEMU deaf to the socket for good: the vCPU had the link just then."""
    if no_nasm(tools):
        return no_nasm(tools)
    socks = []

    def worker(fd, folder):
        socks.append(socket.socket(fileno=os.dup(fd)))
        return [tools.fake_worker, "--fd", str(fd)]
    with reading_guest(tools, worker=worker) as m, socks[0]:
        stop_worker_and_vcpu(m)
        socks[0].send(b"x")
        for _ in range(3):
            m.command("endianness")  # the main loop goes round
        m.worker.send_signal(signal.SIGCONT)
        wait_for(lambda: "out of turn" in m.log(), "QEMU to look at the socket", 5)
        assert m.log().count("worker is gone") == 1, m.log()
        assert m.alive()


def test_reset_under_a_blocked_vcpu(tools):
    if no_nasm(tools):
        return no_nasm(tools)
    with reading_guest(tools, ",reply-timeout=400") as m:
        stop_worker_and_vcpu(m)
        m.out(0xCF9, 6, 1)
        m.worker.send_signal(signal.SIGCONT)
        # The guest program starts anew, and reads 0 again in the end.
        wait_for(lambda: m.read(0x6006, 2) == 0x600D and m.read(0x6004, 2) == 0
                 and m.inp(IO + N_RESETS) >= 2, "the guest to start again: " + m.log())
        assert m.alive()


def test_counters_count(tools):
    stats = Stats(tools.source_root)
    with Machine(tools, stats=stats) as m:
        m.enable()
        m.write(MEM + UNSHADOWED, 1)
        m.write(MEM + UNSHADOWED, 2)
        before = stats["proxy_waited_reads"]
        m.read(MEM + UNSHADOWED)
        m.read(MEM + SCRATCH)
        assert stats["proxy_posted_writes"] == 2
        assert stats["proxy_waited_reads"] == before + 1
        assert stats["proxy_shadow_reads"] == 1
        assert stats["proxy_wait_ns"] > 0


def test_unplug_ends_the_worker_and_plug_takes_a_new_one(tools):
    with Machine(tools) as m:
        m.enable()
        m.write(MEM + UNSHADOWED, 5)
        assert "return" in m.qmp(("device_del", {"id": "lsi0"}))
        m.out(0xAE08, 1 << 4)  # the guest ejects slot 4
        assert m.worker.wait(10) == 0
        assert m.cfg_read(0x00) == 0xFFFFFFFF
        path = os.path.join(m.dir, "second")
        m.worker = subprocess.Popen([tools.fake_worker, "--listen", path])
        wait_for(lambda: os.path.exists(path), "the second worker to listen")
        answer = m.qmp(("device_add", {"driver": "mpring-pci", "id": "lsi1", "addr": "5",
                                       "socket": path}))
        assert "return" in answer, answer
        m.cfg_write(0x14, MEM, slot=5)
        m.cfg_write(0x04, 6, 2, slot=5)
        assert m.read(MEM + UNSHADOWED) == 0
        assert regions(m)[0][0] == 0
        assert m.log() == "", m.log()


def test_plug_without_a_worker_fails_and_qemu_goes_on(tools):
    with Machine(tools) as m:
        answer = m.qmp(("device_add", {"driver": "mpring-pci", "id": "lsi1", "addr": "5",
                                       "socket": os.path.join(m.dir, "nobody")}))
        assert "error" in answer, answer
        m.enable()
        m.write(MEM + UNSHADOWED, 5)
        assert m.read(MEM + UNSHADOWED) == 5


def test_migration_is_blocked_and_says_why(tools):
    with Machine(tools) as m:
        answer = m.qmp(("migrate", {"uri": "tcp:127.0.0.1:9"}))
        assert "can't be migrated" in answer["error"]["desc"], answer


def test_properties_are_listed(tools):
    with Machine(tools) as m:
        answer = m.qmp(("device-list-properties", {"typename": "mpring-pci"}))
        names = {p["name"] for p in answer["return"]}
        assert {"fd", "socket", "reply-timeout", "spin", "dma-report", "irqfd",
                "stats-fd"} <= names, names


def main():
    parser = argparse.ArgumentParser()
    for name in ("qemu", "so", "wrong-so", "fake-worker", "nasm", "source-root"):
        parser.add_argument("--" + name)
    parser.add_argument("--only", default="")
    tools = parser.parse_args()
    tests = [f for name, f in globals().items() if name.startswith("test_") and tools.only in name]
    sys.exit(run_tests(tests, tools))


if __name__ == "__main__":
    main()
