#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""SeaBIOS and UEFI, two drivers that none of us wrote, boot from the remote disk or CD.

Usage: boot-test.py QEMU WORKER PLUGIN BOOT_IMAGE CD_IMAGE UEFI_PROGRAM UEFI_DRIVER
Prints TAP. SeaBIOS runs a quarter of a second under TCG, UEFI four seconds; a
guest that hangs is ended after DEADLINE_S and is a failure.
"""
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile

DEADLINE_S = 60
DISK_BYTES = 4 << 20
SECTOR = 512
# What boot.S prints when everything holds; see the head of that file. So cd.S, and uefi.c.
EXPECTED = b"boot;ABwr;end"
CD_EXPECTED = b"cd;vdx;end"
UEFI_EXPECTED = b"uefi;drwfve;end"
OVMF = "/usr/share/OVMF/OVMF_CODE_4M.fd"


class Failure(Exception):
    pass


class Skip(Exception):
    pass


def run_tool(*argv):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        raise Failure(f"{' '.join(argv)}: {done.stdout.decode(errors='replace')}")


def need(tool, package):
    if not shutil.which(tool):
        raise Skip(f"no {tool}; install {package}")


class Vm:
    """One guest with one remote disk; everything it leaves is in a temporary folder."""

    unit, memory, firmware = "scsi-hd", "64M", ()

    def __init__(self, accel="tcg", device="", worker=(), proxy="ours", remote="ours"):
        self.dir = tempfile.mkdtemp(prefix="mpring-boot.")
        self.disk = os.path.join(self.dir, "disk.img")
        self.accel, self.device, self.worker_args = accel, device, list(worker)
        self.proxy, self.remote = proxy, remote

    def make_disk(self):
        shutil.copyfile(BOOT_IMAGE, self.disk)
        os.truncate(self.disk, DISK_BYTES)

    def __enter__(self):
        try:
            self.make_disk()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.dir, ignore_errors=True)

    def start_worker(self, sock):
        program = [WORKER] if self.remote == "ours" else [QEMU, "-nodefaults", "-display", "none"]
        kind = "" if self.remote == "ours" else ",if=none"
        argv = program + [
                "-machine", "x-remote", "-device", "lsi53c895a,id=lsi0",
                "-drive", f"id=d0,file={self.disk},format=raw{kind}",
                "-device", f"{self.unit},drive=d0,bus=lsi0.0,scsi-id=0",
                "-object", f"x-remote-object,id=o0,devid=lsi0,fd={sock.fileno()}"]
        return subprocess.Popen(argv + self.worker_args, pass_fds=[sock.fileno()],
                                stderr=open(os.path.join(self.dir, "worker.log"), "wb"))

    def start_qemu(self, sock):
        argv = [QEMU, "-machine", f"pc,accel={self.accel},memory-backend=mem", "-m", self.memory,
                "-object", f"memory-backend-memfd,id=mem,size={self.memory},share=on",
                "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
                "-chardev", f"file,id=e9,path={self.dir}/e9.log",
                "-device", "isa-debugcon,iobase=0xe9,chardev=e9",
                "-device", "isa-debug-exit,iobase=0xf4,iosize=1"]
        if self.proxy == "ours":
            argv += ["-plugin", PLUGIN, "-device", f"mpring-pci,id=lsi0,fd={sock.fileno()}{self.device}"]
        else:
            argv += ["-device", f"x-pci-proxy-dev,id=lsi0,fd={sock.fileno()}"]
        return subprocess.Popen(argv + list(self.firmware), pass_fds=[sock.fileno()],
                                stderr=open(os.path.join(self.dir, "qemu.log"), "wb"))

    def run(self):
        """Returns what the guest printed; raises Failure with both logs if it didn't end."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        worker = self.start_worker(ours)
        qemu = self.start_qemu(theirs)
        ours.close()
        theirs.close()
        try:
            qemu.wait(DEADLINE_S)
            worker.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.fail("it did not end in time")
        finally:
            for child in (qemu, worker):
                if child.poll() is None:
                    child.send_signal(signal.SIGKILL)
                    child.wait()
        if worker.returncode != 0:
            self.fail(f"worker: exit status {worker.returncode}")
        return self.read("e9.log")

    def read(self, name):
        with open(os.path.join(self.dir, name), "rb") as f:
            return f.read()

    def fail(self, why):
        logs = "".join(f"\n{n}: {self.read(n).decode(errors='replace')}"
                       for n in ("e9.log", "qemu.log", "worker.log")
                       if os.path.exists(os.path.join(self.dir, n)))
        raise Failure(why + logs)


