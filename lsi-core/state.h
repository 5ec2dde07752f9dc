/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * state - what the chip consists of, and the calls between its files.
 *
 * struct mp_lsi_state is everything that a guest could observe: plain data,
 * fixed widths, no pointers, validated field by field at attach.c. It is the
 * chip; struct mp_lsi only adds who it talks to.
 *
 * The register file is kept as a side-effect-free read would return it (the
 * shadow is the file itself): whoever changes a signal updates the bits that
 * show it, so that a read computes nothing.
 */
#ifndef MP_LSI_CORE_STATE_H
#define MP_LSI_CORE_STATE_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "lsi-core/lsi.h"

#define MP_LSI_STATE_VERSION 2u

/* Offsets of the registers: MP_LSI_R_DSP and so on. */
enum mp_lsi_reg {
#define REG(off, name, width, reset, mask, action, shadow) MP_LSI_R_##name = (off),
#include "lsi-core/regs.def"
#undef REG
};

/* What a write does beyond storing the bits of its mask. */
enum mp_lsi_action {
	MP_LSI_A_PLAIN,
	MP_LSI_A_SCNTL0,
	MP_LSI_A_SCNTL1,
	MP_LSI_A_SCNTL2,
	MP_LSI_A_WAKE,
	MP_LSI_A_GPIO,
	MP_LSI_A_SFBR,
	MP_LSI_A_ISTAT0,
	MP_LSI_A_CTEST2,
	MP_LSI_A_START,
	MP_LSI_A_DCNTL,
	MP_LSI_A_IRQ,
	MP_LSI_A_SLPAR,
	MP_LSI_A_STIME0,
	MP_LSI_A_STIME1,
	MP_LSI_A_TEST,
};

/* Register bits. */
#define SCNTL0_ARB     0xc0u
#define SCNTL0_START   0x20u
#define SCNTL0_WATN    0x10u
#define SCNTL0_TRG     0x01u
#define SCNTL1_ADB     0x40u
#define SCNTL1_CON     0x10u
#define SCNTL1_RST     0x08u
#define SCNTL1_AESP    0x04u
#define SCNTL1_IARB    0x02u
#define SCNTL2_SDU     0x80u
#define SCNTL2_CHM     0x40u
#define SCNTL2_SLPMD   0x20u
#define SCNTL2_SLPHBEN 0x10u
#define SCNTL2_WSS     0x08u
#define SCNTL2_WSR     0x01u
#define SCNTL3_EWS     0x08u
#define SCID_RRE       0x40u
#define DSTAT_DFE      0x80u
#define DSTAT_BF       0x20u
#define DSTAT_ABRT     0x10u
#define DSTAT_SSI      0x08u
#define DSTAT_SIR      0x04u
#define DSTAT_IID      0x01u
#define DSTAT_EVENTS   0x7du
#define SSTAT0_WOA     0x04u
#define SSTAT0_RST     0x02u
#define SSTAT2_LDSC    0x02u
#define ISTAT0_ABRT    0x80u
#define ISTAT0_SRST    0x40u
#define ISTAT0_SIGP    0x20u
#define ISTAT0_SEM     0x10u
#define ISTAT0_CON     0x08u
#define ISTAT0_INTF    0x04u
#define ISTAT0_SIP     0x02u
#define ISTAT0_DIP     0x01u
#define ISTAT1_SRUN    0x02u
#define ISTAT1_SI      0x01u
#define CTEST2_DDIR    0x80u
#define CTEST2_SIGP    0x40u
#define CTEST2_CIO     0x20u
#define CTEST2_CM      0x10u
#define CTEST2_PCICIE  0x08u
#define CTEST3_CLF     0x04u
#define CTEST4_SRTM    0x10u
#define CTEST5_ADCK    0x80u
#define CTEST5_BBCK    0x40u
#define DMODE_SIOM     0x20u
#define DMODE_DIOM     0x10u
#define DMODE_MAN      0x01u
#define DCNTL_SSM      0x10u
#define DCNTL_STD      0x04u
#define DCNTL_IRQD     0x02u
#define DCNTL_COM      0x01u
#define SIST0_MA       0x80u
#define SIST0_CMP      0x40u
#define SIST0_SEL      0x20u
#define SIST0_RSL      0x10u
#define SIST0_SGE      0x08u
#define SIST0_UDC      0x04u
#define SIST0_RST      0x02u
#define SIST1_STO      0x04u
#define SIST1_GEN      0x02u
#define SIST1_HTH      0x01u
#define STEST2_SLB     0x10u
#define STEST3_STR     0x40u
#define STEST3_TTM     0x04u
#define STEST3_CSF     0x02u
#define STEST3_STW     0x01u
#define CCNTL0_ENPMJ   0x80u
#define CCNTL0_PMJCTL  0x40u
#define CCNTL0_ENNDJ   0x20u
#define CCNTL1_DDAC    0x08u
#define CCNTL1_TIMOD   0x04u
#define CCNTL1_TIBMV   0x02u
#define CCNTL1_DBMV    0x01u
#define SBCL_REQ       0x80u
#define SBCL_ACK       0x40u
#define SBCL_BSY       0x20u
#define SBCL_ATN       0x08u

