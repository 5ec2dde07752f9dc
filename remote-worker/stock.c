/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A stock proxy isn't told when its memory is mapped, nor that it can't be: it
 * waits for no answer. So a table that can't be mapped leaves the device without
 * memory, rather than with one that QEMU may have given to something else.
 */
#include "remote-worker/stock.h"

#include <errno.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "wire/session.h"

int mp_stock_map(struct mp_mpqemu_msg *msg, struct mp_guest_table **ret_table)
{
	struct mp_session_region region[MP_MPQEMU_MAX_FDS];
	int r;

	for (unsigned int i = 0; i < msg->n_fds; i++)
		region[i] = (struct mp_session_region){
			.gpa = msg->sysmem.gpa[i],
			.len = msg->sysmem.len[i],
			.fd_offset = (uint64_t)msg->sysmem.offset[i],
			.fd_index = i,
		};
	r = mp_session_check_ram(region, msg->n_fds, msg->n_fds);
	if (r == 0)
		r = mp_guest_table_create(region, msg->n_fds, msg->fd, ret_table);
	mp_mpqemu_close_fds(msg);
	return mp_err_trace(r);
}

static const char *text_of(enum mp_refusal why)
{
	switch (why) {
	case MP_REFUSED_FORM:
		return "its size, fds or access length isn't what the command allows";
	case MP_REFUSED_CONFIG:
		return "it is outside of the 256 bytes of configuration space";
	case MP_REFUSED_EVENTFD:
		return "its fds are no eventfds";
	case MP_REFUSED_NOTHING:
		break;
	}
	return "unknown";
}

bool mp_stock_may_say(struct mp_stock_log *log, uint64_t *ret_n_unsaid)
{
	uint64_t now_ns = mp_clock_ns();

	if (log->said_ns && now_ns - log->said_ns < MP_STOCK_SAY_NS) {
		log->n_unsaid++;
		return false;
	}
	*ret_n_unsaid = log->n_unsaid;
	log->said_ns = now_ns;
	log->n_unsaid = 0;
	return true;
}

void mp_stock_say(struct mp_stock_log *log, const char *id, const struct mp_notice_refusal *refusal)
{
	static const char *const names[] = {"SYNC_SYSMEM", "RET",         "PCI_CFGWRITE",
					    "PCI_CFGREAD", "BAR_WRITE",   "BAR_READ",
					    "SET_IRQFD",   "DEVICE_RESET"};
	uint64_t n;

	if (!mp_stock_may_say(log, &n))
		return;
	mp_error("%s: refused %s of the proxy: %s", id, names[refusal->cmd % 8],
		 text_of(refusal->why));
	if (n > 0)
		mp_error("%s: and %llu more before", id, (unsigned long long)n);
}
