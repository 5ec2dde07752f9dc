/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device behind the socket of whoever holds the other end: any bytes, cut
 * anywhere, with any fds, from the first one on. The harness is the peer, the
 * polling core and the control thread in one; half of what it says is well
 * framed, so that it gets as far as the chip and guest memory.
 *
 * A second, stupid reader of the same bytes says how many answers are due and of
 * which size, and whether the stream is damaged; both must agree. No fd stays
 * open, and no answer is there that nobody asked for.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/fdpass.h"
#include "remote-worker/device.h"
#include "remote-worker/meet.h"
#include "remote-worker/stock.h"
#include "tests/fuzz/remote-worker/program.h"
#include "tests/lib/fake_blk.h"

#define DISK_BYTES   (64u << 10)
#define POOL_BYTES   (256u << 10)
#define RAM_BYTES    (64u << 10)
#define MMIO         0xfe000000u
#define MAX_STEPS    200u
#define MAX_TURNS    1000u
#define MAX_FDS      12u
#define FIRST_FD     3
#define LAST_FD      256
#define STREAM_BYTES (64u << 10)
#define N_CMDS       8u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *at, *end;
};

/* What was said, and how far the stupid reader has come. */
struct stream {
	uint8_t bytes[STREAM_BYTES];
	uint8_t n_fds[STREAM_BYTES + 16]; /* with the byte there */
	size_t len, read;
	uint64_t n_answers, n_answer_bytes;
	bool damaged, is_rings;
	bool unsure; /* fds inside a header: it depends on how it is cut whether they count */
	bool stock; /* a message has made it one */
};

struct world {
	struct mp_device d;
	struct mp_state state;
	struct mp_blk disk;
	struct mp_meet meet;
	struct mp_front *front;
	struct mp_guest_table *table;
	int sock, peer, ram_fd, events[2];
	bool gone; /* the worker has closed, or talks of rings */
	struct stream s;
	uint64_t n_heard, n_heard_bytes;
};

/* -- in place of block/ --------------------------------------------------- */

int mp_blk_watch_open(struct mp_blk_engine *e, int fd, struct mp_blk_watch **ret_w)
{
	*ret_w = malloc(1);
	return *ret_w && fd >= 0 ? 0 : -EMFILE;
}

void mp_blk_watch_arm(struct mp_blk_watch *w, short events)
{
}

struct mp_blk_watch *mp_blk_watch_close(struct mp_blk_watch *w)
{
	free(w);
	return NULL;
}

/* -- the stupid reader ---------------------------------------------------- */

/* 0: none is due. */
static unsigned int answer_bytes(uint32_t cmd)
{
	if (cmd == 0 || cmd == 6)
		return 0;
	return cmd == 7 ? 16 : 24;
}

static bool is_offer(const uint8_t *m, uint32_t size, unsigned int n_fds)
{
	return mp_get_le32(m) == 3 && mp_get_le32(m + 4) == MP_MPQEMU_OFFER && size == 12 &&
	       n_fds == 0 && mp_get_le32(m + 16) == 0 && mp_get_le32(m + 24) == 2;
}

static void judge(struct stream *s, const uint8_t *m, uint32_t size, unsigned int n_fds)
{
	uint32_t cmd = mp_get_le32(m);

	if (!s->stock && cmd == MP_CMD_HELLO) {
		s->is_rings = true;
		return;
	}
	if (cmd == 1 || cmd > 7) {
		s->damaged = true;
		return;
	}
	if (!s->stock && !is_offer(m, size, n_fds))
		s->stock = true;
	s->n_answers += answer_bytes(cmd) != 0;
	s->n_answer_bytes += answer_bytes(cmd);
}

static void read_stream(struct stream *s)
{
	uint64_t size;
	const uint8_t *m;

	while (!s->damaged && !s->is_rings && s->len > s->read) {
		m = s->bytes + s->read;
		if (s->n_fds[s->read] > MP_MPQEMU_MAX_FDS)
			s->damaged = true;
		for (unsigned int i = 1; i < 16; i++)
			s->unsure |= s->n_fds[s->read + i] > 0;
		if (s->damaged || s->len - s->read < 16)
			return;
		size = mp_get_le64(m + 8);
		if (size > MP_MPQEMU_MAX_BYTES)
			s->damaged = true;
		if (s->damaged || s->len - s->read < 16 + size)
			return;
		judge(s, m, (uint32_t)size, s->n_fds[s->read]);
		s->read += 16 + size;
	}
}

