/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/lib/fake_driver.h"

#define LOAD_ABS(reg, a)  0xe1000004u | (reg) << 16, (a)
#define STORE_ABS(reg, a) 0xe0000004u | (reg) << 16, (a)
#define LOAD_REL(reg, o)  0xf1000004u | (reg) << 16, (o)
#define STORE_REL(reg, o) 0xf0000004u | (reg) << 16, (o)
#define JUMP(a)           0x80080000u, (a)
#define INT(v)            0x98080000u, (v)
#define NOP               0x80000000u, 0

static void put_scheduler(struct fake_bus *b)
{
	FAKE_PROG(b, S_START, NOP, 0x721a0000, 0, 0x72140000, 0, LOAD_ABS(R(SCRATCHA), V_STARTPOS),
		  0x980cef10, 99, LOAD_ABS(R(DSA), V_STARTPOS), LOAD_REL(R(TEMP), 4),
		  STORE_ABS(R(TEMP), V_STARTPOS), LOAD_REL(R(DSA), 0), LOAD_REL(R(TEMP), C_START),
		  0x90080000, 0);
	FAKE_PROG(b, S_SELECT, 0x43000000u | C_SELECT, S_UNGET, LOAD_REL(R(SCRATCHB), C_STATUS),
		  0x9e030000, 1, NOP, 0x1e000000, C_SMSG, 0x82030000, S_DISPATCH, 0x1a000000, C_CMD,
		  JUMP(S_DISPATCH));
	FAKE_PROG(b, S_DISPATCH, 0x870b0000, S_MSGIN, 0x800a0000, S_DATAOUT, 0x810a0000, S_DATAIN,
		  0x830a0000, S_STATUS, INT(2));
	FAKE_PROG(b, S_IDLE, STORE_ABS(R(SCRATCHA), V_STARTPOS), JUMP(S_RESEL));
	FAKE_PROG(b, S_UNGET, STORE_ABS(R(SCRATCHA), V_STARTPOS), JUMP(S_RESEL + 8));
}

static void put_data_routines(struct fake_bus *b)
{
	FAKE_PROG(b, S_DATAIN, LOAD_REL(R(TEMP), C_LASTP), 0x90080000, 0);
	FAKE_PROG(b, S_DATAOUT, LOAD_REL(R(TEMP), C_LASTP), 0x90080000, 0);
	FAKE_PROG(b, S_INLIST, 0x11000000, C_SEGS, 0x11000000, C_SEGS + 8, 0x11000000, C_SEGS + 16,
		  0x11000000, C_SEGS + 24, 0x88080000, S_DATAEND, INT(7));
	FAKE_PROG(b, S_OUTLIST, 0x10000000, C_SEGS, 0x10000000, C_SEGS + 8, 0x10000000, C_SEGS + 16,
		  0x10000000, C_SEGS + 24, 0x88080000, S_DATAEND, INT(7));
	FAKE_PROG(b, S_DATAEND, STORE_REL(R(TEMP), C_LASTP), 0x72020000, 0, 0x800cfe01,
		  S_DATAEND + 40, 0x830b0000, S_STATUS, JUMP(S_DISPATCH), INT(8));
	/* The rest of a segment becomes a table entry of its own. */
	FAKE_PROG(b, S_PM, 0x7e540880, 0, 0x7f550080, 0, STORE_REL(R(IA), C_PMRET),
		  STORE_REL(R(RBC), C_PMSIZE), STORE_REL(R(UA), C_PMADDR),
		  LOAD_REL(R(TEMP), C_PMPTR), STORE_REL(R(TEMP), C_LASTP), JUMP(S_DISPATCH));
	FAKE_PROG(b, S_PMIN, 0x11000000, C_PMSIZE, LOAD_REL(R(TEMP), C_PMRET), 0x90080000, 0);
}

