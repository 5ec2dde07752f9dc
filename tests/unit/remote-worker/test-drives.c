/* SPDX-License-Identifier: BSD-3-Clause */
/* -drive and -blockdev: who serves what, and what a storage daemon is told. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "remote-worker/options/unit_json.h"
#include "tests/unit/remote-worker/parse.h"

static int parse(const char *line)
{
	return parse_behind(ADAPTER, line);
}

#define T_PARSES(line)                                                                             \
	do {                                                                                       \
		if (parse(line) != 0)                                                              \
			t_fail(__FILE__, __LINE__, "%s", error);                                   \
	} while (0)

/* JSON, whatever the order of its members. */
static void check_json(int line, const char *text, const char *want)
{
	json_t *a = text ? json_loads(text, 0, NULL) : NULL, *b = json_loads(want, 0, NULL);
	bool same = a && b && json_equal(a, b);

	json_decref(a);
	json_decref(b);
	if (!same)
		t_fail(__FILE__, line, "%s, expected %s", text ? text : "nothing", want);
}
#define T_JSON(text, want) check_json(__LINE__, text, want)

#define HD                 " -device scsi-hd,drive=d0"

/* -- what the worker has itself ------------------------------------------------- */

static void test_drive_of_a_file_is_raw_and_probed_until_a_format_is_said(void)
{
	T_PARSES("-drive id=d0,file=/a/b.img" HD);
	T_EQ(cmd.drive[0].kind, MP_DRIVE_RAW);
	T_STR_EQ(cmd.drive[0].file, "/a/b.img");
	T_STR_EQ(cmd.drive[0].node_name, "d0");
	T_OK(cmd.drive[0].probed);
	T_PARSES("-drive id=d0,file=/a/b.img,format=raw" HD);
	T_OK(!cmd.drive[0].probed);
	T_PARSES("-drive id=d0,driver=file,file.filename=/a/b.img" HD);
	T_OK(cmd.drive[0].probed);
}

static void test_name_with_a_colon_needs_file_in_front(void)
{
	T_PARSES("-drive id=d0,file=file:a:b,format=raw" HD);
	T_STR_EQ(cmd.drive[0].file, "a:b");
	T_PARSES("-drive id=d0,file=./a:b,format=raw" HD);
	T_STR_EQ(cmd.drive[0].file, "./a:b");
	T_REFUSED("-drive id=d0,file=a:b" HD, "unknown protocol 'a'; valid are file, nbd");
}

static void test_drives_without_an_id_are_called_as_qemu_calls_them(void)
{
	T_PARSES("-drive file=A,if=none -drive file=B -device scsi-hd,drive=none1");
	T_STR_EQ(cmd.drive[1].file, "B");
	T_EQ(cmd.disk[0].drive_no, 1);
}

static void test_cache_modes_are_qemus(void)
{
	static const struct {
		const char *mode;
		bool direct, no_flush, write_through;
	} modes[] = {
		{"writeback", 0, 0, 0},    {"none", 1, 0, 0},       {"unsafe", 0, 1, 0},
		{"writethrough", 0, 0, 1}, {"directsync", 1, 0, 1},
	};
	struct mp_blk_open how;
	char line[128];

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		snprintf(line, sizeof(line), "-drive id=d0,file=F,cache=%s" HD, modes[i].mode);
		T_PARSES(line);
		how = mp_cmdline_blk_open(&cmd.drive[0]);
		T_EQ(how.cache_direct, modes[i].direct);
		T_EQ(how.no_flush, modes[i].no_flush);
		T_EQ(cmd.disk[0].write_through, modes[i].write_through);
	}
}

static void test_write_cache_is_the_devices_word_before_the_drives(void)
{
	T_PARSES("-drive id=d0,file=F,cache.writeback=off" HD);
	T_OK(cmd.disk[0].write_through);
	T_PARSES("-drive id=d0,file=F,cache=writethrough" HD ",write-cache=on");
	T_OK(!cmd.disk[0].write_through);
	T_PARSES("-drive id=d0,file=F" HD ",write-cache=off");
	T_OK(cmd.disk[0].write_through);
}

static void test_limits_old_and_new_names(void)
{
	T_PARSES("-drive id=d0,file=F,throttling.bps-total=10M,throttling.iops-read=100,"
		 "throttling.iops-read-max=200,throttling.iops-read-max-length=3,"
		 "throttling.iops-size=4k,throttling.group=g" HD);
	T_EQ(cmd.drive[0].throttle.bps_total.avg, 10 << 20);
	T_EQ(cmd.drive[0].throttle.iops_read.avg, 100);
	T_EQ(cmd.drive[0].throttle.iops_read.max, 200);
	T_EQ(cmd.drive[0].throttle.iops_read.max_length, 3);
	T_EQ(cmd.drive[0].throttle.iops_size, 4096);
	T_PARSES("-drive id=d0,file=F,bps_wr=1M,bps_wr_max=2M,bps_wr_max_length=4,iops=7" HD);
	T_EQ(cmd.drive[0].throttle.bps_write.avg, 1 << 20);
	T_EQ(cmd.drive[0].throttle.bps_write.max, 2 << 20);
	T_EQ(cmd.drive[0].throttle.bps_write.max_length, 4);
	T_EQ(mp_throttle_of(&cmd.drive[0].throttle).iops[MP_THROTTLE_TOTAL].avg, 7);
}

