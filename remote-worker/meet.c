/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The offer's answer is what a stock worker would say too, but for the hole; so a
 * proxy that offers learns the vendor id from either, and from the hole whose it
 * is. An offer may come again: the answer changes nothing here.
 */
#include "remote-worker/meet.h"

#include <errno.h>
#include <stdbool.h>

#include "base/clock.h"
#include "base/err.h"
#include "remote-worker/device.h"
#include "wire/session.h"

static bool is_offer(const struct mp_mpqemu_msg *msg)
{
	return msg->cmd == MP_MPQEMU_PCI_CFGREAD && msg->hole == MP_MPQEMU_OFFER &&
	       mp_mpqemu_check(msg) == 0 && msg->n_fds == 0 && msg->cfg.addr == 0 &&
	       msg->cfg.len == 2;
}

static int answer(int sock)
{
	struct mp_session_device device;
	struct mp_mpqemu_msg ret = {
		.cmd = MP_MPQEMU_RET, .hole = MP_MPQEMU_ANSWER, .size = sizeof(ret.value)};

	mp_device_describe(&device);
	ret.value = device.vendor_id;
	return mp_err_trace(mp_mpqemu_send(sock, &ret, 0));
}

/* What a whole message means; negative: nothing that we know. */
static int judge(const struct mp_mpqemu_msg *msg)
{
	if (msg->cmd == MP_CMD_HELLO)
		return MP_MEET_RINGS;
	if (msg->cmd == MP_MPQEMU_RET || mp_mpqemu_check(msg) == -EPROTO)
		return mp_err_origin(-EPROTO);
	return is_offer(msg) ? MP_MEET_WAIT : MP_MEET_STOCK;
}

static int not_whole(struct mp_meet *m, const char **ret_why)
{
	if (!mp_mpqemu_rx_begun(&m->rx)) {
		m->begun_ns = 0;
		return MP_MEET_WAIT;
	}
	if (m->begun_ns == 0)
		m->begun_ns = mp_clock_ns();
	if (mp_clock_ns() < mp_meet_deadline_ns(m))
		return MP_MEET_WAIT;
	*ret_why = "the proxy's first message stopped in its middle: is it running?";
	return mp_err_origin(-ETIMEDOUT);
}

int mp_meet_go_on(struct mp_meet *m, int sock, struct mp_mpqemu_msg *ret_first,
		  const char **ret_why)
{
	struct mp_mpqemu_msg msg;
	int r;

	for (;;) {
		*ret_why = "no proper first message came: is the other end an mpring or a stock "
			   "multi-process QEMU proxy?";
		r = mp_mpqemu_recv(sock, &m->rx, &msg);
		if (r < 0)
			return mp_err_trace(r);
		if (r == 0)
			return not_whole(m, ret_why);
		m->begun_ns = 0;
		r = judge(&msg);
		if (r < 0)
			mp_mpqemu_close_fds(&msg);
		if (r < 0)
			return mp_err_trace(r);
		if (r != MP_MEET_WAIT)
			break;
		*ret_why = "the proxy doesn't take the answer to its offer";
		m->offered = true;
		r = answer(sock);
		if (r < 0)
			return mp_err_trace(r);
	}
	*ret_first = msg;
	return r;
}

uint64_t mp_meet_deadline_ns(const struct mp_meet *m)
{
	uint64_t timeout_ns = m->timeout_ns ? m->timeout_ns : MP_SESSION_DEFAULT_TIMEOUT_NS;

	return m->begun_ns ? m->begun_ns + timeout_ns : UINT64_MAX;
}

void mp_meet_fini(struct mp_meet *m)
{
	mp_mpqemu_rx_fini(&m->rx);
	m->begun_ns = 0;
}
