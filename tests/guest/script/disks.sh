# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=sh
# One bus with every kind of disk. test-disk.py says what is where.

check_every_id_and_lun_is_found() {
	for place in 0:0:0 0:1:0 0:2:0 0:3:0 0:3:1 0:3:5 0:3:7 0:4:0 0:5:0 0:6:0 0:8:0 0:9:0 0:15:0; do disk $place; done
	[ "$(ls /sys/block | grep -c '^sd')" = 13 ]
}

check_units_keep_their_data_apart() {
	for place in 0:3:0 0:3:1 0:3:5 0:3:7 0:8:0 0:9:0 0:15:0; do
		yes "unit $place" | head -c 65536 | dd of="$(disk $place)" bs=64k conv=fsync status=none
	done
	echo 3 >/proc/sys/vm/drop_caches
	for place in 0:3:0 0:3:1 0:3:5 0:3:7 0:8:0 0:9:0 0:15:0; do
		[ "$(dd if="$(disk $place)" bs=64k count=1 status=none | uniq -c | tr -s ' ' | head -n 1 | cut -d' ' -f3-)" = "unit $place" ]
		host holds $place 65000 "$(yes "unit $place" | head -c 65030 | tail -c 30 | head -n 1)"
	done
}

check_loads_on_several_units_verify() {
	for place in 0:3:1 0:3:7 0:8:0 0:15:0; do
		printf '[%s]\nfilename=%s\n' "$place" "$(disk $place)"
	done >/tmp/units
	cat - /tmp/units >/tmp/job <<-END
	[global]
	ioengine=libaio
	direct=1
	iodepth=8
	verify=crc32c
	verify_fatal=1
	do_verify=1
	rw=randwrite
	bsrange=512-64k
	size=1M
	END
	fio --eta=never /tmp/job
}

check_discard_reaches_the_file() {
	dd if=/dev/urandom of="$(disk 0:1:0)" bs=1M count=8 conv=fsync status=none
	[ "$(host data 0:1:0 0 8388608)" = 8388608 ]
	blkdiscard -o 1M -l 2M "$(disk 0:1:0)"
	[ "$(host data 0:1:0 0 8388608)" = 6291456 ]
	[ "$(host data 0:1:0 1048576 2097152)" = 0 ]
	dd if="$(disk 0:1:0)" bs=1M skip=1 count=2 iflag=direct status=none | cmp -n 2097152 - /dev/zero
}

check_discard_is_ignored_where_the_drive_says_so() {
	dd if=/dev/urandom of="$(disk 0:2:0)" bs=1M count=1 conv=fsync status=none
	fails blkdiscard -l 1M "$(disk 0:2:0)"
	[ "$(host data 0:2:0 0 1048576)" = 1048576 ]
}

check_write_zeroes_reaches_the_file() {
	dd if=/dev/urandom of="$(disk 0:1:0)" bs=1M count=8 conv=fsync status=none
	blkdiscard -z -o 4M -l 1M "$(disk 0:1:0)"
	dd if="$(disk 0:1:0)" bs=1M skip=4 count=1 iflag=direct status=none | cmp -n 1048576 - /dev/zero
	host data 0:1:0 4194304 1048576
	[ "$(host data 0:1:0 0 4194304)" = 4194304 ]
}

check_sg_unmap_makes_a_hole() {
	dd if=/dev/urandom of="$(disk 0:1:0)" bs=1M count=1 conv=fsync status=none
	sg_unmap --force --lba=256 --num=512 "$(disk 0:1:0)"
	[ "$(host data 0:1:0 131072 262144)" = 0 ]
	[ "$(host data 0:1:0 0 131072)" = 131072 ]
}

check_sg_write_same_repeats_a_block() {
	yes mpring | head -c 512 >/tmp/block
	sg_write_same --10 --in=/tmp/block --lba=100 --num=300 "$(disk 0:1:0)"
	dd if="$(disk 0:1:0)" bs=512 skip=100 count=300 iflag=direct status=none >/tmp/read
	for _ in $(seq 300); do cat /tmp/block; done | cmp - /tmp/read
	sg_write_same --unmap --in=/dev/zero --xferlen=512 --lba=128 --num=128 "$(disk 0:1:0)"
	[ "$(host data 0:1:0 65536 65536)" = 0 ]
}