static void test_drives_may_name_one_throttle_group(void)
{
	T_PARSES("-drive id=d0,if=none,file=F,iops=1,group=g -drive "
		 "id=d1,if=none,file=G,throttling.iops-total=1,throttling.group=g "
		 "-device scsi-hd,drive=d0 -device scsi-hd,drive=d1");
	T_STR_EQ(cmd.drive[0].throttle.group, "g");
	T_STR_EQ(cmd.drive[1].throttle.group, "g");
	T_PARSES("-drive id=d0,file=F,iops=1" HD);
	T_STR_EQ(cmd.drive[0].throttle.group, "d0");
	T_PARSES(
		"-object throttle-group,id=g,x-iops-total=50 -blockdev file,filename=F,node-name=f "
		"-blockdev file,filename=G,node-name=h "
		"-blockdev throttle,node-name=t,throttle-group=g,file=f -device scsi-hd,drive=t "
		"-blockdev throttle,node-name=u,throttle-group=g,file=h -device scsi-hd,drive=u");
	T_STR_EQ(cmd.drive[1].throttle.group, "g");
	T_EQ(cmd.drive[1].throttle.iops_total.avg, 50);
}

static void test_limits_that_make_no_sense_are_refused(void)
{
	T_REFUSED("-drive id=d0,file=F,iops=7,iops_rd=8" HD, "drive 'd0': ");
}

static void test_what_qemu_has_and_we_do_not_is_refused_with_the_way_out(void)
{
	T_REFUSED("-drive id=d0,file=F,if=scsi", "use if=none,id=ID with -device scsi-hd");
	T_REFUSED("-drive id=d0,file=F,snapshot=on", "qemu-img create -f qcow2 -b");
	T_REFUSED("-drive id=d0,file=F,copy-on-read=on", "-blockdev driver=copy-on-read");
	T_REFUSED("-drive id=d0,file=F,driver=qcow2,format=raw", "exclude each other");
	T_REFUSED("-drive id=d0,file=F,backing=x", "unknown property 'backing'; valid are id");
	T_REFUSED("-drive id=d0,file=F,lazy-refcounts=on", "(a format's own need format=)");
	T_REFUSED("-drive id=d0,file.filename=F,file.colour=red",
		  "driver=file: unknown property 'colour'");
	T_REFUSED("-drive id=d0,file=F,node-name=1", "node-name '1' is none");
}

/* -- NBD ------------------------------------------------------------------------ */

static void check_nbd(const char *file, const char *host, const char *port, const char *export)
{
	char line[256];

	snprintf(line, sizeof(line), "-drive id=d0,file=%s" HD, file);
	T_PARSES(line);
	T_EQ(cmd.drive[0].kind, MP_DRIVE_NBD);
	T_STR_EQ(cmd.drive[0].nbd.host, host);
	T_STR_EQ(cmd.drive[0].nbd.port, port);
	T_STR_EQ(cmd.drive[0].nbd.export_name, export);
	T_OK(!cmd.drive[0].nbd.path && !cmd.drive[0].probed);
	T_STR_EQ(cmd.drive[0].file, file);
}

static void test_nbd_uris_over_tcp(void)
{
	check_nbd("nbd://localhost", "localhost", "10809", "");
	check_nbd("nbd://h.example:1234/a/b", "h.example", "1234", "a/b");
	check_nbd("nbd+tcp://[::1]:99/my%20disk", "::1", "99", "my disk");
	check_nbd("nbd:192.0.2.1:5:exportname=x", "192.0.2.1", "5", "x");
	check_nbd("nbd:[fe80::1]:6", "fe80::1", "6", "");
}

static void test_nbd_uris_over_a_unix_socket(void)
{
	T_PARSES("-drive id=d0,file=nbd+unix:///exp?socket=/run/a%3db,format=raw" HD);
	T_EQ(cmd.drive[0].kind, MP_DRIVE_NBD);
	T_STR_EQ(cmd.drive[0].nbd.path, "/run/a=b");
	T_STR_EQ(cmd.drive[0].nbd.export_name, "exp");
	T_OK(!cmd.drive[0].nbd.host);
	T_PARSES("-drive id=d0,file=nbd:unix:/run/s:exportname=e" HD);
	T_STR_EQ(cmd.drive[0].nbd.path, "/run/s");
	T_STR_EQ(cmd.drive[0].nbd.export_name, "e");
}

