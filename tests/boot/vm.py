# SPDX-License-Identifier: BSD-3-Clause
"""A machine whose firmware boots from a remote disk, and what its tests share."""
import os
import shutil
import signal
import socket
import subprocess
import tempfile

DEADLINE_S = 60
DISK_BYTES = 4 << 20
SECTOR = 512
# What boot.S prints when everything holds; see its head.
EXPECTED = b"boot;ABwr;end"


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
    qemu = worker = plugin = boot_image = None  # programs and files, from the command line

    def __init__(self, accel="tcg", device="", worker=(), proxy="ours", remote="ours"):
        self.dir = tempfile.mkdtemp(prefix="mpring-boot.")
        self.disk = os.path.join(self.dir, "disk.img")
        self.accel, self.device, self.worker_args = accel, device, list(worker)
        self.proxy, self.remote = proxy, remote

    def make_disk(self):
        shutil.copyfile(self.boot_image, self.disk)
        os.truncate(self.disk, DISK_BYTES)

    def drive(self):
        """Properties of the worker's -drive."""
        return f"file={self.disk},format=raw"

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
        program = [self.worker] if self.remote == "ours" else [self.qemu, "-nodefaults", "-display", "none"]
        kind = "" if self.remote == "ours" else ",if=none"
        argv = program + [
                "-machine", "x-remote", "-device", "lsi53c895a,id=lsi0",
                "-drive", f"id=d0,{self.drive()}{kind}",
                "-device", f"{self.unit},drive=d0,bus=lsi0.0,scsi-id=0",
                "-object", f"x-remote-object,id=o0,devid=lsi0,fd={sock.fileno()}"]
        return subprocess.Popen(argv + self.worker_args, pass_fds=[sock.fileno()],
                                stderr=open(os.path.join(self.dir, "worker.log"), "wb"))

    def start_qemu(self, sock):
        argv = [self.qemu, "-machine", f"pc,accel={self.accel},memory-backend=mem", "-m", self.memory,
                "-object", f"memory-backend-memfd,id=mem,size={self.memory},share=on",
                "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
                "-chardev", f"file,id=e9,path={self.dir}/e9.log",
                "-device", "isa-debugcon,iobase=0xe9,chardev=e9",
                "-device", "isa-debug-exit,iobase=0xf4,iosize=1"]
        if self.proxy == "ours":
            argv += ["-plugin", self.plugin, "-device", f"mpring-pci,id=lsi0,fd={sock.fileno()}{self.device}"]
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


def expect(vm, want):
    got = vm.run()
    if got != want:
        vm.fail(f"the guest printed {got!r}, expected {want!r}")


def expect_any(vm, wanted):
    got = vm.run()
    if got not in wanted:
        vm.fail(f"the guest printed {got!r}, expected one of {wanted!r}")


def check_written(disk):
    """boot.S copies sector 2 to sector 3."""
    if disk[3 * SECTOR:4 * SECTOR] != disk[2 * SECTOR:3 * SECTOR]:
        raise Failure("sector 3 is not what the guest wrote")


def need_kvm():
    try:
        os.close(os.open("/dev/kvm", os.O_RDWR))
    except OSError as e:
        raise Skip(f"/dev/kvm: {e.strerror}")


def run_tests(tests):
    """Runs them in order, prints TAP, returns the exit status."""
    failed = 0
    print(f"TAP version 13\n1..{len(tests)}", flush=True)
    for i, test in enumerate(tests, 1):
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
