/* SPDX-License-Identifier: BSD-3-Clause */
/* fake_cd - a CD-ROM at target 3 beside fake_hba's disk; commands go to it. Its disc is the disk's. */
#ifndef MP_TESTS_LIB_FAKE_CD_H
#define MP_TESTS_LIB_FAKE_CD_H

#include "tests/lib/fake_hba.h"

#define CD_TARGET 3u

/** cd_init() - a disc of @size_bytes in the drive; 0: none; the first unit attention taken */
void cd_init(struct fake_hba *h, uint64_t size_bytes);
/** cd_refused_at() - did the last command fail with "invalid field" that points there? (8: the byte) */
bool cd_refused_at(struct fake_hba *h, unsigned int byte, unsigned int bit);
/** cd_event() - code << 8 | status of the next media event, as GET EVENT STATUS NOTIFICATION tells */
unsigned int cd_event(struct fake_hba *h);

#endif
