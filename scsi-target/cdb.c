/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table of commands: one line each, and everything that follows from it.
 *
 * Decoding is one load; commands that share an opcode are told apart by their
 * service action in a second, short table. The usage bits are what REPORT
 * SUPPORTED OPERATION CODES returns: which bits of the CDB mean something.
 */
#include <string.h>

#include "base/bytes.h"
#include "scsi-target/bus.h"

#define LEN4   0xff, 0xff, 0xff, 0xff
#define LBA4   0xff, 0xff, 0xff, 0xff
#define LBA8   LBA4, LBA4
#define MEDIUM MP_OP_MEDIUM
#define WRITES (MP_OP_MEDIUM | MP_OP_WRITES)

#define OP(code, len, flag_bits, handler, text, ...)                                               \
	[code] = {.opcode = (code),                                                                \
		  .cdb_len = (len),                                                                \
		  .flags = (flag_bits),                                                            \
		  .start = (handler),                                                              \
		  .name = (text),                                                                  \
		  .usage = {(code), __VA_ARGS__}}

#define SERVICE_OP(code, action, len, flag_bits, handler, text, ...)                               \
	{                                                                                          \
		.opcode = (code), .service_action = (action), .has_service_action = true,          \
		.cdb_len = (len), .flags = (flag_bits), .start = (handler), .name = (text),        \
		.usage = {                                                                         \
			(code),                                                                    \
			(action),                                                                  \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}

/* clang-format off */
static const struct mp_scsi_op ops[256] = {
	OP(0x00,  6, MEDIUM, mp_cmd_nothing, "TEST UNIT READY", 0),
	OP(0x01,  6, MEDIUM, mp_cmd_nothing, "REZERO UNIT", 0),
	OP(0x03,  6, MP_OP_ALWAYS | MP_OP_NO_LUN | MP_OP_PAGE | MP_OP_SHARED,
	   mp_cmd_request_sense, "REQUEST SENSE", 0x01, 0, 0, 0xff),
	OP(0x08,  6, MEDIUM, mp_cmd_read, "READ(6)", 0x1f, 0xff, 0xff, 0xff),
	OP(0x0a,  6, WRITES, mp_cmd_write, "WRITE(6)", 0x1f, 0xff, 0xff, 0xff),
	OP(0x0b,  6, MEDIUM, mp_cmd_seek, "SEEK(6)", 0x1f, 0xff, 0xff),
	OP(0x12,  6, MP_OP_ALWAYS | MP_OP_NO_LUN | MP_OP_PAGE | MP_OP_SHARED,
	   mp_cmd_inquiry, "INQUIRY", 0x01, 0xff, 0xff, 0xff),
	OP(0x15,  6, MP_OP_PAGE, mp_cmd_mode_select, "MODE SELECT(6)", 0x11, 0, 0, 0xff),
	OP(0x16,  6, 0, mp_cmd_reserve, "RESERVE(6)", 0),
	OP(0x17,  6, MP_OP_SHARED, mp_cmd_release, "RELEASE(6)", 0),
	OP(0x1a,  6, MP_OP_PAGE, mp_cmd_mode_sense, "MODE SENSE(6)", 0x08, 0xff, 0xff, 0xff),
	OP(0x1b,  6, 0, mp_cmd_start_stop, "START STOP UNIT", 0x01, 0, 0, 0x01),
	OP(0x1d,  6, 0, mp_cmd_send_diagnostic, "SEND DIAGNOSTIC", 0x04),
	OP(0x1e,  6, MP_OP_SHARED, mp_cmd_prevent_allow, "PREVENT ALLOW MEDIUM REMOVAL",
	   0, 0, 0, 0x03),
	OP(0x25, 10, MEDIUM | MP_OP_PAGE, mp_cmd_read_capacity10, "READ CAPACITY(10)",
	   0, LBA4, 0, 0, 0x01),
	OP(0x28, 10, MEDIUM, mp_cmd_read, "READ(10)", 0x18, LBA4, 0, 0xff, 0xff),
	OP(0x2a, 10, WRITES, mp_cmd_write, "WRITE(10)", 0x18, LBA4, 0, 0xff, 0xff),
	OP(0x2b, 10, MEDIUM, mp_cmd_seek, "SEEK(10)", 0, LBA4),
	OP(0x2e, 10, WRITES, mp_cmd_write_verify, "WRITE AND VERIFY(10)", 0x10, LBA4, 0, 0xff, 0xff),
	OP(0x2f, 10, MEDIUM, mp_cmd_verify, "VERIFY(10)", 0x10, LBA4, 0, 0xff, 0xff),
	OP(0x35, 10, MEDIUM, mp_cmd_sync_cache, "SYNCHRONIZE CACHE(10)", 0x02, LBA4, 0, 0xff, 0xff),
	OP(0x41, 10, WRITES, mp_cmd_write_same, "WRITE SAME(10)", 0x08, LBA4, 0, 0xff, 0xff),
	OP(0x42, 10, WRITES | MP_OP_PAGE, mp_cmd_unmap, "UNMAP", 0, 0, 0, 0, 0, 0, 0xff, 0xff),
	OP(0x55, 10, MP_OP_PAGE, mp_cmd_mode_select, "MODE SELECT(10)",
	   0x11, 0, 0, 0, 0, 0, 0xff, 0xff),
	OP(0x5a, 10, MP_OP_PAGE, mp_cmd_mode_sense, "MODE SENSE(10)",
	   0x08, 0xff, 0xff, 0, 0, 0, 0xff, 0xff),
	OP(0x88, 16, MEDIUM, mp_cmd_read, "READ(16)", 0x18, LBA8, LEN4),
	OP(0x8a, 16, WRITES, mp_cmd_write, "WRITE(16)", 0x18, LBA8, LEN4),
	OP(0x8e, 16, WRITES, mp_cmd_write_verify, "WRITE AND VERIFY(16)", 0x10, LBA8, LEN4),
	OP(0x8f, 16, MEDIUM, mp_cmd_verify, "VERIFY(16)", 0x10, LBA8, LEN4),
	OP(0x91, 16, MEDIUM, mp_cmd_sync_cache, "SYNCHRONIZE CACHE(16)", 0x02, LBA8, LEN4),
	OP(0x93, 16, WRITES, mp_cmd_write_same, "WRITE SAME(16)", 0x09, LBA8, LEN4),
	OP(0xa0, 12, MP_OP_ALWAYS | MP_OP_NO_LUN | MP_OP_PAGE | MP_OP_SHARED,
	   mp_cmd_report_luns, "REPORT LUNS", 0, 0xff, 0, 0, 0, LEN4),
	OP(0xa8, 12, MEDIUM, mp_cmd_read, "READ(12)", 0x18, LBA4, LEN4),
	OP(0xaa, 12, WRITES, mp_cmd_write, "WRITE(12)", 0x18, LBA4, LEN4),
	OP(0xae, 12, WRITES, mp_cmd_write_verify, "WRITE AND VERIFY(12)", 0x10, LBA4, LEN4),
	OP(0xaf, 12, MEDIUM, mp_cmd_verify, "VERIFY(12)", 0x10, LBA4, LEN4),
};

static const struct mp_scsi_op service_ops[] = {
	SERVICE_OP(0x9e, 0x10, 16, MEDIUM | MP_OP_PAGE, mp_cmd_read_capacity16,
		   "READ CAPACITY(16)", 0, 0, 0, 0, 0, 0, 0, 0, LEN4),
	SERVICE_OP(0xa3, 0x0c, 12, MP_OP_PAGE | MP_OP_SHARED, mp_cmd_report_opcodes,
		   "REPORT SUPPORTED OPERATION CODES", 0x87, 0xff, 0xff, 0xff, LEN4),
};
/* clang-format on */

#define N_SERVICE_OPS (sizeof(service_ops) / sizeof(service_ops[0]))

static const struct mp_scsi_op *find_service(uint8_t opcode, unsigned int action)
{
	for (size_t i = 0; i < N_SERVICE_OPS; i++)
		if (service_ops[i].opcode == opcode && service_ops[i].service_action == action)
			return &service_ops[i];
	return NULL;
}

static bool has_services(uint8_t opcode)
{
	for (size_t i = 0; i < N_SERVICE_OPS; i++)
		if (service_ops[i].opcode == opcode)
			return true;
	return false;
}

static const struct mp_scsi_op *find(uint8_t opcode, unsigned int action)
{
	return ops[opcode].start ? &ops[opcode] : find_service(opcode, action);
}

const struct mp_scsi_op *mp_cdb_decode(const uint8_t *cdb, unsigned int len,
				       struct mp_scsi_sense *ret_sense)
{
	const struct mp_scsi_op *op = find(cdb[0], cdb[1] & 0x1f);

	if (!op)
		*ret_sense = has_services(cdb[0]) ? mp_sense_cdb_field(1, 4)
						  : mp_sense_invalid_opcode;
	else if (len < op->cdb_len || len > MP_SCSI_CDB_MAX)
		*ret_sense = mp_sense_invalid_field_cdb;
	else
		return op;
	return NULL;
}

static bool is_supported(const struct mp_scsi_lun *lun, const struct mp_scsi_op *op)
{
	return op && op->start && (op->start != mp_cmd_unmap || mp_blk_can_discard(lun->blk));
}

/* Command timeouts descriptor: "no estimate". */
static unsigned int put_timeouts(uint8_t *out)
{
	memset(out, 0, 12);
	mp_put_be16(out, 10);
	return 12;
}

static unsigned int put_in_list(const struct mp_scsi_op *op, bool timeouts, uint8_t *out)
{
	memset(out, 0, 8);
	out[0] = op->opcode;
	mp_put_be16(out + 2, op->service_action);
	out[5] = (uint8_t)((timeouts ? 0x02 : 0) | (op->has_service_action ? 0x01 : 0));
	mp_put_be16(out + 6, op->cdb_len);
	return 8 + (timeouts ? put_timeouts(out + 8) : 0);
}

static unsigned int put_all(const struct mp_scsi_lun *lun, bool timeouts, uint8_t *out)
{
	unsigned int len = 4;

	for (unsigned int i = 0; i < 256; i++)
		if (is_supported(lun, &ops[i]))
			len += put_in_list(&ops[i], timeouts, out + len);
	for (unsigned int i = 0; i < N_SERVICE_OPS; i++)
		len += put_in_list(&service_ops[i], timeouts, out + len);
	mp_put_be32(out, len - 4);
	return len;
}

static unsigned int put_one(const struct mp_scsi_op *op, bool timeouts, uint8_t *out)
{
	unsigned int len = 4;

	if (!op) {
		out[1] = 0x01; /* not supported */
		return len;
	}
	out[1] = (uint8_t)(0x03 | (timeouts ? 0x80 : 0));
	mp_put_be16(out + 2, op->cdb_len);
	memcpy(out + len, op->usage, op->cdb_len);
	len += op->cdb_len;
	return len + (timeouts ? put_timeouts(out + len) : 0);
}

enum { REPORT_ALL, REPORT_OPCODE, REPORT_SERVICE, REPORT_EITHER };

void mp_cmd_report_opcodes(struct mp_scsi_side *s)
{
	const uint8_t *cdb = s->t->cdb;
	unsigned int options = cdb[2] & 0x07, action = mp_get_be16(cdb + 4), len;
	bool timeouts = cdb[2] & 0x80, services = has_services(cdb[3]);
	const struct mp_scsi_op *op = find(cdb[3], action);

	if (options > REPORT_EITHER) {
		mp_task_bad_field(s, 2, 2);
	} else if ((options == REPORT_OPCODE && services) ||
		   (options == REPORT_SERVICE && !services && ops[cdb[3]].start)) {
		mp_task_bad_field(s, 4, 8);
	} else {
		if (!is_supported(s->lun, op) || (options == REPORT_EITHER && !services && action))
			op = NULL;
		len = options == REPORT_ALL ? put_all(s->lun, timeouts, mp_task_buf(s))
					    : put_one(op, timeouts, mp_task_buf(s));
		mp_task_reply(s, len, mp_get_be32(cdb + 6));
	}
}
