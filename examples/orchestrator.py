#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Start a guest with a remote SCSI controller for each disk, as the scripts of multi-process QEMU do.

    orchestrator.py [--proxy mpring|qemu] [--remote mpring|qemu] [--old-form] [--memory SIZE] DISK... -- QEMU-ARGUMENT...

Each controller has a process of its own and a pair of connected sockets: one
end for QEMU's -device, the other for the remote. Proxy and remote may each be
ours or stock QEMU's; nobody has to say so to the other side. Stock QEMU's proxy
delivers interrupts only under KVM: without it a driver that doesn't poll, like
Linux', gets none.

The environment may say where things are: WORKER, PLUGIN, QEMU.
"""
import argparse
import os
import signal
import socket
import subprocess
import sys

BUILD = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'build')
WORKER = os.environ.get('WORKER', os.path.join(BUILD, 'remote-worker', 'mpring-worker'))
PLUGIN = os.environ.get('PLUGIN', os.path.join(BUILD, 'proxy', 'qemu', 'mpring-pci.so'))
QEMU = os.environ.get('QEMU', 'qemu-system-x86_64')
END_TIMEOUT_S = 60


def arguments():
    parser = argparse.ArgumentParser(usage=__doc__.split('\n')[2].strip())
    parser.add_argument('--proxy', choices=('mpring', 'qemu'), default='mpring')
    parser.add_argument('--remote', choices=('mpring', 'qemu'), default='mpring')
    parser.add_argument('--old-form', action='store_true', help='the socket in front: mpring-worker 4 ...')
    parser.add_argument('--memory', default='1G')
    parser.add_argument('disk', nargs='+')
    ours, theirs = sys.argv[1:], []
    if '--' in ours:
        theirs = ours[ours.index('--') + 1:]
        ours = ours[:ours.index('--')]
    return parser.parse_args(ours), theirs


def remote_command(args, i, disk, fd):
    device = ['-device', f'lsi53c895a,id=lsi{i}',
              '-drive', f'id=drive{i},if=none,file={disk.replace(",", ",,")}',
              '-device', f'scsi-hd,id=disk{i},drive=drive{i},bus=lsi{i}.0,scsi-id=0']
    current = ['-machine', 'x-remote'] + device + ['-object', f'x-remote-object,id=robj{i},devid=lsi{i},fd={fd}']
    if args.remote == 'qemu':
        return [QEMU, '-nodefaults', '-display', 'none'] + current
    return [WORKER] + ([str(fd)] + device if args.old_form else current)


def qemu_command(args, ends, more):
    device = 'mpring-pci' if args.proxy == 'mpring' else 'x-pci-proxy-dev'
    argv = [QEMU, '-machine', 'pc,memory-backend=mem', '-m', args.memory,
            '-object', f'memory-backend-memfd,id=mem,size={args.memory}']
    if args.proxy == 'mpring':
        argv += ['-plugin', 'file=' + PLUGIN.replace(',', ',,')]
    for i, end in enumerate(ends):
        argv += ['-device', f'{device},id=lsi{i},fd={end.fileno()}']
    return argv + more


def end_all(children):
    """QEMU first; a worker writes what it holds."""
    for child in children:
        child.terminate()
        try:
            child.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def main():
    args, more = arguments()
    remotes, ends, qemu = [], [], None
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        for i, disk in enumerate(args.disk):
            for_qemu, for_remote = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
            with for_remote: # each socket in one process only, or nobody sees the other end's end
                remotes.append(subprocess.Popen(remote_command(args, i, disk, for_remote.fileno()),
                                                pass_fds=[for_remote.fileno()], stdin=subprocess.DEVNULL,
                                                start_new_session=True)) # Ctrl-C is QEMU's
            ends.append(for_qemu)
        qemu = subprocess.Popen(qemu_command(args, ends, more), pass_fds=[end.fileno() for end in ends])
        for end in ends:
            end.close()
        status = qemu.wait()
        for remote in remotes: # they end by themselves when QEMU has closed its sockets
            status = remote.wait() or status
        return status if status >= 0 else 128 - status
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    finally:
        end_all([qemu] + remotes if qemu else remotes)


if __name__ == '__main__':
    sys.exit(main())
