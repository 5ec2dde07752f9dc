/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One connection: bytes to requests, answers to bytes.
 *
 * Input that has come is kept until the queue has room for the next request;
 * meanwhile the socket isn't read. File descriptors belong to the request during
 * whose bytes they came; what no handler takes is closed with it.
 *
 * Three ways to end. The client has sent all it wants (eof): its requests are
 * still done and answered. Nobody reads its answers (out_dead): its requests are
 * done, the answers dropped. It is lost, for want of memory or because it lets
 * events pile up: its requests are dropped.
 */
#include "monitor/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fdpass.h"

#define READ_BYTES   16384u
#define HARD_FACTOR  8u /* of max_unread_bytes */
#define ATOMIC_WRITE 4096u /* poll() says of a pipe that so much can be written: PIPE_BUF */

void mp_mon_request_destroy(struct mp_mon_request *req)
{
	if (!req)
		return;
	for (size_t i = 0; i < req->n_fds; i++)
		mp_fd_close(&req->fd[i]);
	mp_message_fini(&req->msg);
	free(req->line);
	free(req);
}

static bool is_socket(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

struct mp_mon_client *mp_mon_client_create(struct mp_mon *mon, struct mp_mon_listener *from, int in,
					   int out)
{
	struct mp_mon_client *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	*c = (struct mp_mon_client){.mon = mon,
				    .from = from,
				    .in = in,
				    .out = out,
				    .in_is_socket = is_socket(in),
				    .out_is_socket = is_socket(out)};
	mp_lexer_init(&c->lexer, mon->cfg.max_request_bytes, mon->cfg.max_nesting);
	if (from->port.is_qmp)
		mp_qmp_greet(c, &c->output);
	else
		mp_hmp_greet(c, &c->output);
	return c;
}

static void drop_queues(struct mp_mon_client *c)
{
	struct mp_mon_request *req;

	for (unsigned int i = 0; i < MP_MON_N_LANES; i++) {
		while ((req = c->queue[i].first)) {
			c->queue[i].first = req->next;
			mp_mon_request_destroy(req);
		}
		c->queue[i].last = NULL;
		c->queue[i].n = 0;
	}
}

void mp_mon_client_destroy(struct mp_mon_client *c)
{
	drop_queues(c);
	mp_mon_close_named(c);
	for (size_t i = 0; i < c->n_fds; i++)
		mp_fd_close(&c->fd[i]);
	mp_lexer_fini(&c->lexer);
	mp_mon_buf_fini(&c->input);
	mp_mon_buf_fini(&c->line);
	mp_mon_buf_fini(&c->output);
	if (c->out != c->in)
		mp_fd_close(&c->out);
	mp_fd_close(&c->in);
	free(c);
}

void mp_mon_client_lose(struct mp_mon_client *c)
{
	drop_queues(c);
	mp_mon_buf_fini(&c->output);
	c->out_dead = true;
	c->lost = true;
}

bool mp_mon_client_is_done(const struct mp_mon_client *c)
{
	const struct mp_mon_queue *q = c->queue;

	if (q[MP_MON_IN_ORDER].running || q[MP_MON_OUT_OF_BAND].running)
		return false;
	return c->lost ||
	       (c->eof && !q[MP_MON_IN_ORDER].first && !q[MP_MON_OUT_OF_BAND].first &&
		mp_mon_buf_len(&c->input) == 0 && (c->out_dead || mp_mon_buf_len(&c->output) == 0));
}

static bool has_room(const struct mp_mon_client *c)
{
	return !c->lost && c->queue[MP_MON_IN_ORDER].n < MP_MON_MAX_QUEUED &&
	       c->queue[MP_MON_OUT_OF_BAND].n < MP_MON_MAX_QUEUED &&
	       (c->out_dead || mp_mon_buf_len(&c->output) <= c->mon->cfg.max_unread_bytes);
}

bool mp_mon_client_wants_input(const struct mp_mon_client *c)
{
	return !c->eof && mp_mon_buf_len(&c->input) == 0 && has_room(c);
}

void mp_mon_client_put(struct mp_mon_client *c, const struct mp_mon_buf *text)
{
	size_t limit = c->mon->cfg.max_unread_bytes, n = mp_mon_buf_len(text);

	if (c->out_dead)
		return;
	/* One answer may be as large as it is; it is what gathers that is bounded. */
	if (mp_mon_buf_len(&c->output) > HARD_FACTOR * limit || text->error < 0 ||
	    mp_mon_buf_add(&c->output, mp_mon_buf_data(text), n) < 0)
		mp_mon_client_lose(c);
}

/* --- input --- */

static void keep_fds(struct mp_mon_client *c, struct msghdr *msg)
{
	struct mp_fds fds = {.fd = c->fd, .n = c->n_fds, .max = MP_MON_MAX_FDS};

	/* Those beyond are closed; the request goes on without them. */
	(void)mp_fds_collect(&fds, msg);
	c->n_fds = fds.n;
}

static ssize_t receive(struct mp_mon_client *c, char *bytes, size_t len)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(MP_MON_MAX_FDS * sizeof(int))];
	} control;
	struct iovec iov = {.iov_base = bytes, .iov_len = len};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.bytes,
			     .msg_controllen = sizeof(control.bytes)};
	ssize_t n;

	if (!c->in_is_socket)
		return read(c->in, bytes, len);
	n = recvmsg(c->in, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n >= 0)
		keep_fds(c, &msg);
	return n;
}

