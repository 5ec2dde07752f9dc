/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tell - what happened to disks and servers, as events for the supervisor (office.h).
 *
 * For the control thread; @sock leads to the supervisor.
 */
#ifndef MP_REMOTE_WORKER_TELL_H
#define MP_REMOTE_WORKER_TELL_H

#include "remote-worker/core.h"
#include "remote-worker/worker.h"

/** mp_tell_tray() - of a CD-ROM drive, by index; it has moved */
void mp_tell_tray(const struct mp_core *core, int sock, unsigned int unit, bool open);
/** mp_tell_news() - all that the core has left to be told */
void mp_tell_news(struct mp_worker *w, int sock);

#endif
