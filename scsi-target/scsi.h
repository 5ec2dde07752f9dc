/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scsi - SCSI targets with logical units, independent of any host adapter.
 *
 * A bus (struct mp_scsi_bus) has targets 0..15 with LUNs 0..63. The adapter
 * hands over a task with its CDB (mp_scsi_submit()); the bus answers through
 * struct mp_scsi_ops: "data for you", "data wanted", "complete". Data crosses
 * in chunks through a buffer pool, so that the same code serves an adapter that
 * copies now and one that copies after a reselection.
 *
 * Tasks are plain data without pointers and live with the adapter's state: a
 * task is named by its index everywhere. The bus keeps its own private side
 * (block requests) in an array of the same size. Guest faults are results
 * (status and sense), never errors. No logging, no allocation after init.
 */
#ifndef MP_SCSI_TARGET_SCSI_H
#define MP_SCSI_TARGET_SCSI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hist.h"
#include "block/blk.h"

#define MP_SCSI_MAX_TARGETS 16u
#define MP_SCSI_MAX_LUNS    64u
#define MP_SCSI_MAX_TASKS   256u
#define MP_SCSI_CDB_MAX     32u
#define MP_SCSI_CHUNK_BYTES (64u * 1024u)

enum mp_scsi_status {
	MP_SCSI_GOOD = 0x00,
	MP_SCSI_CHECK_CONDITION = 0x02,
	MP_SCSI_CONDITION_MET = 0x04,
	MP_SCSI_BUSY = 0x08,
	MP_SCSI_RESERVATION_CONFLICT = 0x18,
	MP_SCSI_TASK_ABORTED = 0x40,
};

enum mp_scsi_attr { MP_SCSI_UNTAGGED, MP_SCSI_SIMPLE, MP_SCSI_HEAD_OF_QUEUE, MP_SCSI_ORDERED };
enum mp_scsi_dir { MP_SCSI_NO_DATA, MP_SCSI_DATA_IN, MP_SCSI_DATA_OUT };

enum mp_scsi_state {
	MP_SCSI_FREE,
	MP_SCSI_WAITING, /* submitted; waits for its turn in the task set, or for a buffer */
	MP_SCSI_MEDIUM, /* block I/O in flight */
	MP_SCSI_XFER, /* the adapter moves buf_len bytes at buf_off, then calls mp_scsi_moved() */
	MP_SCSI_STATUS, /* status valid; the adapter delivers it, then calls mp_scsi_free() */
	MP_SCSI_ABORTING, /* aborted, block I/O still in flight: the bus frees it by itself */
};

/* Plain data, no pointers. The adapter fills the first group, then submits. */
struct mp_scsi_task {
	uint8_t target, lun;
	uint8_t attr; /* enum mp_scsi_attr */
	uint8_t initiator;
	uint16_t tag; /* meaningless when UNTAGGED */
	uint8_t cdb_len;
	uint8_t fast; /* the adapter can't disconnect; later see mp_scsi_keeps_bus() */
	uint8_t cdb[MP_SCSI_CDB_MAX];

	/* The bus's. */
	uint8_t state; /* enum mp_scsi_state */
	uint8_t dir; /* enum mp_scsi_dir */
	uint8_t status; /* in STATUS */
	uint8_t op_flags;
	uint32_t buf_off, buf_len; /* in XFER: piece of the pool that moves now */
	uint32_t buf_pages; /* reserved in the pool; 0 none */
	uint64_t lba; /* where the command is, in logical blocks */
	uint64_t n_blocks;
	uint64_t xfer_len; /* bytes that the command moves in all */
	uint64_t xfer_done; /* bytes moved so far */
	uint64_t order; /* age, for task set ordering and debugging */
};

/* What a failed block request does to its command; QEMU's rerror= and werror=. */
enum mp_scsi_on_error {
	MP_SCSI_ON_ERROR_REPORT, /* CHECK CONDITION with the sense of the error */
	MP_SCSI_ON_ERROR_STOP, /* kept for mp_scsi_continue(); the bus pauses itself */
	MP_SCSI_ON_ERROR_IGNORE, /* as if it had succeeded; what couldn't be read is zeros */
	MP_SCSI_ON_ERROR_ENOSPC, /* STOP if there is no space left, else REPORT; not for reads */
};

/* A block request that has failed, and what became of it. */
struct mp_scsi_io_error {
	uint8_t target, lun;
	enum mp_blk_op op;
	int error; /* negative errno */
	enum mp_scsi_on_error action; /* never ENOSPC */
};

/* A tray that an initiator has moved. */
struct mp_scsi_tray {
	uint8_t target, lun;
	bool open; /* now */
};