enum mp_lsi_phase {
	MP_LSI_DATA_OUT_PHASE,
	MP_LSI_DATA_IN_PHASE,
	MP_LSI_COMMAND_PHASE,
	MP_LSI_STATUS_PHASE,
	MP_LSI_MSG_OUT_PHASE = 6,
	MP_LSI_MSG_IN_PHASE = 7,
	MP_LSI_NO_PHASE, /* no REQ: bus free, or the target thinks */
};

/* How one dispatch of an instruction ended. */
enum mp_lsi_step {
	MP_LSI_DONE, /* retired, or halted by an interrupt */
	MP_LSI_AGAIN, /* a piece done, more to do at the next step */
	MP_LSI_PARK, /* nothing to do until mp_lsi_wake() */
};

enum mp_lsi_run_state { MP_LSI_HALTED, MP_LSI_RUNNING };

/* Who opened the connection. */
enum mp_lsi_conn { MP_LSI_BUS_FREE, MP_LSI_SELECTED, MP_LSI_RESELECTED };

/* What the target does once all its messages are acknowledged. */
enum mp_lsi_after {
	MP_LSI_GO_ON, /* picks the next phase */
	MP_LSI_DISCONNECT, /* frees the bus and keeps the task */
	MP_LSI_COMPLETE, /* frees the bus: COMMAND COMPLETE was sent */
	MP_LSI_ABORTED, /* frees the bus: task management; UDC if SDU is set */
};

/* The first message decides whether the target listens to others. */
enum mp_lsi_opened { MP_LSI_SILENT, MP_LSI_HEARD, MP_LSI_DEAF };

enum mp_lsi_task_state {
	MP_LSI_TASK_FREE,
	MP_LSI_TASK_RUNNING, /* the target works */
	MP_LSI_TASK_DATA, /* it wants to move len bytes */
	MP_LSI_TASK_STATUS, /* it wants to send its status */
	MP_LSI_TASK_COMPLETE, /* status sent, COMMAND COMPLETE queued */
};

enum mp_lsi_timer_state { MP_LSI_TIMER_OFF, MP_LSI_TIMER_ARM, MP_LSI_TIMER_ON, MP_LSI_TIMER_UP };

enum mp_lsi_timer_id { MP_LSI_TIMER_GEN, MP_LSI_TIMER_HTH, MP_LSI_TIMER_LAZY, MP_LSI_N_TIMERS };

/* ARM: the deadline is set at the next tick, when the time is known. */
struct mp_lsi_timer {
	uint64_t deadline_ns;
	uint32_t state;
	uint32_t pad;
};

#define MP_LSI_NO_TASK 0xffffu
/* The slot for an answer that the chip's side gives for a target (no free index, bad parity):
 * never shown to the targets, never disconnected. */
#define MP_LSI_FULL_TASK MP_LSI_MAX_TASKS

