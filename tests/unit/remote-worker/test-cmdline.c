/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>

#include "tests/unit/remote-worker/parse.h"

static int parse(const char *line)
{
	return parse_behind("", line);
}

#define HBA  "-device lsi53c895a,id=lsi0 -object x-remote-object,id=o,devid=lsi0,fd=4 "
#define DISK "-drive id=d0,file=/tmp/a -device scsi-hd,drive=d0,bus=lsi0.0"

static void test_documented_x_remote_form_is_taken_verbatim(void)
{
	T_EQ(parse("-machine x-remote -device lsi53c895a,id=lsi0 "
		   "-drive id=drive_image2,file=/build/ol7-nvme-test-1.qcow2 "
		   "-device scsi-hd,id=drive2,drive=drive_image2,bus=lsi0.0,scsi-id=0 "
		   "-object x-remote-object,id=robj1,devid=lsi0,fd=4,"),
	     0);
	T_EQ(cmd.n_hbas, 1);
	T_STR_EQ(cmd.hba[0].id, "lsi0");
	T_EQ(cmd.hba[0].fd, 4);
	T_EQ(cmd.n_disks, 1);
	T_EQ(cmd.disk[0].scsi_id, 0);
	T_STR_EQ(cmd.drive[cmd.disk[0].drive_no].file, "/build/ol7-nvme-test-1.qcow2");
}

static void test_oldest_form_takes_the_socket_as_a_bare_number(void)
{
	T_EQ(parse("4 -device lsi53c895a,id=lsi0 -drive id=d,file=F "
		   "-device scsi-hd,drive=d,bus=lsi0.0,scsi-id=0"),
	     0);
	T_EQ(cmd.hba[0].fd, 4);
}

static void test_two_dashes_and_any_order_are_taken(void)
{
	T_EQ(parse("--object x-remote-object,devid=b,fd=7 --device lsi53c895a,id=a "
		   "--device lsi53c895a,id=b --object x-remote-object,devid=a,fd=6"),
	     0);
	T_EQ(cmd.n_hbas, 2);
	T_EQ(cmd.hba[0].fd, 6);
	T_EQ(cmd.hba[1].fd, 7);
}

/* As QEMU has it; what had other bytes was missing in the answers of monitors. */
static void test_an_id_is_a_letter_and_what_qemu_lets_follow(void)
{
	T_REFUSED(HBA "-drive id=caf\xe9,file=F -device scsi-hd,drive=caf\xe9",
		  "-drive id=caf\xe9");
	T_REFUSED(HBA DISK ",id=caf\xe9", "-device id=caf\xe9");
	T_REFUSED(HBA DISK ",id=5a", "a letter, then letters, digits, '-', '.', '_'");
	T_REFUSED(HBA DISK ",id=a:b", "-device id=a:b");
	T_REFUSED(HBA DISK ",id=", "-device id=");
	T_REFUSED("-device lsi53c895a,id=l/0", "-device id=l/0");
	T_REFUSED(HBA DISK " -chardev null,id=0", "-chardev id=0");
	T_REFUSED(HBA DISK " -object secret,id=0,file=F", "-object id=0");
	T_EQ(parse(HBA DISK ",id=A-b.c_9"), 0);
}

static void test_doubled_comma_is_a_comma(void)
{
	T_EQ(parse(HBA "-drive id=d0,file=/tmp/a,,b,,,readonly=on -device scsi-hd,drive=d0"), 0);
	T_STR_EQ(cmd.drive[0].file, "/tmp/a,b,");
	T_OK(cmd.drive[0].read_only);
}

static void test_drive_properties_reach_the_block_layer(void)
{
	struct mp_blk_open how;

	T_EQ(parse(HBA "-drive id=d0,file=F,format=raw,if=none,readonly=on,cache=none,"
		       "discard=unmap,detect-zeroes=unmap,locking=off "
		       "-device scsi-hd,drive=d0"),
	     0);
	how = mp_cmdline_blk_open(&cmd.drive[0]);
	T_STR_EQ(how.driver, "raw");
	T_STR_EQ(how.filename, "F");
	T_OK(how.read_only && how.cache_direct && how.discard && how.no_lock && !how.no_flush);
	T_EQ(how.detect_zeroes, MP_BLK_DETECT_UNMAP);
}

