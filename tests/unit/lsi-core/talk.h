/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * talk - a driver and its targets talk: where the pieces of a short program lie,
 * its instructions, and the ways to get a connection.
 */
#ifndef MP_TESTS_UNIT_LSI_CORE_TALK_H
#define MP_TESTS_UNIT_LSI_CORE_TALK_H

#include "tests/lib/fake_bus.h"
#include "tests/lib/t.h"

#define R(name) MP_LSI_R_##name
#define PROG    0x1000u
#define MSG     0x3000u
#define CDB     0x3010u
#define BYTES   0x3080u
#define TABLE   0x3100u
#define STOP(v) 0x98080000u, (v)
#define NO_SDU  0x7c027f00u, 0
#define CLR_ACK 0x60000040u, 0
#define SET_ATN 0x58000008u, 0
#define W_DISC  0x48000000u, 0
#define SEL_ATN 0x41000000u, 0x9000u
#define IN(n)   (0x0f000000u | (n)), BYTES
#define OUT(n)  (0x0e000000u | (n)), MSG
#define COMMAND 0x0a000006u, CDB

static inline void put_msg(struct fake_bus *b, const char *msg, size_t len)
{
	memcpy(b->mem + MSG, msg, len);
}

static inline uint8_t phase(struct fake_bus *b)
{
	return fake_rd8(b, R(SSTAT1)) & 7;
}

/* Select target 0 with ATN and send @msg in one move, then stop. */
static inline struct fake_bus *send(const char *msg, size_t len)
{
	struct fake_bus *b = fake_bus_create();

	put_msg(b, msg, len);
	FAKE_PROG(b, PROG, SEL_ATN, NO_SDU, OUT((uint32_t)len), STOP(1));
	fake_go(b, PROG);
	(void)fake_rd8(b, R(DSTAT));
	return b;
}

/* A task of target 0 with this nexus, disconnected by a doorbell; bus free, engine halted. */
static inline unsigned int put_aside(struct fake_bus *b, const char *msg, size_t len)
{
	put_msg(b, msg, len);
	fake_wr8(b, R(ISTAT0), ISTAT0_SIGP);
	FAKE_PROG(b, PROG, SEL_ATN, OUT((uint32_t)len), COMMAND, IN(1), NO_SDU, CLR_ACK, W_DISC,
		  STOP(1));
	fake_go(b, PROG);
	T_EQ(fake_rd8(b, R(DSTAT)), DSTAT_DFE | DSTAT_SIR);
	T_EQ(b->mem[BYTES], 0x04);
	return b->last_task;
}

/* The chip may be reselected, as id 7; compatibility mode off. */
static inline struct fake_bus *with_rre(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr8(b, R(SCID), 0x47);
	fake_wr8(b, R(DCNTL), DCNTL_COM);
	return b;
}

#endif
