/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fake_bus - a chip with guest memory and obedient targets around it.
 *
 * Memory: FAKE_MEM_BYTES at 0, and FAKE_HIGH_BYTES at FAKE_HIGH (above 4 GiB);
 * spans end at 4 KiB pages, so that straddling accesses are exercised. BAR1 and
 * BAR2 are at FAKE_REGS and FAKE_RAM.
 *
 * A target takes a command and does what the test told it: with prompt set it
 * answers at once (data of xfer_len bytes in chunks, then status), else it
 * waits for fake_data() and fake_status().
 */
#ifndef MP_TESTS_LIB_FAKE_BUS_H
#define MP_TESTS_LIB_FAKE_BUS_H

#include "lsi-core/lsi.h"
#include "lsi-core/state.h"

#define FAKE_MEM_BYTES   (4u << 20)
#define FAKE_HIGH        0x1200000000ull
#define FAKE_HIGH_BYTES  (64u << 10)
#define FAKE_REGS        0xf0000000u
#define FAKE_RAM         0xf0010000u
#define FAKE_IO          0xc000u
#define FAKE_CHUNK_BYTES (64u << 10)
#define FAKE_MAX_TMS     16u

struct fake_task {
	bool live;
	struct mp_lsi_command cmd;
	uint32_t len, done; /* bytes of the whole transfer, handed over so far */
};

struct fake_tm {
	enum mp_lsi_tm tm;
	unsigned int target, lun, task;
};

struct fake_bus {
	struct mp_lsi chip;
	struct mp_lsi_state *st;
	uint8_t *mem, *high;
	uint8_t *pool; /* FAKE_CHUNK_BYTES a task */

	uint32_t present; /* bit n: a target answers at id n */
	bool prompt;
	enum mp_lsi_dir dir; /* prompt: of every command */
	uint32_t xfer_len; /* prompt: bytes of every command's data; 0: none */
	uint32_t chunk_len; /* most bytes of one chunk */
	uint32_t frag_len; /* most contiguous bytes of a chunk */
	uint8_t status;
	bool trusting; /* don't check what the chip says about its tasks */
	uint64_t busy_tasks; /* of the first 64 indices: refused to the chip */

	struct fake_task task[MP_LSI_MAX_TASKS];
	unsigned int last_task; /* of the last command */
	unsigned int n_commands, n_done, n_tms, n_moved;
	struct fake_tm tm[FAKE_MAX_TMS];
	unsigned int n_keepers, keeper; /* keeps_bus(): calls, last task */
	unsigned int sense, sense_target, sense_lun; /* last sense(): key << 8 | asc */
	uint64_t written_addr; /* last dma_written */
	uint32_t written_len;
	uint64_t n_dma; /* calls of dma() */
};

struct fake_bus *fake_bus_create(void);
void fake_bus_destroy(struct fake_bus *b);

void fake_put32(struct fake_bus *b, uint64_t addr, uint32_t v);
uint32_t fake_get32(struct fake_bus *b, uint64_t addr);
/* Little-endian words at @addr, in memory or own RAM; returns the address behind them. */
uint32_t fake_words(struct fake_bus *b, uint32_t addr, const uint32_t *words, size_t n);
#define FAKE_PROG(b, addr, ...)                                                                    \
	fake_words((b), (addr), (const uint32_t[]){__VA_ARGS__},                                   \
		   sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

uint8_t fake_rd8(struct fake_bus *b, unsigned int reg);
uint32_t fake_rd32(struct fake_bus *b, unsigned int reg);
void fake_wr8(struct fake_bus *b, unsigned int reg, uint8_t v);
void fake_wr32(struct fake_bus *b, unsigned int reg, uint32_t v);

/* DSP := @dsp (a dword write), then run until halted or parked; asserts that it ends. */
void fake_go(struct fake_bus *b, uint32_t dsp);
void fake_run(struct fake_bus *b);

/* The target of @task speaks: offers the next chunk, or its status. */
void fake_data(struct fake_bus *b, unsigned int task, enum mp_lsi_dir dir, uint32_t len);
void fake_status(struct fake_bus *b, unsigned int task, uint8_t status);
/* Byte @i of the data that prompt targets send. */
uint8_t fake_pattern(unsigned int task, uint32_t i);

#endif
