/* SPDX-License-Identifier: BSD-3-Clause */
/* cdrom - inside of scsi-target: what a CD-ROM unit has beside struct mp_scsi_lun. */
#ifndef MP_SCSI_TARGET_CDROM_H
#define MP_SCSI_TARGET_CDROM_H

#include <stdbool.h>
#include <stdint.h>

#include "scsi-target/sense.h"

struct mp_blk;
struct mp_scsi_lun;
struct mp_scsi_side;

#define MP_CD_BLOCK_BYTES  2048u
#define MP_CD_LAST_CD_LBA  359999u /* 80 minutes; what is longer is a DVD */
#define MP_CD_PREGAP       150u /* blocks from 00:00:00 to LBA 0 */
#define MP_CD_FRAMES       75u /* blocks a second */
#define MP_CD_SPEED_KBYTES 8467u /* 48x */

/* Media events, in the order in which they are reported. */
enum mp_cd_event {
	MP_CD_MEDIUM_REMOVED,
	MP_CD_MEDIUM_NEW,
	MP_CD_EJECT_REQUESTED,
	MP_CD_N_EVENTS,
};

/* lun->blk is the disc that can be read: the one in the tray, when that is closed. */
struct mp_scsi_cd {
	struct mp_blk *disc; /* in the tray; NULL: none */
	bool tray_open;
	uint8_t events; /* bits of enum mp_cd_event: not reported yet */
	uint16_t locked_by; /* bit n: initiator n prevents the removal */
	uint32_t generation; /* changes with what can be read */
};

/** mp_cd_no_medium() - why nothing can be read */
struct mp_scsi_sense mp_cd_no_medium(const struct mp_scsi_lun *lun);
/** mp_cd_reset() - what a reset does: the tray is unlocked, and stays where it is */
void mp_cd_reset(struct mp_scsi_lun *lun);

/** mp_cd_same_disc() - as when the command began (s->cursor)? false: the task has failed */
bool mp_cd_same_disc(struct mp_scsi_side *s);
void mp_cd_open_tray(struct mp_scsi_lun *lun);
void mp_cd_close_tray(struct mp_scsi_lun *lun);

static inline bool mp_cd_is_dvd_size(uint64_t n_blocks)
{
	return n_blocks > MP_CD_LAST_CD_LBA + 1;
}

/* cdmode.c: default values, into zeros; headers are the caller's */
void mp_cd_put_parameters(const struct mp_scsi_lun *lun, uint8_t *out);
void mp_cd_put_audio(const struct mp_scsi_lun *lun, uint8_t *out);
void mp_cd_put_timeouts(const struct mp_scsi_lun *lun, uint8_t *out);
void mp_cd_put_capabilities(const struct mp_scsi_lun *lun, uint8_t *out);

/* Commands: cdread.c, toc.c, mmc.c */
void mp_cmd_cd_read(struct mp_scsi_side *s);
void mp_cmd_cd_verify(struct mp_scsi_side *s);
void mp_cmd_cd_seek(struct mp_scsi_side *s);
void mp_cmd_read_cd(struct mp_scsi_side *s);
void mp_cmd_read_cd_msf(struct mp_scsi_side *s);
void mp_cmd_read_toc(struct mp_scsi_side *s);
void mp_cmd_read_subchannel(struct mp_scsi_side *s);
void mp_cmd_read_header(struct mp_scsi_side *s);
void mp_cmd_read_disc_info(struct mp_scsi_side *s);
void mp_cmd_read_track_info(struct mp_scsi_side *s);
void mp_cmd_read_dvd_structure(struct mp_scsi_side *s);
void mp_cmd_get_configuration(struct mp_scsi_side *s);
void mp_cmd_get_event_status(struct mp_scsi_side *s);
void mp_cmd_cd_start_stop(struct mp_scsi_side *s);
void mp_cmd_load_unload(struct mp_scsi_side *s);
void mp_cmd_cd_prevent_allow(struct mp_scsi_side *s);
void mp_cmd_mechanism_status(struct mp_scsi_side *s);
void mp_cmd_read_format_capacities(struct mp_scsi_side *s);
void mp_cmd_get_performance(struct mp_scsi_side *s);

#endif
