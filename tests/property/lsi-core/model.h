/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * model - the chip a second time, naively: every register, one instruction at
 * a time, byte by byte, from the manual's tables (model_cpu.c), and a bus with
 * one obedient target on it (model_bus.c). It shares no code with lsi-core and
 * none of its ideas of speed: no budget, no parking state, no pieces.
 *
 * The target takes one command at a time, answers at once and never
 * disconnects; the bus is narrow. Test modes, wide transfers and reselection
 * are for the unit tests.
 */
#ifndef MP_TESTS_PROPERTY_LSI_CORE_MODEL_H
#define MP_TESTS_PROPERTY_LSI_CORE_MODEL_H

#include "tests/lib/fake_bus.h"

#define R(name)   MP_LSI_R_##name
#define NO_PHASE  8u
#define OUT_BYTES 1024u

enum task { NO_TASK, IN_DATA, IN_STATUS, IN_COMPLETE };

struct model_bus {
	bool connected, atn, ack, silent, stale;
	unsigned int phase;
	enum task task;
	unsigned int index; /* of the task: the pattern of its data */
	uint32_t moved;
	bool ends; /* COMMAND COMPLETE was queued: bus free when it has been taken */
	uint8_t in[8]; /* one-byte messages to the initiator */
	unsigned int n_in, pos_in;
	uint8_t cdb[32];
	unsigned int n_cdb;
	bool identified;
	uint8_t lun, attr, tag;
};

struct model {
	uint8_t reg[256], *mem, ram[MP_LSI_RAM_BYTES];
	bool carry, running, parked, level, sto, fatal;
	uint8_t next[3]; /* second level of DSTAT, SIST0, SIST1 */
	uint8_t latch; /* of GPREG */
	struct model_bus bus;

	/* The target. */
	uint32_t present, xfer_len;
	bool data_in;
	uint8_t status, out[OUT_BYTES];
	unsigned int n_commands, next_index;
	struct mp_lsi_command last;
};

static inline void model_set_bit(struct model *m, unsigned int r, uint8_t bit, bool on)
{
	m->reg[r] = (uint8_t)(on ? m->reg[r] | bit : m->reg[r] & ~bit);
}

/* model_cpu.c */
uint8_t *model_byte(struct model *m, uint32_t addr);
uint32_t model_word(const struct model *m, unsigned int r);
void model_set_word(struct model *m, unsigned int r, uint32_t v);
uint32_t model_signed24(uint32_t v);
bool model_load(struct model *m, uint32_t addr, uint32_t *ret);
void model_settle(struct model *m);
void model_stop_dma(struct model *m, uint8_t why);
void model_stop_scsi(struct model *m, uint8_t sist0, uint8_t sist1);
bool model_take_sto(struct model *m);
/* With their effects, as the CPU does; nothing settles before model_settle(). */
uint8_t model_read(struct model *m, unsigned int r);
void model_write(struct model *m, unsigned int r, uint8_t v);
void model_start(struct model *m, uint32_t dsp);
/* One instruction; afterwards it runs, is parked (DSP behind it), or has stopped. */
void model_step(struct model *m);

/* model_bus.c */
void model_bus_show(struct model *m);
void model_io(struct model *m, uint32_t w, uint32_t operand);
void model_move(struct model *m, uint32_t at, uint32_t w, uint32_t operand);
/* Phase of a REQ, for an instruction that asks for @coded; NO_PHASE: it parks. */
unsigned int model_req(struct model *m, unsigned int coded);

#endif
