#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Start what `mpring run --dry-run` or `mpring perf --dry-run` printed, from a file or standard input.

    mpring run --disk disk.img --dry-run -- -m 1G -nographic >plan
    examples/replay.py plan

The lines "# fd NUMBER OWNER KIND ..." say which descriptors the command lines
expect, see mpring-run(1). They are made under these very numbers, and each
program inherits its own. What QEMU says on a socket that only it has (the
guest's console, the report of `mpring perf`) goes to standard output. Ends with
QEMU, with its exit status.
"""
import fcntl
import os
import re
import selectors
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile

FD_LINE = re.compile(r'# fd (\d+) (\w+) (\w+) (.*)')
F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW = 1, 2, 4
HIGH = 1000  # what we open for ourselves is out of the numbers' way


def out_of_the_way(fd):
    high = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, HIGH)
    os.close(fd)
    return high


class Plan:
    def __init__(self, text):
        self.commands = []
        self.made = {}  # owner -> numbers that it inherits
        self.kept = []  # our ends of sockets that have no other
        self.ends = {}  # name of a socket whose other end is still to come -> that end
        self.texts = {}  # number -> file that "#| " lines go to
        last = None
        for line in text.splitlines():
            found = FD_LINE.match(line)
            if found:
                last = int(found[1])
                self.make(last, found[2], found[3], found[4])
            elif line.startswith('#|'):
                os.write(self.texts[last], (line[2:].removeprefix(' ') + '\n').encode())
            elif line and not line.startswith('#'):
                self.commands.append(shlex.split(line))
        self.kept = list(self.ends.values())
        for fd in self.texts.values():
            os.lseek(fd, 0, os.SEEK_SET)

    def make(self, number, owner, kind, rest):
        fd = getattr(self, 'make_' + kind)(rest)
        os.dup2(fd, number, inheritable=False)
        os.close(fd)
        self.made.setdefault(owner, []).append(number)
        if kind == 'text':
            self.texts[number] = number

    def make_socket(self, name):
        if name in self.ends:
            return self.ends.pop(name)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.ends[name] = out_of_the_way(ours.detach())
        return out_of_the_way(theirs.detach())

    def make_stats(self, rest):
        size, head = rest.split()
        fd = out_of_the_way(os.memfd_create('mpring-stats', os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING))
        os.ftruncate(fd, int(size))
        os.pwrite(fd, bytes.fromhex(head), 0)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
        return fd

    def make_text(self, name):
        return out_of_the_way(os.memfd_create(name, os.MFD_CLOEXEC))

    def make_file(self, size):
        with tempfile.TemporaryFile() as f:
            f.truncate(int(size))
            return out_of_the_way(os.dup(f.fileno()))

    def make_copy(self, path):
        with tempfile.TemporaryFile() as f, open(path, 'rb') as original:
            shutil.copyfileobj(original, f)
            f.flush()
            return out_of_the_way(os.dup(f.fileno()))

    def start(self):
        children = []
        for i, argv in enumerate(self.commands):
            qemu = i == len(self.commands) - 1
            fds = self.made.get('qemu' if qemu else 'worker%d' % i, [])
            children.append(subprocess.Popen(argv, pass_fds=fds, stdin=None if qemu else subprocess.DEVNULL))
        # Or nobody would ever see the end of who has the other one.
        for fds in self.made.values():
            for fd in fds:
                os.close(fd)
        return children


def listen(fds):
    """until QEMU has closed them all"""
    selector = selectors.DefaultSelector()
    for fd in fds:
        selector.register(fd, selectors.EVENT_READ)
    while selector.get_map():
        for key, _ in selector.select():
            try:
                data = os.read(key.fd, 65536)
            except ConnectionError:
                data = b''
            if data:
                sys.stdout.buffer.write(data)
                sys.stdout.buffer.flush()
            else:
                selector.unregister(key.fd)


def main():
    with open(sys.argv[1]) if len(sys.argv) > 1 else sys.stdin as f:
        plan = Plan(f.read())
    if not plan.commands:
        sys.exit('replay.py: no command line in what was given')
    children = plan.start()
    try:
        listen(plan.kept)
        status = children[-1].wait()
        for worker in children[:-1]:
            worker.wait()
    finally:
        for child in children:
            child.kill()
            child.wait()
    return status if status >= 0 else 128 - status


if __name__ == '__main__':
    sys.exit(main())
