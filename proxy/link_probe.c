/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * link_probe.c - who is at the other end; and if it is a stock worker, what its
 * device is.
 *
 * The first message is a read of the vendor id, which every worker answers. A
 * mark in the hole of its header, which stock QEMU ignores, offers rings; a
 * worker of ours marks its answer. So both learn what the other speaks without
 * an option and without a message that a stock worker wouldn't know.
 *
 * A stock worker says nothing of itself: ids and class are read from its config
 * space, the sizes of its BARs from what is left of a write of all ones. It
 * serves its first messages just before it resets its whole machine once, so
 * an answer may be true and, a moment later, not any more. A pause after
 * the first answer lets it come to that reset; and the BARs are probed until
 * two passes agree, because one reset can't spoil two.
 */
#include "proxy/link_priv.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "wire/mpqemu.h"

#define SETTLE_NS        20000000ull
#define CONNECT_AGAIN_NS 20000000
#define MAX_PASSES       5u
#define CFG_BAR          0x10u
#define BAR_IO           1u
#define BAR_64           4u
#define MAX_BAR          0x40000000u

static const char error_offer[] = "no answer to the first message: is a worker there, and running?";
static const char error_probe[] = "the worker doesn't say what its device is";
static const char error_id[] = "the worker has no device: see its messages";
static const char error_bar[] = "a BAR of the worker's device is 64 bits wide, or of no possible "
				"size";
static const char error_unsteady[] = "the worker tells different sizes of its BARs each time";

/* --- the way there ---------------------------------------------------------- */

static int connect_once(const struct sockaddr_un *addr)
{
	MP_CLEANUP_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0)
		return -errno;
	return mp_fd_steal(&fd);
}

int mp_link_connect(const char *path, uint64_t timeout_ns)
{
	const struct timespec pause = {.tv_nsec = CONNECT_AGAIN_NS};
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	uint64_t begin_ns = mp_clock_ns();
	int r;

	if (strlen(path) >= sizeof(addr.sun_path))
		return mp_err_origin(-ENAMETOOLONG);
	memcpy(addr.sun_path, path, strlen(path));
	for (;;) {
		r = connect_once(&addr);
		if (r != -ENOENT && r != -ECONNREFUSED && r != -EINTR)
			return mp_err_origin(r);
		if (mp_clock_ns() - begin_ns >= timeout_ns)
			return mp_err_origin(r);
		nanosleep(&pause, NULL);
	}
}

/* --- the offer ------------------------------------------------------------- */

static int wait_for_message(int sock, uint64_t deadline_ns)
{
	struct pollfd pfd = {.fd = sock, .events = POLLIN};
	uint64_t now_ns = mp_clock_ns();
	struct timespec ts;

	if (now_ns >= deadline_ns)
		return mp_err_origin(-ETIMEDOUT);
	ts.tv_sec = (time_t)((deadline_ns - now_ns) / MP_NS_PER_SEC);
	ts.tv_nsec = (long)((deadline_ns - now_ns) % MP_NS_PER_SEC);
	if (ppoll(&pfd, 1, &ts, NULL) < 0 && errno != EINTR)
		return mp_err_origin(-errno);
	return 0;
}

static int recv_one(int sock, struct mp_mpqemu_msg *ret_msg, uint64_t deadline_ns)
{
	struct mp_mpqemu_rx rx = {.n_header = 0};
	int r, waited = 0;

	do
		r = mp_mpqemu_recv(sock, &rx, ret_msg);
	while (r == 0 && (waited = wait_for_message(sock, deadline_ns)) == 0);
	if (r == 0)
		mp_mpqemu_rx_fini(&rx);
	return mp_err_trace(waited < 0 ? waited : r < 0 ? r : 0);
}

int mp_link_offer(int sock, uint64_t deadline_ns, const char **ret_error)
{
	struct mp_mpqemu_msg msg = {.cmd = MP_MPQEMU_PCI_CFGREAD,
				    .hole = MP_MPQEMU_OFFER,
				    .size = sizeof(msg.cfg),
				    .cfg = {.len = 2}};
	bool ok;
	int r;

	*ret_error = error_offer;
	r = mp_mpqemu_send(sock, &msg, deadline_ns);
	if (r == 0)
		r = recv_one(sock, &msg, deadline_ns);
	if (r < 0)
		return mp_err_trace(r);
	ok = msg.cmd == MP_MPQEMU_RET && msg.size == sizeof(msg.value) && msg.n_fds == 0;
	mp_mpqemu_close_fds(&msg);
	if (!ok) {
		*ret_error = "the first answer is of no protocol that is known here";
		return mp_err_origin(-EPROTO);
	}
	return msg.hole == MP_MPQEMU_ANSWER;
}