static void test_longer_names_mean_the_same(void)
{
	struct mp_blk_open how;

	T_EQ(parse(HBA
		   "-drive id=d0,if=none,node-name=n,file.driver=file,file.filename=F,driver=raw,"
		   "file.locking=off,cache.direct=on,cache.no-flush=on,cache.writeback=on "
		   "-device scsi-hd,drive=d0"),
	     0);
	how = mp_cmdline_blk_open(&cmd.drive[0]);
	T_STR_EQ(how.filename, "F");
	T_OK(how.cache_direct && how.no_flush && how.no_lock);
	T_REFUSED(HBA "-drive id=d0,file=F,cache.writeback=no", "cache.writeback takes one of on");
}

static void test_drive_defaults_are_safe(void)
{
	struct mp_blk_open how;

	T_EQ(parse(HBA DISK), 0);
	how = mp_cmdline_blk_open(&cmd.drive[0]);
	T_OK(!how.read_only && !how.cache_direct && !how.discard && !how.no_lock && !how.no_flush);
	T_EQ(how.detect_zeroes, MP_BLK_DETECT_OFF);
}

static void test_null_drive_has_a_size(void)
{
	T_EQ(parse(HBA "-drive id=d0,driver=null-co,size=3M -device scsi-hd,drive=d0"), 0);
	T_EQ(cmd.drive[0].kind, MP_DRIVE_NULL);
	T_EQ(cmd.drive[0].size, 3 << 20);
	T_EQ(parse(HBA "-drive id=d0,file=null-co:// -device scsi-hd,drive=d0"), 0);
	T_STR_EQ(mp_cmdline_blk_open(&cmd.drive[0]).driver, "null");
	T_EQ(cmd.drive[0].size, 1 << 30);
}

static void test_disk_properties(void)
{
	T_EQ(parse(HBA
		   "-drive id=d0,file=F -device scsi-hd,id=x,drive=d0,bus=lsi0.0,scsi-id=3,"
		   "lun=2,serial=S1,device_id=N1,vendor=V,product=P,ver=1.0,wwn=0x5000c50012345678,"
		   "logical_block_size=4096,physical_block_size=8192,removable=on,bootindex=1"),
	     0);
	T_EQ(cmd.disk[0].scsi_id, 3);
	T_EQ(cmd.disk[0].lun, 2);
	T_STR_EQ(cmd.disk[0].serial, "S1");
	T_STR_EQ(cmd.disk[0].device_id, "N1");
	T_EQ(cmd.disk[0].wwn, 0x5000c50012345678ull);
	T_EQ(cmd.disk[0].logical_bytes, 4096);
	T_EQ(cmd.disk[0].physical_bytes, 8192);
	T_OK(cmd.disk[0].removable);
}

static void test_error_policy_is_the_devices_then_the_drives_then_qemus_default(void)
{
	T_EQ(parse(HBA DISK), 0);
	T_STR_EQ(cmd.disk[0].rerror, "report");
	T_STR_EQ(cmd.disk[0].werror, "enospc");
	T_EQ(parse(HBA "-drive id=d0,file=F,rerror=stop,werror=ignore "
		       "-device scsi-hd,drive=d0,rerror=auto,werror=stop"),
	     0);
	T_STR_EQ(cmd.disk[0].rerror, "stop");
	T_STR_EQ(cmd.disk[0].werror, "stop");
}

static void test_wrong_error_policies_name_the_right_ones(void)
{
	T_REFUSED("-drive id=a,file=b,rerror=enospc", "rerror takes one of report|ignore|stop,");
	T_REFUSED("-drive id=a,file=b,werror=halt", "one of report|ignore|enospc|stop,");
	T_REFUSED(HBA "-device scsi-hd,drive=a,rerror=enospc", "report|ignore|stop|auto");
	T_REFUSED(HBA "-device scsi-cd,werror=x", "-device scsi-cd: werror takes");
}

