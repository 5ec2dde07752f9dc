# SPDX-License-Identifier: BSD-3-Clause
"""A Linux guest with remote disks that runs a script of checks and asks its host for help.

The guest's /init finds the script in fw_cfg and gives it the port
org.mpring.result.0 as fd 3; script/lib.sh has the guest's half of what travels
there, by lines:

    guest   check NAME              a check begins
            ok | not ok | skip WHY  how it ended
            # TEXT                  what it said, for a failure
            text NAME N             N bytes follow: text to compare with expected/NAME.txt
            host VERB ARGS          a question; the guest waits
            done STATUS             the script ended
    host    STATUS TEXT             the answer; 77: the check is to skip

A question is a method ask_VERB() of the guest's class.
"""
import ctypes
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

SLOT = 4  # PCI slot of the first adapter; script/lib.sh knows it too
PR_SET_PDEATHSIG = 1
PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207
WALL = 0x40000000


class Failure(Exception):
    pass


class Skip(Exception):
    pass


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class Disk:
    """A unit at ADAPTER:ID:LUN on a sparse file of its own, on the file of the caller, or without a medium."""

    format = 'raw'

    def __init__(self, place, size=0, drive='', device='', kind='scsi-hd', file=None):
        self.place, self.size, self.drive, self.device = place, size, drive, device
        self.kind, self.file = kind, file
        self.adapter, self.id, self.lun = map(int, place.split(':'))

    def arguments(self, folder):
        name = 'd' + self.place.replace(':', '-')
        where = 'bus=lsi%d.0,scsi-id=%d,lun=%d%s' % (self.adapter, self.id, self.lun, self.device)
        if not self.size and not self.file:
            return ['-device', '%s,%s' % (self.kind, where)]
        if not self.file:
            self.file = os.path.join(folder, name + '.img')
            self.create()
        return ['-drive', 'id=%s,if=none,file=%s,format=%s%s' % (name, self.file, self.format, self.drive),
                '-device', '%s,drive=%s,%s' % (self.kind, name, where)]

    def create(self):
        with open(self.file, 'wb') as f:
            f.truncate(self.size)

    def data_bytes(self, start, length):
        """Bytes of the range that the file has stored; the rest are holes."""
        fd, total, end = os.open(self.file, os.O_RDONLY), 0, start + length
        try:
            while start < end:
                data = os.lseek(fd, start, os.SEEK_DATA)
                start = os.lseek(fd, data, os.SEEK_HOLE)
                total += max(0, min(start, end) - data)
        except OSError:  # ENXIO: no data from here on
            pass
        finally:
            os.close(fd)
        return total


class Qcow2Disk(Disk):
    """The same as a qcow2 image, whose backing file, also qcow2, has BACKING at its start and its end."""

    format = 'qcow2'
    BACKING = os.urandom(64 << 10)

    def create(self):
        raw, back = self.file + '.raw', self.file + '.back'
        with open(raw, 'wb') as f:
            f.write(self.BACKING)
            f.truncate(self.size)
            f.seek(self.size - len(self.BACKING))
            f.write(self.BACKING)
        tool('qemu-img', 'convert', '-O', 'qcow2', raw, back)
        tool('qemu-img', 'create', '-q', '-f', 'qcow2', '-b', back, '-F', 'qcow2', self.file)


def tool(*argv):
    """What a program prints; Failure if it fails."""
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
    if done.returncode != 0:
        raise Failure('%s: %s' % (' '.join(argv), done.stdout.decode(errors='replace').replace('\n', '; ')))
    return done.stdout.decode(errors='replace')


def children(pid):
    """(pid, name) of all that @pid has started and that lives"""
    found = []
    for entry in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open('/proc/%s/stat' % entry) as f:
                name, rest = f.read().split('(', 1)[1].rsplit(')', 1)
        except OSError:
            continue
        if int(rest.split()[1]) == pid:
            found.append((int(entry), name))
    return found