static void test_nbd_as_a_block_node(void)
{
	T_PARSES("-blockdev nbd,node-name=n,server.type=inet,server.host=h,server.port=1,export=e,"
		 "read-only=on -device scsi-hd,drive=n");
	T_EQ(cmd.drive[0].kind, MP_DRIVE_NBD);
	T_STR_EQ(cmd.drive[0].nbd.host, "h");
	T_STR_EQ(cmd.drive[0].nbd.port, "1");
	T_STR_EQ(cmd.drive[0].node_name, "n");
	T_STR_EQ(cmd.drive[0].id, "");
	T_OK(cmd.drive[0].read_only);
	T_REFUSED("-blockdev nbd,node-name=n,server.type=unix -device scsi-hd,drive=n",
		  "server.path=NAME is missing");
}

static void test_wrong_nbd_uris_say_what_is_wrong(void)
{
	T_REFUSED("-drive id=d0,file=nbd:///x", "there is no host in it");
	T_REFUSED("-drive id=d0,file=nbd+unix:///x", "socket=PATH is missing");
	T_REFUSED("-drive id=d0,file=nbd://h/?sockt=/a", "unknown parameter 'sockt'");
	T_REFUSED("-drive id=d0,file=nbds://h/x", "tls-certificates=DIRECTORY");
}

/* -- for a storage daemon ---------------------------------------------------------- */

static void test_qcow2_is_the_storage_daemons(void)
{
	T_PARSES("-drive id=d0,file=/a.qcow2,format=qcow2" HD);
	T_EQ(cmd.drive[0].kind, MP_DRIVE_DAEMON);
	T_STR_EQ(cmd.drive[0].file, "/a.qcow2");
	T_STR_EQ(cmd.drive[0].format, "qcow2");
	T_STR_EQ(cmd.drive[0].node_name, "d0");
	T_OK(!cmd.drive[0].objects && !cmd.drive[0].probed);
	T_JSON(cmd.drive[0].blockdev, "[{\"driver\":\"qcow2\",\"node-name\":\"d0\",\"file\":"
				      "{\"driver\":\"file\",\"filename\":\"/a.qcow2\"}}]");
}

static void test_options_of_a_format_are_passed_on_with_their_types(void)
{
	T_PARSES(
		"-drive id=d0,format=qcow2,file.driver=file,file.filename=/a,lazy-refcounts=on,"
		"cache-size=1M,overlap-check=all,cache=none,discard=on,readonly=on,aio=native,"
		"locking=off,backing.driver=raw,backing.file.driver=file,backing.file.filename=/b" HD);
	T_JSON(cmd.drive[0].blockdev,
	       "[{\"driver\":\"qcow2\",\"node-name\":\"d0\",\"lazy-refcounts\":true,"
	       "\"cache-size\":1048576,\"overlap-check\":\"all\",\"cache\":{\"direct\":true},"
	       "\"discard\":\"unmap\",\"read-only\":true,\"file\":{\"driver\":\"file\","
	       "\"filename\":\"/a\",\"aio\":\"native\",\"locking\":\"off\"},\"backing\":"
	       "{\"driver\":\"raw\",\"file\":{\"driver\":\"file\",\"filename\":\"/b\"}}}]");
	T_OK(cmd.drive[0].read_only);
}

static void test_disc_of_a_cd_drive_is_opened_read_only(void)
{
	T_PARSES("-drive id=d0,file=/a,format=qcow2 -device scsi-cd,drive=d0");
	T_OK(cmd.drive[0].read_only);
	T_JSON(cmd.drive[0].blockdev,
	       "[{\"driver\":\"qcow2\",\"node-name\":\"d0\",\"read-only\":true,\"file\":"
	       "{\"driver\":\"file\",\"filename\":\"/a\"}}]");
}

static void test_id_that_is_no_node_name_gets_another(void)
{
	T_PARSES(
		"-drive id=longer-than-what-names-a-node.01,file=A,format=qcow2 -drive id=drive0,file=B,format=qcow2");
	T_STR_EQ(cmd.drive[0].node_name, "drive1");
	T_STR_EQ(cmd.drive[1].node_name, "drive0");
}

static void check_file_node(const char *file, const char *want)
{
	char line[512], json[1024];

	snprintf(line, sizeof(line), "-drive id=d0,file=%s,format=raw" HD, file);
	T_PARSES(line);
	T_EQ(cmd.drive[0].kind, MP_DRIVE_DAEMON);
	snprintf(json, sizeof(json), "[{\"driver\":\"raw\",\"node-name\":\"d0\",\"file\":%s}]",
		 want);
	T_JSON(cmd.drive[0].blockdev, json);
}

