/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bus - inside of scsi-target: the bus, its logical units, the private side of
 * a task, and the few verbs that command handlers are written in.
 *
 * A handler is a chain of small functions. Each ends in exactly one verb of
 * task.c, which names the next function, or ends the task:
 *
 *	mp_task_buffer(s, n, next)       when n bytes of buffer are there
 *	mp_task_io(s, op, ..., next)     when the block request has succeeded
 *	mp_task_xfer(s, dir, n, next)    when the adapter has moved the data
 *	mp_task_good(s), mp_task_fail(s, sense), mp_task_reply(s, ...)
 *
 * After a verb the handler must not touch the task: an upcall may have ended
 * and reused it.
 */
#ifndef MP_SCSI_TARGET_BUS_H
#define MP_SCSI_TARGET_BUS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "scsi-target/buffer.h"
#include "scsi-target/cdrom.h"
#include "scsi-target/log.h"
#include "scsi-target/scsi.h"
#include "scsi-target/sense.h"

struct mp_scsi_side;

enum {
	MP_OP_ALWAYS = 1 << 0, /* neither unit attention nor the task set holds it back */
	MP_OP_NO_LUN = 1 << 1, /* answers where no logical unit is */
	MP_OP_MEDIUM = 1 << 2, /* not while stopped */
	MP_OP_WRITES = 1 << 3, /* not on a read-only disk */
	MP_OP_PAGE = 1 << 4, /* start() gets one page of buffer, zeroed */
	MP_OP_SHARED = 1 << 5, /* beside any reservation of another initiator */
	MP_OP_DISCARD = 1 << 6, /* only where blocks can be unmapped */
	MP_OP_LOOKS = 1 << 7, /* beside any persistent reservation */
	MP_OP_READS = 1 << 8, /* beside a Write Exclusive one */
};

#define MP_CDB_USAGE_BYTES 16u

struct mp_scsi_op {
	uint8_t opcode;
	uint8_t service_action; /* where has_service_action */
	bool has_service_action;
	uint8_t cdb_len;
	uint8_t types; /* bits of enum mp_scsi_type */
	uint16_t flags;
	void (*start)(struct mp_scsi_side *s);
	const char *name;
	uint8_t usage[MP_CDB_USAGE_BYTES]; /* CDB bits that mean something (SPC-4 6.35) */
};

enum mp_scsi_type {
	MP_SCSI_DISK,
	MP_SCSI_CDROM,
	MP_SCSI_N_TYPES,
};

/*
 * Unit attention conditions; the first is reported first. The four resets
 * are one condition, of which the most far-reaching is kept.
 */
enum mp_scsi_ua {
	MP_UA_POWER_ON,
	MP_UA_BUS_RESET,
	MP_UA_TARGET_RESET,
	MP_UA_LUN_RESET,
	MP_UA_MEDIUM_CHANGED,
	MP_UA_COMMANDS_CLEARED,
	MP_UA_MODE_CHANGED,
	MP_UA_LOG_CHANGED,
	MP_UA_RESERVATIONS_PREEMPTED,
	MP_UA_RESERVATIONS_RELEASED,
	MP_UA_REGISTRATIONS_PREEMPTED,
	MP_UA_CAPACITY_CHANGED,
	MP_UA_INQUIRY_CHANGED,
	MP_UA_LUNS_CHANGED,
	MP_UA_EJECT_REQUESTED,
	MP_UA_FALSE_FAILURE,
	MP_N_UAS,
};

struct mp_scsi_queue {
	struct mp_scsi_side *head, *tail;
};

/* Values of the mode pages, in the order of mode_pages.def; only changeable bits count. */
#define MP_MODE_BYTES 512u
struct mp_scsi_mode {
	uint8_t current[MP_MODE_BYTES], saved[MP_MODE_BYTES];
};

/* What RECEIVE DIAGNOSTIC RESULTS will answer: the page, and a translated address. */
struct mp_scsi_diag {
	uint8_t page, from, to; /* address formats */
	uint64_t lba;
};

