#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Start what `mpring run --dry-run` or `mpring perf --dry-run` printed, from a file or standard input.

    replay.py [PLAN]

    mpring run --disk disk.img --dry-run -- -m 1G -nographic >plan
    examples/replay.py plan

The lines "# fd NUMBER OWNER KIND ..." say which descriptors the command lines
expect, see mpring-run(1). They are made under these very numbers, and each
program inherits its own. What QEMU says on a socket that only it has (the
guest's console, the report of `mpring perf`) goes to standard output.

QEMU's standard input is ours, or the terminal if the plan came that way. While
it has the terminal, Ctrl-C is its own business. SIGTERM, and SIGINT otherwise,
end QEMU, and then the workers, which write what they hold.

Exit status: QEMU's, when the workers have ended, too; 1 something could not be
started, or nobody reads what we write; 2 a plan that can't be used; 130 or 143
ended by a signal.
"""
import argparse
import fcntl
import os
import re
import select
import selectors
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

FD_LINE = re.compile(r'# fd (\d+) (qemu|worker\d+) (socket|stats|text|file|copy) (.*)')
F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW = 1, 2, 4
HIGH = 1000  # what we open for ourselves is out of the numbers' way
END_TIMEOUT_S = 60


class BadPlan(Exception):
    pass


def reason(error):
    return f'{error.filename}: {error.strerror}' if error.filename else error.strerror


def out_of_the_way(fd):
    high = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, HIGH)
    os.close(fd)
    return high


class Plan:
    def __init__(self, text):
        self.commands = []
        self.workers = []
        self.qemu = None
        self.made = {}  # owner -> numbers that it inherits
        self.ends = {}  # name of a socket whose other end is still to come, or nobody's but ours -> that end
        self.texts = []  # numbers of files that "#| " lines go to
        for i, line in enumerate(text.split('\n'), 1):
            try:
                self.take(line)
            except OSError as e:
                raise BadPlan(f'line {i}: {reason(e)}')
            except (ValueError, OverflowError):
                raise BadPlan(f'line {i} is not what a dry run prints')
        for fd in self.texts:
            os.lseek(fd, 0, os.SEEK_SET)
        n_workers = max([int(owner[len('worker'):]) + 1 for owner in self.made if owner != 'qemu'], default=0)
        if len(self.commands) < n_workers + 1:
            raise BadPlan('command lines are missing')

    def take(self, line):
        if '\0' in line:
            raise ValueError
        if line.startswith('# fd '):
            found = FD_LINE.fullmatch(line)
            if not found:
                raise ValueError
            self.make(int(found[1]), found[2], found[3], found[4])
        elif line.startswith('#|'):
            if not self.texts:
                raise ValueError
            os.write(self.texts[-1], os.fsencode(line[2:].removeprefix(' ') + '\n'))
        elif line.strip() and not line.startswith('#'):
            self.commands.append(shlex.split(line))

    def make(self, number, owner, kind, rest):
        if not 2 < number < HIGH or any(number in fds for fds in self.made.values()):
            raise ValueError
        fd = getattr(self, 'make_' + kind)(rest)
        os.dup2(fd, number, inheritable=False)
        os.close(fd)
        self.made.setdefault(owner, []).append(number)
        if kind == 'text':
            self.texts.append(number)

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

    def start(self, stdin):
        try:
            for i, argv in enumerate(self.commands[:-1]):
                # Ctrl-C is not for them: QEMU may still need them.
                self.workers.append(subprocess.Popen(argv, pass_fds=self.made.get(f'worker{i}', []),
                                                     stdin=subprocess.DEVNULL, start_new_session=True))
            self.qemu = subprocess.Popen(self.commands[-1], pass_fds=self.made.get('qemu', []), stdin=stdin)
        finally:
            # Or nobody would ever see the end of who has the other one.
            for fds in self.made.values():
                for fd in fds:
                    os.close(fd)

    def end(self):
        """QEMU first; the workers see that, and write what they hold."""
        for fd in self.ends.values():
            os.close(fd)
        if self.qemu:
            self.qemu.terminate()
            end_in_time(self.qemu)
        for worker in self.workers:
            end_in_time(worker)


def end_in_time(child):
    try:
        child.wait(END_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


class Watch:
    """Waits for signals, the ends of children among them, and passes on what QEMU says to us."""

    def __init__(self, sockets):
        self.signals, wakeup = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(wakeup)
        for number in signal.SIGINT, signal.SIGTERM, signal.SIGCHLD:
            signal.signal(number, lambda *_: None)
        self.selector = selectors.DefaultSelector()
        for fd in [self.signals, *sockets]:
            self.selector.register(fd, selectors.EVENT_READ)

    def wait(self, child, heeded):
        """until it has ended and all is said; or until a signal of @heeded, which is returned"""
        ended, ready = False, True
        while ready or not ended:
            ended = child.poll() is not None
            ready = self.selector.select(0 if ended else None)
            for key, _ in ready:
                if key.fd != self.signals:
                    self.listen(key.fd)
                elif asked := [number for number in os.read(key.fd, 4096) if number in heeded]:
                    return asked[0]
        return 0

    def listen(self, fd):
        try:
            data = os.read(fd, 65536)
        except ConnectionError:
            data = b''
        if not data:
            self.selector.unregister(fd)
        while data:
            try:
                data = data[os.write(1, data):]
            except BlockingIOError:  # the terminal is as QEMU wants it
                select.select([], [1], [])
            except OSError as e:
                e.filename = 'standard output'
                raise


def read_plan(path):
    try:
        with open(0 if path is None else path, 'rb', closefd=path is not None) as f:
            text = f.read()
    except OSError as e:
        raise BadPlan(e.strerror)
    return Plan(os.fsdecode(text))


def terminal():
    try:
        return os.open('/dev/tty', os.O_RDWR)
    except OSError:
        return os.open(os.devnull, os.O_RDWR)


def run(plan, stdin):
    ours = [signal.SIGINT, signal.SIGTERM]
    watch = Watch(plan.ends.values())
    try:
        plan.start(stdin)
        asked = watch.wait(plan.qemu, [signal.SIGTERM] if os.isatty(stdin) else ours)
        for worker in plan.workers:  # they end by themselves when QEMU has closed its sockets
            asked = asked or watch.wait(worker, ours)
    finally:
        plan.end()
    status = plan.qemu.returncode
    return 128 + asked if asked else status if status >= 0 else 128 - status


def main():
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # nothing has been started yet
    parser = argparse.ArgumentParser(usage=__doc__.split('\n')[2].strip())
    parser.add_argument('plan', nargs='?')
    path = parser.parse_args().plan
    try:
        plan = read_plan(path)
    except BadPlan as e:
        print(f'replay.py: {"standard input" if path is None else path}: {e}', file=sys.stderr)
        return 2
    try:
        return run(plan, terminal() if path is None else 0)
    except OSError as e:
        print(f'replay.py: {reason(e)}', file=sys.stderr)
        return 1


if __name__ == '__main__':
    sys.exit(main())