class ImageVm(Vm):
    """The disk is an image that a storage daemon opens; the worker gets a whole command line from a shell."""

    def __init__(self, line, fmt="qcow2", **more):
        super().__init__(**more)
        self.line, self.format = line, fmt
        self.image = os.path.join(self.dir, f"disk.{fmt}")

    def make_disk(self):
        need("qemu-storage-daemon", "qemu-utils")
        super().make_disk()
        if self.format == "qcow2":
            run_tool("qemu-img", "create", "-q", "-f", "qcow2", "-b", self.disk, "-F", "raw", self.image)
        else:
            run_tool("qemu-img", "convert", "-f", "raw", "-O", self.format, self.disk, self.image)

    def start_worker(self, sock):
        script = f"exec 4<&{sock.fileno()}; exec {self.line.replace('/path/disk.qcow2', self.image)}"
        script = script.replace("mpring-worker", WORKER, 1)
        return subprocess.Popen(["bash", "-c", script], pass_fds=[sock.fileno()],
                                stderr=open(os.path.join(self.dir, "worker.log"), "wb"))

    def check(self):
        """The image is whole, and has what the guest wrote; its backing file hasn't."""
        if self.format == "qcow2":
            run_tool("qemu-img", "check", "-q", self.image)
        run_tool("qemu-img", "convert", "-O", "raw", self.image, f"{self.dir}/out.img")
        disk, base = self.read("out.img"), self.read("disk.img")
        if disk[3 * SECTOR:4 * SECTOR] != disk[2 * SECTOR:3 * SECTOR]:
            raise Failure("sector 3 is not what the guest wrote")
        if base[3 * SECTOR:4 * SECTOR] == base[2 * SECTOR:3 * SECTOR]:
            raise Failure("the guest has written to the backing file")


class CdVm(Vm):
    """The disc has a boot program by El Torito, without emulation of a disk, and one file."""

    unit = "scsi-cd"

    def make_disk(self):
        need("genisoimage", "genisoimage")
        tree = os.path.join(self.dir, "tree")
        os.mkdir(tree)
        shutil.copyfile(CD_IMAGE, os.path.join(tree, "boot.img"))
        run_tool("genisoimage", "-quiet", "-o", self.disk, "-b", "boot.img", "-c", "boot.cat", "-no-emul-boot",
                 "-boot-load-size", "4", tree)


class UefiVm(Vm):
    """Stock OVMF, with UEFI's driver of our chip as the device's option ROM; a FAT disk with uefi.c's program."""

    memory = "256M"
    firmware = ("-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={OVMF}")

    def make_disk(self):
        need("mformat", "mtools")
        for path, hint in ((OVMF, "install ovmf"), (UEFI_DRIVER, "run tests/boot/get-uefi-driver.sh")):
            if not os.path.exists(path):
                raise Skip(f"no {path}; {hint}")
        self.device = f",romfile={UEFI_DRIVER}"
        with open(self.disk, "wb") as f:
            f.truncate(2 * DISK_BYTES)
        run_tool("mformat", "-i", self.disk, "-h", "16", "-t", "32", "-s", "32", "::")
        run_tool("mmd", "-i", self.disk, "::/EFI", "::/EFI/BOOT")
        run_tool("mcopy", "-i", self.disk, UEFI_PROGRAM, "::/EFI/BOOT/BOOTX64.EFI")
        with open(self.disk, "r+b") as f:  # free space of the file system, far behind its only file
            f.seek(UEFI_PATTERN_LBA * SECTOR)
            f.write(uefi_pattern())


UEFI_PATTERN_LBA = 4096


