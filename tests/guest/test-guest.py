#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Linux in a guest on remote devices: load, verify, kill, leave nothing behind.

test-guest.py BUILD-DIR GUEST-IMAGE-DIR CASE...      TAP; without CASE all

Every child of the launcher is found by parentage (we are the subreaper, so
orphans come to us) and watched by a pidfd, so that "nothing is left" is about
the processes themselves and not about names.
"""
import ctypes
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

PR_SET_CHILD_SUBREAPER = 36
BUILD = GUEST = ''


class Skip(Exception):
    pass


def parents():
    """pid -> parent, for every process"""
    found = {}
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open('/proc/%s/stat' % pid) as f:
                found[int(pid)] = int(f.read().rsplit(')', 1)[1].split()[1])
        except (OSError, IndexError):
            pass
    return found


def descendants(root):
    tree, found, more = parents(), set(), {root}
    while more:
        more = {pid for pid, parent in tree.items() if parent in more} - found
        found |= more
    return found


def command_of(pid):
    try:
        with open('/proc/%d/cmdline' % pid, 'rb') as f:
            return f.read().split(b'\0')[0].decode()
    except OSError:
        return ''


class Launcher:
    """`mpring ARGS` with a private TMPDIR; stderr and stdout are collected as they come."""

    def __init__(self, *args):
        self.tmp = tempfile.mkdtemp(prefix='mpring-test.')
        env = dict(os.environ, TMPDIR=self.tmp)
        self.process = subprocess.Popen([BUILD + '/launcher/mpring'] + list(args), env=env, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.text = ''
        self.pidfds = {}

    def read(self, seconds):
        ready, _, _ = select.select([self.process.stdout], [], [], seconds)
        if ready:
            data = self.process.stdout.read()
            if data:
                self.text += data.decode(errors='replace')
                return True
            return False
        return True

    def watch(self):
        for pid in descendants(self.process.pid):
            if pid not in self.pidfds:
                try:
                    self.pidfds[pid] = (os.pidfd_open(pid), command_of(pid))
                except OSError:
                    pass

    def wait_for(self, pattern, seconds=120):
        deadline = time.monotonic() + seconds
        while not re.search(pattern, self.text):
            self.watch()
            ended = self.process.poll() is not None
            self.read(0.05)
            if ended and not re.search(pattern, self.text):
                raise AssertionError('mpring ended with %d before "%s":\n%s'
                                     % (self.process.returncode, pattern, self.text))
            if time.monotonic() > deadline:
                raise AssertionError('no "%s" within %d s:\n%s' % (pattern, seconds, self.text))

    def wait(self, seconds=180):
        deadline = time.monotonic() + seconds
        while self.process.poll() is None:
            self.watch()
            self.read(0.05)
            if time.monotonic() > deadline:
                raise AssertionError('mpring runs for more than %d s:\n%s' % (seconds, self.text))
        while self.read(0.2) and self.text and not self.process.stdout.closed:
            ready, _, _ = select.select([self.process.stdout], [], [], 0)
            if not ready:
                break
        return self.process.returncode

    def child(self, part):
        """pid of the first living child whose program's name has @part"""
        for pid in sorted(descendants(self.process.pid)):
            if part in os.path.basename(command_of(pid)):
                return pid
        raise AssertionError('no child %s' % part)

    def check_nothing_left(self, seconds=5):
        deadline = time.monotonic() + seconds
        for pid, (fd, name) in self.pidfds.items():
            left = max(0, deadline - time.monotonic())
            if not select.select([fd], [], [], left)[0]:
                raise AssertionError('%s (pid %d) still runs' % (name, pid))
        left = os.listdir(self.tmp)
        assert not left, 'files are left in TMPDIR: %s' % left

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        for fd, _ in self.pidfds.values():
            os.close(fd)
        # Orphans became our children; the zombies are ours to reap.
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
        shutil.rmtree(self.tmp)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def perf(*args):
    return Launcher('perf', '--guest', GUEST, *args)