struct mp_lsi_task {
	uint8_t state; /* enum mp_lsi_task_state */
	uint8_t dir; /* enum mp_lsi_dir; in DATA */
	uint8_t status; /* in STATUS */
	uint8_t disconnected; /* not on the bus, waits for reselection */
	uint8_t queued; /* has an entry in the ready queue */
	uint8_t unsaved; /* data moved since the last SAVE DATA POINTERS */
	uint8_t can_disconnect;
	uint8_t pad;
	uint32_t len, moved; /* in DATA: of this chunk */
	uint32_t key; /* nexus: mp_lsi_key() */
};

#define MP_LSI_MSG_BYTES 32u
#define MP_LSI_MSG_END   0x100u /* last byte of a message */
#define MP_LSI_MSG_FINAL 0x200u /* COMMAND COMPLETE: taking it ends the task */

#define MP_LSI_N_IDS     16u

/* What a target and this initiator agreed about their data phases (nego.c); 0: narrow, asynchronous. */
struct mp_lsi_agreement {
	uint8_t wide; /* 1: 16 bits */
	uint8_t period, offset;
	uint8_t pad;
};

/* The connection, and the target's sequencer at its other end. */
struct mp_lsi_nexus {
	uint8_t conn; /* enum mp_lsi_conn */
	uint8_t phase; /* enum mp_lsi_phase: REQ is asserted for it */
	uint8_t atn, ack; /* what the initiator drives; ack: a MSG IN byte is held */
	uint8_t target, lun, attr, identified;
	uint8_t can_disconnect;
	uint8_t after; /* enum mp_lsi_after */
	uint8_t silent; /* selected without ATN and nothing sent yet */
	uint8_t stale; /* restarted by the CPU after a fatal interrupt */
	uint8_t fresh; /* the command has gone, no phase was picked since */
	uint8_t tag; /* of the tag message, if attr says so */
	uint16_t task; /* index, or MP_LSI_NO_TASK */

	uint8_t n_cdb; /* bytes received */
	uint8_t n_in, pos_in, last_in; /* messages to send: count, next, start of the current one */
	uint8_t n_out; /* bytes of an incomplete message received */
	uint8_t opened; /* enum mp_lsi_opened: how its messages began */
	uint8_t bad, retries; /* bad parity in this phase; repetitions of MSG OUT for it */
	uint32_t skip_out; /* bytes of an over-long message still to be thrown away */
	uint16_t in[MP_LSI_MSG_BYTES];
	uint8_t out[16];
	uint8_t cdb[MP_LSI_CDB_MAX];
};

/* A block or memory move under way; survives parking. */
struct mp_lsi_move {
	uint64_t addr, dst; /* next address; dst: of a memory move */
	uint32_t left; /* bytes to go */
	uint32_t done; /* bytes moved by this instruction */
	uint32_t esa;
	uint8_t started;
	uint8_t top; /* RBC 31:24 */
	uint8_t wide; /* its data goes in 16-bit words */
	int8_t extra; /* bytes on the bus, less bytes of memory: SBC */
};

#define MP_LSI_N_LANES    8u
#define MP_LSI_LANE_BYTES 118u /* of 944 */
#define MP_LSI_LANE_SMALL 14u /* of 112 */
#define MP_LSI_FIFO_WORDS 31u

/* The FIFOs as a test fills them (selftest.c). */
struct mp_lsi_lane {
	uint8_t head, n;
	uint8_t byte[MP_LSI_LANE_BYTES];
};

struct mp_lsi_words {
	uint8_t head, n;
	uint16_t word[MP_LSI_FIFO_WORDS];
};

struct mp_lsi_state {
	uint64_t magic;
	uint32_t version;
	uint32_t bytes;
	_Atomic uint32_t busy; /* inside a call: state may be half-way (attach.c) */

	/* Kept by every reset, as SCRIPTS RAM is. */
	uint32_t next_task; /* round robin: a freed index rests as long as possible */
	uint64_t bar[3]; /* bus addresses; UINT64_MAX: not decoded */
	uint64_t now_ns; /* of the last tick */

