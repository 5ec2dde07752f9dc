/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table of commands (commands.def), and everything that follows from it.
 *
 * Each type of unit has an index of 256 operation codes into the table, made
 * once for a bus; decoding is one load. Commands that share an operation code
 * stand side by side in the table and are told apart by their service action.
 * The usage bits are what REPORT SUPPORTED OPERATION CODES returns: which bits
 * of the CDB mean something. Any other bit that is set makes the command fail,
 * with a pointer to that bit, before its handler sees it: so each reserved and
 * obsolete field, and each that we don't support, is refused by one comparison
 * of 16 bytes. What passes in spite of that:
 *
 *	the LUN in bits 7:5 of byte 1, where SCSI-2 has it, if it is ours
 *	the vendor specific bits 7:6 of the control byte
 *	bytes that the adapter fetched behind the CDB
 */
#include <assert.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "scsi-target/bus.h"

#define LEN4    0xff, 0xff, 0xff, 0xff
#define LBA4    0xff, 0xff, 0xff, 0xff
#define LBA8    LBA4, LBA4

#define NONE    0xff
#define DISK    (1u << MP_SCSI_DISK)
#define CDROM   (1u << MP_SCSI_CDROM)
#define ANY     (DISK | CDROM)
#define ALWAYS  MP_OP_ALWAYS
#define ANYTIME (MP_OP_ALWAYS | MP_OP_NO_LUN | MP_OP_PAGE | MP_OP_SHARED)
#define WRITES  (MP_OP_MEDIUM | MP_OP_WRITES)
#define MEDIUM  (MP_OP_MEDIUM | MP_OP_READS)
#define ONLINE  MP_OP_MEDIUM
#define LOOKS   MP_OP_LOOKS
#define READS   MP_OP_READS
#define PAGE    MP_OP_PAGE
#define SHARED  MP_OP_SHARED
#define DISCARD MP_OP_DISCARD

#define CMD(code, action, len, unit_types, flag_bits, handler, text, ...)                          \
	{.opcode = (code),                                                                         \
	 .service_action = (action),                                                               \
	 .has_service_action = (action) != NONE,                                                   \
	 .cdb_len = (len),                                                                         \
	 .types = (unit_types),                                                                    \
	 .flags = (flag_bits),                                                                     \
	 .start = mp_cmd_##handler,                                                                \
	 .name = (text),                                                                           \
	 .usage = {(code), __VA_ARGS__}},

