/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The handshake, one function for each step, in the order of the picture in
 * session.h. States, the same on both sides:
 *
 *	greeting	own memory and fds made, HELLO sent / awaited
 *	checking	the peer's numbers, memfd and eventfds are looked at
 *	confirming	READY / ACK: each side knows that the other is content
 *	established	*ret_session is written; only RAM and ACK follow
 *
 * The only way is forward. Every failure, at every step, leaves through the
 * cleanup of one struct mp_session on the stack, which owns each fd from the
 * moment it exists, and the socket from the first line. So a peer that lies,
 * stops or vanishes costs a closed socket, never an fd.
 *
 * All numbers of the peer are received into private memory first; sizes and fd
 * counts are exact. One thing bends that rule: HELLO and WELCOME start with
 * their version, and the version is judged before the size, so that two
 * releases whose messages differ in size still tell each other why they part.
 * The worker's last word then is an ACK with -EPROTONOSUPPORT.
 */
#include "wire/session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "wire/frame.h"

#define N_HELLO_FDS   3 /* memfd, reply bell, irq */
#define N_WELCOME_FDS 2 /* memfd, request bell */
#define EVENTFD_LINK  "anon_inode:[eventfd]"

#define STR_OF(x)     #x
#define STR(x)        STR_OF(x)

static_assert(sizeof(struct mp_session_hello) == 16, "wire format");
static_assert(offsetof(struct mp_session_hello, version) == 0, "judged before the size");
static_assert(sizeof(struct mp_session_device) == 144, "wire format");
static_assert(sizeof(struct mp_session_welcome) == 160, "wire format");
static_assert(offsetof(struct mp_session_welcome, version) == 0, "judged before the size");

/* -- checks ------------------------------------------------------------ */

static bool is_power_of_two(uint32_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

static bool ring_sizes_ok(uint32_t n_slots, uint32_t slot_bytes)
{
	return is_power_of_two(n_slots) && n_slots >= MP_RING_MIN_SLOTS &&
	       n_slots <= MP_RING_MAX_SLOTS && slot_bytes == MP_WIRE_SLOT_BYTES;
}

/* Non-blocking too: the flag lives in the file that both sides share, and a
 * write to a full eventfd without it would hang a vCPU. */
static int check_eventfd(int fd)
{
	char path[32], link[sizeof(EVENTFD_LINK) + 1];
	ssize_t n;
	int flags;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, link, sizeof(link));
	if (n < 0)
		return mp_err_origin(-errno);
	if (n != sizeof(EVENTFD_LINK) - 1 || memcmp(link, EVENTFD_LINK, (size_t)n) != 0)
		return mp_err_origin(-EPROTO);
	flags = fcntl(fd, F_GETFL);
	if (flags < 0)
		return mp_err_origin(-errno);
	return flags & O_NONBLOCK ? 0 : mp_err_origin(-EPROTO);
}

static bool bars_ok(const struct mp_session_device *d)
{
	for (unsigned int i = 0; i < MP_WIRE_MAX_BARS; i++) {
		uint32_t bytes = d->bar[i].bytes, flags = d->bar[i].flags;

		if (bytes == 0 && (flags != 0 || d->shadow_bar_mask >> i & 1))
			return false;
		if (bytes == 0)
			continue;
		if (!is_power_of_two(bytes) || bytes < 16 || bytes > MP_WIRE_BAR_MAX)
			return false;
		if (flags != MP_BAR_IO && flags != MP_BAR_MEM)
			return false;
	}
	return d->shadow_bar_mask >> MP_WIRE_MAX_BARS == 0;
}

/* The name shows up in QEMU's messages: printable, and terminated. */
static bool name_ok(const struct mp_session_device *d)
{
	size_t len = strnlen(d->name, sizeof(d->name));

	if (len == 0 || len == sizeof(d->name))
		return false;
	for (size_t i = 0; i < len; i++)
		if (d->name[i] <= ' ' || d->name[i] > '~')
			return false;
	return true;
}

static bool device_ok(const struct mp_session_device *d)
{
	bool has_window = is_power_of_two(d->shadow_window) &&
			  d->shadow_window <= MP_WIRE_SHADOW_BYTES;

	if (!has_window && (d->shadow_window != 0 || d->shadow_bar_mask != 0))
		return false;
	return d->interrupt_pin <= 1 && bars_ok(d) && name_ok(d);
}