def uefi_pattern():
    return b"".join(struct.pack("<I", i ^ 0x5eed5eed) for i in range(32768))


def expect(vm, want):
    got = vm.run()
    if got != want:
        vm.fail(f"the guest printed {got!r}, expected {want!r}")


def seabios_boots_reads_and_writes():
    """The whole way under TCG; the written sector is in the image afterwards."""
    with Vm() as vm:
        expect(vm, EXPECTED)
        disk = vm.read("disk.img")
        if disk[3 * SECTOR:4 * SECTOR] != disk[2 * SECTOR:3 * SECTOR]:
            raise Failure("sector 3 is not what the guest wrote")


def code_loaded_twice_to_one_address_runs_what_was_loaded():
    """Under TCG the worker's DMA reports make QEMU forget the old translation."""
    with Vm(device=",dma-report=on") as vm:
        expect(vm, EXPECTED)


def without_dma_reports_old_code_runs():
    """The check above can fail: this is what it would see."""
    with Vm(device=",dma-report=off") as vm:
        got = vm.run()
        if not got.startswith(b"boot;AA"):
            vm.fail(f"the guest printed {got!r}: the code check proves nothing")


def boots_with_a_worker_that_always_sleeps():
    with Vm(worker=["--poll", "sleep"]) as vm:
        expect(vm, EXPECTED)


def boots_with_a_worker_that_never_sleeps():
    with Vm(worker=["--poll", "busy"]) as vm:
        expect(vm, EXPECTED)


def boots_without_io_uring():
    with Vm(worker=["--aio", "threads"]) as vm:
        expect(vm, EXPECTED)


def need_kvm():
    try:
        os.close(os.open("/dev/kvm", os.O_RDWR))
    except OSError as e:
        raise Skip(f"/dev/kvm: {e.strerror}")


def boots_under_kvm():
    need_kvm()
    with Vm(accel="kvm") as vm:
        expect(vm, EXPECTED)


# Nobody tells QEMU what a stock remote wrote, so under TCG the guest may run code that isn't there any more.
STOCK_EXPECTED = (EXPECTED, EXPECTED.replace(b"AB", b"AA"))


def expect_any(vm, wanted):
    got = vm.run()
    if got not in wanted:
        vm.fail(f"the guest printed {got!r}, expected one of {wanted!r}")


def expect_stock(vm):
    expect_any(vm, STOCK_EXPECTED)
    disk = vm.read("disk.img")
    if disk[3 * SECTOR:4 * SECTOR] != disk[2 * SECTOR:3 * SECTOR]:
        raise Failure("sector 3 is not what the guest wrote")


def our_proxy_boots_from_a_stock_remote():
    with Vm(remote="stock") as vm:
        expect_stock(vm)


def our_proxy_boots_from_a_stock_remote_under_kvm():
    need_kvm()
    with Vm(accel="kvm", remote="stock") as vm:
        expect(vm, EXPECTED)


def stock_proxy_boots_from_our_worker():
    with Vm(proxy="stock") as vm:
        expect_stock(vm)


def stock_proxy_boots_from_our_worker_that_always_sleeps():
    with Vm(proxy="stock", worker=["--poll", "sleep"]) as vm:
        expect_stock(vm)


def stock_proxy_boots_from_our_worker_under_kvm():
    need_kvm()
    with Vm(accel="kvm", proxy="stock") as vm:
        expect(vm, EXPECTED)


def our_proxy_boots_from_our_worker_by_socket():
    with Vm(device=",transport=socket") as vm:
        expect_stock(vm)


def our_proxy_boots_from_our_worker_by_socket_under_kvm():
    need_kvm()
    with Vm(accel="kvm", device=",transport=socket") as vm:
        expect(vm, EXPECTED)


def stock_proxy_boots_from_a_stock_remote():
    """What the other pairings are held against. SeaBIOS polls: it needs no interrupt, which this has under KVM only."""
    with Vm(proxy="stock", remote="stock") as vm:
        expect_stock(vm)