static void test_cd_needs_neither_drive_nor_file(void)
{
	T_EQ(parse(HBA "-device scsi-cd,id=cd0,scsi-id=2"), 0);
	T_OK(cmd.disk[0].is_cd && mp_cmdline_drive(&cmd, &cmd.disk[0]) == NULL);
	T_EQ(cmd.disk[0].scsi_id, 2);
	T_EQ(cmd.disk[0].logical_bytes, 2048);
	T_EQ(parse(HBA "-drive if=none,id=c,media=cdrom -device scsi-cd,drive=c"), 0);
	T_OK(mp_cmdline_drive(&cmd, &cmd.disk[0]) == NULL);
}

static void test_cdrom_drive_is_read_only(void)
{
	T_EQ(parse(HBA "-drive if=none,id=c,media=cdrom,file=F -device scsi-cd,drive=c"), 0);
	T_OK(mp_cmdline_blk_open(mp_cmdline_drive(&cmd, &cmd.disk[0])).read_only);
	T_EQ(parse(HBA "-drive if=none,id=c,media=cdrom,file=F,readonly=off "
		       "-device scsi-hd,drive=c"),
	     0);
	T_OK(mp_cmdline_blk_open(mp_cmdline_drive(&cmd, &cmd.disk[0])).read_only);
}

static void test_cd_beside_disks_takes_the_next_free_id(void)
{
	T_EQ(parse(HBA DISK " -device scsi-cd -device scsi-cd,lun=1,scsi-id=0"), 0);
	T_EQ(cmd.disk[1].scsi_id, 1);
	T_EQ(cmd.disk[2].lun, 1);
}

/* From a line that libvirt writes. */
static void test_properties_of_management_tools_are_taken(void)
{
	T_EQ(parse(HBA
		   "-drive id=d0,file=F,format=raw,if=none -device scsi-hd,bus=lsi0.0,scsi-id=0,"
		   "device_id=drive-scsi0-0-0-0,drive=d0,id=scsi0-0-0-0,bootindex=1,"
		   "write-cache=on,discard_granularity=4096,rotation_rate=1,share-rw=on"),
	     0);
}

static void test_disks_without_scsi_id_get_the_next_free_one(void)
{
	T_EQ(parse(HBA "-drive id=a,file=A -drive id=b,file=B -drive id=c,file=C "
		       "-device scsi-hd,drive=a,scsi-id=1 -device scsi-hd,drive=b "
		       "-device scsi-hd,drive=c"),
	     0);
	T_EQ(cmd.disk[1].scsi_id, 0);
	T_EQ(cmd.disk[2].scsi_id, 2);
}

static void test_busy_poller_on_the_cpu_of_the_daemons_is_warned_of(void)
{
	T_EQ(parse(HBA "--poll busy --cpu 1 --storage-daemon-cpu 2"), 0);
	T_EQ(cmd.warnings.n, 0);
	T_EQ(parse(HBA "--poll busy --cpu 2 --storage-daemon-cpu 2"), 0);
	T_EQ(cmd.warnings.n, 1);
	T_SAYS(cmd.warnings.text[0], "never leaves CPU 2");
	T_EQ(parse(HBA "--poll busy"), 0);
	T_OK(!mp_cmdline_daemons_beside(&cmd));
}

static void test_own_options(void)
{
	T_EQ(parse(HBA
		   "--poll sleep --spin-us 7 --cpu 3 --storage-daemon-cpu 3 --aio threads --requests-budget 9 "
		   "--insn-budget 11 --pool-bytes 512k --no-sandbox --stats-fd lsi0=9"),
	     0);
	T_EQ(cmd.poll, MP_IDLE_SLEEP);
	T_EQ(cmd.spin_us, 7);
	T_EQ(cmd.cpu, 3);
	T_OK(mp_cmdline_daemons_beside(&cmd));
	T_EQ(cmd.warnings.n, 0);
	T_EQ(cmd.aio, MP_BLK_AIO_THREADS);
	T_EQ(cmd.request_budget, 9);
	T_EQ(cmd.insn_budget, 11);
	T_EQ(cmd.pool_bytes, 512 << 10);
	T_OK(cmd.no_sandbox);
	T_EQ(cmd.hba[0].stats_fd, 9);
}

