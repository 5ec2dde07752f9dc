# SPDX-License-Identifier: BSD-3-Clause
"""The sessions that QEMU's documentation shows, with its own clients: socat, qemu.qmp, qmp-shell.

The worker is started by the two command lines that stand in multi-process QEMU's documentation, old and new; only
the program's name and the monitor are other.
"""
import argparse
import asyncio
import contextlib
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile

from monitor import DEADLINE_S, run_tests

DISKS = ("-device lsi53c895a,id=lsi0 -drive id=drive_image2,file={dir}/disk.qcow2 "
         "-device scsi-hd,id=drive2,drive=drive_image2,bus=lsi0.0,scsi-id=0 ")
NEW = "-machine x-remote " + DISKS + "-object x-remote-object,id=robj1,devid=lsi0,fd=4, "
OLD = "4 " + DISKS
MONITORS = "-qmp unix:{dir}/qmp,server,nowait -monitor unix:{dir}/hmp,server,nowait "
DAEMONIZED = "-daemonize -pidfile {dir}/pid "


@contextlib.contextmanager
def started(tools, line):
    """The folder of a worker that is started from a shell, with its socket as fd 4; ends with the proxy's end."""
    with tempfile.TemporaryDirectory(prefix="mpring-session-") as folder:
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", folder + "/disk.qcow2", "8M"], check=True)
        proxy, theirs = socket.socketpair()
        command = "exec 4<&%d; exec %s" % (theirs.fileno(), tools.worker + " " + line.format(dir=folder))
        with theirs:
            done = subprocess.run(["sh", "-c", command + DAEMONIZED.format(dir=folder)], pass_fds=[theirs.fileno()],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  timeout=DEADLINE_S)
        assert done.returncode == 0, done.stdout.decode()
        with open(folder + "/pid") as f:
            pid = os.pidfd_open(int(f.read()))
        try:
            yield folder
        finally:
            proxy.close()
            wait_for_end(pid)


def wait_for_end(pidfd):
    ended = select.select([pidfd], [], [], DEADLINE_S)[0]
    os.close(pidfd)
    assert ended, "the worker outlives its proxy"


def socat(address, text):
    """What comes back for @text, to its end."""
    done = subprocess.run(["socat", "-t%d" % DEADLINE_S, "-", address], input=text.encode(), stdout=subprocess.PIPE,
                          timeout=2 * DEADLINE_S, check=True)
    return done.stdout.decode()


def in_order(text, *words):
    at = 0
    for word in words:
        found = text.find(word, at)
        assert found >= 0, "no %r behind byte %d of:\n%s" % (word, at, text)
        at = found + len(word)


def talk_to_people(folder):
    in_order(socat("UNIX-CONNECT:%s/hmp" % folder, "info status\ninfo block\nstop\ninfo status\ncont\nquit\n"),
             "QEMU", "monitor - type 'help' for more information\r\n(qemu) ", "VM status: running\r\n",
             "drive_image2", "disk.qcow2 (qcow2)", "VM status: paused\r\n", "(qemu) ")


def test_the_old_command_line_has_a_monitor_for_people(tools):
    with started(tools, OLD + MONITORS) as folder:
        talk_to_people(folder)


def test_the_new_command_line_has_a_monitor_for_people(tools):
    with started(tools, NEW + MONITORS) as folder:
        talk_to_people(folder)


def test_the_session_of_the_qmp_documentation(tools):
    with started(tools, NEW + MONITORS) as folder:
        text = socat("UNIX-CONNECT:%s/qmp" % folder,
                     '{ "execute": "qmp_capabilities" }\n{ "execute": "query-status", "id": 7 }\n'
                     '{ "execute": "query-block" }\n{ "execute": "quit" }\n')
    in_order(text, '{"QMP": {"version": {"qemu": {', '"return": {}', '"status": "running"', '"id": 7',
             '"drv": "qcow2"', '"return": {}')
    assert '"event": "SHUTDOWN"' in text


def test_qemus_own_client_library(tools):
    from qemu.qmp import ExecuteError, QMPClient

    async def session(path):
        client = QMPClient("test")
        await client.connect(path)
        events = []

        async def listen():
            async for event in client.events:
                events.append(event["event"])

        listener = asyncio.create_task(listen())
        assert (await client.execute("query-version"))["package"].startswith("mpring")
        blocks = await client.execute("query-block")
        assert [b["inserted"]["image"]["format"] for b in blocks] == ["qcow2"]
        assert blocks[0]["inserted"]["image"]["virtual-size"] == 8 << 20
        stats = await client.execute("query-blockstats")
        assert stats[0]["stats"]["rd_operations"] == 0
        await client.execute("stop")
        assert (await client.execute("query-status"))["status"] == "paused"
        await client.execute("cont")
        await client.execute("block_resize", {"device": "drive_image2", "size": 16 << 20})
        blocks = await client.execute("query-block")
        assert blocks[0]["inserted"]["image"]["virtual-size"] == 16 << 20
        try:
            await client.execute("no-such-command")
            raise AssertionError("no-such-command was executed")
        except ExecuteError as e:
            assert e.error_class == "CommandNotFound", e
        await client.disconnect()
        listener.cancel()
        assert events[:2] == ["STOP", "RESUME"], events

    with started(tools, NEW + MONITORS) as folder:
        asyncio.run(asyncio.wait_for(session(folder + "/qmp"), DEADLINE_S))


def test_qemus_shell(tools):
    env = dict(os.environ, PYTHONPATH=tools.qmp)
    with started(tools, OLD + MONITORS) as folder:
        done = subprocess.run([sys.executable, "-m", "qemu.qmp.qmp_shell", folder + "/qmp"],
                              input=b"query-status\nblock_resize device=drive_image2 size=33554432\nstop\nquery-status\n",
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=DEADLINE_S, env=env)
    text = done.stdout.decode()
    assert done.returncode == 0, text
    in_order(text, "Connected to QEMU 7.2", '"status": "running"', '"return": {}', '"status": "paused"')


TESTS = [test_the_old_command_line_has_a_monitor_for_people, test_the_new_command_line_has_a_monitor_for_people,
         test_the_session_of_the_qmp_documentation, test_qemus_own_client_library, test_qemus_shell]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--worker", required=True)
    parser.add_argument("--qmp", required=True, help="folder of QEMU's Python package")
    tools = parser.parse_args()
    for what, hint in ((os.path.join(tools.qmp, "qemu", "qmp"), "run proxy/qemu/get-headers.sh"),
                       (shutil.which("socat") or "socat", "install socat"),
                       (shutil.which("qemu-storage-daemon") or "qemu-storage-daemon", "install qemu-system-common")):
        if not os.path.exists(what):
            print("1..0 # SKIP no %s; %s\n# skipped" % (what, hint))
            return 0
    sys.path.insert(0, tools.qmp)
    return run_tests(TESTS, tools)


if __name__ == "__main__":
    sys.exit(main())
