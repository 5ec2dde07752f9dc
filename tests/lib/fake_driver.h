/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fake_driver - a scheduler as a tagged-queueing driver writes it, with the
 * same steps in the same order: start queue and done queue in guest memory,
 * SIGP as the doorbell, disconnection, reselection by tag, phase-mismatch jump,
 * INTFLY. It drives the chip of a fake_bus.
 */
#ifndef MP_TESTS_LIB_FAKE_DRIVER_H
#define MP_TESTS_LIB_FAKE_DRIVER_H

#include "tests/lib/fake_bus.h"

/* Routines in SCRIPTS RAM. */
#define S_START    (FAKE_RAM + 0x000)
#define S_SELECT   (FAKE_RAM + 0x080)
#define S_DISPATCH (FAKE_RAM + 0x0c0)
#define S_DATAIN   (FAKE_RAM + 0x100)
#define S_DATAOUT  (FAKE_RAM + 0x120)
#define S_INLIST   (FAKE_RAM + 0x140)
#define S_OUTLIST  (FAKE_RAM + 0x180)
#define S_DATAEND  (FAKE_RAM + 0x1c0)
#define S_STATUS   (FAKE_RAM + 0x200)
#define S_MSGIN    (FAKE_RAM + 0x240)
#define S_COMPLETE (FAKE_RAM + 0x280)
#define S_DISC     (FAKE_RAM + 0x340)
#define S_SAVEDP   (FAKE_RAM + 0x380)
#define S_RESEL    (FAKE_RAM + 0x3c0)
#define S_PM       (FAKE_RAM + 0x600)
#define S_PMIN     (FAKE_RAM + 0x680)
#define S_IDLE     (FAKE_RAM + 0x4e0)
#define S_UNGET    (FAKE_RAM + 0x500)

/* Its variables, and three message bytes. */
#define V_STARTPOS (FAKE_RAM + 0x1000)
#define V_DONEPOS  (FAKE_RAM + 0x1004)
#define V_TARGTBL  (FAKE_RAM + 0x1008)
#define V_DONEDSA  (FAKE_RAM + 0x100c)
#define V_MSG      (FAKE_RAM + 0x1010)

/* Guest memory. */
#define M_TARGTBL 0x1000u /* 16 pointers */
#define M_TASKTBL 0x1100u /* 64 pointers, by tag index */
#define M_TARGET  0x1200u /* +4: the LUN, whose +0 is M_TASKTBL */
#define M_LUN     0x1300u
#define M_IDLE    0x1400u
#define M_SQUEUE  0x2000u /* 64 slots of 8 bytes */
#define M_DQUEUE  0x3000u
#define M_CCB     0x10000u /* 256 bytes each */
#define M_DATA    0x100000u /* 64 KiB each */
#define N_SLOTS   64u
#define N_SEGS    4u

/* A command's control block. */
#define C_START  0x00u
#define C_SELECT 0x08u
#define C_STATUS 0x0cu
#define C_LASTP  0x10u
#define C_SAVEP  0x14u
#define C_SMSG   0x18u
#define C_CMD    0x20u
#define C_PMSIZE 0x28u
#define C_PMADDR 0x2cu
#define C_PMRET  0x30u
#define C_PMPTR  0x34u
#define C_SEGS   0x40u
#define C_MSG    0x90u
#define C_CDB    0xa0u

#define R(name)  MP_LSI_R_##name

struct fake_driver {
	struct fake_bus *b;
	unsigned int put, done; /* slots */
};

/** drv_attach() - a fresh bus, its chip set up, the scheduler waiting for work */
struct fake_driver drv_attach(void);
/** drv_attach_to() - the same on @b, of which only chip, st and mem are used */
struct fake_driver drv_attach_to(struct fake_bus *b);
/** drv_ccb() - where the control block of command @i is */
uint32_t drv_ccb(unsigned int i);
/** drv_prepare() - command @i: tag 2i + 1, N_SEGS segments of @seg bytes at M_DATA + 64 KiB i */
void drv_prepare(struct fake_driver *d, unsigned int i, bool write, uint32_t seg);
/** drv_enqueue() - into the start queue; drv_ring() tells the chip */
void drv_enqueue(struct fake_driver *d, unsigned int i);
void drv_ring(struct fake_driver *d);
/** drv_submit() - prepare a read of N_SEGS segments of 512 bytes, enqueue, ring */
void drv_submit(struct fake_driver *d, unsigned int i);
/** drv_reap() - the interrupt handler: acknowledge INTF; a finished command's index, or -1 */
int drv_reap(struct fake_driver *d);
/** drv_task_of() - the chip's task of the command with tag index @i */
unsigned int drv_task_of(const struct fake_driver *d, unsigned int i);

#endif
