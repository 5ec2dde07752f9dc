/* SPDX-License-Identifier: BSD-3-Clause */
/* What looks like a format, and a guest that would like its disk to look like one. */
#include "block/probe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "block/blk.h"
#include "tests/lib/t.h"

static struct {
	struct mp_blk_engine *engine;
	struct mp_blk *disk;
	char path[64];
	uint8_t buf[4096];
} x;

static void setup(bool probed)
{
	struct mp_blk_engine_cfg cfg = {.aio = MP_BLK_AIO_THREADS, .wake_fd = -1};
	struct mp_blk_open how = {.driver = "raw", .filename = x.path, .probed = probed};
	char error[512];
	int fd;

	strcpy(x.path, "/tmp/mpring-probe-XXXXXX");
	fd = mkstemp(x.path);
	T_OK(fd >= 0 && ftruncate(fd, 65536) == 0);
	close(fd);
	T_EQ(mp_blk_engine_create(&cfg, &x.engine), 0);
	T_EQ(mp_blk_open(x.engine, &how, &x.disk, error, sizeof(error)), 0);
	memset(x.buf, 0, sizeof(x.buf));
}

static void teardown(void)
{
	x.disk = mp_blk_close(x.disk);
	x.engine = mp_blk_engine_destroy(x.engine);
	unlink(x.path);
}

static void on_done(struct mp_blk_req *req)
{
	*(bool *)req->opaque = true;
}

static int write_at(uint64_t offset, size_t len)
{
	bool is_done = false;
	struct mp_blk_req req = {.op = MP_BLK_WRITE,
				 .offset = offset,
				 .len = len,
				 .buf = x.buf,
				 .done = on_done,
				 .opaque = &is_done};

	mp_blk_submit(x.disk, &req);
	while (!is_done)
		if (mp_blk_engine_poll(x.engine) == 0)
			mp_blk_engine_wait(x.engine, MP_NS_PER_SEC);
	return req.result;
}

static void check(const char *name, size_t off, const char *magic, size_t len)
{
	const char *found;

	memset(x.buf, 0, sizeof(x.buf));
	T_OK(!mp_probe_bytes(x.buf, 512));
	memcpy(x.buf + off, magic, len);
	found = mp_probe_bytes(x.buf, 512);
	T_OK(found && strcmp(found, name) == 0);
	x.buf[off] ^= 1;
	T_OK(!mp_probe_bytes(x.buf, 512));
}

static void test_each_format_has_its_header(void)
{
	check("qcow2", 0, "QFI\xfb\0\0\0\3", 8);
	check("vmdk", 0, "KDMV", 4);
	check("vmdk", 0, "COWD", 4);
	check("luks", 0, "LUKS\xba\xbe", 6);
	check("qed", 0, "QED", 4);
	check("vpc", 0, "conectix", 8);
	check("vhdx", 0, "vhdxfile", 8);
	check("vdi", 64, "\x7f\x10\xda\xbe", 4);
	check("parallels", 0, "WithoutFreeSpace", 16);
	check("parallels", 0, "WithouFreSpacExt", 16);
	check("bochs", 0, "Bochs Virtual HD Image", 22);
	check("cloop", 0, "#!/bin/sh\n#V2.0 Format\nmodprobe", 31);
}

static bool is_vmdk_text(const char *text)
{
	const char *name = mp_probe_bytes(text, strlen(text));

	return name && strcmp(name, "vmdk") == 0;
}

static void test_a_descriptor_is_a_vmdk_too(void)
{
	T_OK(is_vmdk_text("# Disk DescriptorFile\nversion=1\n"));
	T_OK(is_vmdk_text("# a\r\n  \r\n# b\r\nversion=3\r\nCID=1"));
	T_OK(is_vmdk_text("version=2\n"));
	T_OK(!is_vmdk_text("version=4\n"));
	T_OK(!is_vmdk_text("version=1"));
	T_OK(!is_vmdk_text("version=11\n"));
	T_OK(!is_vmdk_text("# nothing else"));
	T_OK(!is_vmdk_text("\nversion=1\n"));
	T_OK(!is_vmdk_text(""));
}

static void test_a_header_that_is_cut_off_is_none(void)
{
	T_OK(mp_probe_bytes("QFI\xfb", 4) != NULL);
	T_OK(!mp_probe_bytes("QFI\xfb", 3));
}

static void test_a_guessed_raw_disk_refuses_to_become_another(void)
{
	setup(true);
	memcpy(x.buf, "QFI\xfb\0\0\0\3", 8);
	T_EQ(write_at(0, 512), -EPERM);
	T_EQ(write_at(0, 4096), -EPERM);
	T_OK(!mp_probe_file(x.path));
	T_EQ(mp_count_get(&mp_blk_stats(x.disk)->kind[MP_BLK_KIND_WRITE].n_failed), 2);
	teardown();
}

static void test_elsewhere_and_otherwise_it_is_written(void)
{
	setup(true);
	memcpy(x.buf, "QFI\xfb\0\0\0\3", 8);
	T_EQ(write_at(512, 512), 0);
	memcpy(x.buf, "\xeb\x63\x90\0", 4);
	T_EQ(write_at(0, 4096), 0);
	T_OK(!mp_probe_file(x.path));
	teardown();
}

static void test_who_said_raw_gets_raw(void)
{
	setup(false);
	memcpy(x.buf, "QFI\xfb\0\0\0\3", 8);
	T_EQ(write_at(0, 512), 0);
	T_OK(mp_probe_file(x.path) != NULL);
	teardown();
}

T_MAIN(T_TEST(test_each_format_has_its_header), T_TEST(test_a_descriptor_is_a_vmdk_too),
       T_TEST(test_a_header_that_is_cut_off_is_none),
       T_TEST(test_a_guessed_raw_disk_refuses_to_become_another),
       T_TEST(test_elsewhere_and_otherwise_it_is_written), T_TEST(test_who_said_raw_gets_raw))
