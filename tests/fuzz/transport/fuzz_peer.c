/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Everything that a peer controls. An input is three bytes and the rest:
 *
 *	byte 0	0 worker accepts, 1 proxy connects, 2 worker takes a RAM
 *		table, 3 ring handles over hostile memory (modulo 4)
 *	byte 1	how many fds come with the first byte (modulo 5)
 *	byte 2	which: two bits each, see open_fds()
 *	rest	what the peer says before it hangs up; or what it does to memory
 *
 * Asserted: bounded results, no fd leaked, no slot outside the ring.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fdpass.h"
#include "wire/session.h"

#define N_SLOTS   8u
#define MAX_BYTES 16384u
#define STEP_NS   100000000ull

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct mp_session_device device = {
	.bar = {{256, MP_BAR_IO}, {1024, MP_BAR_MEM}},
	.shadow_window = 256,
	.shadow_bar_mask = 3,
	.name = "fuzz",
};

struct fds {
	struct mp_shm good;
	int unsealed, bell, dull;
	int list[4];
};

static void open_fds(struct fds *f, unsigned int selector)
{
	int kind[4];

	mp_assert(mp_shm_create("fuzz", mp_ring_memfd_len(N_SLOTS, 16), &f->good) == 0);
	mp_assert(mp_ring_page_format(f->good.addr, N_SLOTS, 16) == 0);
	f->unsealed = memfd_create("fuzz", 0);
	f->bell = mp_bell_fd_create();
	f->dull = open("/dev/null", O_RDWR | O_CLOEXEC);
	mp_assert(f->unsealed >= 0 && f->bell >= 0 && f->dull >= 0);
	kind[0] = f->good.fd;
	kind[1] = f->bell;
	kind[2] = f->unsealed;
	kind[3] = f->dull;
	for (unsigned int i = 0; i < 4; i++)
		f->list[i] = kind[selector >> 2 * i & 3];
}

static void close_fds(struct fds *f)
{
	mp_shm_fini(&f->good);
	close(f->unsealed);
	close(f->bell);
	close(f->dull);
}

/* The lowest free fd: a leak moves it. */
static int lowest_free_fd(void)
{
	int fd = dup(STDERR_FILENO);

	close(fd);
	return fd;
}

/* A session over memory that holds anything: handles stay inside it. */
static void use_session(struct mp_session *s)
{
	const uint8_t *first = (const uint8_t *)s->peer.addr + MP_RING_SLOT_OFFSET;
	const void *slot;
	void *own;

	for (unsigned int i = 0; i < 2 * N_SLOTS && mp_ring_peek(&s->cons, &slot) == 1; i++) {
		mp_assert((const uint8_t *)slot >= first &&
			  (const uint8_t *)slot + 16 <=
				  (const uint8_t *)s->peer.addr + s->peer.len);
		mp_ring_next(&s->cons);
		mp_ring_release(&s->cons);
	}
	if (mp_ring_reserve(&s->prod, &own) == 1)
		mp_ring_commit(&s->prod);
	(void)mp_ring_drained(&s->prod);
	mp_bell_kick(&s->ring_peer);
}

static void fuzz_handshake(bool worker, int sock)
{
	struct mp_session_cfg cfg = {.n_slots = N_SLOTS, .timeout_ns = STEP_NS, .bell_fd = -1};
	struct mp_session s = MP_SESSION_NULL;
	const char *error = NULL;
	int r;

	r = worker ? mp_session_accept_take(sock, &cfg, &device, &s, &error)
		   : mp_session_connect_take(sock, &cfg, &s, &error);
	mp_assert(r <= 0 && (r == 0 || error));
	if (r == 0)
		use_session(&s);
	mp_session_fini(&s);
}

