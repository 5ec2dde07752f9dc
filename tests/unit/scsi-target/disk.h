/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * disk - what tests of a disk's answers begin with: the disk, target 0, of
 * 4 MiB behind a fake_hba, and the initiator's memory, which shows by its 0xee
 * what no command has written to.
 */
#ifndef MP_TESTS_UNIT_SCSI_TARGET_DISK_H
#define MP_TESTS_UNIT_SCSI_TARGET_DISK_H

#include "tests/lib/fake_hba.h"

#include <string.h>

static struct fake_hba h;
static uint8_t data[4096];

/* hba_fini() ends what this begins. */
static inline void setup(void)
{
	hba_init(&h, 4 << 20, 1 << 20);
	memset(data, 0xee, sizeof(data));
}

/* A CDB that is spelled out, with the first @len bytes of data; returns its status. */
#define RUN(len, ...) HBA_RUN(&h, data, (len), __VA_ARGS__)

#endif