static void test_supervision_options_and_their_defaults(void)
{
	T_EQ(parse(HBA), 0);
	T_EQ(cmd.rpc_timeout_ns, 10000000000ull);
	T_EQ(cmd.proxy_timeout_ns, 5000000000ull);
	T_EQ(cmd.monitor_farewell_ns, 2000000000);
	T_EQ(cmd.storage_daemon_start_ns, 30000000000ull);
	T_EQ(cmd.storage_daemon_answer_ns, 10000000000ull);
	T_EQ(cmd.reconnect_ns, 30000000000ull);
	T_EQ(cmd.request_timeout_ns, 0);
	T_EQ(cmd.nbd_connections, 4);
	T_EQ(cmd.unstable_bytes, 32 << 20);
	T_STR_EQ(cmd.storage_daemon, "qemu-storage-daemon");
	T_EQ(parse(HBA "--rpc-timeout 1 --storage-daemon /bin/x --storage-daemon-start 2 "
		       "--storage-daemon-answer 0 "
		       "--nbd-connections 3 --reconnect-delay 0 --request-timeout 5 "
		       "--unstable-bytes 6M --proxy-timeout 7 --monitor-farewell 0"),
	     0);
	T_EQ(cmd.rpc_timeout_ns, 1000000000);
	T_EQ(cmd.proxy_timeout_ns, 7000000000ull);
	T_EQ(cmd.monitor_farewell_ns, 0);
	T_EQ(cmd.storage_daemon_start_ns, 2000000000);
	T_EQ(cmd.storage_daemon_answer_ns, 0);
	T_EQ(cmd.reconnect_ns, 0);
	T_EQ(cmd.request_timeout_ns, 5000000000ull);
	T_EQ(cmd.nbd_connections, 3);
	T_EQ(cmd.unstable_bytes, 6 << 20);
	T_STR_EQ(cmd.storage_daemon, "/bin/x");
}

static void test_wrong_supervision_values_name_the_right_ones(void)
{
	T_REFUSED("--rpc-timeout x", "from 0 to 86400");
	T_REFUSED("--proxy-timeout 0", "from 1 to 86400");
	T_REFUSED("--nbd-connections 0", "from 1 to 16");
	T_REFUSED("--unstable-bytes 4k", "from 1M to 1G");
}

static void test_help_and_version_win(void)
{
	T_EQ(parse("--help"), MP_CMDLINE_HELP);
	T_EQ(parse("-device help"), MP_CMDLINE_HELP);
	T_EQ(parse("4 -device scsi-hd,help"), MP_CMDLINE_HELP);
	T_EQ(parse("-drive file=help,?"), MP_CMDLINE_HELP);
	T_EQ(parse("-version"), MP_CMDLINE_VERSION);
}

static void test_unknown_option_lists_the_valid_ones(void)
{
	T_REFUSED("--pol busy", "unknown option '--pol'; valid are -machine, -device");
	T_REFUSED("--pol busy", "-stats-fd");
}

/* Used to list -object twice: other options stand between its forms. */
static void test_an_option_of_several_forms_is_listed_once(void)
{
	char *first;

	T_REFUSED("-foo", " -version");
	first = strstr(error, " -object,");
	T_OK(first && !strstr(first + 1, " -object,"));
}

static void test_unknown_property_lists_the_valid_ones(void)
{
	T_REFUSED("-drive id=a,fil=b", "unknown property 'fil'; valid are id, file, format");
	T_REFUSED("-device scsi-hd,drve=a", "-device scsi-hd: unknown property 'drve'");
}

