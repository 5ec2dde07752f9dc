# SPDX-License-Identifier: BSD-3-Clause
"""Workers, servers and clients that misbehave, or die, and what is left of the others then."""
import argparse
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from monitor import DEADLINE_S, NO_NAMESPACE, Qmp, Remote, run_tests, runs, where

MIB = 1 << 20
DISK = ["-drive", "id=d0,if=none,format=raw,file={dir}/disk.img",
        "-device", "scsi-hd,id=h0,drive=d0,bus=lsi0.0,scsi-id=0"]


def remote(tools, *args, **kwargs):
    return Remote(tools.worker, DISK + list(args), [("disk.img", MIB)], **kwargs)


@contextlib.contextmanager
def runtime_folder():
    """Where a worker puts what is its own."""
    before = os.environ.get("XDG_RUNTIME_DIR")
    with tempfile.TemporaryDirectory(prefix="mpring-hostile-") as folder:
        os.environ["XDG_RUNTIME_DIR"] = folder
        try:
            yield folder
        finally:
            if before is None:
                del os.environ["XDG_RUNTIME_DIR"]
            else:
                os.environ["XDG_RUNTIME_DIR"] = before


def children(pid):
    with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
        return [int(c) for c in f.read().split()]


def name_of(pid):
    """Nothing if it has gone meanwhile."""
    try:
        with open("/proc/%d/comm" % pid) as f:
            return f.read().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def worker_of(r):
    return [c for c in children(r.process.pid) if name_of(c) == "mpring-worker"][0]


def wait_until(what, is_so):
    end = time.monotonic() + DEADLINE_S
    while not is_so():
        assert time.monotonic() < end, what
        time.sleep(0.01)


def is_gone(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_the_worker_has_no_standard_input_and_output_of_the_user(tools):
    with remote(tools) as r, Qmp(r) as q:
        q.run("query-status")
        for fd in (0, 1):
            assert os.readlink("/proc/%d/fd/%d" % (worker_of(r), fd)) == "/dev/null"


def test_block_resize_leaves_the_worker_without_a_way_to_truncate(tools):
    """It is the supervisor that does it: also when the worker is in its last sandbox."""
    with remote(tools) as r, Qmp(r) as q:
        q.run("block_resize", device="d0", size=2 * MIB)
        assert q.run("query-block")[0]["inserted"]["image"]["virtual-size"] == 2 * MIB
        assert q.fails("block_resize", device="d0", size=511) == \
            ("GenericError", "The disk has blocks of 512 bytes; less than one can't be")
        assert os.path.getsize(r.path("disk.img")) == 2 * MIB


def test_a_monitor_is_removed_where_the_worker_can_not_start(tools):
    with remote(tools, "-drive", "id=x,format=raw,file={dir}/none",
                "-device", "scsi-hd,drive=x,scsi-id=3") as r:
        assert r.wait() == 1, r.said()
        assert not os.path.exists(r.path("qmp")) and not os.path.exists(r.path("hmp"))


def test_a_socket_in_the_way_stays_and_those_before_it_go(tools):
    with remote(tools) as r, Qmp(r) as q:
        with remote(tools, "-drive", "id=x,if=none,driver=null-co,size=1M",
                    "-qmp", "unix:{dir}/first,server,nowait",
                    "-qmp", "unix:%s,server,nowait" % r.path("disk.img")) as other:
            assert other.wait() == 1, other.said()
            assert not os.path.exists(other.path("first"))
        assert os.path.exists(r.path("disk.img"))
        q.run("query-status")


def make_qcow2(r):
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", r.path("disk.qcow2"), "8M"],
                   check=True)


def make_program(folder, text):
    path = os.path.join(folder, "daemon")
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, 0o755)
    return path


def qcow2_remote(tools, *args):
    """A disk that a storage daemon serves; None where there is no such program."""
    if not shutil.which("qemu-storage-daemon") or not shutil.which("qemu-img"):
        return None
    r = remote(tools, *args)
    make_qcow2(r)
    return r


def add_qcow2(q, r, node, **device):
    q.run("blockdev-add", driver="qcow2", node_name=node,
          file={"driver": "file", "filename": r.path("disk.qcow2")})
    q.run("device_add", driver="scsi-hd", id="h-" + node, drive=node, **device)