/* Which side of ours the peer's version is, in words that can be acted upon. */
static const char *version_text(uint32_t raw_version)
{
	return raw_version > MP_WIRE_VERSION
		       ? "the peer speaks a newer session protocol than version " STR(
				 MP_WIRE_VERSION) ", which is ours: update this side"
		       : "the peer speaks an older session protocol than version " STR(
				 MP_WIRE_VERSION) ", which is ours: update the peer";
}

/* -- the two memfds, the bells ------------------------------------------ */

static int make_own_memory(struct mp_session *s, const char *name, const struct mp_session_cfg *cfg)
{
	int r;

	r = mp_shm_create(name, mp_ring_memfd_len(cfg->n_slots, MP_WIRE_SLOT_BYTES), &s->own);
	if (r < 0)
		return mp_err_trace(r);
	if (cfg->user_page)
		memcpy((uint8_t *)s->own.addr + MP_RING_USER_OFFSET, cfg->user_page,
		       MP_RING_USER_BYTES);
	return mp_err_trace(mp_ring_page_format(s->own.addr, cfg->n_slots, MP_WIRE_SLOT_BYTES));
}

static int attach_peer_memory(struct mp_session *s, uint32_t n_slots)
{
	int fd = mp_fd_steal(&s->peer.fd);
	int r;

	r = mp_shm_attach_take(fd, mp_ring_memfd_len(n_slots, MP_WIRE_SLOT_BYTES), &s->peer);
	if (r < 0)
		return mp_err_trace(r);
	return mp_err_trace(mp_ring_page_check(s->peer.addr, n_slots, MP_WIRE_SLOT_BYTES));
}

static void start(struct mp_session *s, uint32_t own_slots, uint32_t peer_slots)
{
	struct mp_ring_page *own = s->own.addr;
	const struct mp_ring_page *peer = s->peer.addr;

	s->own_page = (uint8_t *)s->own.addr + MP_RING_USER_OFFSET;
	s->peer_page = (const uint8_t *)s->peer.addr + MP_RING_USER_OFFSET;
	mp_ring_prod_init(&s->prod, own, peer, own_slots, MP_WIRE_SLOT_BYTES);
	mp_ring_cons_init(&s->cons, own, peer, peer_slots, MP_WIRE_SLOT_BYTES);
	mp_bell_ringer_init(&s->ring_peer, &peer->armed, s->peer_bell_fd);
	mp_bell_sleeper_init(&s->sleep_own, &own->armed);
}

static size_t n_ready_fds(const struct mp_session *s)
{
	return s->features & MP_FEAT_IO_STOP ? 1 : 0;
}

static int make_fd(int *ret_fd)
{
	int fd = mp_bell_fd_create();

	if (fd < 0)
		return mp_err_trace(fd);
	*ret_fd = fd;
	return 0;
}

/* HELLO or WELCOME: what follows the header. */
struct greeting {
	void *payload;
	size_t size;
	const char **ret_error;
};

static int recv_greeting(int sock, uint64_t raw_size, const struct greeting *g,
			 uint64_t deadline_ns)
{
	uint32_t raw_version;
	int r;

	if (raw_size < sizeof(raw_version))
		return mp_err_origin(-EPROTO);
	r = mp_frame_recv_payload(sock, &raw_version, sizeof(raw_version), deadline_ns);
	if (r < 0)
		return mp_err_trace(r);
	if (raw_version != MP_WIRE_VERSION) {
		*g->ret_error = version_text(raw_version);
		return mp_err_origin(-EPROTONOSUPPORT);
	}
	if (raw_size != g->size)
		return mp_err_origin(-EPROTO);
	memcpy(g->payload, &raw_version, sizeof(raw_version));
	return mp_frame_recv_payload(sock, (uint8_t *)g->payload + sizeof(raw_version),
				     g->size - sizeof(raw_version), deadline_ns);
}

/* -- the proxy's side --------------------------------------------------- */

static int send_hello(struct mp_session *s, const struct mp_session_cfg *cfg)
{
	uint64_t deadline_ns = mp_frame_deadline(cfg->timeout_ns);
	int fds[N_HELLO_FDS] = {s->own.fd, s->own_bell_fd, s->irq_fd};
	const struct mp_fds out = {.fd = fds, .n = N_HELLO_FDS};
	struct mp_session_hello hello = {
		.version = MP_WIRE_VERSION,
		.features = cfg->features,
		.n_slots = cfg->n_slots,
		.slot_bytes = MP_WIRE_SLOT_BYTES,
	};
	int r;

	r = mp_frame_send_header(s->sock, MP_CMD_HELLO, sizeof(hello), &out, deadline_ns);
	if (r < 0)
		return mp_err_trace(r);
	return mp_frame_send_payload(s->sock, &hello, sizeof(hello), deadline_ns);
}

