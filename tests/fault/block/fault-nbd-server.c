/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Servers as others have written them, nbdkit and qemu-storage-daemon, and what
 * happens to them: killed under load, stopped. The test has the listening socket,
 * so that a server which starts again loses no connection attempt.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "block/blk.h"
#include "tests/lib/t.h"

#define DISK_BYTES (32u << 20)
#define BLOCK      4096u
#define N_BLOCKS   (DISK_BYTES / BLOCK)
#define N_REQS     32u
#define LIMIT_NS   (60 * MP_NS_PER_SEC)

enum kind { NBDKIT, DAEMON };

struct slot {
	struct mp_blk_req req;
	uint64_t stamp;
	uint8_t buf[BLOCK];
};

static struct {
	struct mp_blk_engine *engine;
	struct mp_blk *disk;
	enum kind kind;
	int listener;
	pid_t server;
	struct sockaddr_un address;
	char dir[64], image[128], error[512];
	uint64_t stamps[N_BLOCKS]; /* as acknowledged */
	bool busy[N_BLOCKS];
	struct slot slots[N_REQS];
	uint64_t seed, next_stamp;
	unsigned int n_done, n_lost;
} x;

static void write_text(char *to, size_t len, const char *format, const char *a, int b)
	__attribute__((format(printf, 3, 0)));

static void write_text(char *to, size_t len, const char *format, const char *a, int b)
{
	T_OK(snprintf(to, len, format, a, b) < (int)len);
}

static int run(const char *command)
{
	int status = system(command);

	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* In the child: the listener is fd 3, and nothing of ours is beside it. */
static void exec_server(void)
{
	char blockdev[256], pid[16];
	int null = open("/dev/null", O_RDWR);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(null, 1);
	dup2(x.listener, 3);
	fcntl(3, F_SETFD, 0);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "1", 1);
	if (x.kind == NBDKIT) {
		execlp("nbdkit", "nbdkit", "-f", "file", x.image, (char *)NULL);
		_exit(127);
	}
	unsetenv("LISTEN_FDS");
	snprintf(blockdev, sizeof(blockdev),
		 "driver=qcow2,node-name=d,discard=unmap,file.driver=file,file.filename=%s",
		 x.image);
	execlp("qemu-storage-daemon", "qemu-storage-daemon", "--blockdev", blockdev, "--nbd-server",
	       "addr.type=fd,addr.str=3,max-connections=0", "--export",
	       "type=nbd,id=e,node-name=d,name=d,writable=on", (char *)NULL);
	_exit(127);
}

static void start_server(void)
{
	x.server = fork();
	T_OK(x.server >= 0);
	if (x.server == 0)
		exec_server();
}

static void end_server(int signal)
{
	kill(x.server, signal);
	waitpid(x.server, NULL, 0);
}

static int connect_one(void)
{
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	T_EQ(connect(sock, (struct sockaddr *)&x.address, sizeof(x.address)), 0);
	return sock;
}

static void on_lost(void *opaque, unsigned int conn)
{
	(void)opaque;
	x.n_lost++;
	T_EQ(mp_blk_nbd_reconnect_take(x.disk, conn, connect_one()), 0);
}

static void make_image(enum kind kind)
{
	char command[512];

	if (run(kind == NBDKIT ? "command -v nbdkit >/dev/null"
			       : "command -v qemu-storage-daemon qemu-img >/dev/null") != 0)
		t_skip("%s is not installed", kind == NBDKIT ? "nbdkit" : "qemu-storage-daemon");
	memset(&x, 0, sizeof(x));
	x.kind = kind;
	strcpy(x.dir, "/tmp/mpring-nbd-XXXXXX");
	T_OK(mkdtemp(x.dir) != NULL);
	write_text(x.image, sizeof(x.image), "%s/image", x.dir, 0);
	if (kind == NBDKIT)
		write_text(command, sizeof(command), "truncate -s %2$d %1$s", x.image, DISK_BYTES);
	else
		write_text(command, sizeof(command), "qemu-img create -q -f qcow2 %s %d", x.image,
			   DISK_BYTES);
	T_EQ(run(command), 0);
}

static void listen_there(void)
{
	x.address.sun_family = AF_UNIX;
	write_text(x.address.sun_path, sizeof(x.address.sun_path), "%s/socket", x.dir, 0);
	x.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	T_EQ(bind(x.listener, (struct sockaddr *)&x.address, sizeof(x.address)), 0);
	T_EQ(listen(x.listener, 16), 0);
}

