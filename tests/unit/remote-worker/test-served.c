/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A disk in a qcow2 image: worker, supervisor's half and a real storage daemon,
 * which dies while the guest writes. What the guest was told is written must be
 * in the image, and the image whole.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "remote-worker/supervisor/rpc.h"
#include "remote-worker/supervisor/server.h"
#include "remote-worker/options/unit_json.h"
#include "tests/lib/t.h"
#include "tests/unit/remote-worker/rig.h"

#define DATA_OFF   0x100000u
#define DISK_BYTES (16u << 20)
#define N_CHUNKS   128u /* that are written; 64 KiB of qcow2's clusters each */
#define CHUNK_LBAS (DISK_BYTES / 512 / N_CHUNKS)
#define BLOCKS     8u /* of each chunk */
#define N_SOCKS    4u

static struct rig rig;
static struct mp_rpc *rpc;
static struct mp_server *server;
static struct mp_cmdline cmd;
static struct mp_opt_drive drive;
static pthread_t poller, watcher;
static _Atomic bool stop_watching;
static _Atomic unsigned int n_lost;
static char dir[64], blockdev[512], error[1024];

static void event(void *opaque, const char *name, json_t *data)
{
	if (strcmp(name, "nbd-lost") != 0)
		return;
	atomic_fetch_add_explicit(&n_lost, 1, memory_order_relaxed);
	mp_server_lost(server,
		       (unsigned int)json_integer_value(json_object_get(data, "connection")));
}

static void *poll_loop(void *arg)
{
	struct pollfd pfd = {.fd = mp_rpc_fd(rpc), .events = POLLIN};

	while (poll(&pfd, 1, -1) == 1 && mp_rpc_poll(rpc) == 0)
		;
	return NULL;
}

/* Starts daemons again, as the supervisor's main thread does. */
static void *watch_loop(void *arg)
{
	struct mp_daemon *d = mp_server_daemon(server);
	struct pollfd pfd[MP_DAEMON_N_FDS];

	while (!atomic_load_explicit(&stop_watching, memory_order_relaxed)) {
		mp_daemon_poll_fds(d, pfd);
		poll(pfd, MP_DAEMON_N_FDS, 20);
		mp_daemon_poll(d, pfd);
	}
	return NULL;
}

static int call(const char *name, json_t *args, struct mp_fds *fds)
{
	struct mp_rpc_request req = {.name = name, .args = args, .fds = fds};
	struct mp_rpc_error why;
	int r = mp_rpc_call(rpc, &req, NULL, &why);

	json_decref(args);
	if (r < 0)
		t_diag("%s: %s", name, why.desc);
	return r;
}

static int again(void *opaque, const char *node, unsigned int conn, int sock)
{
	struct mp_fds fds = {.fd = &sock, .n = 1};
	int r = call("nbd-socket", json_pack("{s:s, s:i}", "node", node, "connection", (int)conn),
		     &fds);

	close(sock);
	return r;
}

static void run(const char *fmt)
{
	char line[512];

	snprintf(line, sizeof(line), fmt, dir, dir);
	if (system(line) != 0)
		t_fail(__FILE__, __LINE__, "'%s' fails", line);
}

static void need_tools(void)
{
	if (system("qemu-storage-daemon --version >/dev/null 2>&1") != 0 ||
	    system("qemu-img --version >/dev/null 2>&1") != 0)
		t_skip("no qemu-storage-daemon or qemu-img; install qemu-utils");
}

static void start_server(int *socks)
{
	struct mp_server_cfg cfg = {.cmd = &cmd, .drive = &drive, .again = again};
	int r;

	memset(&cmd, 0, sizeof(cmd));
	cmd.cpu = cmd.storage_daemon_cpu = -1;
	cmd.storage_daemon = "qemu-storage-daemon";
	cmd.storage_daemon_start_ns = RIG_WAIT_NS;
	cmd.nbd_connections = N_SOCKS;
	drive = (struct mp_opt_drive){.kind = MP_DRIVE_DAEMON, .id = "d0", .node_name = "n0"};
	snprintf(blockdev, sizeof(blockdev),
		 "[{\"driver\":\"file\",\"filename\":\"%s/disk.qcow2\",\"node-name\":\"f0\"},"
		 "{\"driver\":\"qcow2\",\"file\":\"f0\",\"node-name\":\"n0\"}]",
		 dir);
	drive.blockdev = blockdev;
	r = mp_server_create(&cfg, &server, error, sizeof(error));
	if (r == 0)
		r = mp_server_spawn(server, error, sizeof(error));
	if (r == 0)
		r = mp_server_open(server, socks, error, sizeof(error));
	if (r != N_SOCKS)
		t_fail(__FILE__, __LINE__, "%s", error);
	T_EQ(pthread_create(&watcher, NULL, watch_loop, NULL), 0);
}