static void test_unknown_device_lists_the_valid_ones(void)
{
	T_REFUSED("-device virtio-blk", "unknown device; valid are lsi53c895a, scsi-hd, scsi-cd");
	T_REFUSED("-machine pc", "valid is x-remote");
	T_REFUSED("-object colo-compare,id=a", "valid are x-remote-object, throttle-group");
	T_REFUSED(HBA "-device scsi-block,drive=a", "isn't supported");
	T_REFUSED(HBA "-device scsi-generic,drive=a", "use -device scsi-hd");
}

static void test_wrong_values_name_the_right_ones(void)
{
	T_REFUSED("--poll fast", "busy|adaptive|sleep");
	T_REFUSED("--aio native", "auto|io_uring|threads");
	T_REFUSED("--spin-us x", "from 0 to 1000000");
	T_REFUSED("--pool-bytes 1000", "multiple of 4096");
	T_REFUSED("-drive id=a,file=b,cache=always",
		  "none|writeback|unsafe|writethrough|directsync");
	T_REFUSED("-drive id=a,file=b,format=qcow3", "unknown format 'qcow3'; valid are bochs");
	T_REFUSED("-drive id=a,file=b,size=1G", "null-co only");
	T_REFUSED("-drive id=a,file=b,readonly=maybe", "on or off");
	T_REFUSED(HBA "-device scsi-hd,drive=a,scsi-id=16", "from 0 to 15");
	T_REFUSED(HBA "-device scsi-hd,drive=a,scsi-id=7", "the adapter itself");
	T_REFUSED(HBA "-device scsi-hd,drive=a,logical_block_size=1024", "512 or 4096");
	T_REFUSED(HBA "-device scsi-hd,drive=a,vendor=123456789", "at most 8 characters");
	T_REFUSED(HBA "-device scsi-hd,drive=a,logical_block_size=4096,physical_block_size=512",
		  "at least logical_block_size");
	T_REFUSED(HBA "-device scsi-cd,logical_block_size=512", "logical_block_size takes");
	T_REFUSED(HBA "-device scsi-hd,drive=a,write-cache=none", "auto|on|off");
	T_REFUSED(HBA "-device scsi-cd,removable=on", "-device scsi-cd: unknown property");
}

static void test_missing_pieces_are_named(void)
{
	T_REFUSED("", "no adapter; add -device lsi53c895a,id=lsi0");
	T_REFUSED("-device lsi53c895a,id=x", "adapter 'x' has no socket");
	T_REFUSED(HBA "-device scsi-hd,drive=d9", "no drive 'd9'");
	T_REFUSED(HBA "-drive id=F -device scsi-hd,drive=F", "file=NAME is missing");
	T_REFUSED(HBA "-device scsi-hd", "drive=ID is missing");
	T_REFUSED("--cpu", "needs an argument");
	T_REFUSED("-object x-remote-object,devid=q,fd=3", "no adapter; add");
	T_REFUSED(HBA "-object x-remote-object,devid=q,fd=3", "no adapter 'q'; there are lsi0");
}

static void test_adapters_without_a_name_have_qemus_buses(void)
{
	T_EQ(parse("5 6 -device lsi53c895a -device lsi53c895a -drive id=a,file=A "
		   "-device scsi-hd,drive=a,bus=scsi.1"),
	     -EINVAL);
	T_EQ(parse("5 -device lsi53c895a -drive id=a,file=A -device scsi-hd,drive=a,bus=scsi.0"),
	     0);
	T_REFUSED("5 -device lsi53c895a -drive id=a,file=A -device scsi-hd,drive=a,bus=scsi.1",
		  "no bus 'scsi.1'");
}

