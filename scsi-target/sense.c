/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is wrong is one value with a name: key, code, qualifier, and for the two
 * "invalid field" codes where the field is. It is kept as that value and only
 * becomes bytes when an initiator asks, in the format that it asks for. So a
 * handler says mp_sense_lba_range, and never counts bytes.
 */
#include "scsi-target/sense.h"

#include <string.h>

#include "base/bytes.h"

#define FIXED      0x70u
#define INFO_VALID 0x80u
#define DESCRIPTOR 0x72u

/* Key, additional sense code, qualifier; in their order. */
const struct mp_scsi_sense mp_sense_none = {0x0, 0x00, 0x00, 0, 0, false, 0};
const struct mp_scsi_sense mp_sense_stopped = {0x2, 0x04, 0x02, 0, 0, false, 0};
const struct mp_scsi_sense mp_sense_formatting = {0x2, 0x04, 0x04, 0, 0, false, 0};
const struct mp_scsi_sense mp_sense_sanitizing = {0x2, 0x04, 0x1b, 0, 0, false, 0};
const struct mp_scsi_sense mp_sense_no_medium = {0x2, 0x3a, 0x00, 0, 0, false, 0};
const struct mp_scsi_sense mp_sense_no_medium_closed = {0x2, 0x3a, 0x01, 0, 0, false, 0};
const struct mp_scsi_sense mp_sense_no_medium_open = {0x2, 0x3a, 0x02, 0, 0, false, 0};
const struct mp_scsi_sense mp_sense_no_medium_locked = {0x2, 0x53, 0x02, 0, 0, false, 0};
const struct mp_scsi_sense mp_sense_write_error = {0x3, 0x0c, 0x00, 0, 0, false, 0};
const struct mp_scsi_sense mp_sense_read_error = {0x3, 0x11, 0x00, 0, 0, false, 0};
const struct mp_scsi_sense mp_sense_format_corrupted = {0x3, 0x31, 0x00, 0, 0, false, 0};
const struct mp_scsi_sense mp_sense_format_failed = {0x3, 0x31, 0x01, 0, 0, false, 0};
const struct mp_scsi_sense mp_sense_sanitize_failed = {0x3, 0x31, 0x03, 0, 0, false, 0};
const struct mp_scsi_sense mp_sense_selftest_failed = {0x4, 0x3e, 0x03, 0, 0, false, 0};
const struct mp_scsi_sense mp_sense_target_failure = {0x4, 0x44, 0x00, 0, 0, false, 0};
const struct mp_scsi_sense mp_sense_list_length = {0x5, 0x1a, 0x00, 0, 0, false, 0};
const struct mp_scsi_sense mp_sense_invalid_opcode = {0x5, 0x20, 0x00, 0, 0, false, 0};
const struct mp_scsi_sense mp_sense_lba_range = {0x5, 0x21, 0x00, 0, 0, false, 0};
const struct mp_scsi_sense mp_sense_invalid_field_cdb = {0x5, 0x24, 0x00, 0, 0, false, 0};
const struct mp_scsi_sense mp_sense_no_lun = {0x5, 0x25, 0x00, 0, 0, false, 0};
const struct mp_scsi_sense mp_sense_invalid_field_param = {0x5, 0x26, 0x00, 0, 0, false, 0};
const struct mp_scsi_sense mp_sense_invalid_release = {0x5, 0x26, 0x04, 0, 0, false, 0};
const struct mp_scsi_sense mp_sense_sequence = {0x5, 0x2c, 0x00, 0, 0, false, 0};
const struct mp_scsi_sense mp_sense_incompatible_medium = {0x5, 0x30, 0x02, 0, 0, false, 0};
const struct mp_scsi_sense mp_sense_saving_unsupported = {0x5, 0x39, 0x00, 0, 0, false, 0};
const struct mp_scsi_sense mp_sense_removal_prevented = {0x5, 0x53, 0x02, 0, 0, false, 0};
const struct mp_scsi_sense mp_sense_wrong_track_mode = {0x5, 0x64, 0x00, 0, 0, false, 0};
const struct mp_scsi_sense mp_sense_medium_changed = {0x6, 0x28, 0x00, 0, 0, false, 0};
const struct mp_scsi_sense mp_sense_reset = {0x6, 0x29, 0x00, 0, 0, false, 0};
const struct mp_scsi_sense mp_sense_power_on = {0x6, 0x29, 0x01, 0, 0, false, 0};
const struct mp_scsi_sense mp_sense_bus_reset = {0x6, 0x29, 0x02, 0, 0, false, 0};
const struct mp_scsi_sense mp_sense_target_reset = {0x6, 0x29, 0x03, 0, 0, false, 0};
const struct mp_scsi_sense mp_sense_mode_changed = {0x6, 0x2a, 0x01, 0, 0, false, 0};
const struct mp_scsi_sense mp_sense_log_changed = {0x6, 0x2a, 0x02, 0, 0, false, 0};
const struct mp_scsi_sense mp_sense_reservations_preempted = {0x6, 0x2a, 0x03, 0, 0, false, 0};
const struct mp_scsi_sense mp_sense_reservations_released = {0x6, 0x2a, 0x04, 0, 0, false, 0};
const struct mp_scsi_sense mp_sense_registrations_preempted = {0x6, 0x2a, 0x05, 0, 0, false, 0};
const struct mp_scsi_sense mp_sense_capacity_changed = {0x6, 0x2a, 0x09, 0, 0, false, 0};
const struct mp_scsi_sense mp_sense_commands_cleared = {0x6, 0x2f, 0x00, 0, 0, false, 0};
const struct mp_scsi_sense mp_sense_inquiry_changed = {0x6, 0x3f, 0x03, 0, 0, false, 0};
const struct mp_scsi_sense mp_sense_luns_changed = {0x6, 0x3f, 0x0e, 0, 0, false, 0};
const struct mp_scsi_sense mp_sense_eject_requested = {0x6, 0x5a, 0x01, 0, 0, false, 0};
const struct mp_scsi_sense mp_sense_false_failure = {0x6, 0x5d, 0xff, 0, 0, false, 0};
const struct mp_scsi_sense mp_sense_write_protected = {0x7, 0x27, 0x00, 0, 0, false, 0};
const struct mp_scsi_sense mp_sense_software_protected = {0x7, 0x27, 0x02, 0, 0, false, 0};
const struct mp_scsi_sense mp_sense_no_space = {0x7, 0x27, 0x07, 0, 0, false, 0};
const struct mp_scsi_sense mp_sense_aborted = {0xb, 0x00, 0x00, 0, 0, false, 0};
const struct mp_scsi_sense mp_sense_echo_overwritten = {0xb, 0x3f, 0x0f, 0, 0, false, 0};
const struct mp_scsi_sense mp_sense_data_phase = {0xb, 0x4b, 0x00, 0, 0, false, 0};
const struct mp_scsi_sense mp_sense_overlapped = {0xb, 0x4e, 0x00, 0, 0, false, 0};
const struct mp_scsi_sense mp_sense_miscompare = {0xe, 0x1d, 0x00, 0, 0, false, 0};