/* READ BUFFER, WRITE BUFFER. With a header of 4 bytes the data must fit one page. */
#define MP_IOBUF_BYTES      2048u
#define MP_IOBUF_ECHO_BYTES 512u
struct mp_scsi_iobuf {
	uint8_t data[MP_IOBUF_BYTES], echo[MP_IOBUF_ECHO_BYTES];
	uint16_t echo_len;
	uint16_t echo_writers; /* bit n: initiator n has written to it */
	uint8_t echo_owner; /* who was the last */
};

#define MP_TAG_SLOTS  257u /* 256 tags and "untagged" */
#define MP_NOBODY     0xffu
#define MP_INITIATORS 16u

/*
 * What the control mode page says (SPC-4 7.5.8), in its own numbers. The task
 * set obeys it; D_SENSE, GLTSD and the time-out are only kept.
 */
struct mp_scsi_control {
	uint8_t tst; /* 0: one task set; 1: one for each initiator */
	uint8_t qam; /* 0: SIMPLE tasks keep their order where it matters; 1: any order */
	uint8_t qerr; /* after CHECK CONDITION abort 0: nothing; 1: all tasks; 3: the initiator's */
	bool tas; /* who didn't ask for the abort of its task gets TASK ABORTED */
	bool swp; /* software write protect */
	bool d_sense, gltsd;
	uint16_t busy_timeout;
};

extern const struct mp_scsi_control mp_control_default;

/* Persistent reservations: who has registered with which key, and who holds what. */
struct mp_scsi_pr {
	uint64_t key[MP_INITIATORS]; /* 0: not registered */
	uint32_t generation;
	uint16_t registered; /* bits */
	uint8_t type; /* 0: no reservation */
	uint8_t holder; /* of a type that has one */
};

/* What a unit does by itself; see job.c. */
enum mp_job_kind { MP_JOB_FORMAT, MP_JOB_SANITIZE };

#define MP_JOB_BUFFER_PAGES 4u

struct mp_scsi_job {
	/* By the command. */
	enum mp_job_kind kind;
	bool immediate; /* the command doesn't wait */
	bool may_exit; /* EXIT FAILURE MODE ends a failure */
	uint32_t n_passes; /* 0: one */
	bool inverts; /* the pattern, between passes */
	uint32_t buf_off, buf_pages; /* the pattern, as often as it fits; no pages: zeros */
	/* By the job. */
	bool working, failed, stop;
	bool kept; /* waits while the bus is paused */
	uint32_t pass;
	uint64_t lba;
	struct mp_blk_req req;
	struct mp_scsi_bus *bus;
	struct mp_scsi_lun *lun;
	struct mp_scsi_queue waiter; /* at most one task */
};

struct mp_scsi_taskset {
	struct mp_scsi_queue dormant; /* wait for their turn, oldest first */
	unsigned int n_active, n_ordered, n_head; /* active ones: all, and by kind */
};

