# SPDX-License-Identifier: BSD-3-Clause
"""A worker, or QEMU as one, with monitors, and clients of them."""
import array
import json
import os
import resource
import select
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import run_tests  # noqa: E402,F401

DEADLINE_S = 30


class Error(Exception):
    """QMP's answer was an error."""

    def __init__(self, error):
        super().__init__("%s: %s" % (error["class"], error["desc"]))
        self.error_class, self.desc = error["class"], error["desc"]


class Remote:
    """A program that speaks as x-remote, in a folder of its own.

    @disks: arguments; {dir} in them is that folder. The proxy's end of the
    socket is self.proxy.
    """

    def __init__(self, program, args=(), files=(), env=None, before=()):
        self.folder = tempfile.TemporaryDirectory(prefix="mpring-monitor-")
        self.dir = self.folder.name
        for name, size in files:
            with open(os.path.join(self.dir, name), "wb") as f:
                f.truncate(size)
        self.proxy, theirs = socket.socketpair()
        line = [*before, program, "-machine", "x-remote", "-device", "lsi53c895a,id=lsi0"]
        line += [a.format(dir=self.dir) for a in args]
        line += ["-object", "x-remote-object,id=robj1,devid=lsi0,fd=%d" % theirs.fileno(),
                 "-qmp", "unix:%s,server=on,wait=off" % self.path("qmp"),
                 "-monitor", "unix:%s,server,nowait" % self.path("hmp")]
        # Appended to: our reading moves the place that we share.
        self.log = open(self.path("log"), "a+")
        with theirs:
            self.process = subprocess.Popen(line, pass_fds=[theirs.fileno()], stderr=self.log,
                                            stdin=subprocess.DEVNULL, env=env)

    def path(self, name):
        return os.path.join(self.dir, name)

    def pids(self):
        """Its processes."""
        pid = self.process.pid
        with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
            return [pid] + [int(p) for p in f.read().split()]

    def limit_files(self, n_bytes):
        for pid in self.pids():
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (n_bytes, hard))

    def said(self):
        self.log.seek(0)
        return self.log.read()

    def dial(self, name):
        end = time.monotonic() + DEADLINE_S
        sock = socket.socket(socket.AF_UNIX)
        while True:
            try:
                sock.connect(self.path(name))
                return sock
            except OSError:
                assert self.process.poll() is None, self.said()
                assert time.monotonic() < end, "nobody listens: " + self.said()
                time.sleep(0.01)

    def wait(self):
        return self.process.wait(DEADLINE_S)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(DEADLINE_S)
        self.proxy.close()
        self.log.close()
        self.folder.cleanup()


NO_NAMESPACE = "no file system can be mounted in a user namespace"


def where(*prepared):
    """What runs its arguments in a namespace of mounts, after these commands; for Remote's @before."""
    return ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", " && ".join(prepared) + " && exec \"$@\"", "sh"]


def runs(before):
    return subprocess.run(before + ["true"], stderr=subprocess.DEVNULL, check=False).returncode == 0


class Client:
    """A connection that takes what comes up to a mark."""

    def __init__(self, sock):
        self.sock, self.pending = sock, b""

    def until(self, mark):
        end = time.monotonic() + DEADLINE_S
        while mark not in self.pending:
            ready, _, _ = select.select([self.sock], [], [], max(0, end - time.monotonic()))
            assert ready, "nothing more came after %r" % self.pending
            data = self.sock.recv(1 << 20)
            if not data:
                raise EOFError(self.pending)
            self.pending += data
        text, _, self.pending = self.pending.partition(mark)
        return text.decode()

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


class Qmp(Client):
    def __init__(self, remote, oob=False):
        super().__init__(remote.dial("qmp"))
        self.events = []
        self.greeting = self.message()
        while "event" in self.greeting:
            # QEMU may tell of RESUME while its monitor is still being made.
            self.greeting = self.message()
        self.run("qmp_capabilities", **({"enable": ["oob"]} if oob else {}))

    def message(self):
        return json.loads(self.until(b"\r\n"))

    def send(self, request, fds=()):
        data = json.dumps(request).encode()
        control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        assert self.sock.sendmsg([data], control) == len(data)

    def answer(self):
        while True:
            message = self.message()
            if "event" not in message:
                break
            self.events.append(message)
        if "error" in message:
            raise Error(message["error"])
        return message["return"]

    def run(self, command, fds=(), key="execute", **arguments):
        # node_name is "node-name"; _bps_max is "bps_max".
        arguments = {k[1:] if k[0] == "_" else k.replace("_", "-"): v for k, v in arguments.items()}
        self.send({key: command, "arguments": arguments}, fds)
        return self.answer()

    def fails(self, command, **arguments):
        try:
            value = self.run(command, **arguments)
        except Error as e:
            return e.error_class, e.desc
        raise AssertionError("%s returned %r" % (command, value))

    def event(self, name):
        """The next event of that name, its data; what came before it is forgotten."""
        while True:
            message = self.events.pop(0) if self.events else self.message()
            if message.get("event") == name:
                return message.get("data")

    def names(self):
        """Of the events so far; they are forgotten."""
        names, self.events = [e["event"] for e in self.events], []
        return names


class Hmp(Client):
    def __init__(self, remote):
        super().__init__(remote.dial("hmp"))
        self.banner = self.until(b"(qemu) ")

    def run(self, line):
        self.sock.sendall(line.encode() + b"\n")
        return self.until(b"(qemu) ").replace("\r\n", "\n")
