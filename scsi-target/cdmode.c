/* SPDX-License-Identifier: BSD-3-Clause */
/* Default values of the mode pages that only a CD-ROM has (MMC-6 7). */
#include "base/bytes.h"
#include "scsi-target/bus.h"

#define CAN_READ     0x3bu /* CD-R, CD-RW, DVD-ROM, DVD-R, DVD-RAM */
#define MECHANISM    0x29u /* a tray that can eject and lock */
#define LOCKED       0x02u
#define BUFFER_KBYTE (MP_SCSI_CHUNK_BYTES / 1024)

/* How minutes, seconds and frames are counted. */
void mp_cd_put_parameters(const struct mp_scsi_lun *lun, uint8_t *out)
{
	out[3] = 0x0d; /* inactive after 16 minutes: nothing that could be seen */
	mp_put_be16(out + 4, 60);
	mp_put_be16(out + 6, MP_CD_FRAMES);
}

/* Nothing is played here; players set the volume all the same. */
void mp_cd_put_audio(const struct mp_scsi_lun *lun, uint8_t *out)
{
	out[2] = 0x04; /* a command to play ends at once */
	out[8] = 0x01; /* left channel */
	out[9] = 0xff; /* loud */
	out[10] = 0x02;
	out[11] = 0xff;
}

/* In seconds: commands that are quick, and others. */
void mp_cd_put_timeouts(const struct mp_scsi_lun *lun, uint8_t *out)
{
	mp_put_be16(out + 6, 7);
	mp_put_be16(out + 8, 120);
}

/* MMC has features instead by now, but this is what Linux and others look at. */
void mp_cd_put_capabilities(const struct mp_scsi_lun *lun, uint8_t *out)
{
	out[2] = CAN_READ;
	out[6] = (uint8_t)(MECHANISM | (lun->cd.locked_by ? LOCKED : 0));
	mp_put_be16(out + 8, MP_CD_SPEED_KBYTES);
	mp_put_be16(out + 12, BUFFER_KBYTE);
	mp_put_be16(out + 14, MP_CD_SPEED_KBYTES);
}
