/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A plan is made in three steps: what (programs, disks, placement), where
 * (PCI addresses, workers), and with what (descriptors). A dry run stops
 * before the third and shows descriptor numbers as they would be.
 *
 * PCI layout. The root bus of `-machine pc` has the slots 3 to 30 free for us
 * (0 host bridge, 1 ISA/IDE, 2 the report's virtio-serial). Up to 28 devices
 * stand there. More stand behind bridges, 16 to each: a device needs 256
 * bytes of I/O space and a bridge hands out I/O space in steps of 4 KiB, so
 * 16 fill one step exactly, and 128 devices stay within what SeaBIOS has.
 *
 * Everything is passed by descriptor: socketpairs, memfds, unlinked files. So
 * nothing has a name, and nothing is left over, however the launcher ends.
 */
#include "launcher/plan.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "launcher/disks.h"
#include "launcher/job.h"
#include "stats/stats.h"

#define FIRST_SLOT     3
#define ROOT_SLOTS     28
#define BRIDGE_DEVICES 16
#define DRY_FIRST_FD   10
#define QEMU_MEMORY    "128M" /* with an -m that says no size */
#define GUEST_HINT     "make the guest image with launcher/guest/make-image.sh, or name it with --guest"
#define GUEST_SCRIPT   MPRING_GUEST_FROM_BIN "/make-image.sh"

/* === what ================================================================== */

static bool kvm_usable(const char *accel)
{
	char line[4096];
	bool cpu = false;
	FILE *f;

	if (strcmp(accel, "auto") != 0)
		return strcmp(accel, "kvm") == 0;
	/* Some machines offer a /dev/kvm that cannot run a Linux guest; what they
	 * lack is the CPU's own virtualisation. */
	f = fopen("/proc/cpuinfo", "re");
	while (f && !cpu && fgets(line, sizeof(line), f))
		cpu = strncmp(line, "flags", 5) == 0 &&
		      (strstr(line, " vmx ") || strstr(line, " svm "));
	if (f)
		fclose(f);
	return cpu && access("/dev/kvm", R_OK | W_OK) == 0;
}

static bool uring_usable(void)
{
	/* EFAULT: there is an io_uring, and it looked at our missing parameters. */
	return syscall(SYS_io_uring_setup, 1, NULL) < 0 && errno == EFAULT;
}

struct place {
	const char *built, *installed; /* from the folder of this program on; NULL: nowhere else */
	const char *hint;
};

static int own_folder(char *buf, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", buf, size - 1);

	if (n < 0)
		return mp_err_origin(-errno);
	buf[n] = '\0';
	*strrchr(buf, '/') = '\0';
	return 0;
}

/* @given, or where it stands beside this program. */
static int find_file(char *to, const char *given, const struct place *place)
{
	char self[2048], candidate[PATH_MAX];
	int r = own_folder(self, sizeof(self));

	if (r < 0)
		return mp_err_trace(r);
	if (!given && place->installed) {
		snprintf(candidate, sizeof(candidate), "%s/%s", self, place->installed);
		if (realpath(candidate, to))
			return 0;
	}
	snprintf(candidate, sizeof(candidate), "%s%s%s", given ? given : self, given ? "" : "/",
		 given ? "" : place->built);
	if (!realpath(candidate, to)) {
		mp_error("%s: %s; %s", candidate, strerror(errno), place->hint);
		return mp_err_origin(-errno);
	}
	return 0;
}

static int find_remote(struct mp_plan *p)
{
	static const struct place worker = {
		"../remote-worker/mpring-worker", "mpring-worker",
		"build it with ./quickstart --build-only, or name it with --worker"};
	static const struct place plugin = {
		"../proxy/qemu/mpring-pci.so", MPRING_PLUGIN_FROM_BIN,
		"build it with ./quickstart --build-only, or name it with --plugin"};
	int r = 0;

	if (p->opt->stock_remote)
		snprintf(p->worker, sizeof(p->worker), "%s",
			 p->opt->worker ? p->opt->worker : p->opt->qemu);
	else
		r = find_file(p->worker, p->opt->worker, &worker);
	if (r < 0)
		return r;
	return find_file(p->plugin, p->opt->plugin, &plugin);
}

/* Installed, we have a script that makes the guest image, but no place for that. */
static bool is_installed(char *hint, size_t size)
{
	char self[2048], path[2048 + sizeof(GUEST_SCRIPT)], script[PATH_MAX];

	if (own_folder(self, sizeof(self)) < 0)
		return false;
	snprintf(path, sizeof(path), "%s/" GUEST_SCRIPT, self);
	if (!realpath(path, script))
		return false;
	snprintf(hint, size, "make the guest image with %s DIR, and name it with --guest DIR",
		 script);
	return true;
}

static int find_guest(struct mp_plan *p)
{
	static const char *const names[] = {"vmlinux", "initrd.img"};
	char path[PATH_MAX + 16], hint[PATH_MAX + 80] = GUEST_HINT;
	bool installed = is_installed(hint, sizeof(hint));
	const struct place guest = {"../../.cache/guest", NULL, hint};
	int r;

	if (installed && !p->opt->guest_dir) {
		mp_error("%s", hint);
		return mp_err_origin(-ENOENT);
	}
	r = find_file(p->guest_dir, p->opt->guest_dir, &guest);
	for (unsigned int i = 0; r == 0 && i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s", p->guest_dir, names[i]);
		if (access(path, R_OK) < 0) {
			r = mp_err_origin(-errno);
			mp_error("%s: %s; %s", path, strerror(-r), hint);
		}
	}
	return mp_err_trace(r);
}

static int find_programs(struct mp_plan *p)
{
	const struct mp_options *o = p->opt;
	int r;

	snprintf(p->qemu, sizeof(p->qemu), "%s", o->qemu);
	r = o->baseline ? 0 : find_remote(p);
	if (r < 0 || o->mode != MP_MODE_PERF)
		return r;
	return mp_err_trace(find_guest(p));
}

/* === where ================================================================= */

static void place_device(struct mp_plan *p, unsigned int i)
{
	struct mp_plan_dev *d = &p->dev[i];

	if (p->n_bridges == 0) {
		d->slot = p->opt->mode == MP_MODE_PERF ? FIRST_SLOT + i : 0;
	} else {
		d->bridge = 1 + i / BRIDGE_DEVICES;
		d->slot = 1 + i % BRIDGE_DEVICES;
	}
}

static void init_device(struct mp_plan *p, unsigned int i)
{
	const struct mp_options *o = p->opt;
	unsigned int nth = i % o->n_devices;
	struct mp_plan_dev *d = &p->dev[i];

	*d = (struct mp_plan_dev){
		.kind = i < p->n_remote ? MP_DEV_REMOTE : MP_DEV_STOCK,
		.worker = nth / o->devices_per_worker,
		.disk = nth < o->n_disks ? &o->disk[nth] : NULL,
		.disk_fd = -1,
		.sock_qemu = -1,
		.sock_worker = -1,
		.stat_proxy = MP_SHM_NULL,
		.stat_worker = MP_SHM_NULL,
	};
	snprintf(d->id, sizeof(d->id), "%s%u", d->kind == MP_DEV_REMOTE ? "lsi" : "own", nth);
}

void mp_plan_layout(struct mp_plan *p)
{
	const struct mp_options *o = p->opt;
	unsigned int room = o->mode == MP_MODE_PERF ? ROOT_SLOTS : BRIDGE_DEVICES;

	p->n_remote = o->baseline ? 0 : o->n_devices;
	p->n_devs = o->n_devices * (o->compare ? 2 : 1);
	p->n_workers = (p->n_remote + o->devices_per_worker - 1) / o->devices_per_worker;
	p->n_bridges = p->n_devs > room ? (p->n_devs + BRIDGE_DEVICES - 1) / BRIDGE_DEVICES : 0;
	for (unsigned int i = 0; i < p->n_devs; i++) {
		init_device(p, i);
		place_device(p, i);
	}
}

/* The size in one -m, NULL without. Its first item may leave "size=" out; the last one counts. */
static const char *size_in(const char *m)
{
	const char *size = *m == '\0' || m[strcspn(m, "=,")] == '=' ? NULL : m;

	for (const char *item = m; item; item = strchr(item, ',')) {
		item += *item == ',';
		if (strncmp(item, "size=", 5) == 0)
			size = item + 5;
	}
	return size;
}

/* The memory of a user's guest, in QEMU's own spelling: what its -m say, which QEMU merges. */
static void memory_size(struct mp_plan *p)
{
	const char *m, *size;
	size_t len;

	snprintf(p->mem_size, sizeof(p->mem_size), "%uM", p->opt->memory_mib);
	if (mp_options_qemu_has(p->opt, "m"))
		snprintf(p->mem_size, sizeof(p->mem_size), QEMU_MEMORY);
	for (int i = 0; (m = mp_options_qemu_value(p->opt, "m", i)); i++) {
		size = size_in(m);
		len = size ? strcspn(size, ",") : 0;
		/* A bare number means MiB to -m, but bytes to a memory backend. */
		if (len > 0)
			snprintf(p->mem_size, sizeof(p->mem_size), "%.*s%s", (int)len, size,
				 isdigit((unsigned char)size[len - 1]) ? "M" : "");
	}
}

static void no_fds(struct mp_plan *p)
{
	p->fd_cfg = p->fd_qmp = p->fd_report = p->fd_console = -1;
	p->our_qmp = p->our_report = p->our_console = -1;
	for (unsigned int i = 0; i < MP_PLAN_MAX_JOBS; i++)
		p->fd_job[i] = -1;
}

static bool has_temp_disk(const struct mp_plan *p, const struct mp_plan_dev *d)
{
	return !d->disk && p->opt->mode == MP_MODE_PERF && p->opt->backend == MP_BACKEND_FILE;
}

static bool has_copy(const struct mp_plan *p, const struct mp_plan_dev *d)
{
	return d->kind == MP_DEV_STOCK && mp_disk_is_copied(p->opt, d->disk);
}

/* Numbers for a dry run, in the order in which mp_plan_open() would open. */
static void dry_fds(struct mp_plan *p)
{
	int fd = DRY_FIRST_FD;

	p->fd_qmp = fd++;
	p->fd_report = fd++;
	p->fd_console = fd++;
	p->fd_cfg = fd++;
	for (unsigned int i = 0; i < p->n_jobs; i++)
		p->fd_job[i] = fd++;
	for (unsigned int i = 0; i < p->n_devs; i++) {
		struct mp_plan_dev *d = &p->dev[i];

		if (has_temp_disk(p, d) || has_copy(p, d))
			d->disk_fd = fd++;
		if (d->kind != MP_DEV_REMOTE)
			continue;
		d->sock_qemu = fd++;
		d->sock_worker = fd++;
		d->stat_proxy.fd = fd++;
		d->stat_worker.fd = fd++;
	}
}

int mp_plan_make(struct mp_plan *p, const struct mp_options *o)
{
	int r;

	*p = (struct mp_plan){.opt = o};
	no_fds(p);
	r = mp_placement_cores(&p->place, o->cores);
	if (r < 0) {
		mp_error("--cores %s: %s", o->cores,
			 r == -EINVAL
				 ? "not a list like 0,2-5 of CPUs this program may use, each once"
				 : strerror(-r));
		return r;
	}
	mp_plan_layout(p);
	mp_placement_assign(&p->place, p->n_workers, o->n_devices, o->spin_us);
	p->kvm = kvm_usable(o->accel);
	p->uring = uring_usable();
	p->n_jobs = o->mode != MP_MODE_PERF ? 0 : o->compare ? 2 : 1;
	p->job_kind[0] = o->baseline ? MP_DEV_STOCK : MP_DEV_REMOTE;
	p->job_kind[1] = MP_DEV_STOCK;
	p->disk_bytes = o->disk_size_bytes ? o->disk_size_bytes : mp_disks_default_bytes(p->n_devs);
	memory_size(p);
	if (o->dry_run)
		dry_fds(p);
	r = mp_job_check(p);
	return r < 0 ? mp_err_trace(r) : mp_err_trace(find_programs(p));
}

void mp_plan_describe(const struct mp_plan *p, char *buf, unsigned int len)
{
	int n;

	mp_placement_describe(&p->place, buf, len);
	n = (int)strlen(buf);
	if (p->n_workers == 0 || p->opt->stock_remote)
		return;
	if (strcmp(p->opt->poll, "adaptive") == 0)
		snprintf(buf + n, len - (unsigned int)n, "; poll adaptive, spin %u us",
			 p->place.spin_us);
	else
		snprintf(buf + n, len - (unsigned int)n, "; poll %s", p->opt->poll);
}

const char *mp_plan_transport(const struct mp_plan *p)
{
	if (p->opt->transport)
		return p->opt->transport;
	return p->opt->stock_remote ? "socket" : "ring";
}

/* === with what ============================================================= */

static int socket_pair(int *ret_a, int *ret_b)
{
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
		return mp_err_origin(-errno);
	*ret_a = sv[0];
	*ret_b = sv[1];
	return 0;
}

static int text_fd(const char *name, const char *text, int *ret_fd)
{
	MP_CLEANUP_FD int fd = memfd_create(name, MFD_CLOEXEC);
	ssize_t len = (ssize_t)strlen(text);

	if (fd < 0)
		return mp_err_origin(-errno);
	if (write(fd, text, (size_t)len) != len)
		return mp_err_origin(-EIO);
	*ret_fd = mp_fd_steal(&fd);
	return 0;
}

/* Disks say by themselves what they lack. */
static int say_fd(const char *what, int r)
{
	if (r < 0)
		mp_error("%s: %s%s", what, strerror(-r), r == -EMFILE ? "; raise ulimit -n" : "");
	return mp_err_trace(r);
}

static int open_remote(struct mp_plan_dev *d)
{
	int r = socket_pair(&d->sock_qemu, &d->sock_worker);

	if (r == 0)
		r = mp_stat_create(&d->stat_proxy);
	if (r == 0)
		r = mp_stat_create(&d->stat_worker);
	return say_fd(d->id, r);
}

static int open_device(struct mp_plan *p, struct mp_plan_dev *d)
{
	int r = 0;

	if (has_temp_disk(p, d))
		r = mp_disk_temp(p, &d->disk_fd);
	else if (has_copy(p, d))
		r = mp_disk_copy(d->disk->file, &d->disk_fd);
	if (r < 0 || d->kind != MP_DEV_REMOTE)
		return mp_err_trace(r);
	return mp_err_trace(open_remote(d));
}

static int open_guest_texts(struct mp_plan *p)
{
	MP_CLEANUP_FREE char *text = mp_plan_guest_text(p);
	int r = say_fd("the guest's plan", text_fd("plan", text, &p->fd_cfg));

	for (unsigned int i = 0; r == 0 && i < p->n_jobs; i++) {
		MP_CLEANUP_FREE char *job = NULL;

		r = mp_job_text(p, p->job_kind[i], &job);
		if (r == 0)
			r = say_fd("fio's job", text_fd("job", job, &p->fd_job[i]));
	}
	return mp_err_trace(r);
}

static int open_guest(struct mp_plan *p)
{
	int r = socket_pair(&p->our_report, &p->fd_report);

	if (r == 0)
		r = socket_pair(&p->our_console, &p->fd_console);
	r = say_fd("the guest's report and console", r);
	if (r == 0)
		r = open_guest_texts(p);
	return mp_err_trace(r);
}

int mp_plan_open(struct mp_plan *p)
{
	int r = mp_disks_check(p->opt);

	if (r == 0)
		r = say_fd("QEMU's monitor", socket_pair(&p->our_qmp, &p->fd_qmp));
	if (r == 0 && p->opt->mode == MP_MODE_PERF)
		r = open_guest(p);
	for (unsigned int i = 0; r == 0 && i < p->n_devs; i++)
		r = open_device(p, &p->dev[i]);
	p->real = r == 0;
	return mp_err_trace(r);
}

void mp_plan_close_children_fds(struct mp_plan *p)
{
	if (p->opt->dry_run)
		return;
	mp_fd_close(&p->fd_qmp);
	mp_fd_close(&p->fd_report);
	mp_fd_close(&p->fd_console);
	mp_fd_close(&p->fd_cfg);
	for (unsigned int i = 0; i < MP_PLAN_MAX_JOBS; i++)
		mp_fd_close(&p->fd_job[i]);
	for (unsigned int i = 0; i < p->n_devs; i++) {
		mp_fd_close(&p->dev[i].sock_qemu);
		mp_fd_close(&p->dev[i].sock_worker);
		mp_fd_close(&p->dev[i].disk_fd);
	}
}

void mp_plan_fini(struct mp_plan *p)
{
	if (p->opt->dry_run)
		return;
	mp_plan_close_children_fds(p);
	mp_fd_close(&p->our_qmp);
	mp_fd_close(&p->our_report);
	mp_fd_close(&p->our_console);
	for (unsigned int i = 0; i < p->n_devs; i++) {
		mp_shm_fini(&p->dev[i].stat_proxy);
		mp_shm_fini(&p->dev[i].stat_worker);
	}
	p->real = false;
}

/* === the guest's copy ====================================================== */

/* Slots from the root bus down, as the guest's init spells them. */
static void guest_path(const struct mp_plan *p, const struct mp_plan_dev *d, FILE *f)
{
	if (d->bridge)
		fprintf(f, "%02x.0/", FIRST_SLOT + d->bridge - 1);
	fprintf(f, "%02x.0", d->slot);
}

char *mp_plan_guest_text(const struct mp_plan *p)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	mp_assert(f);
	for (unsigned int i = 0; i < p->n_devs; i++) {
		fprintf(f, "disk %s ", p->dev[i].id);
		guest_path(p, &p->dev[i], f);
		fputc('\n', f);
	}
	for (unsigned int i = 0; i < p->opt->rounds * p->n_jobs; i++)
		fprintf(f, "round job%u\n", i % p->n_jobs);
	fclose(f);
	return text;
}
