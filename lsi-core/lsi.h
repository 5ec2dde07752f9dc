/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lsi - the LSI53C895A PCI to Ultra2 SCSI I/O processor as a pure state
 * machine: registers, SCRIPTS, the initiator's side of the SCSI bus.
 *
 * No threads, no clock, no I/O, no allocation. Everything that a guest could
 * observe is in struct mp_lsi_state: plain data without pointers, in memory
 * that the caller provides (a memfd that may outlive the process). struct
 * mp_lsi adds the caller's operations and is rebuilt at every attach.
 *
 * The caller drives it: register accesses, mp_lsi_run() with an instruction
 * budget, mp_lsi_tick() with the time. It calls out through struct mp_lsi_ops,
 * for guest memory and for the targets. Register writes, also by SCRIPTS, only
 * change state and set "run"; the one loop is in mp_lsi_run(): no recursion.
 *
 * The target's side (who has data or a status to deliver) is told by
 * mp_lsi_target_*(); the chip decides when the bus is free, reselects if the
 * initiator allowed it, and moves bytes when SCRIPTS ask for them.
 *
 * Source: LSI53C895A technical manual; docs/lsi53c895a.md.
 */
#ifndef MP_LSI_CORE_LSI_H
#define MP_LSI_CORE_LSI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MP_LSI_REG_BYTES   256u
#define MP_LSI_RAM_BYTES   8192u
#define MP_LSI_MAX_TASKS   256u
#define MP_LSI_CDB_MAX     32u
#define MP_LSI_STATE_MAGIC 0x3153495350524d00ull

#define MP_LSI_BAR_IO      0u
#define MP_LSI_BAR_MMIO    1u
#define MP_LSI_BAR_RAM     2u

enum mp_lsi_dir { MP_LSI_NO_DATA, MP_LSI_DATA_IN, MP_LSI_DATA_OUT };
enum mp_lsi_attr { MP_LSI_UNTAGGED, MP_LSI_SIMPLE, MP_LSI_HEAD_OF_QUEUE, MP_LSI_ORDERED };

/* A command as it leaves the bus: what IDENTIFY, tag message and COMMAND phase said. */
struct mp_lsi_command {
	uint8_t target, lun, attr, initiator;
	uint16_t tag;
	uint8_t cdb_len;
	bool can_disconnect;
	uint8_t cdb[MP_LSI_CDB_MAX];
};

enum mp_lsi_tm { /* task management, from messages */
		 MP_LSI_TM_ABORT_TASK, /* one task: index in arg */
		 MP_LSI_TM_ABORT_TASK_SET, /* of target, lun */
		 MP_LSI_TM_CLEAR_TASK_SET,
		 MP_LSI_TM_LUN_RESET,
		 MP_LSI_TM_TARGET_RESET,
		 MP_LSI_TM_BUS_RESET, /* SCSI RST was asserted */
		 MP_LSI_TM_CANCEL_ALL, /* software or PCI reset of the chip: forget, silently */
};

/*
 * What the chip needs from outside. All run on the caller's thread, inside a
 * call into the chip; command() and tm() may call mp_lsi_target_*() back.
 */
struct mp_lsi_ops {
	/*
	 * Guest memory at bus address @addr: returns a pointer valid until the
	 * next call into the chip, and in *len (in: wanted, out: <= wanted, > 0)
	 * how much is contiguous; NULL when nothing is there (bus fault), or
	 * when @write and it is read-only.
	 */
	void *(*dma)(void *opaque, uint64_t addr, uint32_t *len, bool write);
	/* @len bytes at @addr were written through such a pointer. */
	void (*dma_written)(void *opaque, uint64_t addr, uint32_t len);

	/* Does a target answer selection at this id? */
	bool (*target_present)(void *opaque, unsigned int target);
	/*
	 * A command has arrived; @task is the chip's index for it, 0 ..
	 * MP_LSI_MAX_TASKS - 1, free until now and in use until the chip
	 * calls task_done(), or until tm() covered it.
	 */
	void (*command)(void *opaque, unsigned int task, const struct mp_lsi_command *cmd);
	/* Buffer of the announced data: @off from its start; *len as with dma(). Never NULL. */
	void *(*task_buf)(void *opaque, unsigned int task, uint32_t off, uint32_t *len);
	/*
	 * All announced bytes moved: @n_moved of them, always as many as announced,
	 * and @more is true: the target alone ends a data phase, and an
	 * initiator that has seen enough aborts the task.
	 */
	void (*data_moved)(void *opaque, unsigned int task, uint32_t n_moved, bool more);
	/* Status and COMMAND COMPLETE were delivered: index @task is free. */
	void (*task_done)(void *opaque, unsigned int task);
	void (*tm)(void *opaque, enum mp_lsi_tm tm, unsigned int target, unsigned int lun,
		   unsigned int task);
	/*
	 * The initiator has taken back the privilege to disconnect: @task keeps
	 * the bus until it ends, and must not wait for what needs it. May be NULL.
	 */
	void (*keeps_bus)(void *opaque, unsigned int task);
	/*
	 * Is @task, free for the chip, still taken on the other side (an I/O
	 * that was aborted and isn't back yet)? No command gets such an index.
	 * May be NULL: never.
	 */
	bool (*task_busy)(void *opaque, unsigned int task);
	/*
	 * The chip's side ended a command of this LUN with CHECK CONDITION (bad
	 * parity, the initiator's message), after it aborted the task, if there
	 * was one. REQUEST SENSE by @initiator shall tell it: @what is the sense
	 * key, shifted by 8, and the additional sense code. May be NULL.
	 */
	void (*sense)(void *opaque, unsigned int target, unsigned int lun, unsigned int initiator,
		      unsigned int what);
};