def job_file(folder, text):
    path = os.path.join(folder, 'job.fio')
    with open(path, 'w') as f:
        f.write(text)
    return path


def locks_on(path, seconds=5):
    """Locks that are still there after a while: the kernel takes an io_uring, and the files
    registered with it, apart in the background, some milliseconds after its process ended."""
    inode = ':%d ' % os.stat(path).st_ino
    deadline = time.monotonic() + seconds
    while True:
        with open('/proc/locks') as f:
            locks = [line for line in f if inode in line]
        if not locks or time.monotonic() > deadline:
            return locks
        time.sleep(0.02)


# === cases ===================================================================

def verify_over(*options):
    """what the launcher measured while two devices wrote and read back; nothing was wrong"""
    with tempfile.TemporaryDirectory() as folder:
        job = job_file(folder, '[global]\nioengine=libaio\ndirect=1\niodepth=16\nverify=crc32c\nverify_fatal=1\n'
                               '[verify]\nrw=randwrite\nbsrange=512-64k\nsize=4M\n')
        result = os.path.join(folder, 'out.json')
        with perf('--devices', '2', '--job', job, '--json', result, *options) as run:
            assert run.wait() == 0, run.text
            run.check_nothing_left()
        with open(result) as f:
            out = json.load(f)
    rows = out['results'][0]['median']
    assert [row['device'] for row in rows] == ['lsi0', 'lsi1', 'total'], rows
    assert rows[2]['errors'] == 0 and rows[2]['n_ios'] > 100, rows
    assert rows[0]['transport']['proxy_posted_writes'] > 0, rows
    return out, run.text


def case_written_blocks_verify():
    out, _ = verify_over()
    counts = out['results'][0]['median'][0]['transport']
    assert out['context']['options']['transport'] == 'ring', out['context']
    assert counts['worker_commands'] > 0 and counts['proxy_shadow_reads'] > 0, counts


def case_written_blocks_verify_over_the_socket():
    out, text = verify_over('--transport', 'socket')
    counts = out['results'][0]['median'][0]['transport']
    assert out['context']['options']['transport'] == 'socket', out['context']
    assert 'remote: mpring-worker; transport: socket' in text, text
    # The socket protocol has no shadow page: this was no ring under another name.
    assert counts['worker_commands'] > 0 and counts['proxy_shadow_reads'] == 0, counts


def case_written_blocks_verify_with_a_stock_remote():
    out, text = verify_over('--remote', 'qemu')
    counts = out['results'][0]['median'][0]['transport']
    assert out['context']['options']['remote'] == 'qemu', out['context']
    assert 'remote: QEMU as -machine x-remote; transport: socket' in text, text
    assert counts['worker_commands'] == 0 and counts['instructions_per_io'] is None, counts
    assert counts['posted_writes_per_io'] > 0 and counts['worker_cpu_us_per_io'] > 0, counts


def case_dry_run_of_perf_can_be_started():
    with perf('--runtime', '1', '--dry-run') as run:
        assert run.wait() == 0, run.text
    replay = os.path.join(os.path.dirname(__file__), '..', '..', 'examples', 'replay.py')
    done = subprocess.run([replay], input=run.text.encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=180)
    text = done.stdout.decode(errors='replace')
    assert done.returncode == 0 and re.search(r'^end 0 0 ', text, re.M), text
    assert '"jobname" : "perf@lsi0"' in text, text


def case_guest_writes_reach_the_file():
    pattern = bytes.fromhex('feedbeef')
    with tempfile.TemporaryDirectory() as folder:
        disk = os.path.join(folder, 'disk')
        with open(disk, 'wb') as f:
            f.truncate(16 << 20)
        job = job_file(folder, '[w]\nioengine=libaio\ndirect=1\niodepth=8\nrw=write\nbs=64k\nsize=2M\n'
                               'buffer_pattern=0xfeedbeef\nend_fsync=1\n')
        with perf('--disk', disk, '--job', job) as run:
            assert run.wait() == 0, run.text
        with open(disk, 'rb') as f:
            assert f.read(2 << 20) == pattern * (2 << 18), 'the file has not what the guest wrote'
            assert not f.read().strip(b'\0'), 'written beyond what the guest wrote'
        assert not locks_on(disk)


