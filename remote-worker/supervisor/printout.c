/* SPDX-License-Identifier: BSD-3-Clause */
#include "remote-worker/supervisor/printout.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"

#define PIPE_BYTES (64u << 10)
#define REST_NS    MP_NS_PER_SEC

void mp_printout_open_take(struct mp_printout *p, int fd, const char *program)
{
	mp_fd_close(&p->fd);
	p->fd = fd;
	p->program = program;
	p->n_line = 0;
	p->first[0] = '\0';
}

void mp_printout_fini(struct mp_printout *p)
{
	mp_fd_close(&p->fd);
	*p = MP_PRINTOUT_NULL;
}

static const char *gist(const char *text)
{
	const char *at = strstr(text, ": --");

	if (!at)
		return text;
	for (const char *end = strstr(at, "}: "); end; end = strstr(end + 1, "}: "))
		text = end + 3;
	return text;
}

const char *mp_printout_first(const struct mp_printout *p)
{
	return gist(p->first);
}

/* A hint stands on a line of its own, without the program's name. */
static bool is_hint(const struct mp_printout *p)
{
	const char *slash = strrchr(p->program, '/');
	const char *name = slash ? slash + 1 : p->program;

	return strncmp(p->line, name, strlen(name)) != 0;
}

static void keep_hint(struct mp_printout *p)
{
	size_t used = strlen(p->first);

	snprintf(p->first + used, sizeof(p->first) - used, ": %s", p->line);
}

static void end_line(struct mp_printout *p, const char *drive)
{
	p->line[p->n_line] = '\0';
	p->n_line = 0;
	if (!p->line[0])
		return;
	if (drive)
		mp_warn("drive %s: %s", drive, gist(p->line));
	else if (!p->first[0])
		memcpy(p->first, p->line, sizeof(p->first));
	else if (is_hint(p))
		keep_hint(p);
}

/* Returns how much there was. */
static size_t read_some(struct mp_printout *p, const char *drive)
{
	char bytes[4096];
	ssize_t n = read(p->fd, bytes, sizeof(bytes));

	for (ssize_t i = 0; i < n; i++) {
		if (bytes[i] == '\n')
			end_line(p, drive);
		else if (p->n_line < MP_PRINTOUT_LINE - 1)
			p->line[p->n_line++] = bytes[i];
	}
	if (n == 0)
		mp_fd_close(&p->fd);
	return n > 0 ? (size_t)n : 0;
}

void mp_printout_read(struct mp_printout *p, const char *drive)
{
	size_t n = 1;

	for (size_t sum = 0; p->fd >= 0 && n > 0 && sum < PIPE_BYTES; sum += n)
		n = read_some(p, drive);
}

void mp_printout_end(struct mp_printout *p, const char *drive)
{
	mp_printout_read(p, drive);
	if (p->n_line > 0)
		end_line(p, drive);
}

void mp_printout_read_rest(struct mp_printout *p, const char *drive)
{
	struct pollfd pfd = {.events = POLLIN};
	uint64_t now_ns = mp_clock_ns(), end_ns = now_ns + REST_NS;

	for (; p->fd >= 0 && now_ns < end_ns; now_ns = mp_clock_ns()) {
		pfd.fd = p->fd;
		if (poll(&pfd, 1, (int)((end_ns - now_ns) / 1000000) + 1) > 0)
			read_some(p, drive);
	}
	mp_printout_end(p, drive);
}