def stock_proxy_boots_from_a_stock_remote_under_kvm():
    need_kvm()
    with Vm(accel="kvm", proxy="stock", remote="stock") as vm:
        expect(vm, EXPECTED)


# The two command lines of multi-process QEMU's documentation, with another program's name.
OLD_FORM = ("mpring-worker 4 -device lsi53c895a,id=lsi0 -drive id=drive_image2,file=/path/disk.qcow2 "
            "-device scsi-hd,id=drive2,drive=drive_image2,bus=lsi0.0,scsi-id=0")
NEW_FORM = ("mpring-worker -machine x-remote -device lsi53c895a,id=lsi0 "
            "-drive id=drive_image2,file=/path/disk.qcow2 "
            "-device scsi-hd,id=drive2,drive=drive_image2,bus=lsi0.0,scsi-id=0 "
            "-object x-remote-object,id=robj1,devid=lsi0,fd=4")


def expect_image(vm, want=EXPECTED):
    expect(vm, want)
    vm.check()


def qcow2_boots_by_the_old_command_line():
    with ImageVm(OLD_FORM) as vm:
        expect_image(vm)


def qcow2_boots_by_the_new_command_line():
    with ImageVm(NEW_FORM) as vm:
        expect_image(vm)


def vmdk_boots_when_its_format_is_said():
    with ImageVm(OLD_FORM.replace("disk.qcow2", "disk.qcow2,format=vmdk"), fmt="vmdk") as vm:
        expect_image(vm)


def qcow2_boots_with_a_stock_proxy():
    with ImageVm(NEW_FORM, proxy="stock") as vm:
        expect_any(vm, STOCK_EXPECTED)
        vm.check()


def seabios_boots_from_cd():
    """CD_EXPECTED ends in a refused write: the disc is as it was."""
    with CdVm() as vm:
        before = vm.read("disk.img")
        expect(vm, CD_EXPECTED)
        if vm.read("disk.img") != before:
            raise Failure("the disc was written")


def uefi_boots_reads_and_writes():
    with UefiVm() as vm:
        expect(vm, UEFI_EXPECTED)
        start = UEFI_PATTERN_LBA * SECTOR + len(uefi_pattern())
        if vm.read("disk.img")[start:start + len(uefi_pattern())] != uefi_pattern():
            raise Failure("the disk has not what the program wrote")


TESTS = [seabios_boots_reads_and_writes, code_loaded_twice_to_one_address_runs_what_was_loaded,
         without_dma_reports_old_code_runs, boots_with_a_worker_that_always_sleeps,
         boots_with_a_worker_that_never_sleeps, boots_without_io_uring, boots_under_kvm,
         stock_proxy_boots_from_our_worker, stock_proxy_boots_from_our_worker_that_always_sleeps,
         stock_proxy_boots_from_our_worker_under_kvm, our_proxy_boots_from_our_worker_by_socket,
         our_proxy_boots_from_our_worker_by_socket_under_kvm,
         our_proxy_boots_from_a_stock_remote, our_proxy_boots_from_a_stock_remote_under_kvm,
         stock_proxy_boots_from_a_stock_remote, stock_proxy_boots_from_a_stock_remote_under_kvm,
         qcow2_boots_by_the_old_command_line, qcow2_boots_by_the_new_command_line,
         vmdk_boots_when_its_format_is_said, qcow2_boots_with_a_stock_proxy,
         seabios_boots_from_cd, uefi_boots_reads_and_writes]


def main():
    failed = 0
    print(f"TAP version 13\n1..{len(TESTS)}", flush=True)
    for i, test in enumerate(TESTS, 1):
        result, note = "ok", ""
        try:
            test()
        except Skip as e:
            note = f" # SKIP {e}"
        except Failure as e:
            result = "not ok"
            failed += 1
            print("".join(f"# {line}\n" for line in str(e).splitlines()), end="")
        print(f"{result} {i} - {test.__name__}{note}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) != 8:
        sys.exit(__doc__)
    QEMU, WORKER, PLUGIN, BOOT_IMAGE, CD_IMAGE, UEFI_PROGRAM, UEFI_DRIVER = sys.argv[1:]
    sys.exit(main())
