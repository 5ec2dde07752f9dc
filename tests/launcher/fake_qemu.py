#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""QEMU, and a worker, as far as the launcher sees them. FAKE_QEMU has words for what is special:

wrapped     somebody else starts it, and only waits for it
mute        its monitor says nothing
slow        takes FAKE_SECONDS to end when it is told to, as one that writes its disks
done        the guest says that it is done
FAKE_DIR is where it leaves its pid, its wrapper's, and "written" when it has ended in good order.
"""
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

LIFE_S = 120  # a test that fails leaves nothing for longer
WORDS = os.environ.get("FAKE_QEMU", "").split()
# The guest is seen to be up before it is seen to be done.
PAUSE_S = 0.3


def leave(name):
    path = os.path.join(os.environ["FAKE_DIR"], name)
    with open(path + ".new", "w") as f:
        f.write(str(os.getpid()))
    os.rename(path + ".new", path)


def end(*_):
    if "slow" in WORDS:
        time.sleep(float(os.environ["FAKE_SECONDS"]))
    leave("written")
    os._exit(0)


def sockets():
    """name -> socket of each chardev"""
    text = " ".join(sys.argv)
    return {name: socket.socket(fileno=int(fd)) for name, fd in re.findall(r"socket,id=([a-z-]+),fd=(\d+)", text)}


def run_worker():
    fd = re.search(r"x-remote-object,\S*fd=(\d+)", " ".join(sys.argv))[1]
    while os.read(int(fd), 4096):
        pass


def run_guest(report):
    report.sendall(b"boot Linux 1.0\n")
    if "done" in WORDS:
        time.sleep(PAUSE_S)
        report.sendall(b"done\n")
        end()


def commands(qmp):
    """Until its client goes. They aren't lines."""
    text, decoder = "", json.JSONDecoder()
    while True:
        try:
            command, n = decoder.raw_decode(text)
            text = text[n:].lstrip()
            yield command
        except json.JSONDecodeError:
            more = qmp.recv(4096)
            if not more:
                return
            text += more.decode()


def run_monitor(qmp, report):
    if "mute" in WORDS:
        signal.pause()
    qmp.sendall(b'{"QMP": {}}\n')
    for command in commands(qmp):
        value = [] if command["execute"] == "query-cpus-fast" else {}
        qmp.sendall(json.dumps({"return": value, "id": command["id"]}).encode() + b"\n")
        if command["execute"] == "quit":
            end()
        if command["execute"] == "query-version" and report:
            threading.Thread(target=run_guest, args=[report]).start()
    signal.pause()


def main():
    if "--version" in sys.argv:
        print("QEMU emulator version 0")
    elif "x-remote" in sys.argv:
        run_worker()
    elif "wrapped" in WORDS:
        leave("wrapper")
        words = " ".join(word for word in WORDS if word != "wrapped")
        subprocess.call(sys.argv, close_fds=False, env=dict(os.environ, FAKE_QEMU=words))
    else:
        signal.signal(signal.SIGTERM, end)
        signal.alarm(LIFE_S)
        leave("pid")
        has = sockets()
        run_monitor(has["mpring-qmp"], has.get("report"))


if __name__ == "__main__":
    main()
