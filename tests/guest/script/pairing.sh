# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=sh
# What holds for each pairing of proxy and worker.

check_what_fio_writes_it_reads_back() {
	fio --name=verify --filename="$(disk 0:0:0)" --rw=randwrite --bs=4k --size=8m --iodepth=8 --ioengine=libaio \
		--direct=1 --verify=crc32c --do_verify=1 --verify_fatal=1
}

check_large_requests_are_read_back() {
	fio --name=large --filename="$(disk 0:0:0)" --rw=write --bs=256k --offset=8m --size=16m --iodepth=4 \
		--ioengine=libaio --direct=1 --verify=crc32c --do_verify=1 --verify_fatal=1
}

check_what_is_written_is_in_the_file() {
	printf 'a word for the host' | dd of="$(disk 0:0:0)" bs=512 seek=60000 conv=sync,fsync 2>/dev/null
	host holds 0:0:0 30720000 a word for the host
}
