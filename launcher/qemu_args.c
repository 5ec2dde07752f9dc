/* SPDX-License-Identifier: BSD-3-Clause */
/* A plan as command lines: QEMU's and the workers'. Both are the documented forms, nothing is hidden. */
#include "launcher/plan.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "launcher/disks.h"

#define FIRST_SLOT 3

/* mpring-worker and QEMU spell this differently. Both controllers have a compared file open, and never
 * work at the same time. */
static const char *no_locking(const struct mp_plan *p, const struct mp_plan_dev *d)
{
	if (!p->opt->compare || !d->disk || d->disk->readonly || mp_disk_is_uri(d->disk->file) ||
	    mp_disk_is_copied(p->opt, d->disk))
		return "";
	return d->kind == MP_DEV_REMOTE && !p->opt->stock_remote ? ",locking=off"
								 : ",file.locking=off";
}

/* The value of -drive from "file=" on, without id and interface. */
static void drive_source(const struct mp_plan *p, const struct mp_plan_dev *d, char **ret)
{
	/* For fio's trim, and so that a full disk fails the run, not stops the guest; a
	 * user's guest has what QEMU gives by default. */
	const char *perf = p->opt->mode == MP_MODE_PERF ? ",discard=unmap,werror=report" : "";
	const char *format = d->disk ? d->disk->format : "raw";
	MP_CLEANUP_FREE char *file = NULL;
	int r;

	if (!d->disk && p->opt->backend == MP_BACKEND_NULL) {
		r = asprintf(ret, "driver=null-co,size=%llu%s", (unsigned long long)p->disk_bytes,
			     perf);
		mp_assert(r >= 0);
		return;
	}
	if (!d->disk || d->disk_fd >= 0)
		r = asprintf(&file, "/proc/self/fd/%d", d->disk_fd);
	else
		file = mp_args_escape(d->disk->file);
	r = asprintf(ret, "file=%s%s%s%s%s%s%s", file, *format ? ",format=" : "", format, perf,
		     d->disk && d->disk->readonly ? ",readonly=on" : "",
		     d->disk ? d->disk->drive : "", no_locking(p, d));
	mp_assert(r >= 0);
}

static void add_scsi_hd(const struct mp_plan_dev *d, struct mp_args *a)
{
	mp_args_add2(a, "-device", "scsi-hd,drive=disk-%s,bus=%s.0,scsi-id=0%s", d->id, d->id,
		     d->disk ? d->disk->device : "");
}

/* In a QEMU: with the worker's own choice of I/O engine, so that the rest is what differs. */
static const char *qemu_cache(const struct mp_plan *p, const struct mp_plan_dev *d)
{
	if (!d->disk && p->opt->backend == MP_BACKEND_NULL)
		return "";
	if (!p->uring || (d->disk && mp_disk_is_uri(d->disk->file)))
		return ",cache=writeback";
	return ",cache=writeback,aio=io_uring";
}

static void worker_disk(const struct mp_plan *p, const struct mp_plan_dev *d, struct mp_args *a)
{
	MP_CLEANUP_FREE char *source = NULL;

	drive_source(p, d, &source);
	mp_args_add2(a, "-drive", "id=disk-%s,if=none,%s%s", d->id, source,
		     p->opt->stock_remote ? qemu_cache(p, d) : "");
	add_scsi_hd(d, a);
}

/* On the ids that the disk leaves free. */
static void worker_cdroms(const struct mp_plan *p, const struct mp_plan_dev *d, struct mp_args *a)
{
	for (unsigned int i = 0; i < p->opt->n_cdroms; i++) {
		MP_CLEANUP_FREE char *file = mp_args_escape(p->opt->cdrom[i]);
		/* "a:b.iso" would be a protocol's. */
		const char *folder = mp_disk_is_uri(file) ? "./" : "";

		mp_args_add2(a, "-drive", "id=cd%u,if=none,media=cdrom,file=%s%s,format=raw", i,
			     folder, file);
		mp_args_add2(a, "-device", "scsi-cd,drive=cd%u,bus=%s.0", i, d->id);
	}
}