struct mp_scsi_lun {
	struct mp_scsi_lun *next;
	uint8_t target, lun;
	uint8_t type; /* enum mp_scsi_type */
	bool absent; /* the bus's stand-in where no unit is */
	const struct mp_scsi_op *const *ops; /* by operation code */
	struct mp_blk *blk; /* NULL: no medium */
	uint32_t logical_bytes;
	uint8_t physical_exponent;
	uint64_t n_blocks;
	char vendor[8], product[16], revision[4]; /* padded with spaces, no NUL */
	char serial[37], device_id[64];
	uint64_t wwn;
	bool removable, write_through;
	uint8_t rerror, werror; /* enum mp_scsi_on_error */
	/* What commands change. */
	struct mp_scsi_control control;
	bool write_cache, stopped, prevented;
	bool engaged; /* its job works, or has failed: see mp_job_objects() */
	uint8_t reserved_by; /* initiator; MP_NOBODY */
	bool guarded; /* a reservation of either kind exists */
	struct mp_scsi_pr pr;
	uint8_t exception_method; /* of exceptions.c */
	uint16_t exception_pending; /* bit n: initiator n is to be told in place of GOOD */
	/* By initiator: pending unit attentions (bits of enum mp_scsi_ua), sense data. */
	uint32_t ua[MP_INITIATORS];
	uint16_t owed; /* bit n: a CHECK CONDITION is on its way, sense[n] belongs to it */
	uint16_t has_sense; /* bit n: it was delivered, sense[n] waits for REQUEST SENSE */
	struct mp_scsi_sense sense[MP_INITIATORS];
	struct mp_scsi_queue
		failed; /* tasks that wait until their initiator has heard of another */
	struct mp_scsi_cd cd; /* of a CD-ROM */
	/* The task sets: the first is everybody's, or each initiator has its own (TST). */
	struct mp_scsi_taskset sets[MP_INITIATORS];
	uint16_t waiting; /* bit n: sets[n] has dormant tasks */
	unsigned int n_aborting; /* tasks that end as soon as their block request has */
	/* Ranges of blocks that are held by one task, see range.c. */
	struct mp_scsi_queue range_waiters; /* oldest first */
	unsigned int n_holds; /* ranges that are held, and who waits; 0: nobody looks */
	uint16_t tag_count[MP_TAG_SLOTS]; /* tasks that hold a tag with that low byte */
	struct mp_scsi_log log;
	/* Seldom looked at. */
	struct mp_scsi_job job;
	struct mp_scsi_diag diag;
	struct mp_scsi_iobuf iobuf;
	struct mp_scsi_mode mode;
};

/* Peripheral qualifier and device type (SPC-4 6.4.2). */
static inline uint8_t mp_lun_peripheral(const struct mp_scsi_lun *lun)
{
	if (lun->absent)
		return 0x7f;
	return lun->type == MP_SCSI_CDROM ? 0x05 : 0x00;
}

/* What becomes of a task that must end before its work has. */
enum mp_scsi_doom {
	MP_DOOM_NONE,
	MP_DOOM_FORGET, /* nobody knows it any more (ABORTING) */
	MP_DOOM_SILENT, /* the adapter is to forget it */
	MP_DOOM_TELL, /* TASK ABORTED */
};

/* The half of a task that is ours: pointers, so not in the adapter's state. */
struct mp_scsi_side {
	struct mp_blk_req req;
	struct mp_scsi_bus *bus;
	struct mp_scsi_task *t;
	struct mp_scsi_lun *lun;
	const struct mp_scsi_op *op;
	void (*next)(struct mp_scsi_side *s);
	/* Where a block request that has failed goes; NULL: the task fails with @why. */
	void (*failed)(struct mp_scsi_side *s, struct mp_scsi_sense why);
	struct mp_scsi_side *link;
	struct mp_scsi_queue *queue; /* that it waits in; NULL */
	uint32_t want_pages; /* of a task that waits for a buffer */
	uint32_t cursor; /* handler's own */
	uint32_t io_off; /* mp_task_io() works so far behind the start of the buffer */
	uint32_t n_moved; /* of the last transfer */
	bool cut_short; /* the initiator moved less than was offered */
	struct mp_scsi_sense sense; /* of a task in lun->failed */
	uint8_t doom; /* enum mp_scsi_doom */
	struct mp_scsi_taskset *set; /* while dormant or active */
	bool dormant, active, ordered, holds_tag;
	bool issued; /* has made a block request */
	uint64_t accepted_tsc;
	bool wants_range, has_range; /* from hold_lba on, hold_n blocks */
	bool let_through; /* has waited for a range, and goes before who still waits */
	uint64_t hold_lba, hold_n;
};