static void test_sockets_by_path(void)
{
	T_EQ(parse("-device lsi53c895a,id=a -device lsi53c895a,id=b -listen /run/a "
		   "-object x-remote-object,devid=b,socket=/run/b"),
	     0);
	T_STR_EQ(cmd.hba[0].socket_path, "/run/a");
	T_STR_EQ(cmd.hba[1].socket_path, "/run/b");
	T_EQ(cmd.hba[0].fd, -1);
	T_OK(cmd.auto_shutdown);
	T_REFUSED("-device lsi53c895a,id=a -listen /a -listen /b", "no adapter left for it");
	T_REFUSED("-device lsi53c895a,id=a -device lsi53c895a,id=b -listen /a -listen /a",
		  "two adapters listen on /a");
	T_REFUSED("-object x-remote-object,devid=a,fd=3,socket=/a", "one of fd=N and socket=PATH");
	T_REFUSED("-object x-remote-object,devid=a", "one of fd=N and socket=PATH");
}

static void test_machine_properties(void)
{
	T_EQ(parse(HBA "-machine x-remote,auto-shutdown=off,accel=tcg,usb=off"), 0);
	T_OK(!cmd.auto_shutdown);
	T_REFUSED("-machine x-remote,vfio-user=on", "isn't supported");
	T_REFUSED("-machine x-remote,colour=red", "unknown property 'colour'; valid are accel");
}

static void test_globals_are_defaults_wherever_they_stand(void)
{
	T_EQ(parse(HBA "-drive id=a,file=A -drive id=b,file=B "
		       "-global scsi-hd.vendor=ACME -device scsi-hd,drive=a "
		       "-device scsi-hd,drive=b,vendor=OTHER "
		       "-global driver=scsi-hd,property=product,value=DISK"),
	     0);
	T_STR_EQ(cmd.disk[0].vendor, "ACME");
	T_STR_EQ(cmd.disk[1].vendor, "OTHER");
	T_STR_EQ(cmd.disk[0].product, "DISK");
	T_EQ(cmd.warnings.n, 0);
	T_EQ(parse(HBA "-global PIIX4_PM.disable_s3=1"), 0);
	T_EQ(cmd.warnings.n, 1);
	T_REFUSED(HBA DISK " -global scsi-hd.colour=red",
		  "unknown property 'colour'; valid are id");
	T_REFUSED(HBA "-global scsi-hd", "DEVICE.PROPERTY=VALUE");
}

static void test_conflicts_are_refused(void)
{
	T_REFUSED(HBA HBA, "two adapters have the id");
	T_REFUSED(HBA "-object x-remote-object,devid=lsi0,fd=5", "has two sockets");
	T_REFUSED(HBA DISK " -device scsi-hd,drive=d0", "used by two disks");
	T_REFUSED(HBA DISK " -drive id=d0,file=x", "two drives have the id 'd0'");
	T_REFUSED(HBA "-drive id=a,file=A -drive id=b,file=B -device scsi-hd,drive=a,scsi-id=1 "
		      "-device scsi-hd,drive=b,scsi-id=1",
		  "two disks have scsi-id=1");
	T_REFUSED(HBA "-aio threads -blockdev driver=file,node-name=n0,filename=A,aio=io_uring "
		      "-device scsi-hd,drive=n0",
		  "drive 'n0': aio=io_uring");
	T_REFUSED(HBA "-drive id=a,file=A,aio=threads -drive id=b,file=B,aio=io_uring",
		  "one worker has one kind");
	T_REFUSED("4 -device lsi53c895a,id=a -object x-remote-object,devid=a,fd=5",
		  "has two sockets");
	T_REFUSED("4 5 -device lsi53c895a,id=a", "a control and an MMIO socket");
}

static void test_wrong_bus_names_the_right_one(void)
{
	T_REFUSED(HBA "-drive id=a,file=A -device scsi-hd,drive=a,bus=lsi0", "is 'lsi0.0'");
	T_REFUSED(HBA "-drive id=a,file=A -device scsi-hd,drive=a,bus=scsi.0", "is 'lsi0.0'");
}