static void test_uris_become_nodes(void)
{
	check_file_node("https://h/a%20b.img?x=y",
			"{\"driver\":\"https\",\"url\":\"https://h/a%20b.img?x=y\"}");
	check_file_node(
		"ssh://me@h:2222/a/b?host_key_check=no",
		"{\"driver\":\"ssh\",\"server\":{\"host\":\"h\",\"port\":\"2222\"},"
		"\"user\":\"me\",\"path\":\"/a/b\",\"host-key-check\":{\"mode\":\"none\"}}");
	check_file_node("iscsi://[::1]/iqn.2001-04.com.example:disk/3",
			"{\"driver\":\"iscsi\",\"transport\":\"tcp\",\"portal\":\"[::1]:3260\","
			"\"target\":\"iqn.2001-04.com.example:disk\",\"lun\":3}");
	check_file_node("rbd:pool/ns/image@snap:id=admin:conf=/etc/c",
			"{\"driver\":\"rbd\",\"pool\":\"pool\",\"namespace\":\"ns\",\"image\":"
			"\"image\",\"snapshot\":\"snap\",\"user\":\"admin\",\"conf\":\"/etc/c\"}");
	check_file_node("nfs://h/export/a",
			"{\"driver\":\"nfs\",\"server\":{\"type\":\"inet\",\"host\":\"h\"},"
			"\"path\":\"/export/a\"}");
	check_file_node("gluster://h/vol/a/b",
			"{\"driver\":\"gluster\",\"volume\":\"vol\",\"path\":\"a/b\",\"server\":"
			"[{\"type\":\"inet\",\"host\":\"h\",\"port\":\"24007\"}]}");
}

static void test_image_elsewhere_needs_a_format_unless_it_is_a_disc(void)
{
	T_REFUSED("-drive id=d0,file=https://h/a" HD, "add format=raw or format=qcow2");
	T_PARSES("-drive id=d0,file=https://h/a,media=cdrom -device scsi-cd,drive=d0");
	T_EQ(cmd.drive[0].kind, MP_DRIVE_DAEMON);
	T_OK(cmd.drive[0].read_only);
}

static void test_nbd_with_tls_is_the_storage_daemons(void)
{
	T_PARSES("-drive id=d0,file=nbds://h/e?tls-certificates=/pki" HD);
	T_EQ(cmd.drive[0].kind, MP_DRIVE_DAEMON);
	T_JSON(cmd.drive[0].objects,
	       "[{\"qom-type\":\"tls-creds-x509\",\"id\":\"mpring-tls\",\"endpoint\":\"client\","
	       "\"dir\":\"/pki\"}]");
	T_JSON(cmd.drive[0].blockdev,
	       "[{\"driver\":\"raw\",\"node-name\":\"d0\",\"file\":{\"driver\":\"nbd\",\"export\":"
	       "\"e\",\"tls-creds\":\"mpring-tls\",\"server\":{\"type\":\"inet\",\"host\":\"h\","
	       "\"port\":\"10809\"}}}]");
	T_PARSES("-drive id=d0,file=nbds+unix://me@/e?socket=/s&tls-psk-file=/k/keys.psk" HD);
	T_JSON(cmd.drive[0].objects,
	       "[{\"qom-type\":\"tls-creds-psk\",\"id\":\"mpring-tls\",\"endpoint\":\"client\","
	       "\"dir\":\"/k\",\"username\":\"me\"}]");
	T_REFUSED("-drive id=d0,file=nbds://h/e?tls-psk-file=/k/other", "DIRECTORY/keys.psk");
}

static void test_nodes_come_after_those_that_they_name(void)
{
	T_PARSES("-blockdev node-name=top,driver=qcow2,file=f,backing=base "
		 "-blockdev node-name=base,driver=qcow2,file.driver=file,file.filename=/base "
		 "-blockdev node-name=f,driver=file,filename=/top "
		 "-blockdev node-name=unused,driver=file,filename=/x "
		 "-device scsi-hd,drive=top");
	T_EQ(cmd.n_drives, 1);
	T_EQ(cmd.drive[0].kind, MP_DRIVE_DAEMON);
	T_STR_EQ(cmd.drive[0].node_name, "top");
	T_STR_EQ(cmd.drive[0].file, "/top");
	T_JSON(cmd.drive[0].blockdev,
	       "[{\"node-name\":\"f\",\"driver\":\"file\",\"filename\":\"/top\"},"
	       "{\"node-name\":\"base\",\"driver\":\"qcow2\",\"file\":{\"driver\":\"file\","
	       "\"filename\":\"/base\"}},"
	       "{\"node-name\":\"top\",\"driver\":\"qcow2\",\"file\":\"f\",\"backing\":\"base\"}]");
}

