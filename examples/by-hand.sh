#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# A worker and QEMU, started by hand, that meet at a socket's path. Which of them is first makes no difference:
# the worker listens there, and the device waits for the path and for an answer as long as connect-timeout says.
#
#   by-hand.sh [--qemu-first] DISK [QEMU-ARGUMENT...]
#
# The environment may say where things are: WORKER, PLUGIN, QEMU; and MEMORY, the guest's.
set -eu
root=$(dirname "$0")/..
WORKER=${WORKER:-$root/build/remote-worker/mpring-worker}
PLUGIN=${PLUGIN:-$root/build/proxy/qemu/mpring-pci.so}
QEMU=${QEMU:-qemu-system-x86_64}
MEMORY=${MEMORY:-1G}

first=worker
[ "${1:-}" != --qemu-first ] || { first=qemu; shift; }
[ $# -gt 0 ] || { sed -n 's/^# \{0,3\}//; 5,8p' "$0" >&2; exit 2; }
twice() { printf %s "$1" | sed 's/,/,,/g'; } # in an option's value a comma is written so
disk=$(twice "$1")
shift

dir=$(mktemp -d)
sock=$(twice "$dir/lsi0.sock")
worker= qemu=
leave() {
	status=$?
	for child in $qemu $worker; do
		kill "$child" 2>/dev/null || : # gone already, unless one never came or we were ended
		wait "$child" || :
	done
	rm -rf "$dir"
	exit $status
}
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

start_worker() {
	"$WORKER" -machine x-remote -device lsi53c895a,id=lsi0 -drive "id=d0,if=none,file=$disk" \
		-device scsi-hd,drive=d0,bus=lsi0.0,scsi-id=0 \
		-object "x-remote-object,id=o0,devid=lsi0,socket=$sock" 3<&- &
	worker=$!
}

# The terminal is QEMU's. It runs beside us all the same: a shell that waits hears signals.
exec 3<&0
start_qemu() {
	"$QEMU" -object "memory-backend-memfd,id=mem,size=$MEMORY,share=on" -machine pc,memory-backend=mem -m "$MEMORY" \
		-plugin "file=$(twice "$PLUGIN")" -device "mpring-pci,id=lsi0,socket=$sock" "$@" <&3 3<&- &
	qemu=$!
}

if [ $first = worker ]; then
	start_worker
	start_qemu "$@"
else
	start_qemu "$@"
	start_worker
fi
status=0
wait "$qemu" || status=$?
qemu=
exit $status