struct mp_scsi_bus {
	const struct mp_scsi_ops *ops;
	void *opaque;
	struct mp_scsi_task *tasks;
	struct mp_scsi_side *sides;
	unsigned int n_tasks;
	uint8_t *pool;
	struct mp_scsi_buffers buffers;
	bool paused;
	bool never_stops; /* errors are reported instead */
	struct mp_scsi_stop last_stop;
	struct mp_scsi_queue held; /* commands that came while paused */
	struct mp_scsi_queue
		kept; /* tasks whose next block request waits for the end of the pause */
	struct mp_scsi_queue wait_fast, wait; /* for a buffer, oldest first */
	struct mp_scsi_lun *by_id[MP_SCSI_MAX_TARGETS][MP_SCSI_MAX_LUNS];
	struct mp_scsi_lun *luns;
	struct mp_scsi_lun *leaving; /* removed, but tasks still point to them */
	struct mp_scsi_lun absent;
	const struct mp_scsi_op *ops_of[MP_SCSI_N_TYPES][256];
	unsigned int n_dormant, n_failed, n_range_waits, n_jobs_kept, n_busy;
	uint64_t order;
	bool pumping, again;
	struct mp_scsi_counters counters;
	uint64_t tsc_mult; /* of mp_clock_tsc_to_ns(); 0: no times are taken */
	struct mp_scsi_stages stages;
};

/* queue.c */
void mp_queue_push(struct mp_scsi_queue *q, struct mp_scsi_side *s);
void mp_queue_push_front(struct mp_scsi_queue *q, struct mp_scsi_side *s);
struct mp_scsi_side *mp_queue_pop(struct mp_scsi_queue *q);
/** mp_queue_remove() - take @s out of whatever queue it is in */
void mp_queue_remove(struct mp_scsi_side *s);

/* taskset.c: whose turn it is */
bool mp_taskset_has_duplicate(const struct mp_scsi_side *s);
void mp_taskset_hold_tag(struct mp_scsi_side *s);
void mp_taskset_drop_tag(struct mp_scsi_side *s);
/** mp_taskset_enter() - Return: true: it is active now; false: it is dormant */
bool mp_taskset_enter(struct mp_scsi_side *s);
void mp_taskset_leave(struct mp_scsi_side *s);
/** mp_taskset_hurry() - @s is fast now: if it is dormant it goes first */
void mp_taskset_hurry(struct mp_scsi_side *s);
/** mp_taskset_next() - a dormant task whose turn has come, made active; NULL none */
struct mp_scsi_side *mp_taskset_next(struct mp_scsi_lun *lun);

/* range.c: blocks that one task has for itself */
/** mp_range_hold() - @next when no other request in the next @n_blocks is in flight or can start */
void mp_range_hold(struct mp_scsi_side *s, uint64_t n_blocks, void (*next)(struct mp_scsi_side *));
/** mp_range_drop() - let others at what @s holds; nothing if it holds nothing */
static inline void mp_range_drop(struct mp_scsi_side *s)
{
	if (!s->has_range)
		return;
	s->has_range = false;
	s->lun->n_holds--;
}

/** mp_range_forget() - @s waits for nothing any more, and holds nothing */
void mp_range_forget(struct mp_scsi_side *s);
/** mp_range_detains() - Return: true: the request of @s waits for a range; mp_task_issue() follows */
bool mp_range_detains(struct mp_scsi_side *s);
/** mp_range_pump() - let those go on whose range is free now */
void mp_range_pump(struct mp_scsi_bus *bus);

/* job.c: work on the whole medium */
/** mp_job_begin() - end @s, or let it wait, and do the job; it holds the whole medium */
void mp_job_begin(struct mp_scsi_side *s, const struct mp_scsi_job *how);
/** mp_job_in_flight() - does the block engine have its request? */
bool mp_job_in_flight(const struct mp_scsi_lun *lun);
bool mp_job_holds_medium(const struct mp_scsi_lun *lun);
/** mp_job_objects() - may the command not be carried out now? */
bool mp_job_objects(const struct mp_scsi_side *s, struct mp_scsi_sense *ret_sense);
/** mp_job_sense() - how far it is, also for REQUEST SENSE; false: it doesn't work */
bool mp_job_sense(const struct mp_scsi_lun *lun, struct mp_scsi_sense *ret_sense);
/** mp_job_resume() - the bus isn't paused any more */
void mp_job_resume(struct mp_scsi_bus *bus);
void mp_job_exit_failure(struct mp_scsi_lun *lun);
/** mp_job_stop() - end it after its present request, as if all were done */
void mp_job_stop(struct mp_scsi_lun *lun);