static void test_nodes_of_raw_files_are_the_workers(void)
{
	struct mp_blk_open how;

	T_PARSES("-blockdev driver=raw,node-name=n,file=f,discard=unmap "
		 "-blockdev {\"driver\":\"file\",\"node-name\":\"f\",\"filename\":\"/a\","
		 "\"cache\":{\"direct\":true},\"discard\":\"unmap\",\"locking\":\"off\","
		 "\"detect-zeroes\":\"unmap\",\"read-only\":true} "
		 "-device scsi-hd,drive=n");
	T_EQ(cmd.drive[0].kind, MP_DRIVE_RAW);
	how = mp_cmdline_blk_open(&cmd.drive[0]);
	T_STR_EQ(how.filename, "/a");
	T_OK(how.cache_direct && how.discard && how.no_lock && how.read_only && !how.probed);
	T_EQ(how.detect_zeroes, MP_BLK_DETECT_UNMAP);
}

/* A file node that was told nothing of discard ignores it, whatever is above. */
static void test_named_child_keeps_its_own_options(void)
{
	T_PARSES("-blockdev file,node-name=f,filename=/a "
		 "-blockdev raw,node-name=n,file=f,discard=unmap -device scsi-hd,drive=n");
	T_OK(!mp_cmdline_blk_open(&cmd.drive[0]).discard);
	T_PARSES("-blockdev raw,node-name=n,file.driver=file,file.filename=/a,discard=unmap "
		 "-device scsi-hd,drive=n");
	T_OK(mp_cmdline_blk_open(&cmd.drive[0]).discard);
}

static void test_part_of_a_raw_file_is_the_storage_daemons(void)
{
	T_PARSES("-blockdev raw,node-name=n,offset=512,file.driver=file,file.filename=/a "
		 "-device scsi-hd,drive=n");
	T_EQ(cmd.drive[0].kind, MP_DRIVE_DAEMON);
	T_PARSES("-blockdev raw,node-name=n,size=512,file.driver=file,file.filename=/a "
		 "-device scsi-hd,drive=n");
	T_EQ(cmd.drive[0].kind, MP_DRIVE_DAEMON);
}

static void test_throttle_on_top_of_a_node_is_kept_by_the_worker(void)
{
	T_PARSES("-object throttle-group,id=g,x-iops-total=50,limits.bps-read=1M "
		 "-blockdev file,node-name=f,filename=/a "
		 "-blockdev throttle,node-name=t,throttle-group=g,file=f -device scsi-hd,drive=t");
	T_EQ(cmd.drive[0].kind, MP_DRIVE_RAW);
	T_EQ(cmd.drive[0].throttle.iops_total.avg, 50);
	T_EQ(cmd.drive[0].throttle.bps_read.avg, 1 << 20);
	T_STR_EQ(cmd.drive[0].throttle.group, "g");
	T_REFUSED("-blockdev file,node-name=f,filename=/a "
		  "-blockdev throttle,node-name=t,throttle-group=g,file=f -device scsi-hd,drive=t",
		  "no throttle group 'g'");
}

static void test_secrets_go_to_every_storage_daemon(void)
{
	T_PARSES("-object secret,id=s,file=/key "
		 "-drive id=d0,file=/a,format=luks,key-secret=s" HD);
	T_JSON(cmd.drive[0].objects, "[{\"qom-type\":\"secret\",\"id\":\"s\",\"file\":\"/key\"}]");
	T_JSON(cmd.drive[0].blockdev,
	       "[{\"driver\":\"luks\",\"node-name\":\"d0\",\"key-secret\":\"s\",\"file\":"
	       "{\"driver\":\"file\",\"filename\":\"/a\"}}]");
}

static void test_objects_of_drives_may_be_json(void)
{
	T_PARSES("-object {\"qom-type\":\"throttle-group\",\"id\":\"g\",\"limits\":"
		 "{\"iops-total\":5,\"bps-read\":1000}} "
		 "-blockdev raw,node-name=r,file.driver=file,file.filename=/a "
		 "-blockdev throttle,node-name=d0,throttle-group=g,file=r" HD);
	T_EQ(cmd.drive[0].throttle.iops_total.avg, 5);
	T_EQ(cmd.drive[0].throttle.bps_read.avg, 1000);
	T_PARSES("-object {\"qom-type\":\"secret\",\"id\":\"s\",\"file\":\"/k\"} "
		 "-drive id=d0,file=/a,format=qcow2" HD);
	T_JSON(cmd.drive[0].objects, "[{\"qom-type\":\"secret\",\"id\":\"s\",\"file\":\"/k\"}]");
	T_PARSES("-object {\"qom-type\":\"tls-creds-x509\",\"id\":\"t\",\"verify-peer\":false} "
		 "-drive id=d0,file=/a,format=qcow2" HD);
	T_JSON(cmd.drive[0].objects,
	       "[{\"qom-type\":\"tls-creds-x509\",\"id\":\"t\",\"verify-peer\":false}]");
}