def test_a_daemon_of_a_hot_plugged_disk_may_speak_at_the_very_end(tools):
    """Its drive used to be gone by then, and its name is in the message."""
    with tools.folder() as folder:
        wrapper = make_program(folder, '#!/bin/sh\nqemu-storage-daemon "$@" &\n'
                                       'trap "echo good night >&2; kill $!" TERM\nwait $!\nwait $!\n')
        r = qcow2_remote(tools, "-storage-daemon", wrapper)
        if not r:
            return "no qemu-storage-daemon"
        with r:
            with Qmp(r) as q:
                add_qcow2(q, r, "n0", scsi_id=5)
                q.run("quit")
            assert r.wait() == 0, r.said()
            assert "drive n0: good night" in r.said(), r.said()


def make_mute_daemon(folder, first=":"):
    """Opens its image for ever; qemu-storage-daemon takes no notice of SIGTERM then."""
    return make_program(folder, "#!/bin/sh\ntrap '' TERM\n%s\nexec sleep 1000\n" % first)


def test_a_daemon_that_never_serves_keeps_nobody_from_ending(tools):
    with tools.folder() as folder:
        mute = make_mute_daemon(folder)
        with remote(tools, "-storage-daemon", mute, "-storage-daemon-start", "0",
                    "-drive", "id=q0,if=none,format=qcow2,file={dir}/disk.qcow2",
                    "-device", "scsi-hd,drive=q0,scsi-id=2") as r:
            wait_until("no daemon: " + r.said(), lambda: "sleep" in [
                name_of(c) for c in children(r.process.pid)])
            daemon = children(r.process.pid)[0]
            r.process.terminate()
            assert r.wait() == -signal.SIGTERM, r.said()
            assert is_gone(daemon)
            assert not os.path.exists(r.path("qmp"))


def test_a_daemon_that_never_serves_a_new_disk_keeps_nobody_from_ending(tools):
    with tools.folder() as folder:
        mute = make_mute_daemon(folder)
        with remote(tools, "-storage-daemon", mute, "-storage-daemon-start", "0") as r, Qmp(r) as q:
            with open(r.path("new.qcow2"), "wb"):
                pass
            q.run("blockdev-add", driver="qcow2", node_name="n9",
                  file={"driver": "file", "filename": r.path("new.qcow2")})
            q.send({"execute": "device_add", "arguments": {"driver": "scsi-hd", "drive": "n9", "scsi-id": 5}})
            wait_until("no daemon: " + r.said(), lambda: "sleep" in [
                name_of(c) for c in children(r.process.pid)])
            daemon = [c for c in children(r.process.pid) if name_of(c) == "sleep"][0]
            r.process.terminate()
            assert r.wait() == 0, r.said()
            assert is_gone(daemon)


def test_a_signal_at_any_time_leaves_no_monitor_behind(tools):
    if not shutil.which("qemu-storage-daemon") or not shutil.which("qemu-img"):
        return "no qemu-storage-daemon"
    with tools.folder() as folder:
        image = os.path.join(folder, "disk.qcow2")
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "8M"], check=True)
        for ms in range(0, 80, 4):
            with remote(tools, "-drive", "id=q0,if=none,format=qcow2,file=" + image,
                        "-device", "scsi-hd,drive=q0,scsi-id=2") as r:
                time.sleep(ms / 1000)
                r.process.terminate()
                assert r.wait() in (0, -signal.SIGTERM), r.said()
                assert not os.path.exists(r.path("qmp")) and not os.path.exists(r.path("hmp"))
    return None


def test_a_daemon_may_say_a_lot_before_it_serves(tools):
    """More than a pipe holds, and nobody listens to its monitor meanwhile."""
    with tools.folder() as folder:
        wrapper = make_program(folder, '#!/bin/sh\nyes "a line that says nothing at all" | head -n 10000 >&2\n'
                                       'exec qemu-storage-daemon "$@"\n')
        r = qcow2_remote(tools, "-storage-daemon", wrapper)
        if not r:
            return "no qemu-storage-daemon"
        with r, Qmp(r) as q:
            add_qcow2(q, r, "n0", scsi_id=5)


def test_what_a_daemon_said_is_told_when_it_is_late(tools):
    with tools.folder() as folder:
        mute = make_mute_daemon(folder, "echo daemon: the moon is full >&2")
        with remote(tools, "-storage-daemon", mute, "-storage-daemon-start", "1",
                    "-drive", "id=q0,if=none,format=qcow2,file={dir}/disk.qcow2",
                    "-device", "scsi-hd,drive=q0,scsi-id=2") as r:
            assert r.wait() == 1
            assert r.said() == ("mpring-worker: error: drive q0: %s isn't ready in time; --storage-daemon-start allows "
                                "more. It has said: daemon: the moon is full\n" % mute)