/* Used to take "/tmp/a,b" as a key. */
static void test_value_of_an_implied_key_may_have_commas_and_an_equals_sign(void)
{
	T_EQ(parse(HBA "-qmp unix:/tmp/a,,b=c.qmp,server=on,wait=off"), 0);
	T_STR_EQ(cmd.monitor[0].path, "/tmp/a,b=c.qmp");
	T_EQ(parse(HBA "-name a,,b=c"), 0);
	T_STR_EQ(cmd.name, "a,b=c");
	T_EQ(parse(HBA "-name ,,b"), 0);
	T_STR_EQ(cmd.name, ",b");
}

static void test_only_values_have_commas(void)
{
	T_EQ(parse(HBA "-drive file=a,,b=c,id=d0,readonly,if=none,"), 0);
	T_STR_EQ(cmd.drive[0].file, "a,b=c");
	T_OK(cmd.drive[0].read_only);
	T_REFUSED(HBA "-drive id=d0,fil,,e=F", "unknown property 'fil'");
	T_REFUSED(HBA "-drive id=d0,=F", "a key is empty");
}

/* -- JSON ---------------------------------------------------------------------- */

#define JSON_HBA                                                                                   \
	"-device {\"driver\":\"lsi53c895a\",\"id\":\"lsi0\"} "                                     \
	"-object {\"qom-type\":\"x-remote-object\",\"id\":\"o0\",\"devid\":\"lsi0\",\"fd\":4} "
#define JSON_DISK(more) "-device {\"driver\":\"scsi-hd\",\"drive\":\"d0\"," more "}"

static void test_devices_and_objects_may_be_json(void)
{
	T_EQ(parse(JSON_HBA "-drive id=d0,file=F " JSON_DISK(
		     "\"id\":\"x\",\"bus\":\"lsi0.0\",\"scsi-id\":3,\"channel\":0,"
		     "\"removable\":true,\"share-rw\":false,\"serial\":\"a,b=c\","
		     "\"wwn\":5764607523034234880,\"bootindex\":1")),
	     0);
	T_STR_EQ(cmd.hba[0].id, "lsi0");
	T_EQ(cmd.hba[0].fd, 4);
	T_STR_EQ(cmd.disk[0].id, "x");
	T_EQ(cmd.disk[0].scsi_id, 3);
	T_OK(cmd.disk[0].removable);
	T_STR_EQ(cmd.disk[0].serial, "a,b=c");
	T_EQ(cmd.disk[0].wwn, 0x5000000000000000ull);
}

static void test_wrong_json_properties_are_told_as_those_of_text(void)
{
	T_REFUSED(JSON_HBA JSON_DISK("\"scsi-id\":16"), "from 0 to 15, not '16'");
	T_REFUSED(JSON_HBA JSON_DISK("\"scsi-id\":-1"), "from 0 to 15, not '-1'");
	T_REFUSED(JSON_HBA JSON_DISK("\"drve\":1"), "-device scsi-hd: unknown property 'drve'");
	T_REFUSED("-device {\"driver\":\"virtio-blk\"}", "unknown device; valid are lsi53c895a");
	T_REFUSED("-object {\"id\":\"a\"}", "valid are x-remote-object");
}

static void test_json_without_a_text_form_is_refused_by_name(void)
{
	T_REFUSED(JSON_HBA JSON_DISK("\"bootindex\":[1]"), "'bootindex' is a list");
	T_REFUSED(JSON_HBA JSON_DISK("\"serial\":null"), "'serial' is null");
	T_REFUSED(JSON_HBA JSON_DISK("\"lun\":1.5"), "'lun' is no whole number");
	T_REFUSED("-object {\"qom-type\":\"throttle-group\",\"limits\":{\"iops-total\":[]}}",
		  "'limits.iops-total' is a list");
}

static void test_what_is_not_json_says_where(void)
{
	T_REFUSED("-device {\"driver\"}", "-device {\"driver\"}: not JSON: ");
	T_REFUSED("-device {\"driver\"}", " at column 10");
	T_REFUSED("-object {", "not JSON: ");
	T_REFUSED("-device {\"id\":1}x", "not JSON: end of file expected near 'x' at column 9");
	T_REFUSED("-device {\"id\":\"a\",\"id\":\"b\"}", "not JSON: duplicate object key");
}