static void worker_device(const struct mp_plan *p, const struct mp_plan_dev *d, struct mp_args *a)
{
	mp_args_add2(a, "-device", "lsi53c895a,id=%s", d->id);
	if (d->disk || p->opt->mode == MP_MODE_PERF)
		worker_disk(p, d, a);
	if (d == &p->dev[0])
		worker_cdroms(p, d, a);
	mp_args_add2(a, "-object", "x-remote-object,id=object-%s,devid=%s,fd=%d", d->id, d->id,
		     d->sock_worker);
	if (!p->opt->stock_remote)
		mp_args_add2(a, "--stats-fd", "%s=%d", d->id, d->stat_worker.fd);
}

static void worker_monitor(const struct mp_plan *p, unsigned int w, const char *option,
			   const char *path, struct mp_args *a)
{
	MP_CLEANUP_FREE char *escaped = NULL;
	const char *key;

	if (!path)
		return;
	if (mp_options_is_place(path)) {
		mp_args_add2(a, option, "%s", path);
		return;
	}
	escaped = mp_args_escape(path);
	key = strchr(path, '=') ? "path=" : ""; /* or what is in front of the sign would be one */
	if (p->n_workers == 1)
		mp_args_add2(a, option, "unix:%s%s,server=on,wait=off", key, escaped);
	else
		mp_args_add2(a, option, "unix:%s%s.%u,server=on,wait=off", key, escaped, w);
}

/* Or of an image whose format the worker finds out. */
static bool may_have_daemons(const struct mp_plan *p, unsigned int w)
{
	for (unsigned int i = 0; i < p->n_remote; i++)
		if (p->dev[i].worker == w && p->dev[i].disk &&
		    strcmp(p->dev[i].disk->format, "raw") != 0)
			return true;
	return false;
}

/* What only mpring-worker knows. A stock QEMU is pinned as it is started, by machine.c. */
static void worker_polling(const struct mp_plan *p, unsigned int w, struct mp_args *a)
{
	int cpu = p->place.worker_cpu[w];

	mp_args_add2(a, "--poll", "%s", p->opt->poll);
	if (strcmp(p->opt->poll, "adaptive") == 0)
		mp_args_add2(a, "--spin-us", "%u", p->place.spin_us);
	if (cpu >= 0)
		mp_args_add2(a, "--cpu", "%d", cpu);
	/* A busy worker would never let them run. */
	if (cpu >= 0 && p->place.daemons_beside && may_have_daemons(p, w) &&
	    strcmp(p->opt->poll, "busy") != 0)
		mp_args_add2(a, "--storage-daemon-cpu", "%d", cpu);
}

void mp_plan_worker_args(const struct mp_plan *p, unsigned int w, struct mp_args *ret_args)
{
	struct mp_args *a = ret_args;

	mp_args_add(a, "%s", p->worker);
	mp_args_add2(a, "-machine", "x-remote");
	if (p->opt->stock_remote) {
		mp_args_add(a, "-nodefaults");
		mp_args_add(a, "-no-user-config");
		mp_args_add2(a, "-display", "none");
	}
	for (unsigned int i = 0; i < p->n_devs; i++)
		if (p->dev[i].kind == MP_DEV_REMOTE && p->dev[i].worker == w)
			worker_device(p, &p->dev[i], a);
	if (!p->opt->stock_remote)
		worker_polling(p, w, a);
	worker_monitor(p, w, "-monitor", p->opt->monitor, a);
	worker_monitor(p, w, "-qmp", p->opt->qmp, a);
	for (unsigned int i = 0; i < p->opt->n_worker_args; i++)
		mp_args_add(a, "%s", p->opt->worker_arg[i]);
}

static void device_address(const struct mp_plan_dev *d, char *buf, size_t len)
{
	if (d->bridge)
		snprintf(buf, len, ",bus=bridge%u,addr=%x", d->bridge, d->slot);
	else if (d->slot)
		snprintf(buf, len, ",bus=pci.0,addr=%x", d->slot);
	else
		buf[0] = '\0';
}

