# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=sh
# sg3-utils sees a real disk. What it prints is in expected/, read and approved by people; a changed answer
# shows as a difference there.

tool() { # program, arguments: its output and, if it isn't 0, its status
	echo "\$ $*"
	"$@" /dev/sg0 2>&1 || echo "status $?"
}

check_inquiry() {
	{
		tool sg_inq
		tool sg_inq --len=96
		tool sg_inq --descriptors
	} | compare inquiry
}

check_vital_product_data() {
	for page in sv sn di ei mpp bl bdc lbpv; do tool sg_vpd --page=$page; done | compare vpd
}

check_mode_pages() {
	{
		tool sg_modes --all
		for control in 1 2 3; do tool sg_modes --control=$control --page=8; done
		tool sg_modes --page=0x3e
	} | compare modes
}

check_mode_select_sticks() {
	sg_wr_mode --page=8 --contents=88,12,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0 \
		--mask=0,0,4,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0 /dev/sg0
	sg_modes --page=8 /dev/sg0 >/tmp/off
	sg_wr_mode --page=8 --contents=88,12,4,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0 \
		--mask=0,0,4,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0 /dev/sg0
	sg_modes --page=8 /dev/sg0 >/tmp/on
	grep ' 00     88 12 00' /tmp/off
	grep ' 00     88 12 04' /tmp/on
}

check_log_pages() { tool sg_logs --all | sed 's/= [0-9][0-9]* *$/= N/' | compare logs; }

check_operation_codes() { tool sg_opcodes | compare opcodes; }

check_task_management_functions() { tool sg_opcodes --tmf | compare tmf; }

check_capacity() {
	{
		tool sg_readcap
		tool sg_readcap --16
	} | compare capacity
}

check_units() { tool sg_luns | compare luns; }

check_reservations() {
	{
		tool sg_persist --in --report-capabilities
		tool sg_persist --out --register --param-sark=abc123
		tool sg_persist --in --read-keys
		tool sg_persist --out --reserve --param-rk=abc123 --prout-type=5
		tool sg_persist --in --read-reservation
		tool sg_persist --in --read-full-status
		tool sg_persist --out --release --param-rk=bad --prout-type=5
		tool sg_persist --out --release --param-rk=abc123 --prout-type=5
		tool sg_persist --in --read-reservation
		tool sg_persist --out --clear --param-rk=abc123
		tool sg_persist --in --read-keys
	} | compare persist
}

check_mapped_and_unmapped_blocks() {
	sg_unmap --force --lba=0 --num=32768 /dev/sg0
	dd if=/dev/urandom of="$(disk 0:0:0)" bs=64k seek=2 count=1 oflag=direct status=none
	{
		tool sg_get_lba_status --lba=0
		tool sg_get_lba_status --lba=300
		tool sg_get_lba_status --lba=32768
	} | compare lba-status
}

check_compare_and_write() {
	dd if=/dev/zero of=/tmp/zero bs=512 count=1 2>/dev/null
	yes new | head -c 512 >/tmp/new
	cat /tmp/zero /tmp/new >/tmp/both
	sg_unmap --force --lba=1000 --num=8 /dev/sg0
	sg_compare_and_write --in=/tmp/both --lba=1000 --num=1 --xferlen=1024 /dev/sg0
	dd if="$(disk 0:0:0)" bs=512 skip=1000 count=1 iflag=direct status=none | cmp - /tmp/new
	tool sg_compare_and_write --in=/tmp/both --lba=1000 --num=1 --xferlen=1024 | compare miscompare
	dd if="$(disk 0:0:0)" bs=512 skip=1000 count=1 iflag=direct status=none | cmp - /tmp/new
}

check_verify() {
	yes verified | head -c 4096 >/tmp/data
	sg_write_verify --in=/tmp/data --lba=2000 --num=8 /dev/sg0
	dd if="$(disk 0:0:0)" bs=512 skip=2000 count=8 iflag=direct status=none | cmp - /tmp/data
	{
		tool sg_verify --lba=2000 --count=8
		tool sg_verify --lba=2000 --in=/tmp/data --count=8 --ndo=4096
		tool sg_verify --lba=2001 --in=/tmp/data --count=8 --ndo=4096
		tool sg_verify --lba=32760 --count=9
	} | compare verify
}

check_write_atomic_and_or() {
	yes 12345678 | head -c 1024 >/tmp/data
	sg_write_x --atomic=0 --in=/tmp/data --lba=3000 --num=2 --bs=512 /dev/sg0
	dd if="$(disk 0:0:0)" bs=512 skip=3000 count=2 iflag=direct status=none | cmp - /tmp/data
	dd if=/dev/zero bs=1024 count=1 2>/dev/null | tr '\0' '\200' >/tmp/ones
	sg_write_x --or --in=/tmp/ones --lba=3000 --num=2 --bs=512 /dev/sg0
	tr '\12\61-\70' '\212\261-\270' </tmp/data >/tmp/ored
	dd if="$(disk 0:0:0)" bs=512 skip=3000 count=2 iflag=direct status=none | cmp - /tmp/ored
}

raw() { # what it is, CDB
	echo "$1"
	shift
	sg_raw --request=512 /dev/sg0 "$@" 2>&1 || echo "status $?"
}

check_refusals_point_at_the_field() {
	{
		raw 'READ(10) beyond the end' 28 00 00 00 80 00 00 00 01 00
		raw 'READ(10) with a reserved bit' 28 04 00 00 00 00 00 00 01 00
		raw 'INQUIRY of an unknown page' 12 01 c7 00 fc 00
		raw 'an unknown operation' e7 00 00 00 00 00
		raw 'an unknown service action' 9e 1f 00 00 00 00 00 00 00 00 00 00 00 20 00 00
	} | compare refusals
}

check_stop_and_start() {
	{
		tool sg_start --stop
		tool sg_turs
		tool sg_requests
		tool sg_start --start
		tool sg_turs
	} | compare stop-start
}

check_self_test_and_buffers() {
	{
		tool sg_senddiag --test
		tool sg_senddiag --list
		raw 'READ BUFFER, descriptor' 3c 03 00 00 00 00 00 00 04 00
	} | compare diagnostics
}

check_format_and_sanitize_leave_zeroes() {
	dd if=/dev/urandom of="$(disk 0:0:0)" bs=64k count=4 oflag=direct status=none
	sg_format --format --wait --quick /dev/sg0
	dd if="$(disk 0:0:0)" bs=64k count=4 iflag=direct status=none | cmp -n 262144 - /dev/zero
	dd if=/dev/urandom of="$(disk 0:0:0)" bs=64k count=4 oflag=direct status=none
	sg_sanitize --block --wait --quick /dev/sg0
	dd if="$(disk 0:0:0)" bs=64k count=4 iflag=direct status=none | cmp -n 262144 - /dev/zero
}