/* Upcalls to the adapter, on the polling core; they may call back into the bus. */
struct mp_scsi_ops {
	/* task is in XFER: move buf_len bytes at pool + buf_off in direction dir. */
	void (*xfer)(void *opaque, unsigned int task);
	/* task is in STATUS. */
	void (*complete)(void *opaque, unsigned int task);
	/*
	 * The bus has ended the task, now FREE, and no status is due: after an
	 * overlapped command, by QERR, or by another initiator. May be NULL:
	 * then complete() comes, with TASK ABORTED.
	 */
	void (*aborted)(void *opaque, unsigned int task);
	/* The bus has paused itself after an error (MP_SCSI_ON_ERROR_STOP). May be NULL. */
	void (*paused)(void *opaque);
	/*
	 * A block request has failed; before anything comes of it. Not for
	 * those of tasks that were aborted. May be NULL; may not call the bus.
	 */
	void (*io_error)(void *opaque, const struct mp_scsi_io_error *e);
	/*
	 * An initiator's command has opened or closed a CD-ROM's tray. Not the
	 * operator's calls, who knows. May be NULL; may not call the bus.
	 */
	void (*tray_moved)(void *opaque, const struct mp_scsi_tray *tray);
};

struct mp_scsi_bus_cfg {
	const struct mp_scsi_ops *ops;
	void *opaque;
	struct mp_scsi_task *tasks; /* n_tasks, in the adapter's state memory */
	unsigned int n_tasks; /* <= MP_SCSI_MAX_TASKS */
	uint8_t *pool; /* pages of 4096 bytes */
	size_t pool_len; /* at least MP_SCSI_CHUNK_BYTES */
	uint64_t tsc_hz; /* of mp_clock_tsc_hz(); 0: no times are taken */
};

struct mp_scsi_bus;

/** mp_scsi_bus_create() - a bus without units; what @cfg points to outlives it. -EINVAL, -ENOMEM */
int mp_scsi_bus_create(const struct mp_scsi_bus_cfg *cfg, struct mp_scsi_bus **ret_bus);
/** mp_scsi_bus_destroy() - no block I/O may be in flight (see mp_scsi_bus_n_busy()); NULL is fine */
struct mp_scsi_bus *mp_scsi_bus_destroy(struct mp_scsi_bus *bus);

#define MP_SCSI_VENDOR       "mpring"
#define MP_SCSI_DISK_PRODUCT "mpring HARDDISK"
#define MP_SCSI_CD_PRODUCT   "mpring CD-ROM"
#define MP_SCSI_REVISION     "0.1"

/* Who a unit says that it is. */
struct mp_scsi_identity {
	char vendor[9], product[17], revision[5]; /* "" : those above */
	char serial[37]; /* "" : none */
	char device_id[64]; /* vendor specific name in VPD page 83; "" : none */
	uint64_t wwn; /* NAA; 0: none */
};

struct mp_scsi_disk_cfg {
	unsigned int target, lun;
	struct mp_blk *blk; /* borrowed; outlives the bus */
	uint32_t logical_bytes; /* 512 or 4096 */
	uint32_t physical_bytes; /* >= logical; 0: logical */
	struct mp_scsi_identity identity; /* product "" : MP_SCSI_DISK_PRODUCT */
	bool removable;
	bool write_through; /* no write cache, until a command switches it on */
	enum mp_scsi_on_error rerror; /* of reads of the medium */
	enum mp_scsi_on_error werror; /* of all else: writes, flushes, discards */
};

/**
 * mp_scsi_disk_add() - a disk is plugged in; at any time
 *
 * The target's other units tell their initiators that the LUNs have changed.
 * Return: 0; -EEXIST, -EINVAL, -ENOMEM with no other effect.
 */
int mp_scsi_disk_add(struct mp_scsi_bus *bus, const struct mp_scsi_disk_cfg *cfg);

struct mp_scsi_cd_cfg {
	unsigned int target, lun;
	struct mp_blk *blk; /* borrowed; NULL: an empty drive, its tray closed */
	struct mp_scsi_identity identity; /* product "" : MP_SCSI_CD_PRODUCT */
	enum mp_scsi_on_error rerror; /* of reads of the disc; not ENOSPC */
};

/**
 * mp_scsi_cd_add() - a CD-ROM drive
 *
 * Blocks have 2048 bytes; what the medium has behind the last whole one isn't
 * shown. Return: 0; -EEXIST, -EINVAL (no whole block, or the medium must be
 * read in larger ones) with no other effect; -ENOMEM.
 */
int mp_scsi_cd_add(struct mp_scsi_bus *bus, const struct mp_scsi_cd_cfg *cfg);