def case_thirty_devices_behind_bridges():
    with perf('--devices', '30', '--devices-per-worker', '8', '--backend', 'null', '--runtime', '1') as run:
        assert run.wait(300) == 0, run.text
        rows = re.findall(r'^(lsi\d+)\s+(\d+)', run.text, re.M)
        assert len(rows) == 30 and all(int(iops) > 0 for _, iops in rows), run.text
        run.check_nothing_left()


def case_compare_prints_ratios():
    with perf('--compare', '--rounds', '1', '--runtime', '1') as run:
        assert run.wait() == 0, run.text
        assert re.search(r'IOPS x\d+\.\d\d', run.text), run.text
        assert re.search(r'^own0 ', run.text, re.M), run.text


def compare_qcow2(*options):
    """Two processes may not have it open: QEMU's own controller works on a copy, and nothing of that is left."""
    if not shutil.which('qemu-img'):
        raise Skip('no qemu-img; install qemu-utils')
    with tempfile.TemporaryDirectory() as folder:
        disk = os.path.join(folder, 'disk.qcow2')
        subprocess.run(['qemu-img', 'create', '-q', '-f', 'qcow2', disk, '64M'], check=True)
        job = job_file(folder, '[w]\nioengine=libaio\ndirect=1\niodepth=8\nrw=write\nbs=64k\nsize=2M\nverify=crc32c\n'
                               'verify_fatal=1\nend_fsync=1\n')
        with perf('--compare', '--rounds', '1', '--disk', disk + ',format=qcow2', '--job', job, *options) as run:
            assert run.wait() == 0, run.text
            assert re.search(r'IOPS x\d+\.\d\d', run.text), run.text
            assert "QEMU's own controllers have copies" in run.text, run.text
            run.check_nothing_left()
        subprocess.run(['qemu-img', 'check', '-q', disk], check=True)
        used = json.loads(subprocess.run(['qemu-img', 'map', '--output=json', disk], check=True,
                                         stdout=subprocess.PIPE).stdout)
        # What the remote wrote, once: the copy had the other round's.
        assert sum(part['length'] for part in used if part['data']) == 2 << 20, used


def case_qcow2_is_compared_with_a_stock_remote():
    compare_qcow2('--remote', 'qemu')


def case_qcow2_is_compared():
    compare_qcow2()


def end_at(moment, sig, expected):
    with tempfile.TemporaryDirectory() as folder:
        disk = os.path.join(folder, 'disk')
        with open(disk, 'wb') as f:
            f.truncate(16 << 20)
        with perf('--disk', disk, '--runtime', '60') as run:
            run.wait_for(moment)
            time.sleep(0.3)
            run.watch()
            run.process.send_signal(sig)
            status = run.wait(15)
            assert status == expected, 'status %d\n%s' % (status, run.text)
            run.check_nothing_left()
        assert not locks_on(disk)


def case_interrupt_at_start_leaves_nothing():
    end_at('starting', signal.SIGINT, 130)


def case_interrupt_in_boot_leaves_nothing():
    end_at('guest boots', signal.SIGINT, 130)


def case_interrupt_under_load_leaves_nothing():
    end_at('round 1 of 1', signal.SIGINT, 130)


def case_terminate_under_load_leaves_nothing():
    end_at('round 1 of 1', signal.SIGTERM, 130)


def case_kill_at_start_leaves_nothing():
    end_at('starting', signal.SIGKILL, -9)


def case_kill_in_boot_leaves_nothing():
    end_at('guest boots', signal.SIGKILL, -9)