/* An ACK where WELCOME was due: the worker says why there will be none. */
static int recv_refusal(struct mp_session *s, uint64_t raw_size, uint64_t deadline_ns,
			const char **ret_error)
{
	int r = mp_frame_recv_ack_payload(s->sock, raw_size, deadline_ns);

	if (r == -EPROTONOSUPPORT)
		*ret_error = "the worker refuses version " STR(
			MP_WIRE_VERSION) " of the session protocol, which is ours: install both "
					 "sides from one release";
	return r < 0 ? mp_err_trace(r) : mp_err_origin(-EPROTO);
}

static int recv_welcome(struct mp_session *s, const struct mp_session_cfg *cfg,
			struct mp_session_welcome *raw_welcome, const char **ret_error)
{
	uint64_t deadline_ns = mp_frame_deadline(cfg->timeout_ns);
	int raw_fds[N_WELCOME_FDS] = {-1, -1};
	struct mp_fds in = {.fd = raw_fds, .max = N_WELCOME_FDS};
	const struct greeting greeting = {raw_welcome, sizeof(*raw_welcome), ret_error};
	struct mp_session_header raw_header;
	int r;

	r = mp_frame_recv_header(s->sock, &raw_header, &in, deadline_ns);
	if (r < 0)
		return mp_err_trace(r);
	s->peer.fd = raw_fds[0];
	s->peer_bell_fd = raw_fds[1];
	if (raw_header.cmd == MP_CMD_ACK && in.n == 0)
		return recv_refusal(s, raw_header.size, deadline_ns, ret_error);
	if (raw_header.cmd != MP_CMD_WELCOME || in.n != N_WELCOME_FDS)
		return mp_err_origin(-EPROTO);
	return recv_greeting(s->sock, raw_header.size, &greeting, deadline_ns);
}

static int check_welcome(struct mp_session *s, const struct mp_session_cfg *cfg,
			 const struct mp_session_welcome *raw_welcome)
{
	int r;

	if (!ring_sizes_ok(raw_welcome->n_slots, raw_welcome->slot_bytes) ||
	    raw_welcome->features & ~cfg->features || !device_ok(&raw_welcome->device))
		return mp_err_origin(-EPROTO);
	if ((raw_welcome->features & (MP_FEAT_PAUSE | MP_FEAT_IO_STOP)) == MP_FEAT_IO_STOP)
		return mp_err_origin(-EPROTO);
	r = check_eventfd(s->peer_bell_fd);
	if (r == 0)
		r = attach_peer_memory(s, raw_welcome->n_slots);
	return mp_err_trace(r);
}

static int confirm_as_proxy(struct mp_session *s, const struct mp_session_cfg *cfg)
{
	uint64_t deadline_ns = mp_frame_deadline(cfg->timeout_ns);
	const struct mp_fds out = {.fd = &s->stop_fd, .n = n_ready_fds(s)};
	int r = out.n ? make_fd(&s->stop_fd) : 0;

	if (r < 0)
		return mp_err_trace(r);
	r = mp_frame_send_header(s->sock, MP_CMD_READY, 0, &out, deadline_ns);
	if (r < 0)
		return mp_err_trace(r);
	return mp_frame_recv_ack(s->sock, deadline_ns);
}

static int connect_steps(struct mp_session *s, const struct mp_session_cfg *cfg,
			 const char **ret_error)
{
	struct mp_session_welcome welcome;
	int r;

	*ret_error = "no shared memory or eventfds for the session: check the ring size and the "
		     "limits on memory and open files";
	r = make_own_memory(s, "mpring-proxy", cfg);
	if (r == 0)
		r = make_fd(&s->own_bell_fd);
	if (r == 0)
		r = make_fd(&s->irq_fd);
	if (r < 0)
		return mp_err_trace(r);
	*ret_error = "HELLO was not taken: is the worker running?";
	r = send_hello(s, cfg);
	if (r < 0)
		return mp_err_trace(r);
	*ret_error = "no proper WELCOME came: is the other end an mpring worker, and running?";
	r = recv_welcome(s, cfg, &welcome, ret_error);
	if (r < 0)
		return mp_err_trace(r);
	*ret_error = "the worker offers a device, memory or doorbell that can't be accepted";
	r = check_welcome(s, cfg, &welcome);
	if (r < 0)
		return mp_err_trace(r);
	s->features = welcome.features;
	s->device = welcome.device;
	start(s, cfg->n_slots, welcome.n_slots);
	*ret_error = "the worker didn't confirm the session: see its messages";
	return mp_err_trace(confirm_as_proxy(s, cfg));
}

