#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Linux uses our disks as it uses real ones: a boot for each scene, many checks in it.

test-disk.py BUILD-DIR GUEST-IMAGE-DIR SCENE [CHECK...]      TAP; without CHECK all of script/SCENE.sh

MPRING_ACCEPT=1 writes what the guest's tools print to expected/, for a human to read.
"""
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

import vm

HERE = os.path.dirname(os.path.abspath(__file__))
DEADLINE_S = 280
MIB = 1 << 20
UNMAP = ',discard=unmap'


def disc(folder):
    """A CD image with 41 files and their checksums."""
    tree = os.path.join(folder, 'tree')
    os.makedirs(tree + '/folder')
    for n in range(40):
        with open('%s/folder/file%d' % (tree, n), 'w') as f:
            f.write('%d\n' % n)
    with open(tree + '/large', 'wb') as f:
        f.write(os.urandom(3 * MIB + 1))
    subprocess.run('cd %s && find . -type f | xargs md5sum >../sums && mv ../sums .' % tree, shell=True, check=True)
    subprocess.run(['genisoimage', '-quiet', '-R', '-o', folder + '/disc.iso', tree], check=True)
    return folder + '/disc.iso'


def disks(folder):
    small = [vm.Disk('0:%s' % place, 4 * MIB) for place in ('0:0', '3:0', '3:1', '3:5', '3:7', '8:0', '9:0', '15:0')]
    return small + [vm.Disk('0:1:0', 16 * MIB, drive=UNMAP), vm.Disk('0:2:0', 16 * MIB),
                    vm.Disk('0:4:0', 64 * MIB, device=',logical_block_size=4096'),
                    vm.Disk('0:5:0', 3 << 40, drive=UNMAP), vm.Disk('0:6:0', 32 * MIB, drive=UNMAP),
                    vm.Disk('0:10:0', kind='scsi-cd', file=disc(folder)), vm.Disk('0:11:0', kind='scsi-cd')]


def reset_disks(_):
    return [vm.Disk(place, 16 * MIB) for place in ('0:0:0', '0:2:0', '0:2:1', '1:0:0')]


def plain_disks(folder):
    return [vm.Disk('0:0:0', 16 * MIB), vm.Disk('0:3:1', 16 * MIB), vm.Disk('0:6:0', kind='scsi-cd', file=disc(folder))]


def tool_disk(_):
    return [vm.Disk('0:0:0', 16 * MIB, drive=UNMAP,
                    device=',serial=SERIAL-1,wwn=0x5000c5001234abcd,ver=1.0,physical_block_size=4096')]


def one_disk(_):
    return [vm.Disk('0:0:0', 32 * MIB)]


def qcow2_disk(_):
    return [vm.Qcow2Disk('0:0:0', 64 * MIB, drive=UNMAP)]


class RingGuest(vm.Guest):
    """The same checks, whoever speaks on either side of the socket."""

    script = 'pairing'


class SocketGuest(RingGuest):
    proxy = 'mpring-pci,transport=socket'


class StockWorkerGuest(RingGuest):
    stock_worker = True


class StockProxyGuest(RingGuest):
    proxy, kernel = 'x-pci-proxy-dev', 'irqpoll nolapic_timer'


class StockGuest(StockProxyGuest):
    stock_worker = True


class Qcow2Guest(vm.Guest):
    """When all has ended the image must be sound, and hold what the guest has read from it last."""

    def after(self, deadline):
        disk = self.disks[0]
        self.wait(deadline)
        raw = self.path('raw')
        # A killed daemon may leave clusters that nobody uses; -r leaks fails if there is more.
        vm.tool('qemu-img', 'check', '-q', '-r', 'leaks', disk.file)
        vm.tool('qemu-img', 'check', '-q', disk.file)
        vm.tool('qemu-img', 'convert', '-O', 'raw', disk.file, raw)
        vm.tool('qemu-img', 'compare', '-q', '-f', 'qcow2', '-F', 'raw', disk.file, raw)
        with open(raw, 'rb') as f:
            if hashlib.md5(f.read()).hexdigest() != disk.md5:
                raise vm.Failure('the image has not what the guest read from it')


# scene -> (disks, worker arguments by adapter, QEMU's[, kind of guest])
SCENES = {
    'ring': (one_disk, {}, [], RingGuest),
    'socket': (one_disk, {}, [], SocketGuest),
    'stock-worker': (one_disk, {}, [], StockWorkerGuest),
    'stock-proxy': (one_disk, {}, [], StockProxyGuest),
    'stock': (one_disk, {}, [], StockGuest),
    'qcow2': (qcow2_disk, {}, [], Qcow2Guest),
    'disks': (disks, {}, []),
    'tools': (tool_disk, {}, []),
    'plain': (plain_disks, {}, []),
    # The threads of the second worker can be held, io_uring cannot. Two CPUs: Linux with one completes
    # commands inside the driver's interrupt handler, and then waits for ever for the lock that this holds
    # already if the host is being reset (scsi_dec_host_busy() below sym53c8xx_intr(), 6.1 and 6.12).
    'resets': (reset_disks, {1: ['-aio', 'threads']}, ['-smp', '2']),
}


class Session:
    """Turns what the guest reports into TAP."""

    def __init__(self, guest, checks):
        self.guest, self.checks, self.results, self.notes = guest, checks, {}, []
        self.name, self.began = None, time.monotonic()

    def result(self, passed, skip=''):
        nr = len(self.results) + 1
        self.results[self.name] = passed
        for note in self.notes + ['%.1f s' % (time.monotonic() - self.began)]:
            print('# ' + note)
        print('%s %d - %s%s' % ('ok' if passed else 'not ok', nr, self.name, skip and ' # SKIP ' + skip), flush=True)
        self.notes = []

    def compare(self, name, text):
        path = os.path.join(HERE, 'expected', name + '.txt')
        if os.environ.get('MPRING_ACCEPT'):
            with open(path, 'wb') as f:
                f.write(text)
        with open(path, 'rb') as f:
            expected = f.read()
        if text == expected:
            self.guest.port.sendall(b'0\n')
            return
        import difflib
        diff = difflib.unified_diff(expected.decode().splitlines(), text.decode(errors='replace').splitlines(),
                                    'expected/%s.txt' % name, 'guest', lineterm='', n=0)
        self.guest.port.sendall(('1 %s\n' % '|'.join(diff)).encode())

    def take(self, line, deadline):
        """False after the last line"""
        word, _, rest = line.partition(' ')
        if word == 'check':
            self.name, self.began = rest, time.monotonic()
        elif word == 'ok' or line == 'not ok':
            self.result(word == 'ok')
        elif word == 'skip':
            self.result(True, rest)
        elif word == '#':
            self.notes.append(rest)
        elif word == 'host':
            self.guest.answer(*rest.split())
        elif word == 'text':
            name, length = rest.split()
            self.compare(name, self.guest.read(int(length), deadline))
        elif word == 'dmesg':
            self.guest.read(int(rest.split()[1]), deadline)
        return word != 'done'

    def run(self):
        deadline = time.monotonic() + DEADLINE_S
        try:
            while self.take(self.guest.line(deadline), deadline):
                pass
        except vm.Failure as e:
            self.notes += [str(e)] + self.guest.logs().splitlines()
        for self.name in self.checks:
            if self.name not in self.results:
                self.notes.append('the guest did not report it')
                self.result(False)
        return all(self.results.values())

    def after(self):
        """what holds when QEMU and the workers have ended, if this kind of guest asks for something"""
        if not hasattr(self.guest, 'after'):
            return True
        self.name, self.began = 'all_is_well_afterwards', time.monotonic()
        try:
            self.guest.after(time.monotonic() + 60)
            self.result(True)
        except (vm.Failure, AttributeError) as e:
            self.notes += [str(e)] + self.guest.logs().splitlines()
            self.result(False)
        return self.results[self.name]


def kind_of(scene):
    return (SCENES[scene] + (vm.Guest,))[3]


def script_of(scene, places, wanted):
    """the whole program of the guest, and the names of its checks"""
    text = ''
    for name in ('lib', getattr(kind_of(scene), 'script', scene)):
        with open(os.path.join(HERE, 'script', name + '.sh')) as f:
            text += f.read()
    checks = wanted or re.findall(r'^check_(\w+)\(\)', text, re.M)
    return text + 'wait_for %s\n' % ' '.join(places) + ''.join('run %s\n' % check for check in checks), checks


def missing(build, image):
    for path, hint in ((build + '/remote-worker/mpring-worker', 'not built'),
                       (build + '/proxy/qemu/mpring-pci.so', 'run proxy/qemu/get-headers.sh and configure again'),
                       (image + '/vmlinux', 'run launcher/guest/make-image.sh'),
                       (image + '/initrd.img', 'run launcher/guest/make-image.sh')):
        if not os.path.exists(path):
            return 'no %s; %s' % (path, hint)
    for tool in ('qemu-system-x86_64', 'genisoimage'):
        if not shutil.which(tool):
            return 'no ' + tool
    return None


def main(argv):
    build, image, scene = argv[1:4]
    why = missing(build, image)
    if why:
        print('1..0 # SKIP %s\n# skipped: %s' % (why, why))
        return 0
    make_disks, workers, qemu = SCENES[scene][:3]
    with tempfile.TemporaryDirectory(prefix='mpring-guest-test.') as folder:
        units = make_disks(folder)
        script, checks = script_of(scene, [unit.place for unit in units], argv[4:])
        kind = kind_of(scene)
        print('1..%d' % (len(checks) + hasattr(kind, 'after')), flush=True)
        with kind(build, image, units, script, workers, qemu) as guest:
            session = Session(guest, checks)
            passed = session.run()
            return 0 if session.after() and passed else 1


if __name__ == '__main__':
    sys.exit(main(sys.argv))
