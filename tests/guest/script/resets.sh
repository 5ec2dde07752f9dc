# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=sh
# A verified load on three units of one bus, and what a driver does when it loses patience. The second
# adapter's disk can be made to hang.

written() { awk '{ print $5 }' /sys/block/"$(basename "$(disk "$1")")"/stat; }

load_starts() { # PLACE...: fio in the background; its disks are written in random order, then verified
	for place; do
		printf '[%s]\nfilename=%s\n' "$place" "$(disk "$place")"
		case $place in
		"${lossy:-none}":*) echo continue_on_error=io ;;
		esac
	done >/tmp/units
	cat - /tmp/units >/tmp/job <<-END
	[global]
	ioengine=libaio
	direct=1
	iodepth=${depth:-16}
	verify=crc32c
	verify_fatal=1
	do_verify=1
	rw=randwrite
	bsrange=512-16k
	size=${size:-3M}
	END
	before=$(written "$place")
	fio --eta=never /tmp/job >/tmp/fio.log 2>&1 &
	fio=$!
	for _ in $(seq 200); do
		[ "$(written "$place")" -gt $((before + 20)) ] && return
		sleep 0.05
	done
	cat /tmp/fio.log
	return 1
}

load_ends() {
	wait $fio || [ "${lossy:-}" ] || { cat /tmp/fio.log; return 1; }
	! grep -E 'verify[ :]|bad |mismatch' /tmp/fio.log
}

# Linux waits 10 s after a bus or host reset, with all I/O held, so those come once.
resets_under_load() { # sg_reset's option, what the driver says of it, how often
	expect_log "$2 operation started"
	expect_log "$2 operation complete"
	load_starts 0:0:0 0:2:0 0:2:1
	n=0
	while kill -0 $fio 2>/dev/null && [ $n -lt $3 ]; do
		sg_reset ${escalate---no-esc} "$1" "$(generic 0:2:0)"
		n=$((n + 1))
		sleep 0.1
	done
	[ $n = $3 ] || { echo "the load ended after $n resets"; return 1; }
	load_ends
}

# What the target had in its queue is lost, and Linux hands it to the program as an I/O error. The other
# target of the bus must not notice.
check_device_resets_under_load() {
	lossy=0:2
	allow_log 'FAILED Result: hostbyte=DID_ABORT|CDB: |I/O error, dev'
	size=18M # of 6M there may be nothing left to do when the third one comes
	resets_under_load --device 'DEVICE RESET' 3
	lossy= size=6M
	load_starts 0:2:0 0:2:1
	load_ends
}
# Linux' driver has none, what it calls a device reset being one of the target; so the kernel takes the next.
check_target_resets_under_load() {
	escalate=
	resets_under_load --target 'BUS RESET' 1
	unset escalate
}
check_bus_resets_under_load() { resets_under_load --bus 'BUS RESET' 1; }
check_host_resets_under_load() { resets_under_load --host 'HOST RESET' 1; }

check_a_reset_is_told_once_to_every_unit_of_the_bus() {
	expect_log 'BUS RESET operation'
	for place in 0:0:0 0:2:0 0:2:1; do sg_turs "$(generic $place)" || :; done
	sg_reset --no-esc --bus "$(generic 0:2:0)"
	for place in 0:0:0 0:2:0 0:2:1; do
		sg_raw -v "$(generic $place)" 00 00 00 00 00 00 2>&1 | grep -i 'bus reset occurred' ||
			{ echo "unit $place was not told"; return 1; }
		sg_turs "$(generic $place)"
	done
}

stall_under_load() { # seconds; commands are given up after 2
	host can_stall 1
	unit=$(unit 1:0:0)
	echo 2 >"$unit/timeout"
	load_starts 1:0:0
	host stall 1
	sleep "$1"
	host resume
	load_ends
	echo 30 >"$unit/timeout"
}

check_a_command_that_hangs_is_aborted_and_tried_again() {
	expect_log 'ABORT operation started'
	expect_log 'ABORT operation complete'
	depth=1 size=1M
	stall_under_load 5
}

check_a_disk_that_hung_is_as_good_as_before() {
	load_starts 1:0:0
	load_ends
}
