# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=sh
# The guest's half of vm.py: checks are functions check_NAME, and NAME is the claim. Each runs in a subshell
# with -e, in the order of its file; what it printed is told if it fails. Its part of the kernel's log must
# be free of complaints, but for those that it announces, and those must be there.
#
#   disk PLACE            /dev node of adapter:id:lun
#   host VERB ARGS        ask the host; prints the answer, fails if the host does
#   expect_log REGEX      the kernel says so before the check ends, and that's no complaint
#   allow_log REGEX       it may say so
#   fails COMMAND...      "!", for where -e must see it
#   compare NAME          standard input must be expected/NAME.txt

bad='I/O error|Call Trace|Kernel panic|BUG: |nobody cared|blocked for more|rejecting I/O|DID_|ABORT|RESET operation'
bad="$bad|sym[0-9].*(unexpected|arity error|ARITY|phase error|timed.*out|TEST FAILED|ERROR|lost|CACHE)|Sense Key"
bad="$bad|EXT4-fs (error|warning)|critical|offlined|Medium|failed|bad reselection"

# busybox's shell takes its own of these first
blkdiscard() { /bin/blkdiscard "$@"; }
mke2fs() { /bin/mke2fs "$@"; }

say() { echo "$*" >&3; }

host() {
	say "host $*"
	read -r status text <&3
	[ -z "$text" ] || echo "$text"
	return "$status"
}

unit() { # PLACE: its folder in sysfs; slots: vm.py
	IFS=: read -r adapter id lun <<-END
	$1
	END
	for unit in "/sys/bus/pci/devices/0000:00:0$((4 + adapter)).0"/host*/target*/*":0:$id:$lun"; do
		[ ! -e "$unit" ] || echo "$unit"
	done
}

disk() {
	for node in "$(unit "$1")"/block/*; do
		[ -e "$node" ] || { echo "no disk at $1"; return 1; }
		echo "/dev/${node##*/}"
	done
}

generic() { # its sg node
	for node in "$(unit "$1")"/scsi_generic/*; do
		[ -e "$node" ] || { echo "no unit at $1"; return 1; }
		echo "/dev/${node##*/}"
	done
}

wait_for() { # PLACE...: all there, within a minute
	for place; do
		for _ in $(seq 300); do
			[ ! -e "$(unit "$place")"/scsi_generic ] || break
			sleep 0.2
		done
	done
	for node in /sys/block/sd*; do
		[ ! -e "$node" ] || echo none >"$node/queue/scheduler"
	done
}

fails() {
	"$@" || return 0
	echo "should have failed: $*"
	return 1
}

expect_log() { echo "$1" >>/tmp/expected_log; }
allow_log() { echo "$1" >>/tmp/allowed_log; }

compare() {
	tr -d '\r' >/tmp/text
	say "text $1 $(($(wc -c </tmp/text)))"
	cat /tmp/text >&3
	read -r status text <&3
	[ -z "$text" ] || echo "$text" | tr '|' '\n'
	return "$status"
}

log_is_good() { # the part of the log since the check began
	dmesg | sed "1,/mpring-check $1\$/d" >/tmp/log
	cp /tmp/log /tmp/unexpected
	while read -r regex; do
		grep -qE "$regex" /tmp/log || { echo "the kernel did not say: $regex"; return 1; }
		grep -vE "$regex" /tmp/unexpected >/tmp/rest
		mv /tmp/rest /tmp/unexpected
	done </tmp/expected_log
	! grep -E "$bad" /tmp/unexpected | grep -vE -f /tmp/allowed_log
}

run() {
	say "check $1"
	echo "mpring-check $1" >/dev/kmsg
	: >/tmp/expected_log
	echo '^$' >/tmp/allowed_log
	(
		set -e
		"check_$1"
	) >/tmp/said 2>&1
	status=$?
	if [ $status = 77 ]; then
		say "skip $(tail -n 1 /tmp/said)"
	elif [ $status = 0 ] && log_is_good "$1" >>/tmp/said 2>&1; then
		say ok
	else
		dmesg | sed "1,/mpring-check $1\$/d" | tail -n 30 | sed 's/^/kernel: /' >>/tmp/said
		tail -n 60 /tmp/said | sed 's/^/# /' >&3
		say "not ok"
	fi
}
