/* SPDX-License-Identifier: BSD-3-Clause */
/* sense - what went wrong, by name; and how it looks on the wire (SPC-4 4.5). */
#ifndef MP_SCSI_TARGET_SENSE_H
#define MP_SCSI_TARGET_SENSE_H

#include <stdbool.h>
#include <stdint.h>

#define MP_SENSE_FIXED_BYTES 18u

/* Sense-key specific data of ILLEGAL REQUEST, first byte. */
#define MP_SENSE_SKSV 0x80u
#define MP_SENSE_CDB  0x40u /* C/D: in the CDB, not in the parameter data */
#define MP_SENSE_BPV  0x08u

struct mp_scsi_sense {
	uint8_t key, asc, ascq;
	uint8_t field_flags; /* 0: no field pointer */
	uint16_t field;
	bool has_info;
	uint64_t info; /* LBA, or where the data differ */
};

extern const struct mp_scsi_sense mp_sense_none;
extern const struct mp_scsi_sense mp_sense_stopped;
extern const struct mp_scsi_sense mp_sense_formatting;
extern const struct mp_scsi_sense mp_sense_sanitizing;
extern const struct mp_scsi_sense mp_sense_no_medium;
extern const struct mp_scsi_sense mp_sense_no_medium_closed;
extern const struct mp_scsi_sense mp_sense_no_medium_open;
extern const struct mp_scsi_sense mp_sense_no_medium_locked;
extern const struct mp_scsi_sense mp_sense_write_error;
extern const struct mp_scsi_sense mp_sense_read_error;
extern const struct mp_scsi_sense mp_sense_format_corrupted;
extern const struct mp_scsi_sense mp_sense_format_failed;
extern const struct mp_scsi_sense mp_sense_sanitize_failed;
extern const struct mp_scsi_sense mp_sense_selftest_failed;
extern const struct mp_scsi_sense mp_sense_target_failure;
extern const struct mp_scsi_sense mp_sense_list_length;
extern const struct mp_scsi_sense mp_sense_invalid_opcode;
extern const struct mp_scsi_sense mp_sense_lba_range;
extern const struct mp_scsi_sense mp_sense_invalid_field_cdb;
extern const struct mp_scsi_sense mp_sense_no_lun;
extern const struct mp_scsi_sense mp_sense_invalid_field_param;
extern const struct mp_scsi_sense mp_sense_invalid_release;
extern const struct mp_scsi_sense mp_sense_sequence;
extern const struct mp_scsi_sense mp_sense_incompatible_medium;
extern const struct mp_scsi_sense mp_sense_saving_unsupported;
extern const struct mp_scsi_sense mp_sense_removal_prevented;
extern const struct mp_scsi_sense mp_sense_wrong_track_mode;
extern const struct mp_scsi_sense mp_sense_medium_changed;
extern const struct mp_scsi_sense mp_sense_reset;
extern const struct mp_scsi_sense mp_sense_power_on;
extern const struct mp_scsi_sense mp_sense_bus_reset;
extern const struct mp_scsi_sense mp_sense_target_reset;
extern const struct mp_scsi_sense mp_sense_mode_changed;
extern const struct mp_scsi_sense mp_sense_log_changed;
extern const struct mp_scsi_sense mp_sense_reservations_preempted;
extern const struct mp_scsi_sense mp_sense_reservations_released;
extern const struct mp_scsi_sense mp_sense_registrations_preempted;
extern const struct mp_scsi_sense mp_sense_capacity_changed;
extern const struct mp_scsi_sense mp_sense_commands_cleared;
extern const struct mp_scsi_sense mp_sense_inquiry_changed;
extern const struct mp_scsi_sense mp_sense_luns_changed;
extern const struct mp_scsi_sense mp_sense_eject_requested;
extern const struct mp_scsi_sense mp_sense_false_failure;
extern const struct mp_scsi_sense mp_sense_write_protected;
extern const struct mp_scsi_sense mp_sense_software_protected;
extern const struct mp_scsi_sense mp_sense_no_space;
extern const struct mp_scsi_sense mp_sense_aborted;
extern const struct mp_scsi_sense mp_sense_echo_overwritten;
extern const struct mp_scsi_sense mp_sense_data_phase;
extern const struct mp_scsi_sense mp_sense_overlapped;
extern const struct mp_scsi_sense mp_sense_miscompare;

/** mp_sense_cdb_field() - ILLEGAL REQUEST that points at @byte of the CDB, @bit of it (8: all) */
struct mp_scsi_sense mp_sense_cdb_field(unsigned int byte, unsigned int bit);
/** mp_sense_param_field() - the same for @byte of the parameter data */
struct mp_scsi_sense mp_sense_param_field(unsigned int byte);
/** mp_sense_param_bit() - and at @bit of it */
struct mp_scsi_sense mp_sense_param_bit(unsigned int byte, unsigned int bit);
/** mp_sense_overlapped_tag() - two commands with @tag */
struct mp_scsi_sense mp_sense_overlapped_tag(uint8_t tag);

/** mp_sense_put_fixed() - fixed format, MP_SENSE_FIXED_BYTES; returns its length */
unsigned int mp_sense_put_fixed(const struct mp_scsi_sense *s, uint8_t *out);
/** mp_sense_put_descriptor() - descriptor format, at most 28 bytes; returns its length */
unsigned int mp_sense_put_descriptor(const struct mp_scsi_sense *s, uint8_t *out);

#endif