static void fuzz_ram(int sock)
{
	static struct mp_session_region region[MP_SESSION_MAX_REGIONS];
	int fd[MP_SESSION_MAX_RAM_FDS];
	struct mp_fds fds = {.fd = fd, .max = MP_SESSION_MAX_RAM_FDS};
	uint32_t n = 0;
	uint64_t end = 0;

	if (mp_session_recv_ram(sock, region, &n, &fds, STEP_NS) == 1) {
		mp_assert(n <= MP_SESSION_MAX_REGIONS && fds.n <= MP_SESSION_MAX_RAM_FDS);
		for (uint32_t i = 0; i < n; i++) {
			mp_assert(region[i].len > 0 && region[i].fd_index < fds.n);
			mp_assert(i == 0 || (end != 0 && region[i].gpa >= end));
			end = region[i].gpa + region[i].len; /* 0: the very end */
		}
		for (size_t i = 0; i < fds.n; i++)
			close(fd[i]);
	}
	close(sock);
}

static void fuzz_socket(unsigned int mode, const uint8_t *data, size_t size)
{
	int sv[2], before = lowest_free_fd();
	struct fds f;
	const struct mp_fds out = {.fd = f.list, .n = data[1] % 5};

	open_fds(&f, data[2]);
	data += 3;
	size -= 3;
	mp_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) == 0);
	if (size > 0)
		mp_assert(mp_fdpass_send(sv[0], data, size < MAX_BYTES ? size : MAX_BYTES, &out,
					 mp_clock_ns() + STEP_NS) == 0);
	/* Hangs up, so that nobody waits for more; still takes answers. */
	shutdown(sv[0], SHUT_WR);
	if (mode == 2)
		fuzz_ram(sv[1]);
	else
		fuzz_handshake(mode == 0, sv[1]);
	close(sv[0]);
	close_fds(&f);
	mp_assert(lowest_free_fd() == before);
}

/* Memory of both sides; each pair of bytes is one call or one overwritten word. */
struct memory {
	_Alignas(4096) uint8_t own[3 * 4096];
	_Alignas(4096) uint8_t peer[3 * 4096];
};

static void produce(struct mp_ring_prod *p, struct memory *m)
{
	void *slot;
	int r = mp_ring_reserve(p, &slot);

	mp_assert(r == 1 || r == 0 || r == -EPROTO);
	if (r != 1)
		return;
	mp_assert((uint8_t *)slot >= m->own + MP_RING_SLOT_OFFSET &&
		  (uint8_t *)slot + 16 <= m->own + sizeof(m->own));
	memset((uint8_t *)slot + 4, 0x5a, 12);
	mp_ring_commit(p);
}

static void consume(struct mp_ring_cons *c, struct memory *m)
{
	const void *slot;

	if (mp_ring_peek(c, &slot) != 1)
		return;
	mp_assert((const uint8_t *)slot >= m->peer + MP_RING_SLOT_OFFSET &&
		  (const uint8_t *)slot + 16 <= m->peer + sizeof(m->peer));
	mp_ring_next(c);
}

static void fuzz_ring(const uint8_t *data, size_t size)
{
	static struct memory m;
	struct mp_ring_prod p;
	struct mp_ring_cons c;
	_Atomic uint32_t *word;

	memset(&m, 0, sizeof(m));
	mp_ring_prod_init(&p, m.own, m.peer, N_SLOTS, 16);
	mp_ring_cons_init(&c, m.own, m.peer, N_SLOTS, 16);
	for (; size >= 2; data += 2, size -= 2) {
		switch (data[0] % 6) {
		case 0:
			produce(&p, &m);
			break;
		case 1:
			consume(&c, &m);
			break;
		case 2:
			mp_ring_release(&c);
			break;
		case 3:
			mp_assert((mp_ring_drained(&p) == -EPROTO) == p.broken);
			break;
		case 4: /* the peer's head */
			word = &((struct mp_ring_page *)(void *)m.peer)->head;
			atomic_store_explicit(word, (uint32_t)(int8_t)data[1],
					      memory_order_relaxed);
			break;
		default: /* a sequence number */
			word = (_Atomic uint32_t *)(void *)(m.peer + MP_RING_SLOT_OFFSET +
							    (data[1] & 7) * 16);
			atomic_store_explicit(word, data[1] >> 3, memory_order_relaxed);
		}
		mp_assert(p.broken || p.tail - p.head_seen <= N_SLOTS);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 3)
		return 0;
	if (data[0] % 4 == 3)
		fuzz_ring(data + 3, size - 3);
	else
		fuzz_socket(data[0] % 4, data, size);
	return 0;
}