static void put_end_routines(struct fake_bus *b)
{
	FAKE_PROG(b, S_STATUS, 0x0b000001, V_MSG, 0x6a5e0000, 0, 0x785d0400, 0, 0x870b0000, S_MSGIN,
		  INT(4));
	FAKE_PROG(b, S_MSGIN, 0x0f000001, V_MSG, 0x800c0000, S_COMPLETE, 0x800c0004, S_DISC,
		  0x800c0002, S_SAVEDP, INT(5));
	FAKE_PROG(b, S_COMPLETE, 0x7c027f00, 0, 0x60000048, 0, 0x48000000, 0,
		  STORE_REL(R(SCRATCHB), C_STATUS), LOAD_REL(R(SCRATCHB), C_STATUS), 0x725e0000, 0,
		  0x98040000, 10, STORE_ABS(R(DSA), V_DONEDSA), LOAD_ABS(R(DSA), V_DONEPOS),
		  LOAD_ABS(R(SCRATCHA), V_DONEDSA), STORE_REL(R(SCRATCHA), 0),
		  LOAD_REL(R(SCRATCHA), 4), 0x98180000, 0, STORE_ABS(R(SCRATCHA), V_DONEPOS),
		  JUMP(S_START));
	FAKE_PROG(b, S_DISC, 0x7c027f00, 0, 0x60000048, 0, 0x48000000, 0, 0x785d0200, 0,
		  STORE_REL(R(SCRATCHB), C_STATUS), JUMP(S_START));
	FAKE_PROG(b, S_SAVEDP, LOAD_REL(R(TEMP), C_LASTP), STORE_REL(R(TEMP), C_SAVEP), 0x60000040,
		  0, JUMP(S_DISPATCH));
}

static void put_reselection(struct fake_bus *b)
{
	FAKE_PROG(b, S_RESEL, 0x50000000, S_START, NOP, 0x740a8f00, 0, 0x6a060000, 0,
		  LOAD_ABS(R(DSA), V_TARGTBL), 0x69080000, 0, 0x69080000, 0, 0x6c083c00, 0,
		  0x6a100000, 0, LOAD_REL(R(DSA), 0), 0x0f000001, V_MSG, 0x980c7f00, 11, 0x98044080,
		  6, LOAD_REL(R(DSA), 4), 0x60000040, 0, 0x0f000002, V_MSG, 0x72500000, 0,
		  0x69080000, 0, 0x6c08fc00, 0, LOAD_REL(R(DSA), 0), 0x6a100000, 0,
		  LOAD_REL(R(DSA), 0), 0x60000040, 0, LOAD_REL(R(SCRATCHB), C_STATUS),
		  JUMP(S_DISPATCH));
}

static void put_queues(struct fake_bus *b)
{
	fake_put32(b, M_IDLE + C_START, S_IDLE);
	for (unsigned int i = 0; i < N_SLOTS; i++) {
		fake_put32(b, M_SQUEUE + 8 * i, M_IDLE);
		fake_put32(b, M_SQUEUE + 8 * i + 4, M_SQUEUE + 8 * ((i + 1) % N_SLOTS));
		fake_put32(b, M_DQUEUE + 8 * i + 4, M_DQUEUE + 8 * ((i + 1) % N_SLOTS));
	}
	for (unsigned int i = 0; i < 16; i++)
		fake_put32(b, M_TARGTBL + 4 * i, M_TARGET);
	fake_put32(b, M_TARGET + 4, M_LUN);
	fake_put32(b, M_LUN, M_TASKTBL);
	fake_put32(b, V_STARTPOS, M_SQUEUE);
	fake_put32(b, V_DONEPOS, M_DQUEUE);
	fake_put32(b, V_TARGTBL, M_TARGTBL);
}