static void test_an_encrypted_qcow2_is_luks_unless_something_is_said(void)
{
	T_PARSES("-object secret,id=s,file=/key "
		 "-drive id=d0,file=/a,format=qcow2,encrypt.key-secret=s" HD);
	T_JSON(cmd.drive[0].blockdev,
	       "[{\"driver\":\"qcow2\",\"node-name\":\"d0\",\"encrypt\":{\"key-secret\":\"s\","
	       "\"format\":\"luks\"},\"file\":{\"driver\":\"file\",\"filename\":\"/a\"}}]");
	T_PARSES("-object secret,id=s,file=/key -drive "
		 "id=d0,file=/a,format=qcow2,encrypt.format=aes,encrypt.key-secret=s" HD);
	T_JSON(cmd.drive[0].blockdev,
	       "[{\"driver\":\"qcow2\",\"node-name\":\"d0\",\"encrypt\":{\"key-secret\":\"s\","
	       "\"format\":\"aes\"},\"file\":{\"driver\":\"file\",\"filename\":\"/a\"}}]");
}

static void test_json_file_names(void)
{
	T_PARSES("-drive id=d0,file=json:{\"driver\":\"qcow2\",,\"file\":{\"driver\":\"file\",,"
		 "\"filename\":\"/a\"}}" HD);
	T_EQ(cmd.drive[0].kind, MP_DRIVE_DAEMON);
	T_JSON(cmd.drive[0].blockdev, "[{\"driver\":\"qcow2\",\"node-name\":\"d0\",\"file\":"
				      "{\"driver\":\"file\",\"filename\":\"/a\"}}]");
	T_PARSES("-drive id=d0,format=raw,file=json:{\"driver\":\"file\",,\"filename\":\"/a\"}" HD);
	T_EQ(cmd.drive[0].kind, MP_DRIVE_RAW);
	T_REFUSED("-drive id=d0,file=json:{" HD, "no JSON object");
}

static void test_wrong_nodes_say_what_is_wrong(void)
{
	T_REFUSED("-blockdev node-name=a", "driver=NAME is missing");
	T_REFUSED("-blockdev driver=file,filename=/a", "node-name=NAME is missing");
	T_REFUSED("-blockdev file,node-name=#a,filename=/a", "takes a letter, then");
	T_REFUSED("-blockdev file,node-name=a,filename=/a -blockdev file,node-name=a,filename=/b",
		  "two block nodes have the name 'a'");
	T_REFUSED("-blockdev file,node-name=a,filenam=/a", "unknown property 'filenam'");
	T_REFUSED("-blockdev qcow2,node-name=a,file=b", "no block node 'b'");
	T_REFUSED("-blockdev {", "no JSON");
	T_REFUSED("-blockdev raw,node-name=a,file=x,file.driver=file", "both a value and members");
	T_REFUSED("-blockdev raw,node-name=a,file=x -device scsi-hd,drive=a", "no block node 'x'");
	T_REFUSED("-blockdev raw,node-name=a -device scsi-hd,drive=a", "driver=raw has no file");
	T_REFUSED("-blockdev file,node-name=a,filenam=/a -device scsi-hd,drive=a",
		  "driver=file: unknown property 'filenam'; valid are driver, node-name");
	T_REFUSED("-blockdev file,node-name=a -device scsi-hd,drive=a", "filename=NAME is missing");
	T_REFUSED("-drive id=a,file=/x -blockdev file,node-name=a,filename=/a", "both called 'a'");
	T_REFUSED("-blockdev qcow2,node-name=a,file=b -blockdev qcow2,node-name=b,file=a "
		  "-device scsi-hd,drive=a",
		  "in a circle");
	T_REFUSED("-blockdev file,node-name=a,filename=/a -device scsi-hd,drive=a "
		  "-device scsi-hd,drive=a",
		  "used by two disks");
}

/* -- what a file looks like ---------------------------------------------------------- */

static char path[64];

static void make_image(const char *head)
{
	int fd;

	snprintf(path, sizeof(path), "/tmp/mpring-drive-XXXXXX");
	fd = mkstemp(path);
	T_OK(fd >= 0 && ftruncate(fd, 65536) == 0);
	T_EQ(pwrite(fd, head, strlen(head), 0), (long)strlen(head));
	close(fd);
}