/* --- a stock worker's device ------------------------------------------------ */

static bool probe_bar(struct mp_link *l, unsigned int i, uint32_t *ret_raw)
{
	uint32_t off = CFG_BAR + 4 * i, before;

	return mp_link_socket_cfg_get(l, off, 4, &before) &&
	       mp_link_socket_cfg_put(l, off, 4, UINT32_MAX) &&
	       mp_link_socket_cfg_get(l, off, 4, ret_raw) &&
	       mp_link_socket_cfg_put(l, off, 4, before);
}

static bool probe_bars(struct mp_link *l, uint32_t *ret_raw)
{
	bool ok = true;

	for (unsigned int i = 0; ok && i < MP_WIRE_MAX_BARS; i++)
		ok = probe_bar(l, i, &ret_raw[i]);
	return ok;
}

static int probe_until_steady(struct mp_link *l, uint32_t *ret_raw, const char **ret_error)
{
	uint32_t before[MP_WIRE_MAX_BARS], now[MP_WIRE_MAX_BARS];

	if (!probe_bars(l, before))
		return mp_err_origin(-EIO);
	for (unsigned int pass = 1; pass < MAX_PASSES; pass++) {
		if (!probe_bars(l, now))
			return mp_err_origin(-EIO);
		if (memcmp(now, before, sizeof(now)) == 0) {
			memcpy(ret_raw, now, sizeof(now));
			return 0;
		}
		memcpy(before, now, sizeof(now));
	}
	*ret_error = error_unsteady;
	return mp_err_origin(-EPROTO);
}

/* What all ones left behind tells the size. */
static bool take_bar(struct mp_session_device *d, unsigned int i, uint32_t raw)
{
	bool io = raw & BAR_IO;
	uint32_t mask = raw & (io ? ~3u : ~15u);

	if (raw == 0)
		return true;
	/* Ports may leave out the upper half, of which x86 has none. */
	if (io && mask >> 16 == 0)
		mask |= 0xffff0000u;
	if ((!io && (raw & BAR_64)) || mask == 0 || (~mask & (~mask + 1)) != 0 ||
	    ~mask + 1 > MAX_BAR)
		return false;
	d->bar[i].bytes = ~mask + 1;
	d->bar[i].flags = io ? MP_BAR_IO : MP_BAR_MEM;
	return true;
}

static bool read_header(struct mp_link *l, struct mp_session_device *d)
{
	uint32_t id, class_revision, subsystem, misc;

	if (!mp_link_socket_cfg_get(l, 0x00, 4, &id) ||
	    !mp_link_socket_cfg_get(l, 0x08, 4, &class_revision) ||
	    !mp_link_socket_cfg_get(l, 0x2c, 4, &subsystem) ||
	    !mp_link_socket_cfg_get(l, 0x3c, 4, &misc))
		return false;
	d->vendor_id = (uint16_t)id;
	d->device_id = (uint16_t)(id >> 16);
	d->class_revision = class_revision;
	d->subsystem_vendor_id = (uint16_t)subsystem;
	d->subsystem_id = (uint16_t)(subsystem >> 16);
	d->interrupt_pin = (misc >> 8 & 0xff) != 0; /* the only line that the protocol has */
	d->min_gnt = (uint8_t)(misc >> 16);
	d->max_lat = (uint8_t)(misc >> 24);
	return true;
}

int mp_link_probe(struct mp_link *l, const char **ret_error)
{
	struct mp_session_device d = {.vendor_id = 0};
	uint32_t raw[MP_WIRE_MAX_BARS], vendor;
	int r;

	*ret_error = error_probe;
	if (!mp_link_socket_cfg_get(l, 0, 2, &vendor) || !mp_link_socket_send_irqfds(l))
		return mp_err_origin(-EIO);
	mp_link_socket_nap(l, SETTLE_NS);
	if (!read_header(l, &d))
		return mp_err_origin(-EIO);
	if (d.vendor_id == 0 || d.vendor_id == UINT16_MAX) {
		*ret_error = error_id;
		return mp_err_origin(-ENODEV);
	}
	r = probe_until_steady(l, raw, ret_error);
	if (r < 0)
		return mp_err_trace(r);
	for (unsigned int i = 0; i < MP_WIRE_MAX_BARS; i++) {
		if (!take_bar(&d, i, raw[i])) {
			*ret_error = error_bar;
			return mp_err_origin(-EPROTO);
		}
	}
	snprintf(d.name, sizeof(d.name), "x-remote");
	l->s.device = d;
	return 0;
}