def case_kill_under_load_leaves_nothing():
    end_at('round 1 of 1', signal.SIGKILL, -9)


def case_killed_worker_is_named_and_qemu_lives():
    with perf('--devices', '2', '--runtime', '60') as run:
        run.wait_for('round 1 of 1')
        time.sleep(1)
        qemu = run.child('qemu-system')
        worker = run.child('mpring-worker')
        os.kill(worker, signal.SIGKILL)
        run.wait_for(r'worker of lsi[01] \(pid %d\) ended: killed by signal 9' % worker, 10)
        time.sleep(2)
        run.watch()
        assert not select.select([run.pidfds[qemu][0]], [], [], 0)[0], 'QEMU ended with the worker:\n' + run.text
        assert run.process.poll() is None, run.text
        run.process.send_signal(signal.SIGINT)
        assert run.wait(15) == 130, run.text
        run.check_nothing_left()


def case_killed_worker_before_load_fails_the_run():
    with perf('--runtime', '60') as run:
        run.wait_for('guest boots')
        os.kill(run.child('mpring-worker'), signal.SIGKILL)
        assert run.wait(30) == 1, run.text
        assert 'gave up on the guest, whose device died' in run.text, run.text
        run.check_nothing_left()


def case_run_starts_a_guest_of_the_user():
    with tempfile.TemporaryDirectory() as folder:
        disk = os.path.join(folder, 'disk')
        with open(disk, 'wb') as f:
            f.truncate(16 << 20)
        with Launcher('run', '--disk', disk, '--', '-m', '512M', '-nodefaults', '-display', 'none', '-serial', 'stdio',
                      '-no-reboot', '-kernel', GUEST + '/vmlinux', '-initrd', GUEST + '/initrd.img',
                      '-append', 'console=ttyS0 loglevel=7 panic=-1 no_timer_check') as run:
            assert run.wait(120) == 0, run.text[-3000:]
            assert re.search(r'sym53c8xx|sym0: <895a>', run.text), run.text[-3000:]
            assert re.search(r'\[sda\] 32768 512-byte logical blocks', run.text), run.text[-3000:]
            run.check_nothing_left()


class Qmp:
    def __init__(self, run, path):
        deadline = time.monotonic() + 60
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        # The path is there a moment before somebody listens on it.
        while self.sock.connect_ex(path) != 0:
            assert time.monotonic() < deadline and run.process.poll() is None, run.text
            run.read(0.02)
        self.lines = self.sock.makefile('rw')
        self.answer()
        self.run('qmp_capabilities')

    def answer(self):
        """The next message that is no event; one may even come before the greeting."""
        while True:
            answer = json.loads(self.lines.readline())
            if 'event' not in answer:
                return answer

    def run(self, command):
        self.lines.write(json.dumps({'execute': command}) + '\n')
        self.lines.flush()
        return self.answer()['return']

    def close(self):
        self.lines.close()
        self.sock.close()


def case_run_ends_well_when_qemu_does():
    """Used to take a worker that saw QEMU end for a dead one, in one run of three."""
    with tempfile.TemporaryDirectory() as folder:
        disks = [os.path.join(folder, name) for name in ('disk0', 'disk1')]
        for disk in disks:
            with open(disk, 'wb') as f:
                f.truncate(16 << 20)
        for n in range(12):
            path = os.path.join(folder, 'qmp%d' % n)
            with Launcher('run', '--disk', disks[0], '--disk', disks[1], '--', '-m', '64M', '-nodefaults', '-display', 'none',
                          '-qmp', 'unix:%s,server=on,wait=off' % path) as run:
                qmp = Qmp(run, path)
                qmp.run('quit')
                qmp.close()
                assert run.wait(30) == 0 and not run.text, run.text
                run.check_nothing_left()


SLOW_WORKER = """#!/bin/sh
%s "$@"
sleep 3
echo written >%s
"""


