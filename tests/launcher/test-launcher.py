#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The launcher with a QEMU that does what real ones seldom do.

test-launcher.py MPRING [CHECK...]      TAP; without CHECK all
"""
import fcntl
import os
import select
import signal
import subprocess
import sys
import tempfile
import time

DEADLINE_S = 30
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
from tap import run_tests  # noqa: E402

FAKE = os.path.join(HERE, "fake_qemu.py")


class Launcher:
    """`mpring ARGS` in a folder of its own; {dir} in them is that. @qemu: words for fake_qemu.py."""

    def __init__(self, qemu, *args, seconds=0):
        self.folder = tempfile.TemporaryDirectory(prefix="mpring-launcher-")
        self.dir = self.folder.name
        for name in ("vmlinux", "initrd.img"):
            with open(self.path(name), "w") as f:
                f.write(name)
        env = dict(os.environ, FAKE_QEMU=qemu, FAKE_DIR=self.dir, FAKE_SECONDS=str(seconds), TMPDIR=self.dir)
        line = [MPRING, args[0], "--qemu", FAKE, "--worker", FAKE, "--plugin", FAKE]
        line += [a.format(dir=self.dir) for a in args[1:]]
        self.log = open(self.path("log"), "a+")
        self.process = subprocess.Popen(line, env=env, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                        start_new_session=True)

    def path(self, name):
        return os.path.join(self.dir, name)

    def text(self):
        self.log.seek(0)
        return self.log.read()

    def wait_until(self, what, is_so):
        deadline = time.monotonic() + DEADLINE_S
        while not is_so():
            assert self.process.poll() is None, "mpring ended before %s:\n%s" % (what, self.text())
            assert time.monotonic() < deadline, "%s didn't come:\n%s" % (what, self.text())
            time.sleep(0.02)

    def wait_for(self, words):
        self.wait_until(words, lambda: words in self.text())

    def pidfd(self, name):
        """of the process that left its pid in the file @name"""
        self.wait_until("the fake's " + name, lambda: os.path.exists(self.path(name)))
        with open(self.path(name)) as f:
            return os.pidfd_open(int(f.read()))

    def wait(self):
        try:
            return self.process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            raise AssertionError("mpring doesn't end:\n" + self.text()) from None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.log.close()
        self.folder.cleanup()


def perf(qemu, *args, **kwargs):
    return Launcher(qemu, "perf", "--guest", "{dir}", *args, **kwargs)


def check_ends(pidfd):
    ready = select.select([pidfd], [], [], DEADLINE_S)[0]
    if not ready:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    os.close(pidfd)
    assert ready, "QEMU still runs"


def a_qemu_whose_wrapper_was_killed_ends_too():
    """Used to be read from without a pause, and its results were taken."""
    with perf("wrapped", "--baseline") as run:
        run.wait_for("guest is up")
        wrapper, qemu = run.pidfd("wrapper"), run.pidfd("pid")
        signal.pidfd_send_signal(wrapper, signal.SIGKILL)
        os.close(wrapper)
        try:
            assert run.wait() == 1, run.text()
            assert "QEMU ended before the guest was done: killed by signal 9" in run.text(), run.text()
        finally:
            check_ends(qemu)
        assert os.path.exists(run.path("written")), run.text()


def the_copy_of_an_image_has_all_the_time_it_takes():
    """Used to count against --timeout: the guest was given up as it began to boot."""
    opened = []
    signal.signal(signal.SIGIO, lambda *_: opened.append(True))
    with tempfile.NamedTemporaryFile() as disk:
        # Who opens a file with a lease waits for us: for so long the image can't be copied.
        try:
            fcntl.fcntl(disk, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        except OSError as e:
            return "no leases on this file system: " + e.strerror
        with perf("done", "--compare", "--rounds", "1", "--disk", disk.name + ",format=qcow2", "--timeout", "5") as run:
            run.wait_until("the copy", lambda: opened)
            time.sleep(6)
            fcntl.fcntl(disk, fcntl.F_SETLEASE, fcntl.F_UNLCK)
            run.wait()
            assert "gave up" not in run.text() and "guest powers off" in run.text(), run.text()
    return None


def a_guest_that_is_given_up_is_told_how_to_have_longer():
    with perf("", "--baseline", "--timeout", "1") as run:
        assert run.wait() == 1, run.text()
        assert "gave up waiting for the guest: guest is up" in run.text(), run.text()
        assert "--timeout" in run.text(), run.text()


def a_qemu_that_does_not_answer_is_told_how_to_have_longer():
    with perf("mute", "--baseline", "--start-timeout", "1") as run:
        assert run.wait() == 1, run.text()
        assert "--start-timeout" in run.text(), run.text()


def interrupted(run):
    """Ends @run when its QEMU is there; did that write all?"""
    os.close(run.pidfd("pid"))
    run.process.send_signal(signal.SIGTERM)
    run.wait()
    return os.path.exists(run.path("written"))


def a_qemu_may_write_when_it_is_told_to_end():
    """Used to be killed after three seconds."""
    with Launcher("slow", "run", "--cdrom", "{dir}/vmlinux", seconds=5) as run:
        assert interrupted(run), run.text()
        assert "QEMU still writes" in run.text(), run.text()


def a_qemu_that_does_not_end_is_ended():
    with Launcher("slow", "run", "--cdrom", "{dir}/vmlinux", "--end-timeout", "2", seconds=60) as run:
        assert not interrupted(run), run.text()
        assert "QEMU was ended before it had written all" in run.text(), run.text()


def a_qemu_that_is_waited_for_is_ended_by_one_more_signal():
    with Launcher("slow", "run", "--cdrom", "{dir}/vmlinux", "--end-timeout", "1000", seconds=60) as run:
        os.close(run.pidfd("pid"))
        run.process.send_signal(signal.SIGTERM)
        run.wait_for("QEMU still writes")
        run.process.send_signal(signal.SIGTERM)
        assert run.wait() == 130, run.text()
        assert "QEMU was ended before it had written all" in run.text(), run.text()


def a_qemu_without_disks_of_the_user_is_not_waited_for():
    with perf("slow", "--baseline", seconds=60) as run:
        assert not interrupted(run), run.text()
        assert "still writes" not in run.text(), run.text()


TESTS = [a_qemu_that_does_not_answer_is_told_how_to_have_longer, a_qemu_may_write_when_it_is_told_to_end,
         a_qemu_that_does_not_end_is_ended, a_qemu_that_is_waited_for_is_ended_by_one_more_signal,
         a_qemu_without_disks_of_the_user_is_not_waited_for, the_copy_of_an_image_has_all_the_time_it_takes,
         a_guest_that_is_given_up_is_told_how_to_have_longer, a_qemu_whose_wrapper_was_killed_ends_too]


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    MPRING = sys.argv[1]
    sys.exit(run_tests([test for test in TESTS if len(sys.argv) == 2 or test.__name__ in sys.argv[2:]]))