static void setup(enum kind kind, struct mp_blk_nbd nbd)
{
	struct mp_blk_engine_cfg engine = {.wake_fd = -1};
	struct mp_blk_open how = {.driver = "nbd", .discard = true, .nbd = &nbd};
	int socks[4];

	make_image(kind);
	listen_there();
	start_server();
	for (unsigned int i = 0; i < 4; i++)
		socks[i] = connect_one();
	nbd.socks = socks;
	nbd.n_socks = 4;
	nbd.export_name = kind == DAEMON ? "d" : "";
	nbd.reconnect_ns = LIMIT_NS;
	nbd.unstable_bytes = 4 << 20;
	nbd.lost = on_lost;
	T_EQ(mp_blk_engine_create(&engine, &x.engine), 0);
	T_EQ(mp_blk_open(x.engine, &how, &x.disk, x.error, sizeof(x.error)), 0);
	T_EQ(mp_blk_size_bytes(x.disk), DISK_BYTES);
}

static void teardown(void)
{
	char command[512];

	x.disk = mp_blk_close(x.disk);
	x.engine = mp_blk_engine_destroy(x.engine);
	end_server(SIGTERM);
	close(x.listener);
	write_text(command, sizeof(command), "rm -r %s", x.dir, 0);
	T_EQ(run(command), 0);
}

static void turn(void)
{
	if (mp_blk_engine_poll(x.engine) == 0)
		mp_blk_engine_wait(x.engine, 100000000);
}

static void set_done(struct mp_blk_req *req)
{
	*(bool *)req->opaque = true;
}

static int run_request(enum mp_blk_op op, uint64_t offset, uint64_t len, void *buf)
{
	uint64_t until_ns = mp_clock_ns() + LIMIT_NS;
	bool done = false;
	struct mp_blk_req req = {.op = op,
				 .offset = offset,
				 .len = len,
				 .buf = buf,
				 .done = set_done,
				 .opaque = &done};

	mp_blk_submit(x.disk, &req);
	while (!done) {
		T_OK(mp_clock_ns() < until_ns);
		turn();
	}
	return req.result;
}

static void check_all_kinds(enum kind kind)
{
	static uint8_t data[1 << 20], back[1 << 20];
	static const uint8_t zeros[65536];
	struct mp_blk_extent extent;

	setup(kind, (struct mp_blk_nbd){0});
	T_EQ(mp_blk_nbd_n_conns(x.disk), 4);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + (i >> 9) + 1);
	T_EQ(run_request(MP_BLK_WRITE, 1 << 20, sizeof(data), data), 0);
	T_EQ(run_request(MP_BLK_WRITE_ZEROES, (1 << 20) + 65536, 65536, NULL), 0);
	T_EQ(run_request(MP_BLK_DISCARD, 8 << 20, 1 << 20, NULL), 0);
	T_EQ(run_request(MP_BLK_PREFETCH, 1 << 20, 1 << 20, NULL), 0);
	T_EQ(run_request(MP_BLK_FLUSH, 0, 0, NULL), 0);
	T_EQ(run_request(MP_BLK_READ, 1 << 20, sizeof(back), back), 0);
	memcpy(data + 65536, zeros, sizeof(zeros));
	T_MEM_EQ(back, data, sizeof(back));
	T_EQ(run_request(MP_BLK_STATUS, 16 << 20, 4 << 20, &extent), 0);
	T_OK(extent.is_hole);
	T_EQ(extent.len, 4 << 20);
	T_EQ(run_request(MP_BLK_STATUS, 1 << 20, 65536, &extent), 0);
	T_OK(!extent.is_hole);
	T_EQ(x.n_lost, 0);
	teardown();
}

static void test_nbdkit_serves_requests_of_all_kinds(void)
{
	check_all_kinds(NBDKIT);
}

static void test_qcow2_serves_requests_of_all_kinds(void)
{
	check_all_kinds(DAEMON);
}

static void on_done(struct mp_blk_req *req)
{
	struct slot *s = req->opaque;
	uint64_t block = req->offset / BLOCK;

	T_EQ(req->result, 0);
	x.n_done++;
	if (req->op == MP_BLK_FLUSH)
		return;
	x.busy[block] = false;
	if (req->op == MP_BLK_WRITE)
		x.stamps[block] = s->stamp;
	else
		T_EQ(mp_get_le64(s->buf), x.stamps[block]);
}

static void submit(struct slot *s)
{
	uint64_t block = t_rand(&x.seed) % N_BLOCKS;
	unsigned int dice = (unsigned int)(t_rand(&x.seed) % 100);
	bool is_write = dice < 60;

	if (s->req.busy || x.busy[block])
		return;
	s->req = (struct mp_blk_req){.op = MP_BLK_FLUSH, .done = on_done, .opaque = s};
	if (dice > 0) {
		x.busy[block] = true;
		s->stamp = ++x.next_stamp;
		mp_put_le64(s->buf, s->stamp);
		s->req.op = is_write ? MP_BLK_WRITE : MP_BLK_READ;
		s->req.offset = block * BLOCK;
		s->req.len = BLOCK;
		s->req.buf = s->buf;
	}
	mp_blk_submit(x.disk, &s->req);
}