/**
 * mp_scsi_cd_change() - the operator puts in another disc, or takes it out
 * @blk:  borrowed, the tray closes over it; NULL: no disc, the tray stays open
 *
 * Asks no lock: who wants to be polite looks at mp_scsi_cd_is_locked(), and
 * uses mp_scsi_cd_eject_request() first. Commands under way fail with "medium
 * changed" or "no medium"; the old disc may be closed when no request to it
 * is in flight any more (mp_scsi_uses()).
 * Return: 0; -ENOENT no CD-ROM there; -EINVAL as in mp_scsi_cd_add().
 * Context: polling core, as for each function here.
 */
int mp_scsi_cd_change(struct mp_scsi_bus *bus, unsigned int target, unsigned int lun,
		      struct mp_blk *blk);

/**
 * mp_scsi_cd_eject_request() - the operator presses the button
 *
 * Return: 0 the tray is open now; 1 it is locked, and the initiators were told
 * of the wish; -ENOENT.
 */
int mp_scsi_cd_eject_request(struct mp_scsi_bus *bus, unsigned int target, unsigned int lun);
/** mp_scsi_cd_open_tray() - with the disc in it, and whoever has locked it; 0; -ENOENT */
int mp_scsi_cd_open_tray(struct mp_scsi_bus *bus, unsigned int target, unsigned int lun);
/** mp_scsi_cd_close_tray() - with the disc that lies in it, if any; 0; -ENOENT */
int mp_scsi_cd_close_tray(struct mp_scsi_bus *bus, unsigned int target, unsigned int lun);
/** mp_scsi_cd_is_locked() - does an initiator prevent the removal? */
bool mp_scsi_cd_is_locked(const struct mp_scsi_bus *bus, unsigned int target, unsigned int lun);
/** mp_scsi_cd_tray_open() - opened by the operator or by a command */
bool mp_scsi_cd_tray_open(const struct mp_scsi_bus *bus, unsigned int target, unsigned int lun);

/** mp_scsi_disk_write_cache() - is it on, now? false: off, or no disk is there */
bool mp_scsi_disk_write_cache(const struct mp_scsi_bus *bus, unsigned int target, unsigned int lun);

/**
 * mp_scsi_unit_remove() - a disk or CD-ROM drive is pulled out
 *
 * Nobody finds it any more: a target without another unit answers no
 * selection. Its commands end with TASK ABORTED; where data moves or a block
 * request is in flight, as soon as that is over. The target's other units tell
 * that the LUNs have changed. Its medium may be closed when mp_scsi_uses() says
 * no, and the place taken by another unit at once.
 *
 * Return: 0; -ENOENT no unit is there. Context: polling core, not in an upcall.
 */
int mp_scsi_unit_remove(struct mp_scsi_bus *bus, unsigned int target, unsigned int lun);
/** mp_scsi_uses() - is a request to @blk in flight? */
bool mp_scsi_uses(const struct mp_scsi_bus *bus, const struct mp_blk *blk);

/**
 * mp_scsi_disk_resized() - the medium of a disk may have another size now: look
 *
 * Initiators are told by a unit attention. Return: 1 it has; 0 it hasn't;
 * -ENOENT no disk is there; -ENOMEDIUM nothing is left, and the size stays.
 */
int mp_scsi_disk_resized(struct mp_scsi_bus *bus, unsigned int target, unsigned int lun);

/** mp_scsi_target_present() - does any LUN exist there? (selection time-out otherwise) */
bool mp_scsi_target_present(const struct mp_scsi_bus *bus, unsigned int target);

/**
 * mp_scsi_submit() - start the task at @task; its first group is filled in
 *
 * The upcalls may come before it returns. A duplicate tag, unknown LUN,
 * unknown opcode and so on complete with CHECK CONDITION.
 */
void mp_scsi_submit(struct mp_scsi_bus *bus, unsigned int task);

/**
 * mp_scsi_moved() - the adapter has moved the chunk, or all that the initiator wanted
 * @n_bytes:  of this chunk; less than buf_len ends the data phase early
 * @more:     false: the initiator will move no more (it left the data phase)
 */
void mp_scsi_moved(struct mp_scsi_bus *bus, unsigned int task, uint32_t n_bytes, bool more);

/**
 * mp_scsi_keeps_bus() - the adapter can't disconnect any more, until the task ends
 *
 * As if it had been fast from the start: it waits for nothing that could need
 * the bus, such as the buffers or the turn of tasks that were disconnected.
 */
void mp_scsi_keeps_bus(struct mp_scsi_bus *bus, unsigned int task);

/** mp_scsi_free() - the adapter has delivered the status */
void mp_scsi_free(struct mp_scsi_bus *bus, unsigned int task);

