# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=sh
# A qcow2 image with a backing file: served by a storage daemon that may die.

check_the_backing_file_shows_through() {
	head -c 65536 "$(disk 0:0:0)" | md5sum >/tmp/head
	tail -c 65536 "$(disk 0:0:0)" | md5sum | cmp - /tmp/head
	[ "$(dd if="$(disk 0:0:0)" bs=64k count=1 skip=1 2>/dev/null | tr -d '\0' | wc -c)" = 0 ]
}

check_what_is_written_is_read_back() {
	dd if=/dev/urandom of=/tmp/data bs=64k count=64 2>/dev/null
	dd if=/tmp/data of="$(disk 0:0:0)" bs=4k seek=100 conv=fsync 2>/dev/null
	echo 3 >/proc/sys/vm/drop_caches
	dd if="$(disk 0:0:0)" bs=4k skip=100 count=1024 2>/dev/null | cmp - /tmp/data
}

check_unmapped_blocks_read_as_zeros() {
	blkdiscard -o 1048576 -l 1048576 "$(disk 0:0:0)"
	[ "$(dd if="$(disk 0:0:0)" bs=1M skip=1 count=1 2>/dev/null | tr -d '\0' | wc -c)" = 0 ]
}

# Nothing is flushed in between: what the daemon had acknowledged is with the worker when it dies.
check_a_killed_daemon_loses_nothing() {
	fio --name=kill --filename="$(disk 0:0:0)" --rw=randwrite --bs=4k --offset=8m --size=32m --iodepth=16 \
		--ioengine=libaio --direct=1 --verify=crc32c --do_verify=1 --verify_fatal=1 &
	for _ in 1 2 3; do
		sleep 1
		host kill_daemon 0
	done
	wait $!
}

check_a_daemon_killed_at_rest_loses_nothing() {
	dd if=/tmp/data of="$(disk 0:0:0)" bs=64k oflag=direct seek=800 2>/dev/null
	host kill_daemon 0
	dd if="$(disk 0:0:0)" bs=64k skip=800 count=64 iflag=direct 2>/dev/null | cmp - /tmp/data
}

check_the_whole_disk_is_read() {
	host md5 0:0:0 "$(md5sum <"$(disk 0:0:0)" | cut -d' ' -f1)"
}