/* -- the peer ------------------------------------------------------------- */

static uint64_t take(struct input *in, unsigned int n_bytes)
{
	uint64_t v = 0;

	for (unsigned int i = 0; i < n_bytes; i++)
		v |= (uint64_t)(in->at < in->end ? *in->at++ : 0) << (8 * i);
	return v;
}

/* Only what went out counts. */
static void say(struct world *w, const uint8_t *bytes, size_t len, unsigned int n_fds,
		unsigned int kind)
{
	int fd[MAX_FDS];
	const struct mp_fds fds = {.fd = fd, .n = n_fds};
	struct stream *s = &w->s;

	if (len == 0 || s->len + len > STREAM_BYTES)
		return;
	for (unsigned int i = 0; i < MAX_FDS; i++)
		fd[i] = kind >> (i % 8) & 1 ? w->ram_fd : w->events[i % 2];
	if (mp_fdpass_send(w->peer, bytes, len, &fds, 0) < 0)
		return;
	memcpy(s->bytes + s->len, bytes, len);
	s->n_fds[s->len] = (uint8_t)n_fds;
	s->len += len;
}

static void say_raw(struct world *w, struct input *in)
{
	size_t len = take(in, 1) % 48;
	unsigned int n_fds = (unsigned int)take(in, 1) % (MAX_FDS + 1);

	if (len > (size_t)(in->end - in->at))
		len = (size_t)(in->end - in->at);
	say(w, in->at, len, n_fds < 3 ? 0 : n_fds - 2, 0x55);
	in->at += len;
}

static void put_header(uint8_t *m, uint32_t cmd, uint64_t size)
{
	memset(m, 0, 16);
	mp_put_le32(m, cmd);
	mp_put_le64(m + 8, size);
}

static void say_bar(struct world *w, struct input *in, bool writes)
{
	uint8_t m[40] = {0};
	uint32_t where = (uint32_t)take(in, 2);

	put_header(m, writes ? 4 : 5, 24);
	mp_put_le64(m + 16, where & 0x8000 ? where & 0xff : MMIO + (where & 0x3fff));
	mp_put_le64(m + 24, take(in, 4));
	mp_put_le32(m + 32, 1u << take(in, 1) % 5);
	m[36] = !(where & 0x8000);
	say(w, m, sizeof(m), 0, 0);
}

static void say_cfg(struct world *w, struct input *in, bool writes)
{
	static const uint32_t length[] = {1, 2, 4, 4, 0, 3, 8, UINT32_MAX};
	uint8_t m[28] = {0};

	put_header(m, writes ? 2 : 3, 12);
	mp_put_le32(m + 16, (uint32_t)take(in, 1) + (take(in, 1) == 0xff ? 0xff00 : 0));
	mp_put_le32(m + 20, (uint32_t)take(in, 4));
	mp_put_le32(m + 24, length[take(in, 1) % 8]);
	say(w, m, sizeof(m), 0, 0);
}

/* What a driver needs: BARs, all three enables. */
static void say_enable(struct world *w)
{
	static const struct {
		uint32_t off, val;
	} write[] = {{0x10, 0x1}, {0x14, MMIO}, {0x18, MMIO + 0x2000}, {0x04, 7}};
	uint8_t m[28] = {0};

	for (unsigned int i = 0; i < 4; i++) {
		put_header(m, 2, 12);
		mp_put_le32(m + 16, write[i].off);
		mp_put_le32(m + 20, write[i].val);
		mp_put_le32(m + 24, 4);
		say(w, m, sizeof(m), 0, 0);
	}
}

static void say_ram(struct world *w, struct input *in)
{
	uint8_t m[208] = {0};
	unsigned int n = (unsigned int)take(in, 1) % 10, shape = (unsigned int)take(in, 1);

	put_header(m, 0, 192);
	for (unsigned int i = 0; i < n && i < 8; i++) {
		mp_put_le64(m + 16 + 8 * i, RAM_GPA + i * 0x1000 * (1 + (shape & 7)));
		mp_put_le64(m + 80 + 8 * i, shape & 8 ? RAM_BYTES : 0x1000);
		mp_put_le64(m + 144 + 8 * i, shape & 16 ? take(in, 3) : i * 0x1000);
	}
	say(w, m, sizeof(m), n, shape & 32 ? 0x55 : 0xff);
}