/* task.c: the verbs */
static inline uint8_t *mp_task_buf(const struct mp_scsi_side *s)
{
	return s->bus->pool + s->t->buf_off;
}

static inline unsigned int mp_task_index(const struct mp_scsi_side *s)
{
	return (unsigned int)(s - s->bus->sides);
}

void mp_task_buffer(struct mp_scsi_side *s, uint64_t bytes, void (*next)(struct mp_scsi_side *));
void mp_task_drop_buffer(struct mp_scsi_side *s);
/** mp_task_io() - the next @n_blocks from task->lba; data at io_off in its buffer */
void mp_task_io(struct mp_scsi_side *s, enum mp_blk_op op, uint32_t flags, uint32_t n_blocks,
		void (*next)(struct mp_scsi_side *));
/** mp_task_range_io() - DISCARD or WRITE_ZEROES of all that is left of the range */
void mp_task_range_io(struct mp_scsi_side *s, enum mp_blk_op op, uint32_t flags,
		      void (*next)(struct mp_scsi_side *));
/** mp_task_issue() - the block request in @s, or keep it while the bus is paused */
void mp_task_issue(struct mp_scsi_side *s);
void mp_task_flush(struct mp_scsi_side *s, void (*next)(struct mp_scsi_side *));
void mp_task_xfer(struct mp_scsi_side *s, enum mp_scsi_dir dir, uint32_t bytes,
		  void (*next)(struct mp_scsi_side *));
/** mp_task_reply() - send @len bytes of the buffer, cut to @alloc_len, then GOOD */
void mp_task_reply(struct mp_scsi_side *s, uint32_t len, uint32_t alloc_len);
void mp_task_good(struct mp_scsi_side *s);
void mp_task_fail(struct mp_scsi_side *s, struct mp_scsi_sense sense);
void mp_task_bad_field(struct mp_scsi_side *s, unsigned int byte, unsigned int bit);
void mp_task_end(struct mp_scsi_side *s, uint8_t status);
/** mp_task_refuse() - CHECK CONDITION with @sense, when its initiator has no other to deal with */
void mp_task_refuse(struct mp_scsi_side *s, const struct mp_scsi_sense *sense);
/** mp_task_perish() - end a doomed task whose time has come */
void mp_task_perish(struct mp_scsi_side *s);

/** mp_bus_took() - a stage of a command took @ticks */
static inline void mp_bus_took(const struct mp_scsi_bus *bus, struct mp_hist *stage, uint64_t ticks)
{
	mp_hist_add(stage, mp_clock_tsc_to_ns(ticks, bus->tsc_mult));
}

/* errors.c */
/** mp_error_happened() - the block request of @s has failed: report, keep or ignore that */
void mp_error_happened(struct mp_scsi_side *s);
/** mp_error_tell() - count that a request has failed, and tell the adapter */
void mp_error_tell(struct mp_scsi_bus *bus, const struct mp_scsi_lun *lun,
		   const struct mp_blk_req *req, enum mp_scsi_on_error action);

/* target.c */
/** mp_bus_lun() - the unit there, or the stand-in for none */
struct mp_scsi_lun *mp_bus_lun(struct mp_scsi_bus *bus, unsigned int target, unsigned int lun);
/** mp_bus_admit() - a command has arrived: its tag, its turn */
void mp_bus_admit(struct mp_scsi_side *s);
void mp_bus_begin(struct mp_scsi_side *s);
void mp_bus_pump(struct mp_scsi_bus *bus);