static void load_until(unsigned int n_done)
{
	uint64_t until_ns = mp_clock_ns() + LIMIT_NS;

	while (x.n_done < n_done) {
		T_OK(mp_clock_ns() < until_ns);
		for (unsigned int i = 0; i < N_REQS; i++)
			submit(&x.slots[i]);
		turn();
	}
}

static void drain(void)
{
	uint64_t until_ns = mp_clock_ns() + LIMIT_NS;

	while (mp_blk_engine_n_inflight(x.engine) > 0) {
		T_OK(mp_clock_ns() < until_ns);
		turn();
	}
}

static void read_all(void)
{
	static uint8_t back[1 << 20];

	for (uint64_t at = 0; at < DISK_BYTES; at += sizeof(back)) {
		T_EQ(run_request(MP_BLK_READ, at, sizeof(back), back), 0);
		for (uint64_t i = 0; i < sizeof(back); i += BLOCK)
			T_EQ(mp_get_le64(back + i), x.stamps[(at + i) / BLOCK]);
	}
}

static void check_image(void)
{
	char command[512];
	int r;

	write_text(command, sizeof(command), "qemu-img check -q -f qcow2 %s >/dev/null 2>&1",
		   x.image, 0);
	r = run(command);
	/* 3: clusters that nobody uses, as a daemon that was killed leaves them. */
	T_OK(r == 0 || r == 3);
}

static void check_kills(enum kind kind)
{
	setup(kind, (struct mp_blk_nbd){0});
	x.seed = 1;
	for (unsigned int i = 1; i <= 8; i++) {
		load_until(i * 1000);
		end_server(SIGKILL);
		start_server();
	}
	load_until(10000);
	drain();
	T_OK(x.n_lost >= 8);
	read_all();
	T_EQ(run_request(MP_BLK_FLUSH, 0, 0, NULL), 0);
	/* Flushed is flushed: this one dies with nothing of ours in its memory. */
	end_server(SIGKILL);
	if (kind == DAEMON)
		check_image();
	start_server();
	read_all();
	teardown();
}

static void test_nbdkit_that_is_killed_under_load_loses_nothing(void)
{
	check_kills(NBDKIT);
}

static void test_qcow2_whose_daemon_is_killed_under_load_loses_nothing(void)
{
	check_kills(DAEMON);
}

static void test_a_daemon_that_is_stopped_is_given_up_and_replaced(void)
{
	unsigned int n_done;

	setup(DAEMON, (struct mp_blk_nbd){.request_timeout_ns = MP_NS_PER_SEC / 5});
	x.seed = 2;
	load_until(500);
	kill(x.server, SIGSTOP);
	n_done = x.n_done;
	while (x.n_lost == 0) {
		for (unsigned int i = 0; i < N_REQS; i++)
			submit(&x.slots[i]);
		turn();
	}
	end_server(SIGKILL);
	start_server();
	load_until(n_done + 500);
	drain();
	read_all();
	teardown();
}

static void test_a_wrong_export_is_refused_by_its_name(void)
{
	struct mp_blk_engine_cfg engine = {.wake_fd = -1};
	struct mp_blk_nbd nbd = {.export_name = "other", .n_socks = 1};
	struct mp_blk_open how = {.driver = "nbd", .filename = "nbd://here/other", .nbd = &nbd};
	int sock;

	make_image(DAEMON);
	listen_there();
	start_server();
	sock = connect_one();
	nbd.socks = &sock;
	T_EQ(mp_blk_engine_create(&engine, &x.engine), 0);
	T_EQ(mp_blk_open(x.engine, &how, &x.disk, x.error, sizeof(x.error)), -ECONNREFUSED);
	t_diag("%s", x.error);
	T_OK(strstr(x.error, "nbd://here/other") && strstr(x.error, "no export named 'other'"));
	teardown();
}

T_MAIN(T_TEST(test_nbdkit_serves_requests_of_all_kinds),
       T_TEST(test_qcow2_serves_requests_of_all_kinds),
       T_TEST(test_nbdkit_that_is_killed_under_load_loses_nothing),
       T_TEST(test_qcow2_whose_daemon_is_killed_under_load_loses_nothing),
       T_TEST(test_a_daemon_that_is_stopped_is_given_up_and_replaced),
       T_TEST(test_a_wrong_export_is_refused_by_its_name))