/* -- the worker's side -------------------------------------------------- */

/* HELLO that somebody else has read, to see that it is one. */
static int take_hello(struct mp_session *s, struct mp_mpqemu_msg *raw_msg,
		      struct mp_session_hello *raw_hello, const char **ret_error)
{
	if (raw_msg->cmd != MP_CMD_HELLO || raw_msg->hole != 0 || raw_msg->n_fds != N_HELLO_FDS ||
	    raw_msg->size < sizeof(raw_hello->version))
		return mp_err_origin(-EPROTO);
	s->peer.fd = mp_fd_steal(&raw_msg->fd[0]);
	s->peer_bell_fd = mp_fd_steal(&raw_msg->fd[1]);
	s->irq_fd = mp_fd_steal(&raw_msg->fd[2]);
	memcpy(raw_hello, raw_msg->bytes, sizeof(*raw_hello));
	if (raw_hello->version != MP_WIRE_VERSION) {
		*ret_error = version_text(raw_hello->version);
		return mp_err_origin(-EPROTONOSUPPORT);
	}
	return raw_msg->size == sizeof(*raw_hello) ? 0 : mp_err_origin(-EPROTO);
}

static int recv_hello(struct mp_session *s, const struct mp_session_cfg *cfg,
		      struct mp_session_hello *raw_hello, const char **ret_error)
{
	uint64_t deadline_ns = mp_frame_deadline(cfg->timeout_ns);
	int raw_fds[N_HELLO_FDS] = {-1, -1, -1};
	struct mp_fds in = {.fd = raw_fds, .max = N_HELLO_FDS};
	const struct greeting greeting = {raw_hello, sizeof(*raw_hello), ret_error};
	struct mp_session_header raw_header;
	int r;

	r = mp_frame_recv_header(s->sock, &raw_header, &in, deadline_ns);
	if (r < 0)
		return mp_err_trace(r);
	s->peer.fd = raw_fds[0];
	s->peer_bell_fd = raw_fds[1];
	s->irq_fd = raw_fds[2];
	if (raw_header.cmd != MP_CMD_HELLO || in.n != N_HELLO_FDS)
		return mp_err_origin(-EPROTO);
	return mp_err_trace(recv_greeting(s->sock, raw_header.size, &greeting, deadline_ns));
}

static int get_hello(struct mp_session *s, const struct mp_session_cfg *cfg,
		     struct mp_session_hello *raw_hello, const char **ret_error)
{
	int r = cfg->hello ? take_hello(s, cfg->hello, raw_hello, ret_error)
			   : recv_hello(s, cfg, raw_hello, ret_error);

	if (r == -EPROTONOSUPPORT)
		/* Best effort: the session ends either way. */
		(void)mp_frame_send_ack(s->sock, r, mp_frame_deadline(cfg->timeout_ns));
	return mp_err_trace(r);
}

static int check_hello(struct mp_session *s, const struct mp_session_hello *raw_hello)
{
	int r;

	if (!ring_sizes_ok(raw_hello->n_slots, raw_hello->slot_bytes))
		return mp_err_origin(-EPROTO);
	r = check_eventfd(s->peer_bell_fd);
	if (r == 0)
		r = check_eventfd(s->irq_fd);
	if (r == 0)
		r = attach_peer_memory(s, raw_hello->n_slots);
	return mp_err_trace(r);
}

static int make_own_bell(struct mp_session *s, const struct mp_session_cfg *cfg)
{
	s->own_bell_shared = cfg->bell_fd >= 0;
	if (!s->own_bell_shared)
		return mp_err_trace(make_fd(&s->own_bell_fd));
	s->own_bell_fd = cfg->bell_fd;
	return 0;
}

