/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A client of the monitor that sends anything: the first byte's lowest bit picks
 * QMP or HMP, the rest is its input. The whole server runs, threads included.
 *
 * Asserted: everything is taken within a deadline, the answers are whole lines,
 * each of them JSON where QMP is spoken, and a client who asks afterwards is
 * answered.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "tests/unit/monitor/rig.h"

#define DEADLINE_MS 20000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* libFuzzer's clock interrupts it. */
static void wait_for(struct pollfd *pfd)
{
	int r;

	do
		r = poll(pfd, 1, DEADLINE_MS);
	while (r < 0 && errno == EINTR);
	mp_assert(r == 1);
}

static void take_all(int fd, const uint8_t *data, size_t size, struct mp_mon_buf *got)
{
	struct pollfd pfd = {.fd = fd};
	char bytes[4096];
	ssize_t n = 1;

	while (n > 0) {
		pfd.events = size > 0 ? POLLIN | POLLOUT : POLLIN;
		wait_for(&pfd);
		if (pfd.revents & POLLOUT && size > 0) {
			n = send(fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
			mp_assert(n > 0);
			data += n;
			size -= (size_t)n;
			if (size == 0)
				shutdown(fd, SHUT_WR);
		}
		if (pfd.revents & (POLLIN | POLLHUP)) {
			n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
			if (n > 0)
				mp_mon_buf_add(got, bytes, (size_t)n);
		}
	}
}

static void check_lines(const char *text)
{
	const char *end;
	json_t *value;

	for (; *text; text = end + 2) {
		end = strstr(text, "\r\n");
		mp_assert(end);
		value = json_loadb(text, (size_t)(end - text), JSON_ALLOW_NUL, NULL);
		/* An id may be a number that only its text can hold. */
		mp_assert(value || memmem(text, (size_t)(end - text), "\"id\": ", 6));
		json_decref(value);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct rig_client bad, good;
	struct mp_mon_buf got = MP_MON_BUF_NULL;
	bool is_qmp;
	struct rig r;

	if (size < 2)
		return 0;
	is_qmp = !(data[0] & 1);
	rig_init(&r);
	r.go = true;
	r.cfg.max_request_bytes = 4096;
	r.cfg.max_unread_bytes = 4096;
	r.cfg.max_nesting = 32;
	rig_connect(&r, &bad, is_qmp);
	rig_connect(&r, &good, true);
	rig_start(&r);
	take_all(bad.fd, data + 1, size - 1, &got);
	if (is_qmp)
		check_lines(mp_mon_buf_text(&got));
	rig_negotiate(&good);
	rig_close(&good);
	rig_close(&bad);
	mp_mon_buf_fini(&got);
	rig_fini(&r);
	return 0;
}