static bool is_transient(int error)
{
	return error == EAGAIN || error == EINTR;
}

/* A request, with the fds that came up to its end. */
static struct mp_mon_request *new_request(struct mp_mon_client *c)
{
	struct mp_mon_request *req = calloc(1, sizeof(*req));

	if (!req)
		return NULL;
	memcpy(req->fd, c->fd, sizeof(c->fd));
	req->n_fds = c->n_fds;
	c->n_fds = 0;
	return req;
}

static void lose(struct mp_mon_client *c)
{
	pthread_mutex_lock(&c->mon->lock);
	mp_mon_client_lose(c);
	pthread_mutex_unlock(&c->mon->lock);
}

static bool may_parse(struct mp_mon_client *c)
{
	bool ok;

	pthread_mutex_lock(&c->mon->lock);
	ok = mp_mon_buf_len(&c->input) > 0 && has_room(c);
	pthread_mutex_unlock(&c->mon->lock);
	return ok;
}

static bool oob_enabled(struct mp_mon_client *c)
{
	bool oob;

	pthread_mutex_lock(&c->mon->lock);
	oob = c->oob;
	pthread_mutex_unlock(&c->mon->lock);
	return oob;
}

static void parse_qmp(struct mp_mon_client *c)
{
	struct mp_message msg = MP_MESSAGE_NULL;
	struct mp_mon_request *req;
	size_t eaten;
	int r;

	r = mp_lexer_feed(&c->lexer, mp_mon_buf_data(&c->input), mp_mon_buf_len(&c->input), &eaten,
			  &msg);
	mp_mon_buf_eat(&c->input, eaten);
	if (r == 0)
		return;
	req = r < 0 ? NULL : new_request(c);
	if (!req) {
		mp_message_fini(&msg);
		lose(c);
		return;
	}
	req->msg = msg;
	mp_qmp_check(req, oob_enabled(c));
	mp_mon_accept_request(c, req);
}

static void take_line(struct mp_mon_client *c)
{
	struct mp_mon_request *req = new_request(c);
	const char *line = mp_mon_buf_text(&c->line);

	if (req && line)
		req->line = strdup(line);
	if (!req || !req->line) {
		mp_mon_request_destroy(req);
		lose(c);
		return;
	}
	if (c->line_too_long)
		snprintf(req->error, sizeof(req->error), "line too long: at most %u characters",
			 MP_MON_MAX_LINE);
	c->line_too_long = false;
	mp_mon_buf_clear(&c->line);
	mp_mon_accept_request(c, req);
}

static void add_to_line(struct mp_mon_client *c, const char *data, size_t n)
{
	if (mp_mon_buf_len(&c->line) + n > MP_MON_MAX_LINE)
		c->line_too_long = true;
	else if (mp_mon_buf_add(&c->line, data, n) < 0)
		lose(c);
}

/* A line ends in CR, LF, or both. */
static void parse_hmp(struct mp_mon_client *c)
{
	const char *data = mp_mon_buf_data(&c->input);
	size_t len = mp_mon_buf_len(&c->input), n = 0;
	bool ends, empty_rest = c->after_cr && data[0] == '\n';

	c->after_cr = false;
	while (n < len && data[n] != '\n' && data[n] != '\r')
		n++;
	ends = n < len;
	add_to_line(c, data, n);
	c->after_cr = ends && data[n] == '\r';
	mp_mon_buf_eat(&c->input, n + ends);
	if (ends && !empty_rest)
		take_line(c);
}

void mp_mon_client_parse(struct mp_mon_client *c)
{
	while (may_parse(c)) {
		if (c->from->port.is_qmp)
			parse_qmp(c);
		else
			parse_hmp(c);
	}
}

void mp_mon_client_read(struct mp_mon_client *c)
{
	char bytes[READ_BYTES];
	ssize_t n = receive(c, bytes, sizeof(bytes));

	if (n < 0 && is_transient(errno))
		return;
	if (n <= 0) {
		c->eof = true;
		return;
	}
	if (mp_mon_buf_add(&c->input, bytes, (size_t)n) < 0)
		lose(c);
	else
		mp_mon_client_parse(c);
}

/* --- output --- */

static ssize_t send_some(struct mp_mon_client *c)
{
	size_t n = mp_mon_buf_len(&c->output);

	if (c->out_is_socket)
		return send(c->out, mp_mon_buf_data(&c->output), n, MSG_DONTWAIT | MSG_NOSIGNAL);
	return write(c->out, mp_mon_buf_data(&c->output), n < ATOMIC_WRITE ? n : ATOMIC_WRITE);
}

void mp_mon_client_flush(struct mp_mon_client *c)
{
	ssize_t n;

	while (!c->out_dead && mp_mon_buf_len(&c->output) > 0) {
		n = send_some(c);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			mp_mon_buf_fini(&c->output);
			c->out_dead = true;
			return;
		}
		mp_mon_buf_eat(&c->output, (size_t)n);
		/* Of another kind of file only poll() knows whether more would block. */
		if (!c->out_is_socket)
			return;
	}
}