static int send_welcome(struct mp_session *s, const struct mp_session_cfg *cfg)
{
	uint64_t deadline_ns = mp_frame_deadline(cfg->timeout_ns);
	int fds[N_WELCOME_FDS] = {s->own.fd, s->own_bell_fd};
	const struct mp_fds out = {.fd = fds, .n = N_WELCOME_FDS};
	struct mp_session_welcome welcome = {
		.version = MP_WIRE_VERSION,
		.features = s->features,
		.n_slots = cfg->n_slots,
		.slot_bytes = MP_WIRE_SLOT_BYTES,
		.device = s->device,
	};
	int r;

	r = mp_frame_send_header(s->sock, MP_CMD_WELCOME, sizeof(welcome), &out, deadline_ns);
	if (r < 0)
		return mp_err_trace(r);
	return mp_frame_send_payload(s->sock, &welcome, sizeof(welcome), deadline_ns);
}

static int confirm_as_worker(struct mp_session *s, const struct mp_session_cfg *cfg)
{
	uint64_t deadline_ns = mp_frame_deadline(cfg->timeout_ns);
	struct mp_fds in = {.fd = &s->stop_fd, .max = n_ready_fds(s)};
	struct mp_session_header raw_header;
	int r;

	r = mp_frame_recv_header(s->sock, &raw_header, &in, deadline_ns);
	if (r < 0)
		return mp_err_trace(r);
	if (raw_header.cmd != MP_CMD_READY || raw_header.size != 0 || in.n != in.max)
		return mp_err_origin(-EPROTO);
	r = in.n ? check_eventfd(s->stop_fd) : 0;
	return r < 0 ? mp_err_trace(r) : mp_frame_send_ack(s->sock, 0, deadline_ns);
}

static int accept_steps(struct mp_session *s, const struct mp_session_cfg *cfg,
			const char **ret_error)
{
	struct mp_session_hello hello;
	int r;

	*ret_error = "no proper HELLO came: is the other end an mpring proxy, and running?";
	r = get_hello(s, cfg, &hello, ret_error);
	if (r < 0)
		return mp_err_trace(r);
	*ret_error = "the proxy offers memory or doorbells that can't be accepted";
	r = check_hello(s, &hello);
	if (r < 0)
		return mp_err_trace(r);
	s->features = hello.features & cfg->features;
	/* Who can't continue a machine must not stop it. */
	if (!(s->features & MP_FEAT_PAUSE))
		s->features &= ~MP_FEAT_IO_STOP;
	*ret_error = "no shared memory or eventfd for the session: check the ring size, the device "
		     "and the limits on memory and open files";
	r = device_ok(&s->device) ? make_own_memory(s, "mpring-worker", cfg)
				  : mp_err_origin(-EINVAL);
	if (r == 0)
		r = make_own_bell(s, cfg);
	if (r < 0)
		return mp_err_trace(r);
	start(s, cfg->n_slots, hello.n_slots);
	*ret_error = "WELCOME was not taken: is the proxy running?";
	r = send_welcome(s, cfg);
	if (r < 0)
		return mp_err_trace(r);
	*ret_error = "the proxy didn't confirm the session: see its messages";
	return mp_err_trace(confirm_as_worker(s, cfg));
}

/* -- front door --------------------------------------------------------- */

int mp_session_connect_take(int sock, const struct mp_session_cfg *cfg,
			    struct mp_session *ret_session, const char **ret_error)
{
	MP_CLEANUP(mp_session_fini) struct mp_session s = MP_SESSION_NULL;
	int r;

	s.sock = sock;
	r = connect_steps(&s, cfg, ret_error);
	if (r < 0)
		return mp_err_trace(r);

	*ret_session = mp_session_steal(&s);
	return 0;
}

int mp_session_accept_take(int sock, const struct mp_session_cfg *cfg,
			   const struct mp_session_device *device, struct mp_session *ret_session,
			   const char **ret_error)
{
	MP_CLEANUP(mp_session_fini) struct mp_session s = MP_SESSION_NULL;
	int r;

	s.sock = sock;
	s.device = *device;
	r = accept_steps(&s, cfg, ret_error);
	if (r < 0)
		return mp_err_trace(r);

	*ret_session = mp_session_steal(&s);
	return 0;
}

void mp_session_fini(struct mp_session *s)
{
	mp_shm_fini(&s->own);
	mp_shm_fini(&s->peer);
	if (!s->own_bell_shared)
		mp_fd_close(&s->own_bell_fd);
	mp_fd_close(&s->peer_bell_fd);
	mp_fd_close(&s->irq_fd);
	mp_fd_close(&s->stop_fd);
	mp_fd_close(&s->sock);
	*s = MP_SESSION_NULL;
}

struct mp_session mp_session_steal(struct mp_session *s)
{
	struct mp_session taken = *s;

	*s = MP_SESSION_NULL;
	return taken;
}