static void stock_device(const struct mp_plan *p, const struct mp_plan_dev *d, const char *address,
			 struct mp_args *a)
{
	MP_CLEANUP_FREE char *source = NULL;

	drive_source(p, d, &source);
	mp_args_add2(a, "-device", "lsi53c895a,id=%s%s", d->id, address);
	mp_args_add2(a, "-drive", "id=disk-%s,if=none,%s%s", d->id, source, qemu_cache(p, d));
	add_scsi_hd(d, a);
}

/* It waits for its worker, which may have to wait for a server. */
static void proxy_device(const struct mp_plan *p, const struct mp_plan_dev *d, const char *address,
			 struct mp_args *a)
{
	const struct mp_options *o = p->opt;

	mp_args_add2(a, "-device", "mpring-pci,id=%s,fd=%d,stats-fd=%d,connect-timeout=%u%s%s%s",
		     d->id, d->sock_qemu, d->stat_proxy.fd,
		     o->start_timeout_s ? o->start_timeout_s * 1000 : UINT_MAX,
		     o->transport ? ",transport=" : "", o->transport ? o->transport : "", address);
}

static void qemu_devices(const struct mp_plan *p, struct mp_args *a)
{
	char address[40];

	for (unsigned int b = 1; b <= p->n_bridges; b++) {
		if (p->opt->mode == MP_MODE_PERF)
			snprintf(address, sizeof(address), ",bus=pci.0,addr=%x",
				 FIRST_SLOT + b - 1);
		else
			address[0] = '\0';
		mp_args_add2(a, "-device", "pci-bridge,id=bridge%u,chassis_nr=%u,shpc=off%s", b, b,
			     address);
	}
	for (unsigned int i = 0; i < p->n_devs; i++) {
		const struct mp_plan_dev *d = &p->dev[i];

		device_address(d, address, sizeof(address));
		if (d->kind == MP_DEV_STOCK)
			stock_device(p, d, address, a);
		else
			proxy_device(p, d, address, a);
	}
}

/* What every guest of ours needs: the plugin, memory that workers can map, and our QMP. */
static void qemu_common(const struct mp_plan *p, struct mp_args *a)
{
	MP_CLEANUP_FREE char *plugin = mp_args_escape(p->plugin);

	if (p->n_remote)
		mp_args_add2(a, "-plugin", "file=%s", plugin);
	if (!mp_options_qemu_has_backend(p->opt)) {
		mp_args_add2(a, "-object", "memory-backend-memfd,id=mpring-mem,size=%s,share=on",
			     p->mem_size);
		mp_args_add2(a, "-machine", "memory-backend=mpring-mem");
	}
	mp_args_add2(a, "-chardev", "socket,id=mpring-qmp,fd=%d", p->fd_qmp);
	mp_args_add2(a, "-mon", "chardev=mpring-qmp,mode=control");
}

static void qemu_perf_guest(const struct mp_plan *p, struct mp_args *a)
{
	mp_args_add2(a, "-machine", "pc,accel=%s", p->kvm ? "kvm" : "tcg");
	/* Under TCG more features cost more: five-level page tables, SMAP, large XSAVE areas. */
	mp_args_add2(a, "-cpu", "%s", p->kvm ? "host" : "Nehalem");
	mp_args_add2(a, "-smp", "%u", p->place.n_vcpus);
	mp_args_add2(a, "-m", "%s", p->mem_size);
	mp_args_add(a, "-nodefaults");
	mp_args_add(a, "-no-user-config");
	mp_args_add(a, "-no-reboot");
	mp_args_add2(a, "-display", "none");
	mp_args_add2(a, "-kernel", "%s/vmlinux", p->guest_dir);
	mp_args_add2(a, "-initrd", "%s/initrd.img", p->guest_dir);
	/* Linux counts the ticks of a moment to see if there is a timer, and on a busy
	 * machine under TCG it sees none. */
	mp_args_add2(a, "-append", "console=ttyS0 quiet loglevel=5 panic=-1 no_timer_check %s",
		     p->opt->append);
	mp_args_add2(a, "-chardev", "socket,id=console,fd=%d", p->fd_console);
	mp_args_add2(a, "-serial", "chardev:console");
	mp_args_add2(a, "-device", "virtio-serial-pci,bus=pci.0,addr=2");
	mp_args_add2(a, "-chardev", "socket,id=report,fd=%d", p->fd_report);
	mp_args_add2(a, "-device", "virtserialport,chardev=report,name=org.mpring.result.0");
	mp_args_add2(a, "-fw_cfg", "name=opt/mpring/plan,file=/proc/self/fd/%d", p->fd_cfg);
	for (unsigned int i = 0; i < p->n_jobs; i++)
		mp_args_add2(a, "-fw_cfg", "name=opt/mpring/job%u,file=/proc/self/fd/%d", i,
			     p->fd_job[i]);
}