/**
 * mp_scsi_bus_failed() - the adapter ended a command of @initiator by itself, with CHECK CONDITION
 * @key_and_asc:  what REQUEST SENSE shall tell of it: the sense key, shifted by 8, and the code
 *
 * For what a unit can't see, such as bad parity. The adapter has aborted the task, if there was one.
 */
void mp_scsi_bus_failed(struct mp_scsi_bus *bus, unsigned int target, unsigned int lun,
			unsigned int initiator, uint16_t key_and_asc);

/**
 * mp_scsi_abort_task() - forget a task, in whatever state
 *
 * No upcall for it comes any more, its buffer isn't read or written by the
 * adapter. If block I/O is in flight the slot becomes ABORTING and FREE later.
 */
void mp_scsi_abort_task(struct mp_scsi_bus *bus, unsigned int task);

enum mp_scsi_tm {
	MP_SCSI_TM_ABORT_TASK_SET, /* the initiator's tasks */
	MP_SCSI_TM_CLEAR_TASK_SET, /* all tasks, where initiators share a task set */
	MP_SCSI_TM_LUN_RESET,
};

#define MP_SCSI_EVERYBODY 0xffu

/**
 * mp_scsi_manage() - a task management function of @initiator
 *
 * Its own tasks in the unit are forgotten at once, as by mp_scsi_abort_task().
 * The others' that are concerned end with TASK ABORTED or in silence and with a
 * unit attention, as the control mode page has it (TAS). MP_SCSI_EVERYBODY: the
 * adapter has forgotten the tasks of all initiators. For single tasks see
 * mp_scsi_abort_task(), for wider resets mp_scsi_reset().
 */
void mp_scsi_manage(struct mp_scsi_bus *bus, enum mp_scsi_tm tm, unsigned int initiator,
		    unsigned int target, unsigned int lun);

enum mp_scsi_reset {
	MP_SCSI_RESET_LUN,
	MP_SCSI_RESET_TARGET,
	MP_SCSI_RESET_BUS,
	MP_SCSI_RESET_POWER
};

/** mp_scsi_reset() - forget all tasks of the scope and raise the unit attention that belongs to it */
void mp_scsi_reset(struct mp_scsi_bus *bus, enum mp_scsi_reset kind, unsigned int target,
		   unsigned int lun);

/** mp_scsi_cancel_all() - the adapter was reset alone: abort everything, no unit attention */
void mp_scsi_cancel_all(struct mp_scsi_bus *bus);

/**
 * mp_scsi_pause() - start nothing new
 *
 * What is in flight goes on and may end. Commands are still taken, but wait;
 * aborts and resets work, also on what is kept for mp_scsi_continue().
 */
void mp_scsi_pause(struct mp_scsi_bus *bus);
/** mp_scsi_continue() - issue again what was kept, then start what has waited */
void mp_scsi_continue(struct mp_scsi_bus *bus);
/* An error for which a bus has paused itself. */
struct mp_scsi_stop {
	uint8_t target, lun;
	bool reading; /* else it wrote, flushed or discarded */
	int error; /* negative errno */
};
/** mp_scsi_last_stop() - the last one; valid since ops->paused() */
struct mp_scsi_stop mp_scsi_last_stop(const struct mp_scsi_bus *bus);
/** mp_scsi_may_stop() - false: nobody would continue it, so errors that stop are reported. At first true */
void mp_scsi_may_stop(struct mp_scsi_bus *bus, bool may);
/** mp_scsi_is_paused() - by mp_scsi_pause() or by itself */
bool mp_scsi_is_paused(const struct mp_scsi_bus *bus);

/** mp_scsi_stop_jobs() - formats and the like end with their present request; before the bus does */
void mp_scsi_stop_jobs(struct mp_scsi_bus *bus);

/** mp_scsi_bus_n_busy() - tasks with block I/O in flight, ABORTING ones included */
unsigned int mp_scsi_bus_n_busy(const struct mp_scsi_bus *bus);

struct mp_scsi_counters {
	uint64_t n_commands, n_read_bytes, n_write_bytes, n_io_errors;
};
/** mp_scsi_bus_counters() - kept current, for as long as the bus lives */
const struct mp_scsi_counters *mp_scsi_bus_counters(const struct mp_scsi_bus *bus);

/* Where the commands of a bus spend their time. */
struct mp_scsi_stages {
	struct mp_hist queue; /* accepted, until its first block request is made */
	struct mp_hist block; /* each block request */
	struct mp_hist command; /* accepted, until its status is known */
};
/** mp_scsi_bus_stages() - kept current, for as long as the bus lives; any thread may read */
const struct mp_scsi_stages *mp_scsi_bus_stages(const struct mp_scsi_bus *bus);

#endif