def end_with_a_slow_worker(*options):
    """`mpring run` with a worker that takes three seconds to end: its status, what was said, did the worker end?"""
    with tempfile.TemporaryDirectory() as folder:
        disk, path, worker, end = [os.path.join(folder, name) for name in ('disk', 'qmp', 'worker', 'end')]
        with open(disk, 'wb') as f:
            f.truncate(16 << 20)
        with open(worker, 'w') as f:
            f.write(SLOW_WORKER % (BUILD + '/remote-worker/mpring-worker', end))
        os.chmod(worker, 0o755)
        with Launcher('run', '--disk', disk + ',format=raw', '--worker', worker, *options, '--', '-m', '64M', '-nodefaults',
                      '-display', 'none', '-qmp', 'unix:%s,server=on,wait=off' % path) as run:
            qmp = Qmp(run, path)
            qmp.run('quit')
            qmp.close()
            return run.wait(30), run.text, os.path.exists(end)


def case_worker_may_write_when_qemu_has_ended():
    """Used to be killed after half a second."""
    status, text, written = end_with_a_slow_worker()
    assert status == 0 and 'still writes' in text and written, text


def case_worker_that_does_not_end_is_ended():
    status, text, written = end_with_a_slow_worker('--end-timeout', '2')
    assert status == 1 and 'was ended before it had written all' in text and not written, text


LATE_WORKER = """#!/bin/sh
sleep 6
exec %s "$@"
"""


def case_worker_may_come_late():
    """Used to have five seconds."""
    with tempfile.TemporaryDirectory() as folder:
        disk, path, worker = [os.path.join(folder, name) for name in ('disk', 'qmp', 'worker')]
        with open(disk, 'wb') as f:
            f.truncate(16 << 20)
        with open(worker, 'w') as f:
            f.write(LATE_WORKER % (BUILD + '/remote-worker/mpring-worker'))
        os.chmod(worker, 0o755)
        with Launcher('run', '--disk', disk + ',format=raw', '--worker', worker, '--', '-m', '64M', '-nodefaults',
                      '-display', 'none', '-qmp', 'unix:%s,server=on,wait=off' % path) as run:
            qmp = Qmp(run, path)
            qmp.run('quit')
            qmp.close()
            assert run.wait(30) == 0, run.text


def monitor_of_worker(*options):
    """`mpring run --qmp PATH`: who answers there is the remote, not the guest's QEMU"""
    with tempfile.TemporaryDirectory() as folder:
        disk, path = os.path.join(folder, 'disk'), os.path.join(folder, 'qmp')
        with open(disk, 'wb') as f:
            f.truncate(16 << 20)
        with Launcher('run', '--disk', disk + ',format=raw', '--qmp', path, *options, '--', '-m', '64M', '-nodefaults',
                      '-display', 'none') as run:
            qmp = Qmp(run, path)
            names = [drive['device'] for drive in qmp.run('query-block')]
            qmp.close()
            assert names == ['disk-lsi0'], names
            run.process.send_signal(signal.SIGTERM)
            assert run.wait(30) == 130, run.text
            run.check_nothing_left()


def case_stock_remote_has_its_monitor_where_run_says():
    monitor_of_worker('--remote', 'qemu')


def case_worker_has_its_monitor_where_run_says():
    monitor_of_worker()


STOP_JOB = """[global]
ioengine=libaio
direct=1
iodepth=16
verify=crc32c
verify_fatal=1
do_verify=1
filename=/dev/mpring/lsi0
[verify]
rw=randwrite
bsrange=512-64k
size=16M
loops=%d
"""