	/* SCRIPTS processor; from here to reg[] a reset clears */
	uint8_t run; /* enum mp_lsi_run_state */
	uint8_t parked; /* waits for mp_lsi_wake() */
	uint8_t unfinished; /* insn[] is under way: dispatch it again, don't fetch */
	uint8_t carry;
	uint8_t sto; /* a selection has failed; the interrupt is due */
	uint8_t fatal; /* halted by a fatal interrupt */
	uint8_t owed; /* doorbells by the CPU without a SELECT since; saturates */
	uint8_t favoured; /* times that a waiting reselection was passed over */
	uint8_t gpreg; /* output latch */
	uint8_t level; /* INTA# */
	uint8_t dstat_next, sist0_next, sist1_next; /* second interrupt level */
	uint8_t sums; /* SLPAR was written: keep it */
	uint8_t sum[2]; /* of first and second bytes */
	uint8_t waits; /* insn[], if unfinished, waits: parked, or woken since */
	uint8_t pad0[3];
	uint32_t insn[3];
	uint32_t ia; /* address of insn[] */
	uint32_t cost; /* extra budget that this step used */
	uint32_t scratch_saved[2]; /* SCRATCHA, SCRATCHB while CTEST2.PCICIE shows the BARs */
	uint32_t n_shakes; /* bus handshakes, for HTH */
	uint32_t n_shakes_seen;
	struct mp_lsi_move move;

	struct mp_lsi_timer timer[MP_LSI_N_TIMERS];

	/* SCSI bus */
	struct mp_lsi_nexus nexus;
	struct mp_lsi_agreement agreed[MP_LSI_N_IDS];
	uint16_t ready_head, n_ready; /* FIFO of tasks that want the bus */
	uint32_t pad1;
	uint64_t used[MP_LSI_MAX_TASKS / 64];
	uint8_t ready[MP_LSI_MAX_TASKS];
	struct mp_lsi_task task[MP_LSI_MAX_TASKS + 1];
	uint32_t hidden[2]; /* behind DSA and TEMP */
	struct mp_lsi_lane lane[MP_LSI_N_LANES];
	struct mp_lsi_words words;

	_Alignas(64) uint8_t reg[MP_LSI_REG_BYTES];
	_Alignas(64) uint8_t ram[MP_LSI_RAM_BYTES];
};

static_assert(sizeof(struct mp_lsi_state) % 64 == 0, "a state is whole cache lines");
static_assert(offsetof(struct mp_lsi_state, reg) % 64 == 0, "the shadow is read as words");
static_assert(sizeof(struct mp_lsi_task) == 20, "no hidden padding");
static_assert(sizeof(struct mp_lsi_move) == 32, "no hidden padding");

/* ---- register file --------------------------------------------------- */

static inline uint32_t mp_lsi_get(const struct mp_lsi_state *st, enum mp_lsi_reg r)
{
	return mp_get_le32(st->reg + r);
}

static inline void mp_lsi_put(struct mp_lsi_state *st, enum mp_lsi_reg r, uint32_t v)
{
	mp_put_le32(st->reg + r, v);
}

/* Set or clear @bits of one byte. */
static inline void mp_lsi_flag(struct mp_lsi_state *st, enum mp_lsi_reg r, unsigned int bits,
			       bool on)
{
	st->reg[r] = (uint8_t)(on ? st->reg[r] | bits : st->reg[r] & ~bits);
}

/* Upper address half in register @r, joined with @low. */
static inline uint64_t mp_lsi_addr(const struct mp_lsi_state *st, enum mp_lsi_reg r, uint32_t low)
{
	if (mp_unlikely(st->reg[MP_LSI_R_CCNTL1] & CCNTL1_DDAC))
		return low;
	return (uint64_t)mp_lsi_get(st, r) << 32 | low;
}

