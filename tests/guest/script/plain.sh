# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=sh
# What any kernel can do with busybox alone.

check_disks_and_cd_are_found() {
	# sda or sdb: they are probed at the same time.
	[ "$(cat "/sys/block/$(basename "$(disk 0:0:0)")/size")" = 32768 ]
	[ -b "$(disk 0:3:1)" ]
	[ "$(disk 0:6:0)" = /dev/sr0 ]
}

check_driver_uses_scripts_and_tags() {
	dmesg | grep 'sym0: <895a>'
	dmesg | grep 'tagged command queuing enabled'
}

check_what_is_written_is_read_back() {
	dd if=/dev/urandom of=/tmp/data bs=64k count=128 2>/dev/null
	for place in 0:0:0 0:3:1; do
		dd if=/tmp/data of="$(disk $place)" bs=4k seek=100 conv=fsync 2>/dev/null
	done
	echo 3 >/proc/sys/vm/drop_caches
	for place in 0:0:0 0:3:1; do
		dd if="$(disk $place)" bs=4k skip=100 count=2048 2>/dev/null | cmp - /tmp/data
		[ "$(host data $place 409600 8388608)" = 8388608 ]
	done
}

check_file_system_is_made_filled_and_read() {
	mke2fs -F "$(disk 0:0:0)"
	mount -t ext4 "$(disk 0:0:0)" /mnt
	dd if=/dev/urandom of=/mnt/fill bs=64k 2>/dev/null || :
	md5sum /mnt/fill >/tmp/sums
	umount /mnt
	host fsck 0:0:0
	mount -t ext4 -o ro "$(disk 0:0:0)" /mnt
	md5sum -c /tmp/sums
	umount /mnt
}

check_cd_is_mounted_and_read() {
	mount -t iso9660 -o ro "$(disk 0:6:0)" /mnt
	(cd /mnt && md5sum -c sums)
	umount /mnt
}