struct mp_scsi_sense mp_sense_cdb_field(unsigned int byte, unsigned int bit)
{
	struct mp_scsi_sense s = mp_sense_invalid_field_cdb;

	s.field_flags = MP_SENSE_SKSV | MP_SENSE_CDB;
	if (bit < 8)
		s.field_flags |= (uint8_t)(MP_SENSE_BPV | bit);
	s.field = (uint16_t)byte;
	return s;
}

struct mp_scsi_sense mp_sense_param_field(unsigned int byte)
{
	struct mp_scsi_sense s = mp_sense_invalid_field_param;

	s.field_flags = MP_SENSE_SKSV;
	s.field = (uint16_t)byte;
	return s;
}

struct mp_scsi_sense mp_sense_param_bit(unsigned int byte, unsigned int bit)
{
	struct mp_scsi_sense s = mp_sense_param_field(byte);

	s.field_flags |= (uint8_t)(MP_SENSE_BPV | bit);
	return s;
}

struct mp_scsi_sense mp_sense_overlapped_tag(uint8_t tag)
{
	return (struct mp_scsi_sense){.key = 0xb, .asc = 0x4d, .ascq = tag};
}

unsigned int mp_sense_put_fixed(const struct mp_scsi_sense *s, uint8_t *out)
{
	memset(out, 0, MP_SENSE_FIXED_BYTES);
	out[0] = FIXED;
	/* 32 bits of room: what doesn't fit is left out, never cut. */
	if (s->has_info && s->info <= UINT32_MAX) {
		out[0] |= INFO_VALID;
		mp_put_be32(out + 3, (uint32_t)s->info);
	}
	out[2] = s->key;
	out[7] = MP_SENSE_FIXED_BYTES - 8;
	out[12] = s->asc;
	out[13] = s->ascq;
	out[15] = s->field_flags;
	mp_put_be16(out + 16, s->field_flags ? s->field : 0);
	return MP_SENSE_FIXED_BYTES;
}

static unsigned int put_info(uint64_t info, uint8_t *out)
{
	memset(out, 0, 12);
	out[0] = 0x00; /* INFORMATION descriptor */
	out[1] = 10;
	out[2] = INFO_VALID;
	mp_put_be64(out + 4, info);
	return 12;
}

static unsigned int put_field(const struct mp_scsi_sense *s, uint8_t *out)
{
	memset(out, 0, 8);
	out[0] = 0x02; /* SENSE KEY SPECIFIC descriptor */
	out[1] = 6;
	out[4] = s->field_flags;
	mp_put_be16(out + 5, s->field);
	return 8;
}

unsigned int mp_sense_put_descriptor(const struct mp_scsi_sense *s, uint8_t *out)
{
	unsigned int len = 8;

	memset(out, 0, 8);
	out[0] = DESCRIPTOR;
	out[1] = s->key;
	out[2] = s->asc;
	out[3] = s->ascq;
	if (s->has_info)
		len += put_info(s->info, out + len);
	if (s->field_flags)
		len += put_field(s, out + len);
	out[7] = (uint8_t)(len - 8);
	return len;
}
