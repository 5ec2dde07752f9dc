/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/remote-worker/rig.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "lsi-core/lsi.h"
#include "remote-worker/serve.h"
#include "tests/lib/t.h"
#include "tests/unit/remote-worker/rig_stock.h"

#define BAR        MP_LSI_BAR_MMIO
#define N_ARGS     64
#define LINE_BYTES 4096

/* Where a command's pieces lie in guest memory. */
#define OFF_PROGRAM 0x0000u
#define OFF_CDB     0x0200u
#define OFF_MSG_OUT 0x0210u
#define OFF_MSG_IN  0x0214u
#define OFF_STATUS  0x0218u

static void dma_written(void *opaque, uint64_t gpa, uint32_t len)
{
	struct rig_device *d = opaque;

	d->n_reports++;
	d->report_bytes += len;
}

static void irq(void *opaque, int level)
{
	struct rig_device *d = opaque;

	d->n_rises += level && !d->irq_level;
	d->irq_level = level;
}

static void state(void *opaque, bool dead, const char *why)
{
}

static void io_stopped(void *opaque, bool reading, bool no_space)
{
	struct rig_device *d = opaque;

	d->stop_reading = reading;
	d->stop_no_space = no_space;
	d->n_io_stops++;
}

static const struct mp_link_ops ops = {
	.dma_written = dma_written, .irq = irq, .state = state, .io_stopped = io_stopped};

static void *serve_thread(void *arg)
{
	struct rig *r = arg;
	struct mp_serve_cfg cfg = {
		.cmd = &r->cmd, .worker = r->worker, .signal_fd = -1, .office = r->office};

	r->serve_result = mp_serve(&cfg);
	return NULL;
}

static void make_ram(struct rig *r)
{
	r->ram_fd = memfd_create("guest", MFD_CLOEXEC);
	T_OK(r->ram_fd >= 0 && ftruncate(r->ram_fd, RIG_RAM_BYTES) == 0);
	r->ram = mmap(NULL, RIG_RAM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, r->ram_fd, 0);
	T_OK(r->ram != MAP_FAILED);
}

/* One line, split at blanks, as the shell would have done it. */
static int split(char *line, char **argv)
{
	char *save, *w;
	int argc = 0;

	for (w = strtok_r(line, " ", &save); w && argc < N_ARGS; w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	argv[argc] = NULL;
	return argc;
}

static void parse(struct rig *r, char *line)
{
	char *argv[N_ARGS + 1], error[1024];
	int argc = split(line, argv);

	if (mp_cmdline_parse(&r->cmd, argc, argv, error, sizeof(error)) < 0)
		t_fail(__FILE__, __LINE__, "%s", error);
}

/* Makes the sockets, and the command line, LINE_BYTES, that names the worker's ends. */
static void make_line(struct rig *r, unsigned int n_devices, const char *options, char *line,
		      int *worker_socks)
{
	size_t n, len = LINE_BYTES;
	int socks[2];

	*r = (struct rig){.n_devices = n_devices};
	n = (size_t)snprintf(line, len, "rig -machine x-remote");
	for (unsigned int i = 0; i < n_devices; i++) {
		T_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks), 0);
		r->dev[i].sock = socks[0];
		worker_socks[i] = socks[1];
		n += (size_t)snprintf(line + n, len - n,
				      " -device lsi53c895a,id=lsi%u -object "
				      "x-remote-object,id=o%u,devid=lsi%u,fd=%d",
				      i, i, i, socks[1]);
	}
	snprintf(line + n, len - n, " %s", options);
	make_ram(r);
}

void rig_spawn(struct rig *r, const char *exe, unsigned int n_devices, const char *options)
{
	char line[LINE_BYTES], *argv[N_ARGS + 1];
	int socks[RIG_MAX_DEVICES];

	make_line(r, n_devices, options, line, socks);
	split(line, argv);
	r->pid = fork();
	T_OK(r->pid >= 0);
	if (r->pid == 0) {
		for (unsigned int i = 0; i < n_devices; i++)
			fcntl(socks[i], F_SETFD, 0);
		execv(exe, argv);
		_exit(127);
	}
	for (unsigned int i = 0; i < n_devices; i++)
		close(socks[i]);
}

void rig_spawn_bare(struct rig *r, const char *exe, const char *options)
{
	char line[LINE_BYTES], pid[16], *argv[N_ARGS + 1];

	*r = (struct rig){.n_devices = 1, .dev[0].sock = -1};
	snprintf(line, sizeof(line), "rig %s", options);
	make_ram(r);
	split(line, argv);
	r->pid = fork();
	T_OK(r->pid >= 0);
	if (r->pid == 0) {
		snprintf(pid, sizeof(pid), "%d", getpid());
		setenv("LISTEN_PID", pid, 1);
		execv(exe, argv);
		_exit(127);
	}
}

