/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * device - one LSI53C895A in a worker: chip, SCSI bus, guest memory, front.
 *
 * All of it belongs to the polling core once it runs. The front end (how
 * register accesses arrive) sees a device through the calls below; the chip and
 * the SCSI bus see each other only through glue.c.
 */
#ifndef MP_REMOTE_WORKER_DEVICE_H
#define MP_REMOTE_WORKER_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "lsi-core/lsi.h"
#include "remote-worker/dma_log.h"
#include "remote-worker/event_box.h"
#include "remote-worker/front.h"
#include "remote-worker/guest_mem.h"
#include "remote-worker/pci_config.h"
#include "remote-worker/state.h"
#include "scsi-target/scsi.h"
#include "stats/stats.h"
#include "wire/msg.h"
#include "wire/session.h"

struct mp_device {
	const char *id;
	struct mp_lsi lsi;
	struct mp_scsi_bus *bus;
	struct mp_scsi_task *tasks; /* MP_SCSI_MAX_TASKS, in the state memfd */
	uint8_t *pool; /* there too */
	const struct mp_guest_table *ram; /* NULL: none */
	struct mp_guest_view mem; /* what of it the device may touch now */
	struct mp_dma_log log;
	struct mp_pci_config
		config; /* with rings: as far as the proxy sends what the guest writes */
	struct mp_front *front; /* NULL: not attached */
	uint8_t holds; /* enum mp_hold: who has halted it */
	bool halted; /* the machine stands still: no SCRIPTS, no block I/O */
	uint32_t io_stopped; /* an I/O error asks for that, MP_IO_*; until the machine continues */
	bool stop_untold; /* to the control thread */
	struct mp_event_box events;
	bool events_untold; /* there are new ones in it */
	struct mp_shm stats; /* counters page, or MP_SHM_NULL */
};

enum mp_hold {
	MP_HOLD_PROXY = 1 << 0, /* QEMU has stopped its machine */
	MP_HOLD_USER = 1 << 1, /* the user has stopped the worker */
};

struct mp_device_cfg {
	const char *id;
	uint64_t pool_bytes;
	uint64_t tsc_hz; /* 0: no times are taken */
};

/**
 * mp_device_init() - power on: chip on its state, SCSI bus without disks
 * @d:      zeroed; mp_device_fini() releases, also after a failure
 *
 * Return: 0; -EPROTO the state isn't one; -ENOMEM.
 */
int mp_device_init(struct mp_device *d, const struct mp_device_cfg *how,
		   const struct mp_state *state, unsigned int index);
/** mp_device_fini() - no block I/O may be in flight */
void mp_device_fini(struct mp_device *d);

/** mp_device_describe() - what the proxy puts into config space */
void mp_device_describe(struct mp_session_device *ret_device);

/** mp_device_apply() - one checked request; returns the value of a read, else 0 */
uint64_t mp_device_apply(struct mp_device *d, const struct mp_wire_req *req);

/** mp_device_attach() - a proxy has come; NULL: it has gone, and with it all state */
void mp_device_attach(struct mp_device *d, struct mp_front *front);

/** mp_device_set_ram() - @table is what the guest's memory is from now on; NULL: there is none */
void mp_device_set_ram(struct mp_device *d, const struct mp_guest_table *table);

/** mp_device_reset() - PCI reset; on return no DMA and no interrupt of before can come */
void mp_device_reset(struct mp_device *d);

/**
 * mp_device_hold() - halt it: no SCRIPTS, no chip timers, no new block I/O
 *
 * Returns how many block requests are still in flight: the caller asks until none is.
 */
uint64_t mp_device_hold(struct mp_device *d, enum mp_hold who);
/** mp_device_release() - it goes on when nobody holds it any more; also after an I/O error */
void mp_device_release(struct mp_device *d, enum mp_hold who);

/** mp_glue_ops - what the chip needs, mp_glue_scsi_ops - what the bus needs; opaque is the device */
extern const struct mp_lsi_ops mp_glue_lsi_ops;
extern const struct mp_scsi_ops mp_glue_scsi_ops;

#endif