# Its monitor is a socket whose number stands in its options.
MONITOR = """#!/usr/bin/env python3
import os, re, socket, sys, time
monitor = socket.socket(fileno=int(re.search("fd=([0-9]+)", sys.argv[2])[1]))
"""


def test_a_daemon_that_only_talks_keeps_nobody_from_ending(tools):
    """Events, but no answers."""
    with tools.folder() as folder:
        daemon = make_program(folder, MONITOR + """
monitor.sendall(b'{"QMP": {"version": {}, "capabilities": []}}\\r\\n')
while True:
    monitor.sendall(b'{"event": "X", "timestamp": {"seconds": 1, "microseconds": 1}}\\r\\n')
    open(sys.argv[0] + ".talks", "w").close()
    time.sleep(0.01)
""")
        with remote(tools, "-storage-daemon", daemon, "-storage-daemon-start", "0",
                    "-drive", "id=q0,if=none,format=qcow2,file={dir}/disk.qcow2",
                    "-device", "scsi-hd,drive=q0,scsi-id=2") as r:
            wait_until("no daemon: " + r.said(), lambda: os.path.exists(daemon + ".talks"))
            r.process.terminate()
            assert r.wait() == -signal.SIGTERM, r.said()


def test_a_daemon_that_leaves_its_monitor_and_prints_on_is_no_daemon(tools):
    with tools.folder() as folder:
        daemon = make_program(folder, MONITOR + """
monitor.close()
while True:
    os.write(2, b"noise\\n")
    time.sleep(0.05)
""")
        with remote(tools, "-storage-daemon", daemon, "-storage-daemon-start", "0",
                    "-drive", "id=q0,if=none,format=qcow2,file={dir}/disk.qcow2",
                    "-device", "scsi-hd,drive=q0,scsi-id=2") as r:
            assert r.wait() == 1
            assert "drive q0: noise" in r.said()


def test_who_prints_for_a_dead_daemon_holds_up_nobody(tools):
    """Its helper has the pipe, and lives on."""
    with tools.folder() as folder:
        wrapper = make_program(folder, '#!/bin/sh\n(while echo noise; do sleep 0.1; done) >&2 &\n'
                                       'exec qemu-storage-daemon "$@"\n')
        r = qcow2_remote(tools, "-storage-daemon", wrapper)
        if not r:
            return "no qemu-storage-daemon"
        with r, Qmp(r) as q:
            add_qcow2(q, r, "n0", scsi_id=5)
            daemon = [c for c in children(r.process.pid) if name_of(c) == "qemu-storage-da"][0]
            os.kill(daemon, signal.SIGKILL)
            wait_until("it isn't started again", lambda: [
                c for c in children(r.process.pid) if name_of(c) == "qemu-storage-da" and c != daemon])
            q.run("query-status")
            q.run("quit")
            assert r.wait() == 0, r.said()


def test_relative_names_are_good_in_the_background_too(tools):
    if not shutil.which("qemu-storage-daemon") or not shutil.which("qemu-img"):
        return "no qemu-storage-daemon"
    with tools.folder() as folder:
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", os.path.join(folder, "q.qcow2"), "8M"], check=True)
        with open(os.path.join(folder, "raw.img"), "wb") as f:
            f.truncate(MIB)
        with remote(tools, "-daemonize", "-pidfile", "pid", "-qmp", "unix:own,server=on,wait=off",
                    "-drive", "id=q0,if=none,format=qcow2,file=q.qcow2", "-device", "scsi-hd,drive=q0,scsi-id=2",
                    "-drive", "id=w0,if=none,format=raw,file=raw.img", "-device", "scsi-hd,drive=w0,scsi-id=3",
                    before=["sh", "-c", 'cd "$0" && exec "$@"', folder]) as r:
            assert r.wait() == 0, r.said()
            with open(os.path.join(folder, "pid")) as f:
                pid = int(f.read())
            with Qmp(r) as q:
                daemon = [c for c in children(pid) if name_of(c) == "qemu-storage-da"][0]
                os.kill(daemon, signal.SIGKILL)
                q.run("block_resize", device="w0", size=2 * MIB)
                assert os.path.getsize(os.path.join(folder, "raw.img")) == 2 * MIB
                # It opens the image again before it takes a connection.
                wait_until("it isn't there again", lambda: q.run("query-named-block-nodes") and [
                    c for c in children(pid) if name_of(c) == "qemu-storage-da" and c != daemon])
                q.run("block_resize", device="q0", size=16 * MIB)
                q.run("quit")
            wait_until("it doesn't end", lambda: is_gone(pid))
            assert not os.path.exists(os.path.join(folder, "own"))
    return None