check_disk_of_4096_byte_blocks() {
	[ "$(cat /sys/block/"$(basename "$(disk 0:4:0)")"/queue/logical_block_size)" = 4096 ]
	dd if=/dev/urandom of=/tmp/data bs=4096 count=1024 status=none
	dd if=/tmp/data of="$(disk 0:4:0)" bs=64k seek=3 oflag=direct status=none
	dd if="$(disk 0:4:0)" bs=4096 skip=48 count=1024 iflag=direct status=none | cmp - /tmp/data
}

check_the_end_of_a_disk_beyond_2_TiB() {
	node=$(disk 0:5:0)
	[ "$(cat /sys/block/"$(basename "$node")"/size)" = 6442450944 ]
	dd if=/dev/urandom of=/tmp/data bs=512 count=128 status=none
	dd if=/tmp/data of="$node" bs=512 seek=6442450816 oflag=direct status=none
	dd if="$node" bs=512 skip=6442450816 iflag=direct status=none | cmp - /tmp/data
	[ "$(host data 0:5:0 3298534817792 65536)" = 65536 ]
	# what a READ(10) of the lower 32 bits would have hit
	dd if="$node" bs=512 skip=2147483520 count=128 iflag=direct status=none | cmp -n 65536 - /dev/zero
}

check_file_system_is_made_filled_and_clean() {
	node=$(disk 0:6:0)
	mke2fs -q -t ext4 "$node"
	mount -t ext4 -o discard "$node" /mnt
	for n in 1 2 3 4; do cp /bin/busybox /mnt/file$n; done
	mkdir -p /mnt/a/b/c
	for n in $(seq 200); do echo "$n" >/mnt/a/b/c/"$n"; done
	dd if=/dev/urandom of=/mnt/fill bs=1M 2>/dev/null || :
	[ "$(df /mnt | awk 'END { print $4 }')" -lt 1024 ]
	md5sum /mnt/fill /mnt/file3 >/tmp/sums
	rm /mnt/file2
	umount /mnt
	e2fsck -fn "$node"
	host fsck 0:6:0
	mount -t ext4 -o ro "$node" /mnt
	md5sum -c /tmp/sums
	cmp /mnt/file4 /bin/busybox
	[ "$(cat /mnt/a/b/c/200)" = 200 ]
	umount /mnt
}

check_odd_lengths_cross_a_wide_bus() {
	dmesg | grep 'target0:0:0: FAST-40 WIDE SCSI'
	head -c 2048 /dev/urandom >/tmp/random
	for n in 1 3 253 511 1023; do
		length=$(printf '%04x' $n | sed 's/../& /g')
		head -c $n /tmp/random >/tmp/sent
		sg_raw -s $n -i /tmp/sent "$(generic 0:0:0)" 3b 02 00 00 00 00 00 $length 00
		sg_raw -r $n -o /tmp/back "$(generic 0:0:0)" 3c 02 00 00 00 00 00 $length 00
		cmp /tmp/sent /tmp/back
	done
}

check_cd_beside_disks_is_mounted_and_read() {
	node=$(disk 0:10:0)
	[ "$(cat /sys/block/"$(basename "$node")"/ro)" = 1 ] || fails dd if=/dev/zero of="$node" bs=2048 count=1 conv=fsync
	mount -t iso9660 -o ro "$node" /mnt
	(cd /mnt && md5sum -c sums)
	[ "$(find /mnt -type f | wc -l)" = 42 ]
	[ "$(cat /mnt/folder/file17)" = 17 ]
	umount /mnt
}

check_cd_is_locked_while_in_use_and_then_ejected() {
	node=$(disk 0:10:0)
	mount -t iso9660 -o ro "$node" /mnt
	fails sg_start --eject "$(generic 0:10:0)"
	[ "$(cat /mnt/folder/file18)" = 18 ]
	umount /mnt
	sg_start --eject "$(generic 0:10:0)"
	fails sg_turs "$(generic 0:10:0)"
	sg_start --load "$(generic 0:10:0)"
	mount -t iso9660 -o ro "$node" /mnt
	(cd /mnt && md5sum -c sums)
	umount /mnt
}

check_drive_without_a_disc_is_not_ready() {
	fails dd if="$(disk 0:11:0)" of=/dev/null bs=2048 count=1
	fails sg_raw "$(generic 0:11:0)" 00 00 00 00 00 00 2>&1 | grep -i 'medium not present'
}