/* manage.c */
/** mp_bus_let_go() - the task is FREE; what it had is for the next mp_bus_pump() to hand out */
void mp_bus_let_go(struct mp_scsi_side *s);
/** mp_manage_end() - end @s and with it all older tasks of @initiators (bits) there; @sense NULL: it is GOOD */
void mp_manage_end(struct mp_scsi_side *s, const struct mp_scsi_sense *sense, uint16_t initiators);
/** mp_manage_evict() - end all tasks of @lun with TASK ABORTED, as soon as they can */
void mp_manage_evict(struct mp_scsi_bus *bus, struct mp_scsi_lun *lun);
/** mp_manage_sharers() - bits of those who share the task set of @initiator */
uint16_t mp_manage_sharers(const struct mp_scsi_lun *lun, unsigned int initiator);

/* hotplug.c */
/** mp_bus_bury() - free removed units that no task points to any more */
void mp_bus_bury(struct mp_scsi_bus *bus);

/* unit.c */
/** mp_lun_add() - make @lun, allocated and filled in, part of the bus */
void mp_lun_add(struct mp_scsi_bus *bus, struct mp_scsi_lun *lun);
/** mp_lun_siblings_changed() - the other units of the target tell that @lun has come or gone */
void mp_lun_siblings_changed(struct mp_scsi_bus *bus, const struct mp_scsi_lun *lun);
/** mp_lun_identify() - as @id says; @product: where that leaves it open */
void mp_lun_identify(struct mp_scsi_lun *lun, const struct mp_scsi_identity *id,
		     const char *product);
/** mp_lun_reset() - what a reset of the unit does to what commands have changed */
void mp_lun_reset(struct mp_scsi_lun *lun);

/* attention.c */
/** mp_lun_attention_of() - raise @ua for @initiator alone */
void mp_lun_attention_of(struct mp_scsi_lun *lun, enum mp_scsi_ua ua, unsigned int initiator);
/** mp_lun_attention() - raise @ua for every initiator but @except (MP_NOBODY: for all) */
void mp_lun_attention(struct mp_scsi_lun *lun, enum mp_scsi_ua ua, unsigned int except);
/** mp_bus_luns_reported() - @initiator has got the list: "the LUNs have changed" is told */
void mp_bus_luns_reported(struct mp_scsi_bus *bus, unsigned int target, unsigned int initiator);
/** mp_lun_take_attention() - the first that waits for @initiator; false: none does */
bool mp_lun_take_attention(struct mp_scsi_lun *lun, unsigned int initiator,
			   struct mp_scsi_sense *ret_sense);
void mp_lun_keep_sense(struct mp_scsi_lun *lun, unsigned int initiator,
		       const struct mp_scsi_sense *sense);
/** mp_lun_owe_sense() - @s has failed with @sense; false: not now, its initiator has other sense to fetch */
bool mp_lun_owe_sense(const struct mp_scsi_side *s, const struct mp_scsi_sense *sense);
/** mp_lun_told_failure() - the CHECK CONDITION was delivered, or never will be */
void mp_lun_told_failure(struct mp_scsi_lun *lun, unsigned int initiator, bool delivered);
void mp_lun_drop_sense(struct mp_scsi_lun *lun, unsigned int initiator);
/** mp_lun_take_sense() - what waits for @initiator; false: nothing does */
bool mp_lun_take_sense(struct mp_scsi_lun *lun, unsigned int initiator,
		       struct mp_scsi_sense *ret_sense);

/* reserve.c */
/** mp_reserve_forbids() - may the command not run? Asked where lun->guarded. */
bool mp_reserve_forbids(const struct mp_scsi_side *s);
/** mp_reserve_reset() - RESERVE ends with a reset, persistent reservations don't */
void mp_reserve_reset(struct mp_scsi_lun *lun);
/** mp_reserve_power_on() - nothing is reserved, nobody registered */
void mp_reserve_power_on(struct mp_scsi_lun *lun);

/* cdb.c */
/** mp_cdb_index() - the commands of @type, by operation code, into a zeroed array */
void mp_cdb_index(const struct mp_scsi_op *index[256], enum mp_scsi_type type);
/** mp_cdb_decode() - NULL and *ret_sense when it is no command of this unit */
const struct mp_scsi_op *mp_cdb_decode(const struct mp_scsi_lun *lun, const uint8_t *cdb,
				       unsigned int len, struct mp_scsi_sense *ret_sense);