def under_load(folder, disk, loops, disturb):
    """A guest of the user runs fio; disturb(qmp) again and again while it does."""
    with open(os.path.join(folder, 'plan'), 'w') as f:
        f.write('disk lsi0 02.0\nround job0\n')
    with open(os.path.join(folder, 'job0'), 'w') as f:
        f.write(STOP_JOB % loops)
    path = os.path.join(folder, 'qmp')
    with Launcher('run', '--disk', disk, '--', '-m', '512M', '-nodefaults', '-display', 'none', '-serial', 'stdio',
                  '-no-reboot', '-kernel', GUEST + '/vmlinux', '-initrd', GUEST + '/initrd.img',
                  '-append', 'console=ttyS0 quiet loglevel=5 panic=-1 no_timer_check', '-qmp', 'unix:%s,server=on,wait=off' % path,
                  '-fw_cfg', 'name=opt/mpring/plan,file=%s/plan' % folder,
                  '-fw_cfg', 'name=opt/mpring/job0,file=%s/job0' % folder) as run:
        qmp = Qmp(run, path)
        run.wait_for('begin 0')
        while 'end 0' not in run.text and run.read(0.1):
            disturb(qmp)
        qmp.close()
        assert run.wait(120) == 0, run.text[-3000:]
        assert re.search(r'end 0 0 ', run.text), run.text[-3000:]
        assert re.findall(r'"error"\s*:\s*(\d+)', run.text) == ['0'], run.text[-3000:]
        run.check_nothing_left()
        return run.text


def case_stopped_guest_leaves_its_disk_alone():
    with tempfile.TemporaryDirectory() as folder:
        disk = os.path.join(folder, 'disk')
        with open(disk, 'wb') as f:
            f.truncate(32 << 20)
        stops = []

        def disturb(qmp):
            qmp.run('stop')
            before = os.stat(disk).st_mtime_ns
            time.sleep(0.2)
            stops.append(os.stat(disk).st_mtime_ns == before)
            qmp.run('cont')

        under_load(folder, disk, 2, disturb)
        assert len(stops) > 5 and all(stops), stops


def case_full_disk_stops_the_guest_until_there_is_room():
    with tempfile.TemporaryDirectory() as folder:
        small = os.path.join(folder, 'small')
        os.mkdir(small)
        if os.geteuid() != 0 or subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=6m', 'tmpfs', small]).returncode:
            raise Skip('only root mounts a tmpfs')
        disk = os.path.join(small, 'disk')
        sizes = [6]

        def disturb(qmp):
            if qmp.run('query-status')['status'] != 'io-error':
                return
            sizes.append(sizes[-1] + 6)
            subprocess.run(['mount', '-o', 'remount,size=%dm' % sizes[-1], small], check=True)
            qmp.run('cont')

        try:
            with open(disk, 'wb') as f:
                f.truncate(32 << 20)
            text = under_load(folder, disk, 1, disturb)
            assert len(sizes) >= 3, sizes
            assert "No space left on device; QEMU's machine is stopped" in text, text[-3000:]
        finally:
            # io_uring lets go of its files some time after its process has ended.
            for _ in range(100):
                if subprocess.run(['umount', '-q', small], stderr=subprocess.DEVNULL).returncode == 0:
                    break
                time.sleep(0.1)


def case_interrupt_leaves_json_as_it_was():
    with tempfile.TemporaryDirectory() as folder:
        old, new = os.path.join(folder, 'old'), os.path.join(folder, 'new')
        with open(old, 'w') as f:
            f.write('of a run before')
        for path in (old, new):
            with perf('--json', path) as run:
                run.wait_for('guest boots')
                run.process.send_signal(signal.SIGINT)
                assert run.wait(15) == 130, run.text
        assert os.listdir(folder) == ['old'], os.listdir(folder)
        with open(old) as f:
            assert f.read() == 'of a run before'


def case_json_that_cannot_be_written_ends_at_once():
    with perf('--json', '/proc/none/out.json') as run:
        assert run.wait(20) == 1, run.text
        assert '--json /proc/none/out.json: No such file' in run.text, run.text
        assert 'guest boots' not in run.text, run.text


def refused(*args):
    with perf(*args) as run:
        assert run.wait(20) == 1, run.text
        assert 'HELLO' not in run.text, run.text
        return run.text