def test_who_waits_for_a_first_client_can_be_ended(tools):
    with remote(tools, "-qmp", "unix:{dir}/first,server=on") as r:
        wait_until("it doesn't wait", lambda: "waiting for a client" in r.said())
        r.process.terminate()
        assert r.wait() == -signal.SIGTERM, r.said()
        assert not os.path.exists(r.path("first")) and not os.path.exists(r.path("qmp"))


def silent_server():
    """Takes connections, and answers nothing; its port"""
    server = socket.create_server(("127.0.0.1", 0))
    return server, server.getsockname()[1]


@contextlib.contextmanager
def unreachable_port(address="127.0.0.1"):
    """Whoever connects to it waits: its queue is full."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.create_server((address, 0), backlog=0))
        for _ in range(4):
            sock = stack.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(server.getsockname())
        yield server.getsockname()[1]


def waits_for(port):
    """Is somebody on his way to it, beside those who fill its queue?"""
    with open("/proc/net/tcp") as f:
        return sum(line.split()[2].endswith(":%04X" % port) and line.split()[3] == "02" for line in f) > 3


def test_a_start_that_waits_for_a_server_can_be_ended(tools):
    server, port = silent_server()
    with server, remote(tools, "-storage-daemon-start", "0", "-drive", "id=n0,if=none,file=nbd://127.0.0.1:%d" % port,
                        "-device", "scsi-hd,drive=n0") as r:
        server.settimeout(DEADLINE_S)
        with server.accept()[0]:
            wait_until("no worker", lambda: children(r.process.pid))
            r.process.terminate()
            assert r.wait() == -signal.SIGTERM, r.said()
        assert r.said() == "" and not os.path.exists(r.path("qmp"))
    with unreachable_port() as port:
        before = ["-storage-daemon-start", "0", "-drive", "id=n0,if=none,file=nbd://127.0.0.1:%d" % port]
        with remote(tools, *before, "-device", "scsi-hd,drive=n0") as r:
            wait_until("it doesn't connect", lambda: waits_for(port))
            r.process.terminate()
            assert r.wait() == -signal.SIGTERM, r.said()
            assert not os.path.exists(r.path("qmp"))


def test_a_new_disk_whose_server_is_out_of_reach_keeps_nobody_from_ending(tools):
    with unreachable_port() as port, remote(tools, "-storage-daemon-start", "0") as r, Qmp(r) as q:
        q.run("blockdev-add", driver="nbd", node_name="n9",
              server={"type": "inet", "host": "127.0.0.1", "port": str(port)})
        q.send({"execute": "device_add", "arguments": {"driver": "scsi-hd", "drive": "n9", "scsi-id": 5}})
        wait_until("it doesn't connect", lambda: waits_for(port))
        r.process.terminate()
        assert r.wait() == 0, r.said()


def test_the_second_address_of_a_server_is_tried_too(tools):
    name = "two.mpring.test"
    hosts = where("mount -t tmpfs none /mnt", "printf '127.0.0.1 %s\\n127.0.0.2 %s\\n' >/mnt/hosts" % (name, name),
                  "mount --bind /mnt/hosts /etc/hosts")
    if not runs(hosts):
        return NO_NAMESPACE
    if not shutil.which("qemu-nbd"):
        return "no qemu-nbd"
    first = subprocess.run(hosts + ["getent", "ahosts", name], stdout=subprocess.PIPE, check=True).stdout.split()[0].decode()
    second = {"127.0.0.1": "127.0.0.2", "127.0.0.2": "127.0.0.1"}[first]
    with tools.folder() as folder, unreachable_port(first) as port:
        image = os.path.join(folder, "disk.img")
        with open(image, "wb") as f:
            f.truncate(MIB)
        server = subprocess.Popen(["qemu-nbd", "-x", "e", "-b", second, "-p", str(port), "-t", "-e", "4", "-f", "raw", image],
                                  stderr=subprocess.DEVNULL)
        try:
            wait_until("no NBD server", lambda: server.poll() is not None or accepts(second, port))
            with remote(tools, "-drive", "id=n0,if=none,file=nbd://%s:%d/e" % (name, port),
                        "-device", "scsi-hd,drive=n0", before=hosts) as r, Qmp(r) as q:
                assert q.run("query-block")[1]["device"] == "n0"
        finally:
            server.kill()
            server.wait()
    return None


def accepts(address, port):
    try:
        socket.create_connection((address, port)).close()
    except OSError:
        return False
    return True


def serve_nbd(path, image):
    """qemu-nbd, once it listens"""
    if os.path.exists(path):
        os.unlink(path)
    server = subprocess.Popen(["qemu-nbd", "-x", "e", "-k", path, "-t", "-f", "raw", image])
    wait_until("no NBD server", lambda: os.path.exists(path) or server.poll() is not None)
    return server


def test_an_nbd_server_that_goes_is_said_once_and_its_return_too(tools):
    if not shutil.which("qemu-nbd"):
        return "no qemu-nbd"
    with tools.folder() as folder:
        path, image = os.path.join(folder, "nbd"), os.path.join(folder, "disk.img")
        with open(image, "wb") as f:
            f.truncate(MIB)
        server = serve_nbd(path, image)
        try:
            with remote(tools, "-drive", "id=n0,if=none,file=nbd+unix:///e?socket=" + path,
                        "-device", "scsi-hd,drive=n0,scsi-id=6") as r, Qmp(r):
                server.kill()
                server.wait()
                wait_until("its end isn't said", lambda: "drive n0: its NBD server is gone" in r.said())
                server = serve_nbd(path, image)
                wait_until("its return isn't said", lambda: "drive n0: its NBD server is there again" in r.said())
                assert r.said().count("is gone") == 1, r.said()
        finally:
            server.kill()
            server.wait()
    return None


def test_nothing_is_left_of_a_supervisor_that_was_killed(tools):
    """Its worker has something to flush, and nobody is left who would connect it again."""
    with tools.folder() as folder:
        r = qcow2_remote(tools, "-reconnect-delay", "86400")
        if not r:
            return "no qemu-storage-daemon"
        with r:
            with Qmp(r) as q:
                add_qcow2(q, r, "n0", scsi_id=5)
            pids = children(r.process.pid)
            assert len(pids) == 2, pids
            worker = worker_of(r)
            # So that it looks when all is over, or in the middle, but not before.
            os.kill(worker, signal.SIGSTOP)
            os.kill(r.process.pid, signal.SIGKILL)
            r.wait()
            os.kill(worker, signal.SIGCONT)
            for pid in pids:
                wait_until("process %d is still there: %s" % (pid, r.said()), lambda: is_gone(pid))
            assert os.listdir(folder) == []


def test_a_server_that_says_nothing_holds_up_nobody(tools):
    """Or not enough: its disk isn't added. The polling core used to wait for it, and with it all disks."""
    with remote(tools, "-rpc-timeout", "4") as r, Qmp(r, oob=True) as q, socket.socket(
            socket.AF_UNIX) as server:
        server.bind(r.path("mute"))
        server.listen()
        q.run("blockdev-add", driver="nbd", node_name="n0",
              server={"type": "unix", "path": r.path("mute")})
        q.send({"execute": "device_add", "id": "slow",
                "arguments": {"driver": "scsi-hd", "drive": "n0", "id": "h9", "scsi-id": 5}})
        server.settimeout(DEADLINE_S)
        first, _ = server.accept()
        with first:
            first.settimeout(DEADLINE_S)
            first.sendall(b"NBDMAGICIHAVEOPT\0\3")
            assert len(first.recv(4)) == 4, "the worker speaks with it"
            q.send({"exec-oob": "x-mpring-query-stats", "id": "quick"})
            answer = q.message()
            assert answer["id"] == "quick" and "return" in answer, answer
            answer = q.message()
            assert answer["id"] == "slow", answer
            assert "server doesn't answer" in answer["error"]["desc"], answer
        assert len(q.run("query-block")) == 1
        q.run("blockdev-del", node_name="n0")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--worker")
    parser.add_argument("--only", default="")
    tools = parser.parse_args()
    tools.worker = os.path.abspath(tools.worker)  # also from another folder
    tools.folder = runtime_folder
    tests = [f for name, f in globals().items() if name.startswith("test_") and tools.only in name]
    sys.exit(run_tests(tests, tools))


if __name__ == "__main__":
    main()