class StalledThreads:
    """The block I/O threads of a worker, held by ptrace: its disks hang, its chip does not."""

    def __init__(self, pid):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
        self.held = []
        for tid in sorted(map(int, os.listdir('/proc/%d/task' % pid)))[2:]:  # behind control and polling thread
            self.hold(tid)
        if not self.held:
            raise Failure('worker %d has no block I/O thread' % pid)

    def ptrace(self, what, tid):
        if self.libc.ptrace(what, tid, None, None) != 0:
            raise Skip('ptrace: %s' % os.strerror(ctypes.get_errno()))

    def hold(self, tid):
        self.ptrace(PTRACE_SEIZE, tid)
        self.ptrace(PTRACE_INTERRUPT, tid)
        os.waitpid(tid, WALL)
        self.held.append(tid)

    def release(self):
        for tid in self.held:
            self.ptrace(PTRACE_DETACH, tid)
        self.held = []


class Guest:
    """
    QEMU and one worker for each adapter; a context manager that leaves nothing behind.

    Either side may be QEMU's own: stock_worker is its x-remote machine, proxy='x-pci-proxy-dev' its proxy. That one
    raises no interrupt under TCG, so its guest asks all handlers at each tick of the timer.
    """

    stock_worker, proxy, kernel = False, 'mpring-pci', ''

    def __init__(self, build, image, disks, script, workers=None, qemu=()):
        self.build, self.image, self.disks, self.workers_args = build, image, disks, workers or {}
        self.qemu_args = list(qemu)
        self.folder = tempfile.mkdtemp(prefix='mpring-guest-test.')
        self.workers, self.qemu, self.port, self.stalled = [], None, None, None
        self.buffer = b''
        with open(self.path('script'), 'w') as f:
            f.write(script)

    def path(self, name):
        return os.path.join(self.folder, name)

    def __enter__(self):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit('terminated'))
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for child in [self.qemu] + self.workers:
            if child and child.poll() is None:
                child.send_signal(signal.SIGKILL)
                child.wait()
        if self.port:
            self.port.close()
        shutil.rmtree(self.folder)

    def start_worker(self, adapter, sock):
        program = [self.build + '/remote-worker/mpring-worker']
        if self.stock_worker:
            program = ['qemu-system-x86_64', '-nodefaults', '-display', 'none']
        argv = program + ['-machine', 'x-remote', '-device', 'lsi53c895a,id=lsi%d' % adapter]
        for disk in self.disks:
            if disk.adapter == adapter:
                argv += disk.arguments(self.folder)
        argv += ['-object', 'x-remote-object,id=o0,devid=lsi%d,fd=%d' % (adapter, sock.fileno())]
        with open(self.path('worker%d.log' % adapter), 'wb') as log:
            self.workers.append(subprocess.Popen(argv + self.workers_args.get(adapter, []),
                                                 pass_fds=[sock.fileno()], stderr=log, preexec_fn=die_with_parent))

    def start(self):
        self.port, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        argv = ['qemu-system-x86_64', '-machine', 'pc,accel=tcg,memory-backend=mem', '-m', '512', '-cpu', 'max',
                '-object', 'memory-backend-memfd,id=mem,size=512M,share=on',
                '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot',
                '-kernel', self.image + '/vmlinux', '-initrd', self.image + '/initrd.img',
                '-append', 'console=ttyS0 quiet loglevel=5 panic=-1 no_timer_check mitigations=off ' + self.kernel,
                '-serial', 'file:' + self.path('console.log'),
                '-device', 'virtio-serial-pci,addr=2',
                '-chardev', 'socket,id=report,fd=%d' % theirs.fileno(),
                '-device', 'virtserialport,chardev=report,name=org.mpring.result.0',
                '-fw_cfg', 'name=opt/mpring/script,file=' + self.path('script'),
                '-plugin', self.build + '/proxy/qemu/mpring-pci.so'] + self.qemu_args
        fds = [theirs.fileno()]
        socks = []
        for adapter in sorted({disk.adapter for disk in self.disks}):
            ours, proxys = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
            self.start_worker(adapter, ours)
            ours.close()
            socks.append(proxys)
            fds.append(proxys.fileno())
            driver, _, properties = self.proxy.partition(',')
            argv += ['-device', '%s,id=lsi%d,addr=%d,fd=%d%s' % (
                driver, adapter, SLOT + adapter, proxys.fileno(), properties and ',' + properties)]
        with open(self.path('qemu.log'), 'wb') as log:
            self.qemu = subprocess.Popen(argv, pass_fds=fds, stderr=log, preexec_fn=die_with_parent)
        for sock in socks + [theirs]:
            sock.close()

    # --- the port ------------------------------------------------------------

    def read(self, n, deadline):
        while len(self.buffer) < n:
            if not select.select([self.port], [], [], max(0, deadline - time.monotonic()))[0]:
                raise Failure('the guest says nothing more')
            data = self.port.recv(65536)
            if not data:
                raise Failure('the guest has ended')
            self.buffer += data
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data

    def line(self, deadline):
        while b'\n' not in self.buffer:
            self.buffer = self.read(len(self.buffer) + 1, deadline) + self.buffer
        line, self.buffer = self.buffer.split(b'\n', 1)
        return line.decode(errors='replace')

    def answer(self, verb, *args):
        try:
            text, status = getattr(self, 'ask_' + verb)(*args), 0
        except Failure as e:
            text, status = str(e), 1
        except Skip as e:
            text, status = str(e), 77
        self.port.sendall(('%d %s\n' % (status, text or '')).encode())

    def logs(self):
        text = ''
        for name in ('worker0.log', 'worker1.log', 'qemu.log', 'console.log'):
            if os.path.exists(self.path(name)):
                with open(self.path(name), errors='replace') as f:
                    text += ''.join('%s: %s\n' % (name, line.rstrip()) for line in f.readlines()[-30:])
        return text

    # --- questions of the guest ----------------------------------------------

    def disk(self, place):
        return next(disk for disk in self.disks if disk.place == place)

    def ask_data(self, place, start, length):
        """how many bytes of a range the disk's file has stored"""
        return '%d' % self.disk(place).data_bytes(int(start), int(length))

    def ask_holds(self, place, offset, *words):
        """are these words at @offset of the disk's file?"""
        text = ' '.join(words)
        with open(self.disk(place).file, 'rb') as f:
            f.seek(int(offset))
            found = f.read(len(text))
        if found != text.encode():
            raise Failure('the file has %r at %s' % (found, offset))

    def ask_fsck(self, place):
        done = subprocess.run(['/sbin/e2fsck', '-fn', self.disk(place).file], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=60)
        if done.returncode != 0:
            raise Failure(done.stdout.decode(errors='replace').replace('\n', '; '))

    def ask_md5(self, place, guests):
        """the guest has read its whole disk: keep the sum, to compare when all has ended"""
        self.disk(place).md5 = guests

    def ask_kill_daemon(self, adapter):
        """the storage daemons of a worker"""
        daemons = [pid for pid, name in children(self.workers[int(adapter)].pid) if name.startswith('qemu-storage')]
        if not daemons:
            raise Failure('the worker has no storage daemon')
        for pid in daemons:
            os.kill(pid, signal.SIGKILL)

    def wait(self, deadline):
        """until QEMU and the workers have ended"""
        for child in [self.qemu] + self.workers:
            try:
                child.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                raise Failure('process %s does not end' % child.args[0])
        if any(worker.returncode for worker in self.workers):
            raise Failure('a worker failed: %s' % [worker.returncode for worker in self.workers])

    def ask_can_stall(self, adapter):
        StalledThreads(self.workers[int(adapter)].pid).release()

    def ask_stall(self, adapter):
        self.stalled = StalledThreads(self.workers[int(adapter)].pid)

    def ask_resume(self):
        self.stalled.release()
        self.stalled = None