static void add_disk(int *socks)
{
	struct mp_opt_disk disk = {.id = "hd0", .drive = "d0"};
	struct mp_fds fds = {.fd = socks, .n = N_SOCKS};
	struct rig_io io = {.dev = 0};

	T_EQ(call("disk-add",
		  json_pack("{s:o, s:o}", "disk", mp_disk_to_json(&disk), "drive",
			    mp_drive_to_json(&drive)),
		  &fds),
	     0);
	for (unsigned int i = 0; i < N_SOCKS; i++)
		close(socks[i]);
	while (rig_command(&rig, &io) == 2)
		;
}

static void start(void)
{
	struct mp_rpc_cfg cfg = {.timeout_ns = RIG_WAIT_NS, .event = event};
	int socks[N_SOCKS];

	need_tools();
	atomic_init(&stop_watching, false);
	atomic_init(&n_lost, 0);
	snprintf(dir, sizeof(dir), "/tmp/test-served.XXXXXX");
	T_OK(mkdtemp(dir));
	setenv("XDG_RUNTIME_DIR", dir, 1);
	run("qemu-img create -q -f raw %s/base.raw 16M");
	run("qemu-img create -q -f qcow2 -b %s/base.raw -F raw %s/disk.qcow2");
	run("truncate -s 16M %s/wanted.raw");
	T_EQ(mp_rpc_create_take(rig_start_office(&rig, 1, "-device scsi-cd,scsi-id=2"), &cfg, &rpc),
	     0);
	T_EQ(pthread_create(&poller, NULL, poll_loop, NULL), 0);
	rig_link(&rig, MP_FEAT_PAUSE);
	start_server(socks);
	add_disk(socks);
}

/* The image must agree with what the test has noted. */
static void stop(void)
{
	T_EQ(rig_stop(&rig), 0);
	pthread_join(poller, NULL);
	mp_server_hush(server);
	rpc = mp_rpc_destroy(rpc);
	atomic_store_explicit(&stop_watching, true, memory_order_relaxed);
	pthread_join(watcher, NULL);
	server = mp_server_destroy(server);
	run("qemu-img check -q %s/disk.qcow2");
	run("qemu-img compare -q %s/disk.qcow2 %s/wanted.raw");
	run("rm -r %s");
}

static void write_chunk(unsigned int i, uint8_t fill)
{
	char path[96];
	FILE *f;

	memset(rig.ram + DATA_OFF, fill, (size_t)BLOCKS * 512);
	T_EQ(rig_write(&rig, 0, i * CHUNK_LBAS, BLOCKS, DATA_OFF), 0);
	snprintf(path, sizeof(path), "%s/wanted.raw", dir);
	f = fopen(path, "r+e");
	T_OK(f && fseek(f, (long)i * CHUNK_LBAS * 512, SEEK_SET) == 0);
	T_EQ(fwrite(rig.ram + DATA_OFF, 512, BLOCKS, f), BLOCKS);
	fclose(f);
}

static void kill_daemon(void)
{
	kill(mp_daemon_pid(mp_server_daemon(server)), SIGKILL);
}

static void test_guest_writes_into_a_qcow2_image_over_its_backing_file(void)
{
	start();
	for (unsigned int i = 0; i < N_CHUNKS; i++)
		write_chunk(i, (uint8_t)(i + 1));
	stop();
}

static void test_daemon_killed_under_load_loses_nothing(void)
{
	start();
	for (unsigned int i = 0; i < N_CHUNKS; i++) {
		write_chunk(i, (uint8_t)(i + 1));
		if (i % 32 == 16)
			kill_daemon();
	}
	/* Also not what lies only in the worker's memory when the last one dies. */
	kill_daemon();
	write_chunk(0, 0xee);
	T_OK(atomic_load_explicit(&n_lost, memory_order_relaxed) > 0);
	stop();
}

static void test_disk_grows_in_its_image_and_in_the_worker(void)
{
	uint8_t *data = rig.ram;
	char why[512];
	struct rig_io io = {.cdb = {0x25}, .in = true, .data_off = DATA_OFF, .len = 8};
	uint64_t end_ns = mp_clock_ns() + RIG_WAIT_NS;

	start();
	data = rig.ram + DATA_OFF;
	write_chunk(1, 0x11);
	T_EQ(mp_daemon_resize(mp_server_daemon(server), 2 * DISK_BYTES, why), 0);
	do {
		T_EQ(call("resize", json_pack("{s:i}", "unit", 1), NULL), 0);
		T_OK(mp_clock_ns() < end_ns);
		if (rig_command(&rig, &io) != 0)
			continue; /* the unit attention */
	} while (mp_get_be32(data) != 2 * DISK_BYTES / 512 - 1);
	write_chunk(N_CHUNKS + 1, 0x22);
	run("truncate -s 32M %s/wanted.raw");
	stop();
}

T_MAIN(T_TEST(test_guest_writes_into_a_qcow2_image_over_its_backing_file),
       T_TEST(test_daemon_killed_under_load_loses_nothing),
       T_TEST(test_disk_grows_in_its_image_and_in_the_worker))