static const struct mp_scsi_op commands[] = {
#include "scsi-target/commands.def"
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static_assert(4 + 20 * N_COMMANDS <= MP_BUFFER_PAGE_BYTES,
	      "the list of commands, with time-outs, fits a page");

void mp_cdb_index(const struct mp_scsi_op *index[256], enum mp_scsi_type type)
{
	for (size_t i = N_COMMANDS; i-- > 0;)
		if (commands[i].types & 1u << type)
			index[commands[i].opcode] = &commands[i];
}

static bool is_supported(const struct mp_scsi_lun *lun, const struct mp_scsi_op *op)
{
	return op->types & 1u << lun->type &&
	       (!(op->flags & MP_OP_DISCARD) || (lun->blk && mp_blk_can_discard(lun->blk)));
}

static const struct mp_scsi_op *find_service(const struct mp_scsi_lun *lun, uint8_t opcode,
					     unsigned int action)
{
	const struct mp_scsi_op *op = lun->ops[opcode];

	for (; op < commands + N_COMMANDS && op->opcode == opcode; op++)
		if (op->service_action == action && is_supported(lun, op))
			return op;
	return NULL;
}

static bool has_services(const struct mp_scsi_lun *lun, uint8_t opcode)
{
	return lun->ops[opcode] && lun->ops[opcode]->has_service_action;
}

static const struct mp_scsi_op *find(const struct mp_scsi_lun *lun, uint8_t opcode,
				     unsigned int action)
{
	const struct mp_scsi_op *op = lun->ops[opcode];

	if (op && op->has_service_action)
		return find_service(lun, opcode, action);
	return op && is_supported(lun, op) ? op : NULL;
}

const struct mp_scsi_op *mp_cdb_decode(const struct mp_scsi_lun *lun, const uint8_t *cdb,
				       unsigned int len, struct mp_scsi_sense *ret_sense)
{
	const struct mp_scsi_op *op = find(lun, cdb[0], cdb[1] & 0x1f);

	if (!op)
		*ret_sense = has_services(lun, cdb[0]) ? mp_sense_cdb_field(1, 4)
						       : mp_sense_invalid_opcode;
	else if (len < op->cdb_len || len > MP_SCSI_CDB_MAX)
		*ret_sense = mp_sense_invalid_field_cdb;
	else
		return op;
	return NULL;
}

#define CONTROL_VENDOR 0xc0
#define TAIL4          0xff, 0xff, 0xff, 0xff

/* By length of the CDB: bits that no command looks at. */
static const uint8_t overlooked[MP_CDB_USAGE_BYTES + 1][MP_CDB_USAGE_BYTES] = {
	[6] = {[5] = CONTROL_VENDOR, 0xff, 0xff, TAIL4, TAIL4},
	[10] = {[9] = CONTROL_VENDOR, 0xff, 0xff, TAIL4},
	[12] = {[11] = CONTROL_VENDOR, TAIL4},
	[16] = {[15] = CONTROL_VENDOR},
};

static uint64_t stray(const struct mp_scsi_op *op, const uint8_t *cdb, size_t at)
{
	uint64_t bits, usage, ignored;

	memcpy(&bits, cdb + at, sizeof(bits));
	memcpy(&usage, op->usage + at, sizeof(usage));
	memcpy(&ignored, overlooked[op->cdb_len] + at, sizeof(ignored));
	return bits & ~(usage | ignored);
}

static struct mp_scsi_sense first_stray(const struct mp_scsi_op *op, const uint8_t *cdb)
{
	unsigned int byte = 0, bits = 0;

	for (; !bits; byte++)
		bits = cdb[byte] & (uint8_t) ~(op->usage[byte] | overlooked[op->cdb_len][byte]);
	return mp_sense_cdb_field(byte - 1, 31u - (unsigned int)__builtin_clz(bits));
}

bool mp_cdb_has_stray(const struct mp_scsi_side *s, struct mp_scsi_sense *ret_sense)
{
	const struct mp_scsi_op *op = s->op;
	uint8_t cdb[MP_CDB_USAGE_BYTES];

	if (mp_likely(!(stray(op, s->t->cdb, 0) | stray(op, s->t->cdb, 8))))
		return false;
	memcpy(cdb, s->t->cdb, sizeof(cdb));
	if (cdb[1] >> 5 == s->t->lun)
		cdb[1] &= 0x1f;
	if (!(stray(op, cdb, 0) | stray(op, cdb, 8)))
		return false;
	*ret_sense = first_stray(op, cdb);
	return true;
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
	mp_put_be16(out + 2, op->has_service_action ? op->service_action : 0);
	out[5] = (uint8_t)((timeouts ? 0x02 : 0) | (op->has_service_action ? 0x01 : 0));
	mp_put_be16(out + 6, op->cdb_len);
	return 8 + (timeouts ? put_timeouts(out + 8) : 0);
}

static unsigned int put_all(const struct mp_scsi_lun *lun, bool timeouts, uint8_t *out)
{
	unsigned int len = 4;

	for (size_t i = 0; i < N_COMMANDS; i++)
		if (is_supported(lun, &commands[i]))
			len += put_in_list(&commands[i], timeouts, out + len);
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
	const struct mp_scsi_lun *lun = s->lun;
	const uint8_t *cdb = s->t->cdb;
	unsigned int options = cdb[2] & 0x07, action = mp_get_be16(cdb + 4), len;
	bool timeouts = cdb[2] & 0x80, services = has_services(lun, cdb[3]);
	const struct mp_scsi_op *op = find(lun, cdb[3], action);

	if (options > REPORT_EITHER) {
		mp_task_bad_field(s, 2, 2);
	} else if ((options == REPORT_OPCODE && services) ||
		   (options == REPORT_SERVICE && !services && lun->ops[cdb[3]])) {
		mp_task_bad_field(s, 4, 8);
	} else {
		if (options == REPORT_EITHER && !services && action)
			op = NULL;
		len = options == REPORT_ALL ? put_all(lun, timeouts, mp_task_buf(s))
					    : put_one(op, timeouts, mp_task_buf(s));
		mp_task_reply(s, len, mp_get_be32(cdb + 6));
	}
}

/* ABORT TASK, ABORT TASK SET, CLEAR TASK SET, LOGICAL UNIT RESET, TARGET RESET. */
#define TASK_MANAGEMENT 0xda

void mp_cmd_report_tmfs(struct mp_scsi_side *s)
{
	bool is_long = s->t->cdb[2] & 0x80; /* REPD: with time-outs, which are none */
	uint32_t alloc_len = mp_get_be32(s->t->cdb + 6);
	uint8_t *out = mp_task_buf(s);

	if (alloc_len < 4) {
		mp_task_bad_field(s, 6, 8);
		return;
	}
	out[0] = TASK_MANAGEMENT;
	out[3] = is_long ? 12 : 0;
	mp_task_reply(s, is_long ? 16 : 4, alloc_len);
}