static void test_json_has_as_many_members_as_text(void)
{
	char line[1024];
	int n = snprintf(line, sizeof(line), "-device {\"driver\":\"scsi-hd\"");

	for (unsigned int i = 0; i < MP_KEYVAL_MAX; i++)
		n += snprintf(line + n, sizeof(line) - (size_t)n, ",\"k%u\":1", i);
	n += snprintf(line + n, sizeof(line) - (size_t)n, "}");
	T_OK((size_t)n < sizeof(line));
	T_REFUSED(line, "more than 64 properties");
}

static void test_sizes(void)
{
	uint64_t v;

	T_EQ(mp_parse_size("512", &v), 0);
	T_EQ(v, 512);
	T_EQ(mp_parse_size("2G", &v), 0);
	T_EQ(v, 2ull << 30);
	T_EQ(mp_parse_size("1kB", &v), 0);
	T_EQ(v, 1024);
	T_EQ(mp_parse_size("16E", &v), -EINVAL);
	T_EQ(mp_parse_size("-1", &v), -EINVAL);
	T_EQ(mp_parse_size("1x", &v), -EINVAL);
	T_EQ(mp_parse_size("", &v), -EINVAL);
}

T_MAIN(T_TEST(test_documented_x_remote_form_is_taken_verbatim),
       T_TEST(test_oldest_form_takes_the_socket_as_a_bare_number),
       T_TEST(test_two_dashes_and_any_order_are_taken),
       T_TEST(test_an_id_is_a_letter_and_what_qemu_lets_follow),
       T_TEST(test_doubled_comma_is_a_comma), T_TEST(test_drive_properties_reach_the_block_layer),
       T_TEST(test_longer_names_mean_the_same), T_TEST(test_drive_defaults_are_safe),
       T_TEST(test_null_drive_has_a_size), T_TEST(test_disk_properties),
       T_TEST(test_error_policy_is_the_devices_then_the_drives_then_qemus_default),
       T_TEST(test_wrong_error_policies_name_the_right_ones),
       T_TEST(test_cd_needs_neither_drive_nor_file), T_TEST(test_cdrom_drive_is_read_only),
       T_TEST(test_cd_beside_disks_takes_the_next_free_id),
       T_TEST(test_properties_of_management_tools_are_taken),
       T_TEST(test_disks_without_scsi_id_get_the_next_free_one),
       T_TEST(test_busy_poller_on_the_cpu_of_the_daemons_is_warned_of), T_TEST(test_own_options),
       T_TEST(test_supervision_options_and_their_defaults),
       T_TEST(test_wrong_supervision_values_name_the_right_ones), T_TEST(test_help_and_version_win),
       T_TEST(test_unknown_option_lists_the_valid_ones),
       T_TEST(test_an_option_of_several_forms_is_listed_once),
       T_TEST(test_unknown_property_lists_the_valid_ones),
       T_TEST(test_unknown_device_lists_the_valid_ones),
       T_TEST(test_wrong_values_name_the_right_ones), T_TEST(test_missing_pieces_are_named),
       T_TEST(test_adapters_without_a_name_have_qemus_buses), T_TEST(test_sockets_by_path),
       T_TEST(test_machine_properties), T_TEST(test_globals_are_defaults_wherever_they_stand),
       T_TEST(test_conflicts_are_refused), T_TEST(test_wrong_bus_names_the_right_one),
       T_TEST(test_value_of_an_implied_key_may_have_commas_and_an_equals_sign),
       T_TEST(test_only_values_have_commas), T_TEST(test_devices_and_objects_may_be_json),
       T_TEST(test_wrong_json_properties_are_told_as_those_of_text),
       T_TEST(test_json_without_a_text_form_is_refused_by_name),
       T_TEST(test_what_is_not_json_says_where), T_TEST(test_json_has_as_many_members_as_text),
       T_TEST(test_sizes))
