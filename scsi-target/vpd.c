/* SPDX-License-Identifier: BSD-3-Clause */
/* Vital product data (SPC-4 7.8, SBC-3 6.6): one function a page, one table (vpd_pages.def). */
#include <string.h>

#include "base/bytes.h"
#include "scsi-target/bus.h"

#define HEADER_BYTES 4u

static unsigned int put_supported(const struct mp_scsi_lun *lun, uint8_t *out);

static unsigned int put_serial(const struct mp_scsi_lun *lun, uint8_t *out)
{
	unsigned int len = (unsigned int)strlen(lun->serial);

	memcpy(out, lun->serial, len);
	return len;
}

#define BINARY        0x01u
#define ASCII         0x02u
#define PARALLEL_SCSI 0x10u /* protocol identifier */
#define VENDOR_NAME   0x00u /* of the logical unit, as the next two */
#define T10_VENDOR_ID 0x01u
#define NAA           0x03u
#define RELATIVE_PORT 0x94u /* of the target port; the protocol identifier is valid */

static unsigned int put_designator(uint8_t *out, uint8_t code_set, uint8_t kind, unsigned int len)
{
	out[0] = code_set;
	out[1] = kind;
	out[3] = (uint8_t)len;
	return 4 + len;
}

static unsigned int put_t10_id(const struct mp_scsi_lun *lun, uint8_t *out)
{
	unsigned int serial_len = (unsigned int)strlen(lun->serial);

	memcpy(out + 4, lun->vendor, 8);
	memcpy(out + 12, lun->product, 16);
	memcpy(out + 28, lun->serial, serial_len);
	return put_designator(out, ASCII, T10_VENDOR_ID, 8 + 16 + serial_len);
}

static unsigned int put_vendor_name(const struct mp_scsi_lun *lun, uint8_t *out)
{
	unsigned int len = (unsigned int)strlen(lun->device_id);

	memcpy(out + 4, lun->device_id, len);
	return put_designator(out, ASCII, VENDOR_NAME, len);
}

/*
 * Multipath takes units with the same designators for one. A T10 vendor id without a serial
 * number is the same for all, so it stands in only where nothing else is; an NAA one is there if
 * there is a world wide name; and the port, which is the target's only one.
 */
static unsigned int put_identification(const struct mp_scsi_lun *lun, uint8_t *out)
{
	unsigned int len = 0;

	if (lun->serial[0] || !lun->device_id[0])
		len += put_t10_id(lun, out);
	if (lun->device_id[0])
		len += put_vendor_name(lun, out + len);
	if (lun->wwn) {
		mp_put_be64(out + len + 4, lun->wwn);
		len += put_designator(out + len, BINARY, NAA, 8);
	}
	mp_put_be16(out + len + 4 + 2, 1);
	return len + put_designator(out + len, PARALLEL_SCSI | BINARY, RELATIVE_PORT, 4);
}

static unsigned int put_extended(const struct mp_scsi_lun *lun, uint8_t *out)
{
	out[1] = 0x07; /* HEADSUP, ORDSUP, SIMPSUP */
	if (lun->type == MP_SCSI_DISK)
		out[2] = 0x01; /* V_SUP: a cache that power takes with it */
	mp_put_be16(out + 6, 1); /* minutes that the extended self-test takes */
	return 60;
}

/* All initiators share all pages, and each unit has its own. */
static unsigned int put_mode_policy(const struct mp_scsi_lun *lun, uint8_t *out)
{
	out[0] = 0x3f;
	out[1] = 0xff;
	return 4;
}

#define UGAVALID 0x80000000u /* the alignment of unmapped ranges is known */

static unsigned int put_limits(const struct mp_scsi_lun *lun, uint8_t *out)
{
	uint32_t block = lun->logical_bytes;

	out[0] = 0x01; /* WSNZ: WRITE SAME has no "to the end" */
	out[1] = (uint8_t)(MP_DISK_MAX_COMPARE_BYTES / block);
	mp_put_be16(out + 2, (uint16_t)(1u << lun->physical_exponent)); /* at most 2^15 */
	/* Transfers of any length; best in one piece of our buffer. */
	mp_put_be32(out + 8, MP_SCSI_CHUNK_BYTES / block);
	mp_put_be32(out + 12, (uint32_t)(MP_DISK_MAX_PREFETCH_BYTES / block));
	if (mp_blk_can_discard(lun->blk)) {
		mp_put_be32(out + 16, (uint32_t)(MP_DISK_MAX_UNMAP_BYTES / block));
		mp_put_be32(out + 20, MP_DISK_MAX_UNMAP_DESC);
		mp_put_be32(out + 24, 4096 / block); /* granularity of the host's files */
		mp_put_be32(out + 28, UGAVALID);
	}
	mp_put_be64(out + 32, MP_DISK_MAX_SAME_BYTES / block);
	mp_put_be32(out + 40, MP_DISK_MAX_ATOMIC_BYTES / block); /* aligned or not, no boundaries */
	return 60;
}

static unsigned int put_characteristics(const struct mp_scsi_lun *lun, uint8_t *out)
{
	mp_put_be16(out, 1); /* no rotation: seeks cost nothing that the guest could save */
	out[4] = 0x01; /* VBULS: VERIFY compares unmapped blocks too, as zeros */
	return 60;
}

static unsigned int put_provisioning(const struct mp_scsi_lun *lun, uint8_t *out)
{
	if (mp_blk_can_discard(lun->blk)) {
		out[1] = 0xe4; /* LBPU, LBPWS, LBPWS10, LBPRZ */
		out[2] = 0x02; /* thin */
	}
	return 4;
}

#define DISK  (1u << MP_SCSI_DISK)
#define CDROM (1u << MP_SCSI_CDROM)
#define ANY   (DISK | CDROM)

#define VPD_PAGE(page_code, unit_types, put_rest, text)                                            \
	{.code = (page_code), .types = (unit_types), .put = (put_rest)},

static const struct page {
	uint8_t code, types; /* bits of enum mp_scsi_type */
	unsigned int (*put)(const struct mp_scsi_lun *lun, uint8_t *out);
} pages[] = {
#include "scsi-target/vpd_pages.def"
};

#define N_PAGES (sizeof(pages) / sizeof(pages[0]))

/* Where no unit is there is only the list of pages, which says that it is alone. */
static bool has_page(const struct mp_scsi_lun *lun, size_t i)
{
	if (lun->absent)
		return pages[i].code == 0x00;
	if (!(pages[i].types & 1u << lun->type))
		return false;
	return pages[i].put != put_serial || lun->serial[0];
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
