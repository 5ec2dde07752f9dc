/* SPDX-License-Identifier: BSD-3-Clause */
/* Vital product data pages (SPC-4 7.8, SBC-3 6.6): one function a page, one table. */
#include <string.h>

#include "base/bytes.h"
#include "scsi-target/bus.h"

#define HEADER_BYTES     4u
#define FIRST_BLOCK_PAGE 0xb0u /* from here on they are about disks */

static unsigned int put_supported(const struct mp_scsi_lun *lun, uint8_t *out);

static unsigned int put_serial(const struct mp_scsi_lun *lun, uint8_t *out)
{
	unsigned int len = (unsigned int)strlen(lun->serial);

	memcpy(out, lun->serial, len);
	return len;
}

/* A T10 vendor id designator always, an NAA one if there is a world wide name. */
static unsigned int put_identification(const struct mp_scsi_lun *lun, uint8_t *out)
{
	unsigned int n = 8 + 16 + (unsigned int)strlen(lun->serial), len;

	out[0] = 0x02; /* ASCII */
	out[1] = 0x01; /* T10 vendor id, of the logical unit */
	out[3] = (uint8_t)n;
	memcpy(out + 4, lun->vendor, 8);
	memcpy(out + 12, lun->product, 16);
	memcpy(out + 28, lun->serial, n - 24);
	len = 4 + n;
	if (lun->wwn) {
		out[len] = 0x01; /* binary */
		out[len + 1] = 0x03; /* NAA */
		out[len + 3] = 8;
		mp_put_be64(out + len + 4, lun->wwn);
		len += 12;
	}
	return len;
}

static unsigned int put_limits(const struct mp_scsi_lun *lun, uint8_t *out)
{
	uint32_t block = lun->logical_bytes;
	uint32_t physical = 1u << lun->physical_exponent;

	out[0] = 0x01; /* WSNZ: WRITE SAME has no "to the end" */
	mp_put_be16(out + 2, (uint16_t)(physical > UINT16_MAX ? UINT16_MAX : physical));
	/* Transfers of any length; best in one piece of our buffer. */
	mp_put_be32(out + 8, MP_SCSI_CHUNK_BYTES / block);
	if (mp_blk_can_discard(lun->blk)) {
		mp_put_be32(out + 16, (uint32_t)(MP_DISK_MAX_UNMAP_BYTES / block));
		mp_put_be32(out + 20, MP_DISK_MAX_UNMAP_DESC);
		mp_put_be32(out + 24, 4096 / block); /* granularity of the host's files */
	}
	mp_put_be64(out + 32, MP_DISK_MAX_SAME_BYTES / block);
	return 60;
}

static unsigned int put_characteristics(const struct mp_scsi_lun *lun, uint8_t *out)
{
	(void)lun;
	mp_put_be16(out, 1); /* no rotation: seeks cost nothing that the guest could save */
	return 60;
}

static unsigned int put_provisioning(const struct mp_scsi_lun *lun, uint8_t *out)
{
	if (mp_blk_can_discard(lun->blk)) {
		out[1] = 0xe0; /* LBPU, LBPWS, LBPWS10 */
		out[2] = 0x02; /* thin */
	}
	return 4;
}

static const struct {
	uint8_t code;
	bool needs_serial;
	unsigned int (*put)(const struct mp_scsi_lun *lun, uint8_t *out);
} pages[] = {
	{0x00, false, put_supported},       {0x80, true, put_serial},
	{0x83, false, put_identification},  {0xb0, false, put_limits},
	{0xb1, false, put_characteristics}, {0xb2, false, put_provisioning},
};

#define N_PAGES (sizeof(pages) / sizeof(pages[0]))

/* Where no unit is there is only the list of pages, which says that it is alone. */
static bool has_page(const struct mp_scsi_lun *lun, size_t i)
{
	if (lun->absent)
		return pages[i].code == 0x00;
	if (lun->type != MP_SCSI_DISK && pages[i].code >= FIRST_BLOCK_PAGE)
		return false;
	return !pages[i].needs_serial || lun->serial[0];
}

static unsigned int put_supported(const struct mp_scsi_lun *lun, uint8_t *out)
{
	unsigned int len = 0;

	for (size_t i = 0; i < N_PAGES; i++)
		if (has_page(lun, i))
			out[len++] = pages[i].code;
	return len;
}

unsigned int mp_vpd_page(const struct mp_scsi_lun *lun, uint8_t page, uint8_t *out)
{
	unsigned int len;

	for (size_t i = 0; i < N_PAGES; i++) {
		if (pages[i].code != page || !has_page(lun, i))
			continue;
		len = pages[i].put(lun, out + HEADER_BYTES);
		out[0] = mp_lun_peripheral(lun);
		out[1] = page;
		mp_put_be16(out + 2, (uint16_t)len);
		return HEADER_BYTES + len;
	}
	return 0;
}