/** mp_cdb_has_stray() - is a bit set that means nothing? Then *ret_sense points at it */
bool mp_cdb_has_stray(const struct mp_scsi_side *s, struct mp_scsi_sense *ret_sense);
void mp_cmd_report_opcodes(struct mp_scsi_side *s);
void mp_cmd_report_tmfs(struct mp_scsi_side *s);

/* mode.c */
/** mp_mode_init() - current and saved values are the default ones */
void mp_mode_init(struct mp_scsi_lun *lun);
/** mp_mode_reset() - the saved values become the current ones, and take effect */
void mp_mode_reset(struct mp_scsi_lun *lun);

/* exceptions.c */
/** mp_exceptions_bad() - byte of mode page 1C that has an impossible value; 0: none */
unsigned int mp_exceptions_bad(const uint8_t *page);
/** mp_exceptions_take() - do what mode page 1C says; @recovery_bits: byte 2 of page 01 */
void mp_exceptions_take(struct mp_scsi_lun *lun, const uint8_t *page, uint8_t recovery_bits);
bool mp_exceptions_active(const struct mp_scsi_lun *lun);
/** mp_exceptions_on_request() - is there one for REQUEST SENSE that has nothing else to say? */
bool mp_exceptions_on_request(const struct mp_scsi_lun *lun, struct mp_scsi_sense *ret_sense);
/** mp_exceptions_end() - end a task that went well: GOOD, or what is pending */
void mp_exceptions_end(struct mp_scsi_side *s);

/* log.c */
/** mp_log_medium() - the task's block request went well */
void mp_log_medium(struct mp_scsi_side *s);
/** mp_log_error() - the task's block request has failed, and that is reported */
void mp_log_error(struct mp_scsi_side *s);
void mp_log_selftest(struct mp_scsi_lun *lun, const struct mp_log_selftest *test);

/* vpd.c */
/** mp_vpd_page() - write the page to @out (a zeroed page); returns its length, 0: no such page */
unsigned int mp_vpd_page(const struct mp_scsi_lun *lun, uint8_t page, uint8_t *out);

/* Commands, in the file of their name. */
void mp_cmd_inquiry(struct mp_scsi_side *s);
void mp_cmd_request_sense(struct mp_scsi_side *s);
void mp_cmd_report_luns(struct mp_scsi_side *s);
void mp_cmd_reserve(struct mp_scsi_side *s);
void mp_cmd_release(struct mp_scsi_side *s);
void mp_cmd_pr_in(struct mp_scsi_side *s);
void mp_cmd_pr_out(struct mp_scsi_side *s);
void mp_cmd_send_diagnostic(struct mp_scsi_side *s);
void mp_cmd_receive_diagnostic(struct mp_scsi_side *s);
void mp_cmd_read_buffer(struct mp_scsi_side *s);
void mp_cmd_write_buffer(struct mp_scsi_side *s);
void mp_cmd_log_sense(struct mp_scsi_side *s);
void mp_cmd_log_select(struct mp_scsi_side *s);
void mp_cmd_nothing(struct mp_scsi_side *s);
void mp_cmd_mode_sense(struct mp_scsi_side *s);
void mp_cmd_mode_select(struct mp_scsi_side *s);
void mp_cmd_start_stop(struct mp_scsi_side *s);
void mp_cmd_prevent_allow(struct mp_scsi_side *s);
void mp_cmd_read_capacity10(struct mp_scsi_side *s);
void mp_cmd_read_capacity16(struct mp_scsi_side *s);
void mp_cmd_read(struct mp_scsi_side *s);
void mp_cmd_write(struct mp_scsi_side *s);
void mp_cmd_write_verify(struct mp_scsi_side *s);
void mp_cmd_verify(struct mp_scsi_side *s);
void mp_cmd_sync_cache(struct mp_scsi_side *s);
void mp_cmd_seek(struct mp_scsi_side *s);
void mp_cmd_prefetch(struct mp_scsi_side *s);
void mp_cmd_read_defects(struct mp_scsi_side *s);
void mp_cmd_compare_write(struct mp_scsi_side *s);
void mp_cmd_orwrite(struct mp_scsi_side *s);
void mp_cmd_write_atomic(struct mp_scsi_side *s);
void mp_cmd_format_unit(struct mp_scsi_side *s);
void mp_cmd_sanitize_overwrite(struct mp_scsi_side *s);
void mp_cmd_sanitize_erase(struct mp_scsi_side *s);
void mp_cmd_sanitize_exit(struct mp_scsi_side *s);
void mp_cmd_unmap(struct mp_scsi_side *s);
void mp_cmd_write_same(struct mp_scsi_side *s);
void mp_cmd_get_lba_status(struct mp_scsi_side *s);