static void say_irq(struct world *w, struct input *in)
{
	uint8_t m[16];
	unsigned int how = (unsigned int)take(in, 1);

	put_header(m, 6, 0);
	say(w, m, sizeof(m), how & 1 ? 2 : how >> 1 & 3, how & 8 ? 1 : 0);
}

static void say_plain(struct world *w, struct input *in)
{
	uint8_t m[16];

	put_header(m, (uint32_t)take(in, 1) % N_CMDS, 0);
	say(w, m, sizeof(m), 0, 0);
}

static void say_offer(struct world *w)
{
	uint8_t m[28] = {0};

	put_header(m, 3, 12);
	mp_put_le32(m + 4, MP_MPQEMU_OFFER);
	mp_put_le32(m + 24, 2);
	say(w, m, sizeof(m), 0, 0);
}

static void hear(struct world *w)
{
	struct mp_mpqemu_rx rx = {.n_header = 0};
	struct mp_mpqemu_msg msg;

	while (mp_mpqemu_recv(w->peer, &rx, &msg) == 1) {
		mp_assert(msg.cmd == MP_MPQEMU_RET && msg.n_fds == 0);
		mp_assert(msg.size == 0 || msg.size == 8);
		mp_assert(msg.hole == 0 || msg.hole == MP_MPQEMU_ANSWER);
		w->n_heard++;
		w->n_heard_bytes += 16 + msg.size;
	}
	mp_assert(!mp_mpqemu_rx_begun(&rx));
}

/* -- the worker ----------------------------------------------------------- */

static void map_ram(struct world *w)
{
	struct mp_mpqemu_msg *msg = w->front->ram;
	struct mp_guest_table *table = NULL;
	int r;

	w->front->ram = NULL;
	r = mp_stock_map(msg, &table);
	mp_device_set_ram(&w->d, table);
	w->front->ops->ram_set(w->front, r == 0);
	mp_guest_table_destroy(w->table);
	w->table = table;
}

static void hang_up(struct world *w)
{
	if (w->front) {
		w->front->ops->detach(w->front);
		mp_device_attach(&w->d, NULL);
		w->front->ops->destroy(w->front);
		w->front = NULL;
	} else if (!w->gone) {
		close(w->sock);
	}
	mp_meet_fini(&w->meet);
	w->gone = true;
}

static void meet(struct world *w)
{
	struct mp_mpqemu_msg first = {.n_fds = 0};
	const char *why;
	int r = mp_meet_go_on(&w->meet, w->sock, &first, &why);

	if (r == MP_MEET_STOCK) {
		r = mp_front_mpqemu_create(&w->d, NULL, w->sock, &first, &w->front);
		mp_assert(r == 0);
		mp_device_attach(&w->d, w->front);
	} else if (r != MP_MEET_WAIT) {
		hang_up(w);
	}
	mp_mpqemu_close_fds(&first);
}

static void turn(struct world *w, unsigned int budget)
{
	if (!w->front && !w->gone)
		meet(w);
	if (!w->front)
		return;
	if (w->front->stalled)
		w->front->ops->publish(w->front);
	if (!w->front->stalled && !w->front->broken)
		w->front->ops->drain(w->front, budget);
	if (!w->front->stalled && !w->front->broken) {
		mp_lsi_run(&w->d.lsi, budget * 4);
		w->front->ops->publish(w->front);
	}
	w->front->refusal.why = MP_REFUSED_NOTHING;
	if (w->front->ram)
		map_ram(w);
	if (w->front->broken)
		hang_up(w);
}

static void sleep_once(struct world *w)
{
	if (!w->front)
		return;
	w->front->ops->idle(w->front, true);
	w->front->ops->arm(w->front);
	w->front->ops->disarm(w->front);
}

/* -- one run -------------------------------------------------------------- */

static void write_program(struct world *w)
{
	uint8_t page[PROGRAM_BYTES] = {0};

	put_program(page);
	mp_assert(pwrite(w->ram_fd, page, sizeof(page), 0) == sizeof(page));
}