static bool is_at_monitor(const struct mp_options *o, const char *option)
{
	const char *value;

	for (int i = 0; (value = mp_options_qemu_value(o, option, i)); i++)
		if (strncmp(value, "mon:", 4) == 0)
			return true;
	return false;
}

/* Ours is a monitor, and with one QEMU makes no other by itself: so this is what it would make. */
static void user_monitor(const struct mp_options *o, struct mp_args *a)
{
	static const char *const none[] = {"nodefaults", "monitor", "qmp", "qmp-pretty", "mon"};

	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		if (mp_options_qemu_has(o, none[i]))
			return;
	if (is_at_monitor(o, "serial") || is_at_monitor(o, "parallel"))
		return;
	if (!mp_options_qemu_has(o, "nographic"))
		mp_args_add2(a, "-monitor", "vc:80Cx24C");
	else if (mp_options_qemu_has(o, "serial"))
		mp_args_add2(a, "-monitor", "stdio");
	else
		mp_args_add2(a, "-serial", "mon:stdio");
}

static void qemu_user_guest(const struct mp_plan *p, struct mp_args *a)
{
	const struct mp_options *o = p->opt;

	for (int i = 0; i < o->qemu_argc; i++)
		mp_args_add(a, "%s", o->qemu_argv[i]);
	if (!mp_options_qemu_has(o, "m"))
		mp_args_add2(a, "-m", "%s", p->mem_size);
	user_monitor(o, a);
}

void mp_plan_qemu_args(const struct mp_plan *p, struct mp_args *ret_args)
{
	struct mp_args *a = ret_args;

	mp_args_add(a, "%s", p->qemu);
	if (p->opt->mode == MP_MODE_PERF)
		qemu_perf_guest(p, a);
	else
		qemu_user_guest(p, a);
	qemu_common(p, a);
	qemu_devices(p, a);
}

static void add_fd(int fd, int *fds, unsigned int *n, unsigned int max)
{
	if (fd < 0)
		return;
	mp_assert(*n < max);
	fds[(*n)++] = fd;
}

unsigned int mp_plan_worker_fds(const struct mp_plan *p, unsigned int w, int *fds, unsigned int max)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < p->n_devs; i++) {
		const struct mp_plan_dev *d = &p->dev[i];

		if (d->kind != MP_DEV_REMOTE || d->worker != w)
			continue;
		add_fd(d->sock_worker, fds, &n, max);
		add_fd(d->stat_worker.fd, fds, &n, max);
		add_fd(d->disk_fd, fds, &n, max);
	}
	return n;
}

unsigned int mp_plan_qemu_fds(const struct mp_plan *p, int *fds, unsigned int max)
{
	unsigned int n = 0;

	add_fd(p->fd_qmp, fds, &n, max);
	add_fd(p->fd_report, fds, &n, max);
	add_fd(p->fd_console, fds, &n, max);
	add_fd(p->fd_cfg, fds, &n, max);
	for (unsigned int i = 0; i < p->n_jobs; i++)
		add_fd(p->fd_job[i], fds, &n, max);
	for (unsigned int i = 0; i < p->n_devs; i++) {
		const struct mp_plan_dev *d = &p->dev[i];

		add_fd(d->kind == MP_DEV_STOCK ? d->disk_fd : d->sock_qemu, fds, &n, max);
		add_fd(d->stat_proxy.fd, fds, &n, max);
	}
	return n;
}