/* disk.c, for the other files about the medium */
/** mp_disk_parse() - LBA and length from the CDB into the task */
void mp_disk_parse(struct mp_scsi_task *t);
/** mp_disk_range() - the same, checked; false: the task has failed */
bool mp_disk_range(struct mp_scsi_side *s);
/** mp_disk_out_of_range() - end the task, and name the first block of its range that isn't there */
void mp_disk_out_of_range(struct mp_scsi_side *s);
bool mp_disk_range_ok(const struct mp_scsi_lun *lun, uint64_t lba, uint64_t n_blocks);
/** mp_disk_chunk() - how many blocks come next: what is left, at most a chunk */
uint32_t mp_disk_chunk(const struct mp_scsi_side *s);
/** mp_disk_advance() - the blocks of the last request are done */
void mp_disk_advance(struct mp_scsi_side *s);
/** mp_disk_go_on() - the same; then @next if more are left and the initiator sends on, else the end */
void mp_disk_go_on(struct mp_scsi_side *s, void (*next)(struct mp_scsi_side *));
/** mp_disk_take_fua() - remember the CDB's FUA bit for mp_disk_fua() */
void mp_disk_take_fua(struct mp_scsi_side *s);
/** mp_disk_write_through() - as if the CDB had FUA */
void mp_disk_write_through(struct mp_scsi_side *s);
/** mp_disk_fua() - flags of a write that must be durable: asked for, or no write cache */
uint32_t mp_disk_fua(const struct mp_scsi_side *s);

/* verify.c, for compare.c */
/** mp_verify_differs() - end the task: byte @at of @n compared ones, at task->lba, differs */
void mp_verify_differs(struct mp_scsi_side *s, size_t at);
/** mp_verify_first_difference() - Return: index of the first byte that differs; @n: none */
size_t mp_verify_first_difference(const uint8_t *a, const uint8_t *b, size_t n);
/** mp_verify_half() - buffer for as much of the range as fits twice, then @next */
void mp_verify_half(struct mp_scsi_side *s, void (*next)(struct mp_scsi_side *));
/** mp_verify_chunk() - how many blocks come next: what is left, at most half a buffer */
uint32_t mp_verify_chunk(const struct mp_scsi_side *s);

/* A geometry that multiplies to about the capacity, for those who must have one. */
#define MP_DISK_HEADS              16u
#define MP_DISK_SECTORS            63u /* per track */

#define MP_DISK_MAX_SAME_BYTES     (1ull << 30) /* WRITE SAME */
#define MP_DISK_MAX_UNMAP_BYTES    (1ull << 32)
#define MP_DISK_MAX_UNMAP_DESC     255u
#define MP_DISK_MAX_PREFETCH_BYTES (64ull << 20)
/* Each fits into the chunk of the smallest pool: thrice, and once. */
#define MP_DISK_MAX_COMPARE_BYTES (8u << 10) /* COMPARE AND WRITE; in blocks in VPD page B0 */
#define MP_DISK_MAX_ATOMIC_BYTES  (32u << 10) /* WRITE ATOMIC */

#endif
