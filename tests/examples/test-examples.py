#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The examples do what they say: each boots SeaBIOS from a remote disk under TCG.

test-examples.py SOURCE-ROOT QEMU WORKER PLUGIN MPRING BOOT_IMAGE [CHECK...]      TAP; without CHECK all
"""
import fcntl
import glob
import os
import pty
import re
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import time
import xml.etree.ElementTree

DEADLINE_S = 60
DISK_BYTES = 4 << 20
# What boot.S prints; stock QEMU's proxy tells TCG nothing of DMA, so that old code may run: A for B.
BOOTED = re.compile(rb'boot;ABwr;end')
BOOTED_STOCK = re.compile(rb'boot;A[AB]wr;end')
EXIT_DEBUG = 3  # isa-debug-exit's status for what boot.S writes there
GUEST = ['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-debugcon', 'stdio',
         '-device', 'isa-debug-exit,iobase=0xf4,iosize=1']


class Failure(Exception):
    pass


class Skip(Exception):
    pass


class Place:
    """A folder for one check, with boot disks in it."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix='mpring-examples.')
        self.env = dict(os.environ, QEMU=QEMU, WORKER=WORKER, PLUGIN=PLUGIN, MEMORY='64M', TMPDIR=self.dir)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.dir)

    def path(self, name):
        return os.path.join(self.dir, name)

    def disk(self, name='disk.img'):
        path = self.path(name)
        shutil.copyfile(BOOT_IMAGE, path)
        os.truncate(path, DISK_BYTES)
        return path

    def run(self, *argv, status=0, text=None):
        """what it wrote to standard output; it ends within DEADLINE_S, with @status"""
        process = subprocess.Popen(argv, env=self.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, cwd=self.dir, start_new_session=True)
        try:
            out, err = process.communicate(text, DEADLINE_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # what it has started, too
            out, err = process.communicate()
            raise Failure(f'{argv[0]} did not end in time\n{out}\n{err.decode(errors="replace")}')
        if process.returncode != status:
            raise Failure(f'{argv[0]} ended with {process.returncode}, expected {status}\n{out}\n'
                          + err.decode(errors='replace'))
        return out

    def boots(self, *argv, expect=BOOTED, text=None):
        out = self.run(*argv, status=EXIT_DEBUG, text=text)
        if not expect.search(out):
            raise Failure(f'{argv[0]}: the guest printed {out!r}')
        return out


def example(name):
    return os.path.join(ROOT, 'examples', name)


def check_written(disk, same=True):
    """Sector 3 has what the program of sector 2 left behind; old code leaves something else."""
    with open(disk, 'rb') as f:
        data = f.read()
    if not data[3 * 512:4 * 512].strip(b'\0') or same and data[3 * 512:4 * 512] != data[2 * 512:3 * 512]:
        raise Failure('sector 3 of the disk is not what the guest wrote')


def need(tool, package):
    if not shutil.which(tool):
        raise Skip(f'no {tool}; install {package}')


def still_run(words):
    """who has one of @words on its command line"""
    found = []
    for path in glob.glob('/proc/[0-9]*/cmdline'):
        try:
            with open(path, 'rb') as f:
                line = f.read().decode(errors='replace')
        except OSError:
            continue
        if any(word in line for word in words):
            found.append(line.replace('\0', ' '))
    return found


def paused(place):
    """arguments of a QEMU that does nothing, but has a monitor"""
    return ('-nodefaults', '-display', 'none', '-S', '-monitor', f'unix:{place.path("qemu.monitor")},server=on,wait=off')


def wait_for_qemu(place, script):
    """until its main loop runs"""
    monitor = place.path('qemu.monitor')
    wait_for_path(monitor, script)
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(DEADLINE_S)
        deadline = time.monotonic() + DEADLINE_S
        while client.connect_ex(monitor) != 0:  # its path is there before it listens
            if script.poll() is not None or time.monotonic() > deadline:
                raise Failure(f'nobody listens on {monitor}')
            time.sleep(0.01)
        client.recv(1)


def end_session(script):
    try:
        os.killpg(script.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    script.wait()


def check_signal(place, number, *argv):
    """It ends what it has started, in good order, and itself."""
    script = subprocess.Popen(argv, env=place.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              start_new_session=True)
    try:
        wait_for_qemu(place, script)
        script.send_signal(number)
        if script.wait(DEADLINE_S) != 128 + number:
            raise Failure(f'{argv[0]} ended with {script.returncode}')
        if left := still_run([place.dir]):
            raise Failure(f'{argv[0]} left {left}')
    finally:
        end_session(script)


def check_sigterm(place, *argv):
    check_signal(place, signal.SIGTERM, *argv, *paused(place))


class Terminal:
    """@argv at a terminal of its own"""

    def __init__(self, place, *argv):
        def own_terminal():
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # whatever ours is

        self.name, self.said = argv[0], b''
        self.fd, theirs = pty.openpty()
        self.script = subprocess.Popen(argv, env=place.env, cwd=place.dir, stdin=theirs, stdout=theirs, stderr=theirs,
                                       start_new_session=True, preexec_fn=own_terminal)
        os.close(theirs)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        end_session(self.script)
        os.close(self.fd)

    def type(self, keys):
        os.write(self.fd, keys)

    def read_until(self, done, what):
        deadline = time.monotonic() + DEADLINE_S
        while not done():
            if not select.select([self.fd], [], [], max(0, deadline - time.monotonic()))[0]:
                raise Failure(f'{self.name}: {what} did not come; it said {self.said!r}')
            try:
                self.said += os.read(self.fd, 4096)
            except OSError:  # nobody is at the other end
                break

    def expect(self, word):
        self.read_until(lambda: word in self.said, word)
        if word not in self.said:
            raise Failure(f'{self.name} did not say {word}; it said {self.said!r}')

    def expect_end(self, status):
        self.read_until(lambda: False, 'its end')
        if self.script.wait(DEADLINE_S) != status:
            raise Failure(f'{self.name} ended with {self.script.returncode}, expected {status}; it said {self.said!r}')


# === orchestrator.py =========================================================

def orchestrate(expect, *options):
    with Place() as place:
        disks = [place.disk(), place.disk('second, disk.img')]
        place.boots(example('orchestrator.py'), '--memory', '64M', *options, *disks, '--', *GUEST, expect=expect)
        check_written(disks[0], same=expect is BOOTED)


def orchestrator_starts_a_worker_for_each_disk():
    orchestrate(BOOTED)


def orchestrator_knows_the_old_form():
    orchestrate(BOOTED, '--old-form')


def orchestrator_runs_our_device_with_a_stock_remote():
    orchestrate(BOOTED_STOCK, '--remote', 'qemu')


def orchestrator_runs_the_stock_device_with_our_worker():
    orchestrate(BOOTED_STOCK, '--proxy', 'qemu')


def orchestrator_runs_stock_qemu_at_both_ends():
    orchestrate(BOOTED_STOCK, '--proxy', 'qemu', '--remote', 'qemu')


def orchestrator_ends_all_on_sigterm():
    with Place() as place:
        check_sigterm(place, example('orchestrator.py'), '--memory', '64M', place.disk(), '--')


# === replay.py ===============================================================

def dry_run(place, disk, guest=GUEST):
    return place.run(MPRING, 'run', '--qemu', QEMU, '--worker', WORKER, '--plugin', PLUGIN, '--disk',
                     disk.replace(',', ',,') + ',format=raw', '--dry-run', '--', '-m', '64M', *guest)


def plan_file(place, text):
    path = place.path('plan')
    with open(path, 'wb') as f:
        f.write(text)
    return path


def plan_of_scripts(place, qemu):
    """QEMU is a Python script; the worker takes its time to write "written" when QEMU has gone."""
    with open(place.path('qemu.py'), 'w') as f:
        f.write(qemu)
    worker = f'cat <&9; sleep 0.3; echo done >{shlex.quote(place.path("written"))}'
    return plan_file(place, ('# fd 8 qemu socket lsi0\n# fd 9 worker0 socket lsi0\n'
                             f'{shlex.join(["sh", "-c", worker])}\n{shlex.join([sys.executable, place.path("qemu.py")])}\n').encode())


def check_worker_has_written(place):
    if not os.path.exists(place.path('written')):
        raise Failure('the worker was not left to write what it held')


def replay_from_pipe(plan):
    return 'sh', '-c', 'cat "$1" | "$0"', example('replay.py'), plan


def what_a_dry_run_prints_can_be_started():
    with Place() as place:
        disk = place.disk("it's a disk, with \"$names\".img")
        place.boots(example('replay.py'), text=dry_run(place, disk))
        check_written(disk)


def a_shell_takes_what_a_dry_run_prints():
    """as it stands: each line is a comment, or one command with the words that were meant"""
    with Place() as place:
        disk = place.disk("it's a disk.img")
        plan = dry_run(place, disk).decode()
        lines = [line for line in plan.splitlines() if not line.startswith('#')]
        show = 'show() { printf "%s\\n" "$@"; }\n' + re.sub(r'^(?=[^#])', 'show ', plan, flags=re.M)
        words = place.run('sh', '-eu', '-c', show).decode().splitlines()
        if words != [word for line in lines for word in shlex.split(line)]:
            raise Failure(f'the shell read {words}')
        if sum(disk in word for word in words) != 1 or words.count('-machine') != 2:
            raise Failure(f'not what was asked for: {words}')


def check_says(place, argv, pattern, status=1):
    """It fails, and says why."""
    done = subprocess.run(argv, env=place.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, timeout=DEADLINE_S)
    if done.returncode != status or not re.search(pattern, done.stderr):
        raise Failure(f'{argv} ended with {done.returncode}, and said {done.stderr!r}')


def replay_gives_qemu_the_terminal():
    """used to give it the pipe that the plan had come from, which was at its end"""
    with Place() as place:
        plan = plan_file(place, dry_run(place, place.disk(), ['-nodefaults', '-display', 'none', '-S', '-monitor', 'stdio']))
        place.run(example('replay.py'), plan, text=b'quit\n')
        for argv in (example('replay.py'), plan), replay_from_pipe(plan):
            with Terminal(place, *argv) as terminal:
                terminal.expect(b'(qemu)')
                terminal.type(b'quit\n')
                terminal.expect_end(0)


def replay_without_a_terminal_gives_qemu_nothing_to_read():
    with Place() as place:
        plan = plan_of_scripts(place, 'import os; print(os.readlink("/proc/self/fd/0"))')
        with open(plan, 'rb') as f:
            out = place.run(example('replay.py'), text=f.read())
        if out != b'/dev/null\n':
            raise Failure(f'QEMU reads {out}')
        out = place.run(example('replay.py'), plan)
        if not out.startswith(b'pipe:'):
            raise Failure(f'with a plan from a file QEMU reads {out}')


def replay_leaves_ctrl_c_to_the_guest():
    """used to end of it when the plan had come by a pipe"""
    with Place() as place:
        plan = plan_file(place, dry_run(place, place.disk(), paused(place) + ('-serial', 'mon:stdio')))
        with Terminal(place, *replay_from_pipe(plan)) as terminal:
            wait_for_qemu(place, terminal.script)
            terminal.type(b'\x03\x01c')  # Ctrl-C; the monitor at the same terminal
            terminal.expect(b'(qemu)')
            terminal.type(b'\x01x')
            terminal.expect_end(0)


def replay_waits_when_qemu_ends_of_ctrl_c():
    """used to kill QEMU and the worker"""
    with Place() as place:
        plan = plan_of_scripts(place, 'import signal, sys, time\n'
                                      'signal.signal(signal.SIGINT, lambda *_: (time.sleep(0.3), sys.exit(7)))\n'
                                      'print("qemu runs", flush=True)\nwhile True: time.sleep(0.1)')
        with Terminal(place, example('replay.py'), plan) as terminal:
            terminal.expect(b'qemu runs')
            terminal.type(b'\x03')
            terminal.expect_end(7)
        check_worker_has_written(place)


def replay_ends_all_when_asked():
    """used to leave all that it had started behind on SIGTERM"""
    for number in signal.SIGTERM, signal.SIGINT:
        with Place() as place:
            check_signal(place, number, example('replay.py'), plan_file(place, dry_run(place, place.disk(), paused(place))))


def replay_lets_workers_write():
    """used to kill them, and QEMU"""
    for number in signal.SIGTERM, signal.SIGINT:
        with Place() as place:
            plan = plan_of_scripts(place, 'import signal, sys, time\n'
                                          'def end(*_): open(sys.path[0] + "/asked", "w"), sys.exit()\n'
                                          'signal.signal(signal.SIGTERM, end)\n'
                                          'print("qemu runs", flush=True)\nwhile True: time.sleep(0.1)')
            script = subprocess.Popen([example('replay.py'), plan], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                      start_new_session=True)
            try:
                script.stdout.read(1)
                script.send_signal(number)
                if script.wait(DEADLINE_S) != 128 + number:
                    raise Failure(f'replay.py ended with {script.returncode}')
            finally:
                end_session(script)
                script.stdout.close()
            check_worker_has_written(place)
            if not os.path.exists(place.path('asked')):
                raise Failure('QEMU was not asked to end')


def replay_says_why_it_cannot_use_a_plan():
    """used to show where in Python it was"""
    with Place() as place:
        for text, why in ((None, b'No such file or directory'), (b'', b'command lines are missing'),
                          (b'# fd 9 worker0 socket lsi0\nqemu\n', b'command lines are missing'),
                          (b"# a plan\nqemu 'half a word\n", b'line 2 is not what a dry run prints'),
                          (b'# fd 9 qemu spoon lsi0\nqemu\n', b'line 1 is not what a dry run prints'),
                          (b'# fd 1 qemu socket lsi0\nqemu\n', b'line 1 is not what a dry run prints'),
                          (b'# fd 9 qemu stats many 00\nqemu\n', b'line 1 is not what a dry run prints'),
                          (b'#| text of nothing\nqemu\n', b'line 1 is not what a dry run prints'),
                          (b'\x7fELF\0\xff\nqemu\n', b'line 1 is not what a dry run prints'),
                          (b'# fd 9 qemu copy /no/disk\nqemu\n', b'line 1: /no/disk: No such file or directory')):
            path = place.path('no-plan') if text is None else plan_file(place, text)
            said = re.escape(f'replay.py: {path}: '.encode() + why + b'\n')
            check_says(place, [example('replay.py'), path], rb'\A' + said + rb'\Z', status=2)
        check_says(place, [example('replay.py'), place.dir], rb'\Areplay.py: .*: Is a directory\n\Z', status=2)
        check_says(place, [example('replay.py')], rb'\Areplay.py: standard input: .* missing\n\Z', status=2)
        plan = plan_file(place, b'# fd 8 qemu socket lsi0\n# fd 9 worker0 socket lsi0\nsh -c "cat <&9"\n/no/qemu\n')
        check_says(place, [example('replay.py'), plan], rb'\Areplay.py: /no/qemu: No such file or directory\n\Z')


def a_dry_run_that_nobody_can_read_fails():
    with Place() as place:
        words = [MPRING, 'run', '--worker', WORKER, '--plugin', PLUGIN, '--disk', place.disk(), '--dry-run', '--']
        check_says(place, ['sh', '-c', shlex.join(words) + ' >/dev/full'], rb'standard output: No space left')


def too_few_descriptors_are_named():
    with Place() as place:
        words = [MPRING, 'run', '--worker', WORKER, '--plugin', PLUGIN, '--qemu', 'true', '--disk',
                 place.disk() + ',format=raw', '--', '-nodefaults']
        for n in range(4, 13):
            check_says(place, ['sh', '-c', f'ulimit -n {n}; exec {shlex.join(words)}'], rb'Too many open files')


def run_leaves_ctrl_c_to_the_guest():
    """used to end QEMU, whose own monitor our QMP kept from being there"""
    with Place() as place:
        with Terminal(place, MPRING, 'run', '--worker', WORKER, '--plugin', PLUGIN, '--qemu', QEMU, '--disk', place.disk(),
                      '--', '-m', '64M', '-nographic') as terminal:
            terminal.expect(b'SeaBIOS')
            terminal.type(b'\x03\x01c')
            terminal.expect(b'(qemu)')
            terminal.type(b'\x01x')
            terminal.expect_end(0)


# === by-hand.sh ==============================================================

def by_hand(*options):
    with Place() as place:
        disk = place.disk('a,b.img')
        place.boots(example('by-hand.sh'), *options, disk, *GUEST)
        check_written(disk)
        left = set(os.listdir(place.dir)) - {'a,b.img'}
        if left:
            raise Failure(f'it left {left} behind')


def by_hand_the_worker_may_be_first():
    by_hand()


def by_hand_qemu_may_be_first():
    by_hand('--qemu-first')


def by_hand_the_terminal_is_qemus():
    with Place() as place:
        for order in ([], ['--qemu-first']):
            place.run(example('by-hand.sh'), *order, place.disk(), '-nodefaults', '-display', 'none', '-S',
                      '-monitor', 'stdio', text=b'quit\n')


def by_hand_ends_all_on_sigterm():
    for order in ([], ['--qemu-first']):
        with Place() as place:
            check_sigterm(place, example('by-hand.sh'), *order, place.disk())


# === systemd =================================================================

def unit(place, name):
    """a unit of the examples with the worker and the disk of this check"""
    with open(example('systemd/' + name)) as f:
        text = f.read()
    for path, ours in (('/usr/local/bin/mpring-worker', WORKER), ('/var/lib/mpring/lsi0.img', place.path('disk.img')),
                       ('/run/mpring/lsi0.sock', place.path('lsi0.sock'))):
        text = text.replace(path, ours)
    with open(place.path(name), 'w') as f:
        f.write(text)
    return text


def systemd_takes_the_units():
    need('systemd-analyze', 'systemd')
    with Place() as place:
        names = ['mpring-lsi0.socket', 'mpring-lsi0@.service']
        for name in names:
            unit(place, name)
        done = subprocess.run(['systemd-analyze', 'verify', '--man=no'] + [place.path(name) for name in names],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=DEADLINE_S)
        said = [line for line in done.stdout.decode().splitlines() if 'mpring' in line]
        if done.returncode != 0 or said:
            raise Failure('\n'.join(said) or done.stdout.decode())


def wait_for_path(path, process):
    deadline = time.monotonic() + DEADLINE_S
    while not os.path.exists(path):
        if process.poll() is not None or time.monotonic() > deadline:
            raise Failure(f'nobody listens on {path}')
        time.sleep(0.01)


def qemu_by_path(path):
    return [QEMU, '-object', 'memory-backend-memfd,id=mem,size=64M,share=on', '-machine', 'pc,memory-backend=mem',
            '-m', '64M', '-plugin', PLUGIN, '-device', f'mpring-pci,id=lsi0,socket={path}'] + GUEST


def systemd_starts_a_worker_for_each_connection():
    need('systemd-socket-activate', 'systemd')
    with Place() as place:
        disk = place.disk()
        start = re.search(r'ExecStart=((?:.*\\\n)*.*)', unit(place, 'mpring-lsi0@.service'))[1]
        path = re.search(r'ListenStream=(.*)', unit(place, 'mpring-lsi0.socket'))[1]
        activate = subprocess.Popen(['systemd-socket-activate', '--accept', '-l', path]
                                    + shlex.split(start.replace('\\\n', ' ')), stderr=subprocess.DEVNULL)
        try:
            for _ in range(2):  # QEMU ends, another one comes
                wait_for_path(path, activate)
                place.boots(*qemu_by_path(path))
                check_written(disk)
        finally:
            activate.terminate()
            activate.wait()


# === libvirt =================================================================

def hook(place, *call):
    """libvirt's call; True if the hook agrees"""
    return place.run(example('libvirt/qemu'), *call, text=b'<domain/>')


def runs(pid):
    try:
        with open(f'/proc/{pid}/stat') as f:
            return f.read().rsplit(')', 1)[1].split()[0] != 'Z'  # its reaper may take its time
    except OSError:
        return False


def ended(pid):
    deadline = time.monotonic() + DEADLINE_S
    while runs(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not runs(pid)


def domain_arguments(place):
    """what the domain adds to QEMU's command line, with this check's paths"""
    tree = xml.etree.ElementTree.parse(example('libvirt/scratch.xml'))
    words = [arg.get('value') for arg in tree.iter('{http://libvirt.org/schemas/domain/qemu/1.0}arg')]
    assert tree.find('memoryBacking/access').get('mode') == 'shared'
    return [word.replace('/usr/local/lib/x86_64-linux-gnu/mpring/mpring-pci.so', PLUGIN).replace('/run/mpring', place.dir)
            for word in words]


def libvirts_guest(place):
    """what the hook knows of the guest "scratch"; its disk"""
    disk = place.disk()
    place.env.update(MPRING_CONF=place.dir, MPRING_RUN=place.dir)
    with open(place.path('scratch.worker'), 'w') as f:
        f.write(f'-device\nlsi53c895a,id=lsi0\n-drive\nid=d0,if=none,file={disk},format=raw\n'
                '-device\nscsi-hd,drive=d0,bus=lsi0.0\n')
    return disk


def libvirts_hook_ends_a_worker_that_nobody_came_to():
    with Place() as place:
        libvirts_guest(place)
        hook(place, 'scratch', 'prepare', 'begin', '-')
        with open(place.path('scratch.pid')) as f:
            pid = int(f.read())
        if not runs(pid):
            raise Failure(f'no worker {pid}')
        hook(place, 'scratch', 'release', 'end', '-')
        if not ended(pid):
            raise Failure(f'worker {pid} still runs')


def libvirts_hook_starts_the_worker_of_its_guest():
    with Place() as place:
        disk = libvirts_guest(place)
        hook(place, 'other', 'prepare', 'begin', '-')
        hook(place, 'scratch', 'prepare', 'begin', '-')
        try:
            place.boots(*(qemu_by_path('')[:7] + domain_arguments(place) + GUEST))
        finally:
            hook(place, 'scratch', 'release', 'end', '-')
        check_written(disk)
        left = set(os.listdir(place.dir)) - {'disk.img', 'scratch.worker'}
        if left:
            raise Failure(f'the hook left {left} behind')


# === an installation =========================================================

def installed_programs_find_each_other():
    need('meson', 'meson')
    with Place() as place:
        disk = place.disk()
        place.run('meson', 'install', '-C', os.path.dirname(os.path.dirname(MPRING)), '--no-rebuild', '--quiet',
                  '--destdir', place.path('root'))
        mpring, = glob.glob(place.path('root/**/bin/mpring'), recursive=True)
        out = place.run(mpring, 'run', '--disk', disk, '--dry-run', '--', '-m', '64M')
        for name in ('bin/mpring-worker ', '/mpring/mpring-pci.so '):
            if not re.search(re.escape(place.path('root')) + '[^ ]*' + re.escape(name), out.decode()):
                raise Failure(f'{name}is not the installed one: {out}')


CHECKS = [orchestrator_starts_a_worker_for_each_disk, orchestrator_knows_the_old_form,
          orchestrator_runs_our_device_with_a_stock_remote, orchestrator_runs_the_stock_device_with_our_worker,
          orchestrator_runs_stock_qemu_at_both_ends, what_a_dry_run_prints_can_be_started,
          a_shell_takes_what_a_dry_run_prints, replay_gives_qemu_the_terminal,
          replay_without_a_terminal_gives_qemu_nothing_to_read, replay_leaves_ctrl_c_to_the_guest,
          replay_waits_when_qemu_ends_of_ctrl_c, replay_ends_all_when_asked, replay_lets_workers_write,
          replay_says_why_it_cannot_use_a_plan, run_leaves_ctrl_c_to_the_guest, a_dry_run_that_nobody_can_read_fails,
          too_few_descriptors_are_named,
          by_hand_the_worker_may_be_first, by_hand_qemu_may_be_first,
          by_hand_the_terminal_is_qemus, by_hand_ends_all_on_sigterm, orchestrator_ends_all_on_sigterm,
          systemd_takes_the_units, systemd_starts_a_worker_for_each_connection,
          libvirts_hook_starts_the_worker_of_its_guest, libvirts_hook_ends_a_worker_that_nobody_came_to,
          installed_programs_find_each_other]


def main(wanted):
    checks = [check for check in CHECKS if not wanted or check.__name__ in wanted]
    failed = 0
    print(f'TAP version 13\n1..{len(checks)}', flush=True)
    for i, check in enumerate(checks, 1):
        result, note = 'ok', ''
        try:
            check()
        except Skip as e:
            note = f' # SKIP {e}'
        except (Failure, AssertionError, OSError, subprocess.TimeoutExpired) as e:
            result = 'not ok'
            failed += 1
            print(''.join(f'# {line}\n' for line in f'{type(e).__name__}: {e}'.splitlines()), end='')
        print(f'{result} {i} - {check.__name__}{note}', flush=True)
    return 1 if failed else 0


if __name__ == '__main__':
    if len(sys.argv) < 7:
        sys.exit(__doc__)
    ROOT, QEMU, WORKER, PLUGIN, MPRING, BOOT_IMAGE = map(os.path.abspath, sys.argv[1:7])
    sys.exit(main(sys.argv[7:]))