static inline uint32_t mp_lsi_min(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* Signed 24-bit field of an instruction word. */
static inline uint32_t mp_lsi_sext24(uint32_t v)
{
	return (uint32_t)((int32_t)(v << 8) >> 8);
}

/* One bit per dword of the file: every byte of it is plain storage. */
extern const uint64_t mp_lsi_plain_dwords;
extern const uint8_t mp_lsi_reg_reset[MP_LSI_REG_BYTES];

/* One byte, with its side effects; interrupts settle in mp_lsi_irq_update(). */
uint8_t mp_lsi_reg_read(struct mp_lsi *c, unsigned int off);
void mp_lsi_reg_write(struct mp_lsi *c, unsigned int off, uint8_t v, bool engine);
void mp_lsi_show_gpio(struct mp_lsi_state *st);
void mp_lsi_show_config(struct mp_lsi_state *st);

/* ---- test modes (selftest.c) ----------------------------------------- */

/* One of the registers with action TEST was written; CTEST6 or SODL is read. */
void mp_lsi_test_write(struct mp_lsi *c, unsigned int off, uint8_t was, uint8_t v);
uint8_t mp_lsi_test_read(struct mp_lsi *c, unsigned int off);
/* The access that loaded a word brought its high byte too. */
void mp_lsi_test_amend(struct mp_lsi_state *st);
/* SCNTL1.ADB was written. */
void mp_lsi_test_loopback(struct mp_lsi_state *st);

/* ---- resets (attach.c) ----------------------------------------------- */

void mp_lsi_soft_reset(struct mp_lsi *c);

/* ---- state under way (attach.c) -------------------------------------- */

/*
 * A process that dies inside a call leaves busy set; attach then can't trust
 * the state to be consistent. The signal fences keep the compiler from moving
 * state changes out of the pair; one thread, so no CPU ordering is needed.
 */
static inline uint32_t mp_lsi_enter(struct mp_lsi_state *st)
{
	/* relaxed: nobody else reads it while this process lives. */
	uint32_t was = atomic_load_explicit(&st->busy, memory_order_relaxed);

	atomic_store_explicit(&st->busy, 1, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
	return was;
}

static inline void mp_lsi_leave(struct mp_lsi_state *st, uint32_t was)
{
	atomic_signal_fence(memory_order_seq_cst);
	atomic_store_explicit(&st->busy, was, memory_order_relaxed);
}

/* ---- interrupts (irq.c) ---------------------------------------------- */

void mp_lsi_raise_dma(struct mp_lsi *c, unsigned int dstat);
void mp_lsi_raise_scsi(struct mp_lsi *c, unsigned int sist0, unsigned int sist1);
void mp_lsi_intfly(struct mp_lsi *c);
void mp_lsi_irq_update(struct mp_lsi *c);

/* ---- processor (scripts.c) ------------------------------------------- */

void mp_lsi_start(struct mp_lsi *c, bool new_dsp);
void mp_lsi_halt(struct mp_lsi *c);

/* Something changed: look again at what the engine waits for. */
static inline void mp_lsi_wake(struct mp_lsi *c)
{
	c->st->parked = 0;
}

/* If a selection has failed, raises STO, halts and returns true: don't execute. */
bool mp_lsi_take_sto(struct mp_lsi *c);

typedef enum mp_lsi_step mp_lsi_insn_fn(struct mp_lsi *c);
mp_lsi_insn_fn mp_lsi_insn_move, mp_lsi_insn_select, mp_lsi_insn_wait_disconnect,
	mp_lsi_insn_wait_reselect, mp_lsi_insn_set, mp_lsi_insn_clear, mp_lsi_insn_alu,
	mp_lsi_insn_jump, mp_lsi_insn_call, mp_lsi_insn_return, mp_lsi_insn_int,
	mp_lsi_insn_illegal, mp_lsi_insn_memmove, mp_lsi_insn_loadstore;

/* Fetch the third dword of the instruction into insn[2]; false: BF was raised. */
bool mp_lsi_fetch_third(struct mp_lsi *c);

/* ---- memory as the chip sees it (mem.c) ------------------------------ */

/*
 * Own RAM or guest memory at @addr: like ops->dma(). NULL: nothing there.
 * After writing, mp_lsi_mem_written() with the same address.
 */
void *mp_lsi_mem(struct mp_lsi *c, uint64_t addr, uint32_t *len, bool write);
void mp_lsi_mem_written(struct mp_lsi *c, uint64_t addr, uint32_t len);
/* Whole ranges; false when part of it isn't there (what came before was moved). */
bool mp_lsi_mem_get(struct mp_lsi *c, uint64_t addr, void *buf, uint32_t len);
bool mp_lsi_mem_put(struct mp_lsi *c, uint64_t addr, const void *buf, uint32_t len);
/* Ascending copy; a dword at dword addresses is one access. */
void mp_lsi_mem_copy(void *dst, const void *src, uint32_t len);

static inline bool mp_lsi_in_ram(const struct mp_lsi_state *st, uint64_t addr)
{
	return addr - st->bar[MP_LSI_BAR_RAM] < MP_LSI_RAM_BYTES &&
	       st->bar[MP_LSI_BAR_RAM] != UINT64_MAX;
}

static inline bool mp_lsi_in_regs(const struct mp_lsi_state *st, uint64_t addr)
{
	return addr - st->bar[MP_LSI_BAR_MMIO] < 1024u && st->bar[MP_LSI_BAR_MMIO] != UINT64_MAX;
}

/* ---- block moves (insn_move.c) and their odd bytes (wide.c) ---------- */

#define INSN_MOVE (1u << 27) /* block move: MOVE, not CHMOV */

/* Between guest memory, at the move's next address, and @buf; false: bus fault. */
bool mp_lsi_move_push(struct mp_lsi *c, const void *from, uint32_t n);
bool mp_lsi_move_pull(struct mp_lsi *c, void *to, uint32_t n);
/* Between guest memory and the target's chunk, from its byte @from behind what has moved; in *ret_n
 * how many bytes, also on a fault. May move less than @want. */
bool mp_lsi_move_bulk(struct mp_lsi *c, uint32_t from, uint32_t want, uint32_t *ret_n);

/* A data move with an odd end somewhere; the chunk has @rest bytes, *n of which go over the bus. */
bool mp_lsi_wide_receive(struct mp_lsi *c, uint32_t rest, uint32_t *n);
bool mp_lsi_wide_send(struct mp_lsi *c, uint32_t rest, uint32_t *n);
/* The byte in SWIDE goes to memory; false: bus fault. */
bool mp_lsi_wide_residue(struct mp_lsi *c);

/* ---- longitudinal parity (slpar.c) ----------------------------------- */

void mp_lsi_slpar_show(struct mp_lsi_state *st);
void mp_lsi_slpar_clear(struct mp_lsi_state *st);
/* The next @n bytes of the chunk went over the bus. */
void mp_lsi_slpar_add(struct mp_lsi *c, uint32_t n);

/* ---- SCSI bus (bus.c) ------------------------------------------------ */

/*
 * Phase of an unserviced REQ. @coded is the phase that the program asks for;
 * MP_LSI_NO_PHASE: the caller parks. May start a disconnection.
 */
enum mp_lsi_phase mp_lsi_bus_req(struct mp_lsi *c, unsigned int coded);
/* The target may pick its next phase. */
void mp_lsi_bus_choose(struct mp_lsi *c);
/* Recompute SBCL, SOCL, SBDL, SSTAT1 from the nexus. */
void mp_lsi_bus_show(struct mp_lsi_state *st);
void mp_lsi_bus_free(struct mp_lsi *c);
void mp_lsi_bus_select(struct mp_lsi *c, unsigned int target, bool atn);
/* A task wants the bus and may have it; may it have it before a SELECT or a doorbell? */
bool mp_lsi_bus_resel_wanted(const struct mp_lsi *c);
bool mp_lsi_bus_resel_first(struct mp_lsi *c);
/* Let the first ready task reselect; false: there is none. */
bool mp_lsi_bus_reselect(struct mp_lsi *c);
void mp_lsi_bus_set_atn(struct mp_lsi *c, bool on);
void mp_lsi_bus_clear_ack(struct mp_lsi *c);
/* Data of this connection goes in words: the target agreed and the chip is set to it. */
static inline bool mp_lsi_bus_is_wide(const struct mp_lsi_state *st)
{
	return st->reg[MP_LSI_R_SCNTL3] & SCNTL3_EWS && st->agreed[st->nexus.target].wide;
}
/* The target gives the bus away at the next chance: DISCONNECT is queued. */
void mp_lsi_bus_disconnect(struct mp_lsi *c);
/* The bus is free for a selection: no connection is left, and no reselection's turn came. */
bool mp_lsi_bus_is_ours(struct mp_lsi *c);
/* SCNTL0.START: the CPU arbitrates and selects by itself. */
void mp_lsi_bus_start(struct mp_lsi *c);
/* All messages taken and the target is about to free the bus. */
bool mp_lsi_bus_is_over(const struct mp_lsi_state *st);
/* The initiator goes on without the connection: ends it, aborting a task that hasn't finished. */
void mp_lsi_bus_drop(struct mp_lsi *c);
/* SCNTL1.RST was set. */
void mp_lsi_bus_reset(struct mp_lsi *c);
/* Connection and tasks are gone; tells the targets why. */
void mp_lsi_bus_forget(struct mp_lsi *c, enum mp_lsi_tm tm);

/* The initiator moved bytes: the target goes on from there. */
void mp_lsi_bus_data_moved(struct mp_lsi *c, uint32_t n);
void mp_lsi_bus_block_end(struct mp_lsi *c);
void mp_lsi_bus_cdb_end(struct mp_lsi *c);
void mp_lsi_bus_msg_out_end(struct mp_lsi *c);
void mp_lsi_bus_status_taken(struct mp_lsi *c);
void mp_lsi_bus_msg_taken(struct mp_lsi *c);
/* Another byte of MSG IN could follow the one taken last without an ACK gap. */
bool mp_lsi_bus_msg_more(const struct mp_lsi_nexus *n);

/* ---- messages (msg.c, nego.c) and tasks (task.c) ----------------------------- */

void mp_lsi_msg_byte(struct mp_lsi *c, uint8_t b);
void mp_lsi_msg_queue(struct mp_lsi_nexus *n, const uint8_t *msg, unsigned int len);
void mp_lsi_msg_final(struct mp_lsi_nexus *n);
/* SDTR, WDTR, PPR: agreed, and the answer is queued; false: @msg is none of them. */
bool mp_lsi_nego_ask(struct mp_lsi_state *st, const uint8_t *msg);
/* The initiator refused the answer with extended code @code. */
void mp_lsi_nego_refused(struct mp_lsi_state *st, unsigned int code);

static inline uint32_t mp_lsi_key(unsigned int target, unsigned int lun, bool tagged,
				  unsigned int tag)
{
	return target << 24 | lun << 16 | (tagged ? 0x100u | tag : 0);
}

static inline bool mp_lsi_task_ready(const struct mp_lsi_task *t)
{
	return t->state == MP_LSI_TASK_DATA || t->state == MP_LSI_TASK_STATUS;
}

/* Index of a task with this nexus, or MP_LSI_NO_TASK. */
unsigned int mp_lsi_task_find(const struct mp_lsi_state *st, uint32_t key);
/* The CDB is complete: makes a task of the connection and hands it to its target. */
void mp_lsi_task_submit(struct mp_lsi *c, unsigned int cdb_len);
void mp_lsi_task_free(struct mp_lsi_state *st, unsigned int i);
void mp_lsi_task_abort(struct mp_lsi *c, unsigned int i);
#define MP_LSI_ASC_PARITY         0x47u /* SCSI PARITY ERROR */
#define MP_LSI_ASC_INITIATOR_SAID 0x48u /* INITIATOR DETECTED ERROR MESSAGE RECEIVED */
/* The command or task on the bus ends with CHECK CONDITION, ABORTED COMMAND, @asc. */
void mp_lsi_task_fail(struct mp_lsi *c, uint8_t asc);
/* Free the tasks of a target, or of one LUN of it, and tell the target. */
void mp_lsi_task_abort_set(struct mp_lsi *c, enum mp_lsi_tm tm, bool all_luns);
/* Queue for reselection: FIFO by readiness. Pop returns MP_LSI_NO_TASK when nothing is ready. */
void mp_lsi_task_push(struct mp_lsi_state *st, unsigned int i);
unsigned int mp_lsi_task_pop(struct mp_lsi_state *st);

/* ---- timers (timer.c) ------------------------------------------------ */

void mp_lsi_timer_arm(struct mp_lsi_state *st, enum mp_lsi_timer_id id, bool on);

#endif