struct mp_lsi_counters {
	uint64_t n_insns, n_commands, n_disconnects, n_reselects, n_irq_asserts;
};

/* Plain data; fields are the chip's business (lsi-core/state.h). */
struct mp_lsi_state;

struct mp_lsi {
	struct mp_lsi_state *st;
	const struct mp_lsi_ops *ops;
	void *opaque;
	struct mp_lsi_counters counters;
};

/** mp_lsi_state_bytes() - size of the state, a multiple of 64 */
size_t mp_lsi_state_bytes(void);

/**
 * mp_lsi_attach() - take a state into use
 * @state:  mp_lsi_state_bytes() bytes aligned to 64; zeroed memory is a chip at power-on
 *
 * Return: 0 fresh; 1 continued a consistent state; 2 the last owner died in the
 * middle of a call: the state was usable, and the guest is told by a SCSI bus
 * reset that all its commands are gone (tm(BUS_RESET) was called); -EPROTO not
 * a state of this version, or fields out of range (it is checked like guest data).
 */
int mp_lsi_attach(struct mp_lsi *c, void *state, const struct mp_lsi_ops *ops, void *opaque);

/** mp_lsi_read() - registers, with side effects: @off 0..255, @size 1, 2, 4; bytes ascend, wrap inside 256 */
uint32_t mp_lsi_read(struct mp_lsi *c, unsigned int off, unsigned int size);
/** mp_lsi_write() - the same for a write; only changes state, mp_lsi_run() acts on it */
void mp_lsi_write(struct mp_lsi *c, unsigned int off, unsigned int size, uint32_t value);

/** mp_lsi_ram_read() - SCRIPTS RAM: @off + @size <= MP_LSI_RAM_BYTES; @size 1, 2, 4, 8 */
uint64_t mp_lsi_ram_read(struct mp_lsi *c, unsigned int off, unsigned int size);
/** mp_lsi_ram_write() - the same for a write */
void mp_lsi_ram_write(struct mp_lsi *c, unsigned int off, unsigned int size, uint64_t value);

/** mp_lsi_set_bar() - bus address that the guest gave BAR @bar; UINT64_MAX: not decoded */
void mp_lsi_set_bar(struct mp_lsi *c, unsigned int bar, uint64_t addr);

/** mp_lsi_reset() - PCI reset: all but SCRIPTS RAM at reset values; calls tm(CANCEL_ALL) */
void mp_lsi_reset(struct mp_lsi *c);

/**
 * mp_lsi_bus_reset_seen() - somebody else on the bus asserted SCSI RST
 *
 * For the chip as if it had done so itself (SCNTL1.RST), but that the signal is
 * gone already: connection, tasks and agreements end, tm(BUS_RESET) tells the
 * targets, SIST0.RST the driver.
 */
void mp_lsi_bus_reset_seen(struct mp_lsi *c);

/**
 * mp_lsi_run() - run SCRIPTS
 * @budget:  most instructions (long memory and block moves count as several)
 *
 * Return: instructions run; 0: halted or parked, until something changes.
 */
unsigned int mp_lsi_run(struct mp_lsi *c, unsigned int budget);

/** mp_lsi_runnable() - would mp_lsi_run() do anything now? */
bool mp_lsi_runnable(const struct mp_lsi *c);

/** mp_lsi_irq_level() - INTA# now: 0 or 1 */
int mp_lsi_irq_level(const struct mp_lsi *c);

/** mp_lsi_shadow() - 256 register bytes as a side-effect-free read would return them, kept current */
const uint64_t *mp_lsi_shadow(const struct mp_lsi *c);

/** mp_lsi_shadowable - bit n (of word n / 64): register byte n may be read from the shadow */
extern const uint64_t mp_lsi_shadowable[4];

/** mp_lsi_tick() - tell the time, for the timers and what the chip itself bounds; it never goes back */
void mp_lsi_tick(struct mp_lsi *c, uint64_t now_ns);
/** mp_lsi_deadline_ns() - when to call mp_lsi_tick() next; UINT64_MAX: never */
uint64_t mp_lsi_deadline_ns(const struct mp_lsi *c);

/**
 * mp_lsi_target_data() - the target wants a data phase for @task
 * @len:  bytes ready (IN) or wanted (OUT), > 0; more chunks may follow after data_moved(),
 *        but an odd @len only in the last one: on a wide bus it ends in half a word
 */
void mp_lsi_target_data(struct mp_lsi *c, unsigned int task, enum mp_lsi_dir dir, uint32_t len);

/** mp_lsi_target_status() - the target ends @task with @status */
void mp_lsi_target_status(struct mp_lsi *c, unsigned int task, uint8_t status);

/** mp_lsi_disasm() - one instruction as text; returns its length in bytes (8 or 12) */
unsigned int mp_lsi_disasm(const uint32_t insn[3], char *text, size_t text_len);

#endif
