/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/lib/fake_cd.h"

#include "base/bytes.h"
#include "base/err.h"

void cd_init(struct fake_hba *h, uint64_t size_bytes)
{
	struct mp_scsi_cd_cfg cfg = {.target = CD_TARGET};

	hba_init(h, size_bytes ? size_bytes : 4096, 1 << 20);
	cfg.blk = size_bytes ? &h->blk : NULL;
	mp_assert(mp_scsi_cd_add(h->bus, &cfg) == 0);
	for (unsigned int i = 0; i < HBA_TASKS; i++)
		h->tasks[i].target = CD_TARGET;
	hba_sense(h);
}

bool cd_refused_at(struct fake_hba *h, unsigned int byte, unsigned int bit)
{
	uint8_t sense[18] = {0}, pointer = 0xc0;

	if (bit < 8)
		pointer |= (uint8_t)(0x08 | bit);
	HBA_RUN(h, sense, sizeof(sense), 0x03, 0, 0, 0, sizeof(sense), 0);
	return sense[2] == 0x05 && sense[12] == 0x24 && sense[15] == pointer &&
	       mp_get_be16(sense + 16) == byte;
}

unsigned int cd_event(struct fake_hba *h)
{
	uint8_t data[8] = {0};
	int status = HBA_RUN(h, data, sizeof(data), 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8, 0);

	mp_assert(status == MP_SCSI_GOOD && data[2] == 4);
	return mp_get_be16(data + 4);
}