void rig_connect(struct rig *r, const char *path)
{
	r->dev[0].sock = mp_link_connect(path, RIG_WAIT_NS);
	T_OK(r->dev[0].sock >= 0);
}

void rig_unlink(struct rig *r)
{
	mp_link_detach(&r->dev[0].link);
	r->linked = false;
}

static void start_worker(struct rig *r, unsigned int n_devices, const char *options)
{
	int socks[RIG_MAX_DEVICES];
	char line[LINE_BYTES], error[1024];

	make_line(r, n_devices, options, line, socks);
	parse(r, line);
	if (mp_worker_start(&r->cmd, &r->worker, error, sizeof(error)) < 0)
		t_fail(__FILE__, __LINE__, "%s", error);
}

void rig_start(struct rig *r, unsigned int n_devices, const char *options)
{
	start_worker(r, n_devices, options);
	T_EQ(pthread_create(&r->thread, NULL, serve_thread, r), 0);
}

int rig_start_office(struct rig *r, unsigned int n_devices, const char *options)
{
	int sock[2];

	T_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock), 0);
	start_worker(r, n_devices, options);
	r->office_sock = sock[1];
	T_EQ(mp_office_create(r->worker, sock[1], &r->office), 0);
	T_EQ(pthread_create(&r->thread, NULL, serve_thread, r), 0);
	return sock[0];
}

void rig_set_ram(struct rig *r, unsigned int dev)
{
	struct mp_session_region region = {.gpa = RIG_RAM_GPA, .len = RIG_RAM_BYTES};

	T_EQ(mp_link_set_ram(&r->dev[dev].link, &region, 1, &r->ram_fd, 1), 0);
}

void rig_link(struct rig *r, uint32_t features)
{
	struct mp_link_cfg cfg = {.ops = &ops,
				  .features = features,
				  .connect_timeout_ns = RIG_WAIT_NS,
				  .reply_timeout_ns = RIG_WAIT_NS,
				  .spin_ns = 2000};
	const char *why;

	for (unsigned int i = 0; i < r->n_devices; i++) {
		cfg.opaque = &r->dev[i];
		if (mp_link_attach_take(&r->dev[i].link, r->dev[i].sock, &cfg, &why) < 0)
			t_fail(__FILE__, __LINE__, "%s", why);
		r->dev[i].sock = -1;
		rig_set_ram(r, i);
		mp_link_cfg_write(&r->dev[i].link, 0x14, 4, 0xfe000000);
		mp_link_cfg_write(&r->dev[i].link, 0x18, 4, 0xfe002000);
		mp_link_cfg_write(&r->dev[i].link, 0x04, 2, 6);
	}
	r->linked = true;
}

int rig_stop(struct rig *r)
{
	for (unsigned int i = 0; i < r->n_devices; i++) {
		if (r->linked)
			mp_link_detach(&r->dev[i].link);
		else if (r->dev[i].stock)
			rig_stock_close(r, i);
		else if (r->dev[i].sock >= 0)
			close(r->dev[i].sock);
	}
	if (r->pid) {
		T_EQ(waitpid(r->pid, &r->serve_result, 0), r->pid);
	} else {
		pthread_join(r->thread, NULL);
		r->worker = mp_worker_stop(r->worker, NULL);
		if (r->office)
			close(r->office_sock);
		r->office = mp_office_destroy(r->office);
		mp_cmdline_fini(&r->cmd);
	}
	munmap(r->ram, RIG_RAM_BYTES);
	close(r->ram_fd);
	return r->serve_result;
}

static uint64_t reg_read(struct rig *r, unsigned int dev, uint32_t reg, unsigned int size)
{
	if (r->dev[dev].stock)
		return rig_stock_read(r, dev, RIG_STOCK_MMIO + reg, size);
	return mp_link_read(&r->dev[dev].link, BAR, reg, size);
}

static void reg_write(struct rig *r, unsigned int dev, uint32_t reg, unsigned int size, uint32_t v)
{
	if (r->dev[dev].stock)
		rig_stock_write(r, dev, RIG_STOCK_MMIO + reg, size, v);
	else
		mp_link_post(&r->dev[dev].link, BAR, reg, size, v);
}