static void start(struct world *w)
{
	const struct mp_device_cfg cfg = {
		.id = "fuzz", .pool_bytes = POOL_BYTES, .tsc_hz = 1000000000};
	struct mp_scsi_disk_cfg disk = {.blk = &w->disk, .logical_bytes = 512};
	int sv[2], r;

	r = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv);
	mp_assert(r == 0);
	w->sock = sv[0];
	w->peer = sv[1];
	w->ram_fd = memfd_create("fuzz", MFD_CLOEXEC);
	mp_assert(w->ram_fd >= 0 && ftruncate(w->ram_fd, RAM_BYTES) == 0);
	write_program(w);
	w->events[0] = eventfd(0, EFD_CLOEXEC);
	w->events[1] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	fake_blk_init(&w->disk, DISK_BYTES);
	r = mp_state_create(1, POOL_BYTES, &w->state);
	mp_assert(r == 0);
	r = mp_device_init(&w->d, &cfg, &w->state, 0);
	mp_assert(r == 0);
	r = mp_scsi_disk_add(w->d.bus, &disk);
	mp_assert(r == 0);
}

static void resample(struct world *w)
{
	struct pollfd pfd = {.fd = w->events[1], .events = POLLOUT};
	uint64_t one = 1;

	if (poll(&pfd, 1, 0) == 1)
		mp_assert(write(w->events[1], &one, sizeof(one)) == sizeof(one));
}

static void step(struct world *w, struct input *in)
{
	unsigned int op = (unsigned int)take(in, 1);

	switch (op % 16) {
	case 0:
		say_raw(w, in);
		break;
	case 1:
	case 2:
		say_bar(w, in, op & 1);
		break;
	case 3:
	case 4:
		say_cfg(w, in, op & 1);
		break;
	case 5:
		say_ram(w, in);
		break;
	case 6:
		say_irq(w, in);
		break;
	case 7:
		say_plain(w, in);
		break;
	case 8:
		say_enable(w);
		break;
	case 9:
		say_offer(w);
		break;
	case 10:
		hear(w);
		break;
	case 11:
		resample(w);
		break;
	case 12:
		sleep_once(w);
		break;
	case 13:
		if (w->disk.n_reqs)
			fake_blk_finish(&w->disk, 0, op & 16 ? -EIO : 0);
		break;
	default:
		turn(w, 1 + op / 16);
		break;
	}
}

static bool has_said_all(const struct world *w)
{
	if (w->s.damaged || w->s.is_rings)
		return w->gone;
	return w->n_heard_bytes >= w->s.n_answer_bytes;
}

/* What was said is answered soon, and then nothing more comes. */
static void settle(struct world *w)
{
	read_stream(&w->s);
	for (unsigned int i = 0; i < MAX_TURNS && !has_said_all(w); i++) {
		turn(w, 64);
		hear(w);
	}
	turn(w, 64);
	hear(w);
	if (w->s.unsure)
		return;
	if (w->s.damaged || w->s.is_rings) {
		mp_assert(w->gone);
	} else {
		mp_assert(!w->gone);
		mp_assert(w->n_heard == w->s.n_answers);
		mp_assert(w->n_heard_bytes == w->s.n_answer_bytes);
	}
}

static unsigned int n_open(void)
{
	unsigned int n = 0;

	for (int fd = FIRST_FD; fd < LAST_FD; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void end(struct world *w)
{
	hang_up(w);
	close(w->peer);
	close(w->ram_fd);
	close(w->events[0]);
	close(w->events[1]);
	fake_blk_finish_all(&w->disk);
	mp_assert(mp_scsi_bus_n_busy(w->d.bus) == 0);
	mp_device_fini(&w->d);
	mp_state_fini(&w->state);
	fake_blk_fini(&w->disk);
	mp_guest_table_destroy(w->table);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, data + size};
	struct world *w = calloc(1, sizeof(*w));
	unsigned int n_before = n_open();

	mp_assert(w);
	start(w);
	for (unsigned int i = 0; in.at < in.end && i < MAX_STEPS; i++)
		step(w, &in);
	settle(w);
	end(w);
	mp_assert(n_open() == n_before);
	free(w);
	return 0;
}
