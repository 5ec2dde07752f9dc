/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rig - a whole worker in this process, and a proxy without QEMU in front of it:
 * the worker's two threads, the product's own link, guest memory in a memfd, and
 * a driver that talks to the chip as SeaBIOS does.
 */
#ifndef MP_TESTS_UNIT_REMOTE_WORKER_RIG_H
#define MP_TESTS_UNIT_REMOTE_WORKER_RIG_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "proxy/link.h"
#include "remote-worker/options/cmdline.h"
#include "remote-worker/worker.h"

#define RIG_MAX_DEVICES 4u
#define RIG_RAM_BYTES   (4u << 20)
#define RIG_RAM_GPA     0x100000u
/* For what must not hang: no measure, so no busy machine comes near it. */
#define RIG_WAIT_NS (60 * MP_NS_PER_SEC)
#define RIG_WAIT_MS 60000

/* Registers that the driver uses. */
#define LSI_ISTAT0      0x14u
#define LSI_DSTAT       0x0cu
#define LSI_SIST0       0x42u
#define LSI_SIST1       0x43u
#define LSI_DSP         0x2cu
#define LSI_DSPS        0x30u
#define LSI_DIEN        0x39u
#define LSI_SCRATCHA    0x34u
#define LSI_DSTAT_SIR   0x04u
#define LSI_DSTAT_ABRT  0x10u
#define LSI_ISTAT0_ABRT 0x80u

struct rig_device {
	struct mp_link link;
	int sock; /* when it is not linked: raw end of the socket */
	bool stock; /* @sock speaks the stock protocol, see rig_stock.h */
	int intr_fd, resample_fd; /* then */
	int irq_level;
	unsigned int n_rises;
	unsigned int n_reports, n_io_stops;
	bool stop_reading, stop_no_space; /* of the last one */
	uint64_t report_bytes;
};

struct rig {
	struct mp_cmdline cmd;
	struct mp_worker *worker;
	struct mp_office *office; /* with rig_start_office() */
	int office_sock;
	pthread_t thread; /* runs mp_serve() */
	pid_t pid; /* instead: a worker process */
	int serve_result;
	unsigned int n_devices;
	struct rig_device dev[RIG_MAX_DEVICES];
	int ram_fd;
	uint8_t *ram; /* at RIG_RAM_GPA */
	bool linked;
};

/* Starts a worker: @options go to its command line, beside the adapters lsi0.. */
void rig_start(struct rig *r, unsigned int n_devices, const char *options);
/* The same with an office; returns the supervisor's end of its socket, the caller's. */
int rig_start_office(struct rig *r, unsigned int n_devices, const char *options);
/* The same as a process of its own: the program @exe. Closes nothing that is inheritable. */
void rig_spawn(struct rig *r, const char *exe, unsigned int n_devices, const char *options);
/* One device, whose adapter is the options' business; its proxy connects by rig_connect().
 * LISTEN_PID is set, as a service manager does it. */
void rig_spawn_bare(struct rig *r, const char *exe, const char *options);
/* As QEMU does it: again and again until somebody listens, for a bounded time. */
void rig_connect(struct rig *r, const char *path);
/* The proxy leaves; the worker may go on. */
void rig_unlink(struct rig *r);
/* Attaches the links, offers guest memory, switches decoding on. */
void rig_link(struct rig *r, uint32_t features);
void rig_set_ram(struct rig *r, unsigned int dev);
/* Closes the sockets, waits for the worker's end; the result of mp_serve(), or the process's
 * wait status. */
int rig_stop(struct rig *r);

uint8_t rig_read8(struct rig *r, unsigned int dev, uint32_t reg);
uint32_t rig_read32(struct rig *r, unsigned int dev, uint32_t reg);
void rig_write8(struct rig *r, unsigned int dev, uint32_t reg, uint8_t v);
void rig_write32(struct rig *r, unsigned int dev, uint32_t reg, uint32_t v);

/* Puts instructions at an offset of guest memory; returns their bus address. */
uint32_t rig_program(struct rig *r, uint32_t off, const uint32_t *words, unsigned int n);

struct rig_io {
	unsigned int dev, target, lun;
	uint8_t cdb[16];
	bool in; /* direction of data */
	uint32_t data_off, len; /* in guest memory; len 0: no data */
};

/* Runs one command by SeaBIOS's program; returns the SCSI status, or negative. */
int rig_command(struct rig *r, const struct rig_io *io);
/* Its halves: a command may take until something else has happened. */
void rig_begin(struct rig *r, const struct rig_io *io);
int rig_finish(struct rig *r, unsigned int dev);
/* READ(10) or WRITE(10) that way; @data_off: of the data in guest memory. */
int rig_read(struct rig *r, unsigned int dev, uint32_t lba, uint16_t n_blocks, uint32_t data_off);
int rig_write(struct rig *r, unsigned int dev, uint32_t lba, uint16_t n_blocks, uint32_t data_off);

/* Waits, bounded, until the worker's socket is closed; true when it is. */
bool rig_worker_hung_up(struct rig *r, unsigned int dev);

#endif