static void test_probed_image_of_a_format_goes_to_a_storage_daemon(void)
{
	char line[256], want[256];

	make_image("QFI\xfb");
	snprintf(line, sizeof(line), "-drive id=d0,file=%s,cache=none" HD, path);
	T_PARSES(line);
	T_EQ(cmd.drive[0].kind, MP_DRIVE_RAW);
	T_EQ(mp_cmdline_probe(&cmd), 0);
	T_EQ(unlink(path), 0);
	T_EQ(cmd.drive[0].kind, MP_DRIVE_DAEMON);
	T_STR_EQ(cmd.drive[0].format, "qcow2");
	T_OK(!cmd.drive[0].probed);
	snprintf(want, sizeof(want),
		 "[{\"driver\":\"qcow2\",\"node-name\":\"d0\",\"cache\":{\"direct\":true},\"file\":"
		 "{\"driver\":\"file\",\"filename\":\"%s\"}}]",
		 path);
	T_JSON(cmd.drive[0].blockdev, want);
}

static void test_probed_image_of_no_format_stays_raw_and_probed(void)
{
	char line[256];

	make_image("boot");
	snprintf(line, sizeof(line), "-drive id=d0,file=%s" HD, path);
	T_PARSES(line);
	T_EQ(mp_cmdline_probe(&cmd), 0);
	T_EQ(unlink(path), 0);
	T_EQ(cmd.drive[0].kind, MP_DRIVE_RAW);
	T_OK(mp_cmdline_blk_open(&cmd.drive[0]).probed);
}

static void test_format_that_is_said_is_not_probed(void)
{
	char line[256];

	make_image("QFI\xfb");
	snprintf(line, sizeof(line), "-drive id=d0,file=%s,format=raw" HD, path);
	T_PARSES(line);
	T_EQ(mp_cmdline_probe(&cmd), 0);
	T_EQ(unlink(path), 0);
	T_EQ(cmd.drive[0].kind, MP_DRIVE_RAW);
}

/* -- does a storage daemon understand it? ----------------------------------------------- */