static void put_registers(struct fake_bus *b)
{
	fake_wr8(b, R(ISTAT0), ISTAT0_SRST);
	fake_wr8(b, R(ISTAT0), 0);
	fake_wr8(b, R(SCNTL0), 0xca);
	fake_wr8(b, R(SCID), 0x47);
	fake_wr8(b, R(ISTAT0), ISTAT0_SIGP);
	fake_wr8(b, R(DCNTL), DCNTL_COM);
	fake_wr8(b, R(STIME0), 0x0c);
	fake_wr8(b, R(CCNTL0), CCNTL0_ENPMJ);
	fake_wr32(b, R(PMJAD1), S_PM);
	fake_wr32(b, R(PMJAD2), S_PM);
	fake_wr8(b, R(SIEN0), 0x8f);
	fake_wr8(b, R(SIEN1), 0x05);
	fake_wr8(b, R(DIEN), 0x6d);
}

struct fake_driver drv_attach_to(struct fake_bus *b)
{
	put_scheduler(b);
	put_data_routines(b);
	put_end_routines(b);
	put_reselection(b);
	put_registers(b);
	put_queues(b);
	fake_go(b, S_START);
	return (struct fake_driver){.b = b};
}

struct fake_driver drv_attach(void)
{
	return drv_attach_to(fake_bus_create());
}

uint32_t drv_ccb(unsigned int i)
{
	return M_CCB + 256 * i;
}

void drv_prepare(struct fake_driver *d, unsigned int i, bool write, uint32_t seg)
{
	struct fake_bus *b = d->b;
	uint32_t c = drv_ccb(i);

	FAKE_PROG(b, c + C_START, S_SELECT, 0, 0x13000000u | (i / 16) << 16, 0);
	fake_put32(b, c + C_LASTP, write ? S_OUTLIST : S_INLIST);
	FAKE_PROG(b, c + C_SMSG, 3, c + C_MSG, 10, c + C_CDB);
	fake_put32(b, c + C_PMPTR, S_PMIN);
	for (unsigned int k = 0; k < N_SEGS; k++)
		FAKE_PROG(b, c + C_SEGS + 8 * k, seg, M_DATA + 0x10000 * i + seg * k);
	fake_put32(b, c + C_MSG, 0xc0 | 0x20 << 8 | (2 * i + 1) << 16);
	b->mem[c + C_CDB] = write ? 0x2a : 0x28;
	b->mem[c + C_CDB + 9] = (uint8_t)i;
	fake_put32(b, M_TASKTBL + 4 * i, c);
}

void drv_enqueue(struct fake_driver *d, unsigned int i)
{
	unsigned int next = (d->put + 1) % N_SLOTS;

	fake_put32(d->b, M_SQUEUE + 8 * next, M_IDLE);
	fake_put32(d->b, M_SQUEUE + 8 * d->put, drv_ccb(i));
	d->put = next;
}

void drv_ring(struct fake_driver *d)
{
	fake_wr8(d->b, R(ISTAT0), ISTAT0_SIGP);
}

void drv_submit(struct fake_driver *d, unsigned int i)
{
	drv_prepare(d, i, false, 512);
	drv_enqueue(d, i);
	drv_ring(d);
}

int drv_reap(struct fake_driver *d)
{
	uint32_t slot = M_DQUEUE + 8 * d->done, c = fake_get32(d->b, slot);
	uint8_t istat = fake_rd8(d->b, R(ISTAT0));

	if (istat & ISTAT0_INTF)
		fake_wr8(d->b, R(ISTAT0), (istat & ISTAT0_SIGP) | ISTAT0_INTF);
	if (!c)
		return -1;
	fake_put32(d->b, slot, 0);
	d->done = (d->done + 1) % N_SLOTS;
	return (int)((c - M_CCB) / 256);
}

unsigned int drv_task_of(const struct fake_driver *d, unsigned int i)
{
	for (unsigned int t = 0; t < MP_LSI_MAX_TASKS; t++)
		if (d->b->task[t].live && d->b->task[t].cmd.tag == 2 * i + 1)
			return t;
	return MP_LSI_MAX_TASKS - 1;
}
