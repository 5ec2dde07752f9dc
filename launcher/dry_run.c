/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What would be started, as text that a shell can run and a script can read:
 *
 *   # fd 16 qemu socket lsi0             one end of a pair of stream sockets
 *   # fd 17 worker0 socket lsi0          the other; a name that stands alone: the reader keeps that end
 *   # fd 18 qemu stats 4096 HEX          a sealed memfd of so many bytes that begins with these
 *   # fd 15 worker0 file 268435456       an empty file of so many bytes
 *   # fd 20 qemu copy FILE               a copy of FILE
 *   # fd 13 qemu text plan               a file with what the lines after it hold, each behind "#| "
 *   mpring-worker ...                    worker0, worker1, ... in this order; the last line is QEMU
 *
 * The numbers are those that the command lines name; each program inherits the
 * descriptors that are marked as its own, and no other. examples/replay.py does
 * all of that.
 */
#include "launcher/plan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "launcher/job.h"
#include "stats/stats.h"

static void show_text(int fd, const char *name, const char *text)
{
	printf("# fd %d qemu text %s\n", fd, name);
	for (size_t len; *text; text += len + (text[len] == '\n')) {
		len = strcspn(text, "\n");
		printf("#|%s%.*s\n", len ? " " : "", (int)len, text);
	}
}

static int show_guest_texts(const struct mp_plan *p)
{
	MP_CLEANUP_FREE char *plan = mp_plan_guest_text(p);
	char name[16];
	int r = 0;

	show_text(p->fd_cfg, "plan", plan);
	for (unsigned int i = 0; r == 0 && i < p->n_jobs; i++) {
		MP_CLEANUP_FREE char *job = NULL;

		r = mp_job_text(p, p->job_kind[i], &job);
		snprintf(name, sizeof(name), "job%u", i);
		if (r == 0)
			show_text(p->fd_job[i], name, job);
	}
	return mp_err_trace(r);
}

static void show_stats(int fd, const char *owner)
{
	const struct mp_stat_page page = {.magic = MP_STAT_MAGIC, .n_counters = MP_STAT_COUNT};
	unsigned char head[offsetof(struct mp_stat_page, counter)];

	memcpy(head, &page, sizeof(head));
	printf("# fd %d %s stats %u ", fd, owner, MP_STAT_BYTES);
	for (size_t i = 0; i < sizeof(head); i++)
		printf("%02x", head[i]);
	putchar('\n');
}

static void show_device(const struct mp_plan *p, const struct mp_plan_dev *d)
{
	char worker[24];

	snprintf(worker, sizeof(worker), "worker%u", d->worker);
	if (d->disk_fd >= 0 && d->disk)
		printf("# fd %d qemu copy %s\n", d->disk_fd, d->disk->file);
	else if (d->disk_fd >= 0)
		printf("# fd %d %s file %" PRIu64 "\n", d->disk_fd,
		       d->kind == MP_DEV_REMOTE ? worker : "qemu", p->disk_bytes);
	if (d->kind != MP_DEV_REMOTE)
		return;
	printf("# fd %d qemu socket %s\n", d->sock_qemu, d->id);
	printf("# fd %d %s socket %s\n", d->sock_worker, worker, d->id);
	show_stats(d->stat_proxy.fd, "qemu");
	if (!p->opt->stock_remote)
		show_stats(d->stat_worker.fd, worker);
}

static int show_descriptors(const struct mp_plan *p)
{
	int r = 0;

	printf("# fd %d qemu socket qmp\n", p->fd_qmp);
	if (p->opt->mode == MP_MODE_PERF) {
		printf("# fd %d qemu socket report\n", p->fd_report);
		printf("# fd %d qemu socket console\n", p->fd_console);
		r = show_guest_texts(p);
	}
	for (unsigned int i = 0; r == 0 && i < p->n_devs; i++)
		show_device(p, &p->dev[i]);
	return mp_err_trace(r);
}

int mp_plan_show(const struct mp_plan *p)
{
	struct mp_args args = MP_ARGS_NULL;
	char sentence[200];
	int r;

	mp_plan_describe(p, sentence, sizeof(sentence));
	printf("# placement: %s\n", sentence);
	r = show_descriptors(p);
	if (r < 0)
		return mp_err_trace(r);
	for (unsigned int w = 0; w < p->n_workers; w++) {
		mp_plan_worker_args(p, w, &args);
		mp_args_print(&args, stdout);
		mp_args_fini(&args);
	}
	mp_plan_qemu_args(p, &args);
	mp_args_print(&args, stdout);
	mp_args_fini(&args);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		mp_error("standard output: %s", strerror(errno));
		return mp_err_origin(-EIO);
	}
	return 0;
}
