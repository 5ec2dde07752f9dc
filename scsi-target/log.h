/* SPDX-License-Identifier: BSD-3-Clause */
/* log - what a unit counts for LOG SENSE; inside of scsi-target. */
#ifndef MP_SCSI_TARGET_LOG_H
#define MP_SCSI_TARGET_LOG_H

#include <stdint.h>

#include "scsi-target/sense.h"

/* What is done to the medium. */
enum mp_log_work { MP_LOG_WRITE, MP_LOG_READ, MP_LOG_VERIFY, MP_LOG_N_WORKS };

#define MP_LOG_SELFTESTS 20u

struct mp_log_selftest {
	uint8_t code; /* of SEND DIAGNOSTIC */
	uint8_t result; /* 0: passed; 7: a read has failed */
	uint64_t lba; /* where */
	struct mp_scsi_sense sense;
};

struct mp_scsi_log {
	struct {
		uint64_t n_bytes, n_errors;
	} medium[MP_LOG_N_WORKS];
	uint64_t n_other_errors;
	/* Between initiator and unit, commands about the medium only. */
	uint64_t n_in, n_in_bytes, n_out, n_out_bytes;
	uint32_t n_stops;
	/* The latest MP_LOG_SELFTESTS, as a ring. */
	struct mp_log_selftest selftests[MP_LOG_SELFTESTS];
	uint32_t n_selftests;
};

#endif