def case_what_fio_says_of_its_job_is_told_in_lines():
    with tempfile.TemporaryDirectory() as folder:
        with perf('--job', job_file(folder, '[a]\nrw=bogus\n')) as run:
            assert run.wait() == 1, run.text
    # fio's list of what is valid used to end in the middle.
    for line in ('fio: failed parsing rw=bogus', 'fio: job a@lsi0 dropped', r' +: randtrim +Random trim'):
        assert re.search(r'^mpring: warning: fio, round 1: %s$' % line, run.text, re.M), run.text


def case_disks_that_cannot_be_opened_are_named():
    assert 'qemu-img create -f' in refused('--disk', '/proc/none')
    with tempfile.TemporaryDirectory() as folder:
        disk = os.path.join(folder, 'disk')
        with open(disk, 'wb') as f:
            f.truncate(16 << 20)
        os.symlink('disk', disk + '2')
        assert 'twice' in refused('--disk', disk, '--disk', disk + '2')
        assert 'make-image.sh' in refused('--guest', folder)
        with Launcher('run', '--cdrom', folder + '/no.iso', '--', '-m', '64M') as run:
            assert run.wait(20) == 1 and 'no.iso: No such file or directory; genisoimage' in run.text, run.text


def case_what_is_installed_is_whole():
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(['meson', 'install', '-C', BUILD, '--no-rebuild', '--quiet', '--destdir', folder], check=True,
                       stdout=subprocess.DEVNULL)
        files = [os.path.join(path, name) for path, _, names in os.walk(folder) for name in names]
        programs = {os.path.basename(f): f for f in files if '/bin/' in f}
        pages = {os.path.basename(f)[:-2] for f in files if f.endswith('.1')} - {'mpring-perf', 'mpring-run'}
        assert not pages or pages == set(programs), (pages, programs)
        done = subprocess.run([programs['mpring'], 'perf'], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20)
        text = done.stdout.decode()
        script = re.search(r'(/\S+/make-image\.sh) DIR', text)
        assert done.returncode == 1 and script and '--guest DIR' in text, text
        # Used to name a script that wasn't installed. It knows no source tree to write into.
        done = subprocess.run([script[1]], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20)
        assert done.returncode == 1 and b'give DEST' in done.stdout, done.stdout
        assert os.path.exists(os.path.dirname(script[1]) + '/init'), files


def missing():
    for path, hint in ((BUILD + '/launcher/mpring', 'not built'),
                       (BUILD + '/remote-worker/mpring-worker', 'not built'),
                       (BUILD + '/proxy/qemu/mpring-pci.so', 'run proxy/qemu/get-headers.sh and configure again'),
                       (GUEST + '/vmlinux', 'run launcher/guest/make-image.sh'),
                       (GUEST + '/initrd.img', 'run launcher/guest/make-image.sh')):
        if not os.path.exists(path):
            return 'no %s; %s' % (path, hint)
    if not shutil.which('qemu-system-x86_64'):
        return 'no qemu-system-x86_64'
    return None


def run_case(nr, name, case):
    try:
        case()
        print('ok %d - %s' % (nr, name), flush=True)
    except Skip as why:
        print('ok %d - %s # SKIP %s' % (nr, name, why), flush=True)
    except Exception:
        for line in traceback.format_exc().splitlines():
            print('# ' + line)
        print('not ok %d - %s' % (nr, name), flush=True)
        return 1
    return 0


def main(argv):
    global BUILD, GUEST
    BUILD, GUEST = argv[1], argv[2]
    cases = {name[5:].replace('_', '-'): f for name, f in globals().items() if name.startswith('case_')}
    wanted = argv[3:] or list(cases)
    why = missing()
    if why:
        print('1..0 # SKIP %s' % why)
        print('# skipped: %s' % why)
        return 0
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    print('1..%d' % len(wanted), flush=True)
    return 1 if sum([run_case(nr + 1, name, cases[name]) for nr, name in enumerate(wanted)]) else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv))