uint8_t rig_read8(struct rig *r, unsigned int dev, uint32_t reg)
{
	return (uint8_t)reg_read(r, dev, reg, 1);
}

uint32_t rig_read32(struct rig *r, unsigned int dev, uint32_t reg)
{
	return (uint32_t)reg_read(r, dev, reg, 4);
}

void rig_write8(struct rig *r, unsigned int dev, uint32_t reg, uint8_t v)
{
	reg_write(r, dev, reg, 1, v);
}

void rig_write32(struct rig *r, unsigned int dev, uint32_t reg, uint32_t v)
{
	reg_write(r, dev, reg, 4, v);
}

uint32_t rig_program(struct rig *r, uint32_t off, const uint32_t *words, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		mp_put_le32(r->ram + off + 4 * i, words[i]);
	return RIG_RAM_GPA + off;
}

static uint32_t write_program(struct rig *r, const struct rig_io *io)
{
	uint32_t base = RIG_RAM_GPA + 0x10000 * io->dev;
	const uint32_t words[] = {
		0x40000000 | io->target << 16,
		0,
		0x06000001,
		base + OFF_MSG_OUT,
		0x02000010,
		base + OFF_CDB,
		0x87820000,
		0x00000018,
		0x07000002,
		base + OFF_MSG_IN,
		0x50000000,
		0,
		0x07000002,
		base + OFF_MSG_IN,
		io->len ? (io->in ? 0x01000000u : 0u) | io->len : 0,
		io->len ? RIG_RAM_GPA + io->data_off : 0,
		0x03000001,
		base + OFF_STATUS,
		0x07000001,
		base + OFF_MSG_IN,
		0x98080000,
		0,
	};

	return rig_program(r, 0x10000 * io->dev + OFF_PROGRAM, words,
			   sizeof(words) / sizeof(words[0]));
}

void rig_begin(struct rig *r, const struct rig_io *io)
{
	uint8_t *mine = r->ram + 0x10000 * io->dev;
	uint32_t program = write_program(r, io);

	memcpy(mine + OFF_CDB, io->cdb, sizeof(io->cdb));
	mine[OFF_MSG_OUT] = (uint8_t)(0x80 | io->lun);
	mine[OFF_MSG_IN] = mine[OFF_STATUS] = 0xff;
	for (unsigned int i = 0; i < 4; i++)
		rig_write8(r, io->dev, LSI_DSP + i, (uint8_t)(program >> (8 * i)));
}

int rig_finish(struct rig *r, unsigned int dev)
{
	uint64_t end_ns = mp_clock_ns() + RIG_WAIT_NS;
	const uint8_t *mine = r->ram + 0x10000 * dev;
	uint8_t dstat, sist0, sist1;

	while (mp_clock_ns() < end_ns) {
		dstat = rig_read8(r, dev, LSI_DSTAT);
		sist0 = rig_read8(r, dev, LSI_SIST0);
		sist1 = rig_read8(r, dev, LSI_SIST1);
		if (sist0 || sist1)
			return -(sist0 | sist1 << 8);
		if (dstat & LSI_DSTAT_SIR)
			return mine[OFF_MSG_IN] == 0 ? mine[OFF_STATUS] : -1;
	}
	return -2;
}

int rig_command(struct rig *r, const struct rig_io *io)
{
	rig_begin(r, io);
	return rig_finish(r, io->dev);
}

static int rw(struct rig *r, const struct rig_io *how, uint32_t lba, uint16_t n_blocks)
{
	struct rig_io io = *how;

	io.len = n_blocks * 512u;
	mp_put_be32(io.cdb + 2, lba);
	mp_put_be16(io.cdb + 7, n_blocks);
	return rig_command(r, &io);
}

int rig_read(struct rig *r, unsigned int dev, uint32_t lba, uint16_t n_blocks, uint32_t data_off)
{
	struct rig_io io = {.dev = dev, .cdb = {0x28}, .in = true, .data_off = data_off};

	return rw(r, &io, lba, n_blocks);
}

int rig_write(struct rig *r, unsigned int dev, uint32_t lba, uint16_t n_blocks, uint32_t data_off)
{
	struct rig_io io = {.dev = dev, .cdb = {0x2a}, .data_off = data_off};

	return rw(r, &io, lba, n_blocks);
}

bool rig_worker_hung_up(struct rig *r, unsigned int dev)
{
	struct pollfd pfd = {.fd = mp_link_sock_fd(&r->dev[dev].link), .events = POLLIN};

	return poll(&pfd, 1, RIG_WAIT_MS) == 1;
}