/* Its status with our nodes, and then a mistake of ours that it comes to only after them. */
static void check_with_daemon(void)
{
	json_t *nodes = json_loads(cmd.drive[0].blockdev, 0, NULL);
	char *argv[16] = {"qemu-storage-daemon"}, text[1024] = "";
	int argc = 1, out[2], status;
	size_t n = 0;
	ssize_t got;
	pid_t pid;

	for (size_t i = 0; i < json_array_size(nodes); i++) {
		argv[argc++] = "--blockdev";
		argv[argc++] = json_dumps(json_array_get(nodes, i), 0);
	}
	argv[argc++] = "--object";
	argv[argc] = "no-such-object,id=x";
	T_EQ(pipe2(out, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		dup2(out[1], STDERR_FILENO);
		execvp(argv[0], argv);
		_exit(127);
	}
	close(out[1]);
	while (n < sizeof(text) - 1 && (got = read(out[0], text + n, sizeof(text) - 1 - n)) > 0)
		n += (size_t)got;
	close(out[0]);
	T_EQ(waitpid(pid, &status, 0), pid);
	for (int i = 1; i < argc; i++)
		if (argv[i][0] == '{')
			free(argv[i]);
	json_decref(nodes);
	if (WEXITSTATUS(status) == 127)
		t_skip("no qemu-storage-daemon");
	if (!strstr(text, "no-such-object"))
		t_fail(__FILE__, __LINE__, "%s", text);
}

static void test_storage_daemon_takes_the_nodes_that_we_make(void)
{
	char line[1024];

	make_image("some data");
	snprintf(line, sizeof(line),
		 "-drive id=d0,format=vpc,file=%s,file.aio=threads,cache=none,discard=on,"
		 "readonly=on,force-share=on,detect-zeroes=on,force-size-calc=current" HD,
		 path);
	T_PARSES(line);
	snprintf(line, sizeof(line),
		 "-blockdev raw,node-name=d0,size=4096,offset=512,read-only=on,auto-read-only=off,"
		 "cache.no-flush=on,file=f "
		 "-blockdev file,node-name=f,filename=%s,locking=on,drop-cache=off,read-only=on" HD,
		 path);
	T_PARSES(line);
	check_with_daemon();
	T_EQ(unlink(path), 0);
}

/* A file's name is bytes. Used to be out of memory. */
static void test_a_raw_file_may_have_any_name(void)
{
	static const char name[] = "/x/caf\xe9.img";

	T_EQ(parse("-drive id=d0,format=raw,file=/x/caf\xe9.img -device scsi-hd,drive=d0"), 0);
	T_STR_EQ(cmd.drive[0].file, name);
	T_EQ(parse("-drive id=d0,file=/x/caf\xe9.img -device scsi-hd,drive=d0"), 0);
	T_STR_EQ(cmd.drive[0].file, name);
	T_EQ(mp_cmdline_probe(&cmd), 0);
	T_EQ(cmd.drive[0].kind, MP_DRIVE_RAW);
	T_EQ(parse("-blockdev driver=file,node-name=n0,filename=/x/caf\xe9.img "
		   "-device scsi-hd,drive=n0"),
	     0);
	T_STR_EQ(cmd.drive[0].file, name);
	T_EQ(parse("-drive id=d0,file=nbd+unix:///?socket=/x/caf\xe9 -device scsi-hd,drive=d0"), 0);
	T_STR_EQ(cmd.drive[0].nbd.path, "/x/caf\xe9");
}

static void test_what_goes_on_as_json_is_utf8(void)
{
	char line[256], file[] = "/tmp/test-caf\xe9-XXXXXX";
	int fd = mkstemp(file);

	T_REFUSED("-drive id=d0,format=qcow2,file=/x/caf\xe9.img -device scsi-hd,drive=d0",
		  "-drive id=d0: '/x/caf\xe9.img' isn't UTF-8");
	T_REFUSED("-blockdev driver=qcow2,node-name=n0,file.driver=file,file.filename=/x/caf\xe9",
		  "-blockdev node-name=n0: '/x/caf\xe9' isn't UTF-8");
	T_REFUSED("-drive id=d0,format=qcow2,x.\xe9=1,file=F -device scsi-hd,drive=d0",
		  "is no name");
	T_REFUSED("-drive id=d0,format=raw,file=ssh://h/caf\xe9 -device scsi-hd,drive=d0",
		  "ssh://h/caf\xe9: 'caf\xe9' isn't UTF-8");
	T_REFUSED("-drive id=d0,file=nbds://h/?tls-certificates=/caf%e9 -device scsi-hd,drive=d0",
		  "'/caf\xe9' isn't UTF-8");
	T_REFUSED("-drive id=d0,file=nbd://h/caf%e9 -device scsi-hd,drive=d0",
		  "drive 'd0': the export's name 'caf\xe9' isn't UTF-8");
	T_REFUSED("-object secret,id=s0,file=/caf\xe9", "-object secret: '/caf\xe9' isn't UTF-8");
	/* Only a look at it tells that it isn't raw. */
	T_OK(fd >= 0 && write(fd, "QFI\xfb\0\0\0\3", 8) == 8 && ftruncate(fd, 65536) == 0);
	snprintf(line, sizeof(line), "-drive id=d0,file=%s -device scsi-hd,drive=d0", file);
	T_REFUSED(line, "isn't UTF-8");
	unlink(file);
	close(fd);
}

T_MAIN(T_TEST(test_a_raw_file_may_have_any_name), T_TEST(test_what_goes_on_as_json_is_utf8),
       T_TEST(test_drive_of_a_file_is_raw_and_probed_until_a_format_is_said),
       T_TEST(test_name_with_a_colon_needs_file_in_front),
       T_TEST(test_drives_without_an_id_are_called_as_qemu_calls_them),
       T_TEST(test_cache_modes_are_qemus),
       T_TEST(test_write_cache_is_the_devices_word_before_the_drives),
       T_TEST(test_limits_old_and_new_names), T_TEST(test_drives_may_name_one_throttle_group),
       T_TEST(test_limits_that_make_no_sense_are_refused),
       T_TEST(test_what_qemu_has_and_we_do_not_is_refused_with_the_way_out),
       T_TEST(test_nbd_uris_over_tcp), T_TEST(test_nbd_uris_over_a_unix_socket),
       T_TEST(test_nbd_as_a_block_node), T_TEST(test_wrong_nbd_uris_say_what_is_wrong),
       T_TEST(test_qcow2_is_the_storage_daemons),
       T_TEST(test_options_of_a_format_are_passed_on_with_their_types),
       T_TEST(test_disc_of_a_cd_drive_is_opened_read_only),
       T_TEST(test_id_that_is_no_node_name_gets_another), T_TEST(test_uris_become_nodes),
       T_TEST(test_image_elsewhere_needs_a_format_unless_it_is_a_disc),
       T_TEST(test_nbd_with_tls_is_the_storage_daemons),
       T_TEST(test_nodes_come_after_those_that_they_name),
       T_TEST(test_nodes_of_raw_files_are_the_workers),
       T_TEST(test_named_child_keeps_its_own_options),
       T_TEST(test_part_of_a_raw_file_is_the_storage_daemons),
       T_TEST(test_throttle_on_top_of_a_node_is_kept_by_the_worker),
       T_TEST(test_secrets_go_to_every_storage_daemon), T_TEST(test_objects_of_drives_may_be_json),
       T_TEST(test_an_encrypted_qcow2_is_luks_unless_something_is_said),
       T_TEST(test_json_file_names), T_TEST(test_wrong_nodes_say_what_is_wrong),
       T_TEST(test_probed_image_of_a_format_goes_to_a_storage_daemon),
       T_TEST(test_probed_image_of_no_format_stays_raw_and_probed),
       T_TEST(test_format_that_is_said_is_not_probed),
       T_TEST(test_storage_daemon_takes_the_nodes_that_we_make))
