#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""SeaBIOS and UEFI, two drivers that none of us wrote, boot from the remote disk or CD.

Usage: boot-test.py QEMU WORKER PLUGIN BOOT_IMAGE CD_IMAGE UEFI_PROGRAM UEFI_DRIVER
Prints TAP. SeaBIOS runs a quarter of a second under TCG, UEFI four seconds; a
guest that hangs is ended after DEADLINE_S and is a failure.
"""
import os
import shutil
import struct
import subprocess
import sys

from vm import (DISK_BYTES, EXPECTED, SECTOR, Failure, Skip, Vm, check_written, expect, expect_any, need, need_kvm,
                run_tests, run_tool)

# What cd.S and uefi.c print when everything holds; see their heads.
CD_EXPECTED = b"cd;vdx;end"
UEFI_EXPECTED = b"uefi;drwfve;end"
OVMF = "/usr/share/OVMF/OVMF_CODE_4M.fd"


class ImageVm(Vm):
    """The disk is an image that a storage daemon opens; the worker gets a whole command line from a shell."""

    def __init__(self, line, fmt="qcow2", **more):
        super().__init__(**more)
        self.line, self.format = line, fmt
        self.image = os.path.join(self.dir, f"disk.{fmt}")

    def make_disk(self):
        need("qemu-storage-daemon", "qemu-system-common")
        super().make_disk()
        if self.format == "qcow2":
            run_tool("qemu-img", "create", "-q", "-f", "qcow2", "-b", self.disk, "-F", "raw", self.image)
        else:
            run_tool("qemu-img", "convert", "-f", "raw", "-O", self.format, self.disk, self.image)

    def start_worker(self, sock):
        script = f"exec 4<&{sock.fileno()}; exec {self.line.replace('/path/disk.qcow2', self.image)}"
        script = script.replace("mpring-worker", self.worker, 1)
        return subprocess.Popen(["bash", "-c", script], pass_fds=[sock.fileno()],
                                stderr=open(os.path.join(self.dir, "worker.log"), "wb"))

    def check(self):
        """The image is whole, and has what the guest wrote; its backing file hasn't."""
        if self.format == "qcow2":
            run_tool("qemu-img", "check", "-q", self.image)
        run_tool("qemu-img", "convert", "-O", "raw", self.image, f"{self.dir}/out.img")
        disk, base = self.read("out.img"), self.read("disk.img")
        check_written(disk)
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


def seabios_boots_reads_and_writes():
    """The whole way under TCG; the written sector is in the image afterwards."""
    with Vm() as vm:
        expect(vm, EXPECTED)
        check_written(vm.read("disk.img"))


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


def boots_under_kvm():
    need_kvm()
    with Vm(accel="kvm") as vm:
        expect(vm, EXPECTED)


# Nobody tells QEMU what a stock remote wrote, so under TCG the guest may run code that isn't there any more.
STOCK_EXPECTED = (EXPECTED, EXPECTED.replace(b"AB", b"AA"))


def expect_stock(vm):
    expect_any(vm, STOCK_EXPECTED)
    check_written(vm.read("disk.img"))


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


if __name__ == "__main__":
    if len(sys.argv) != 8:
        sys.exit(__doc__)
    Vm.qemu, Vm.worker, Vm.plugin, Vm.boot_image, CD_IMAGE, UEFI_PROGRAM, UEFI_DRIVER = sys.argv[1:]
    sys.exit(run_tests(TESTS))
