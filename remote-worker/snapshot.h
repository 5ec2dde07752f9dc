/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * snapshot - the state of a worker as JSON, for all that asks: query commands,
 * statistics. The core only copies; the text is made by the thread that asks.
 *
 *	{"status": "running" | "prelaunch" | "paused" | "io-error", "turns": {"total", "idle", "sleeps",
 *		"cpu-ns", "busy": HIST},
 *	 "engine": {"backend": "io_uring" | "threads", "enters", "requests"},
 *	 "devices": [{"id", "attached", "broken", "stalled", "halted", "io-stopped", "paused" (by QEMU), "irq",
 *		"config": "HEX" (the header), "counters": {NAME: N},
 *		"stages": {"queue": HIST, "block": HIST, "command": HIST}}],
 *	 "units": [{"unit": N, "hba": INDEX, "device": ID, "id", "drive", "scsi-id", "lun", "cd",
 *		"removable", "rerror", "werror", "serial", "vendor", "product", "version", "wwn", "leaving",
 *		"tray-open", "locked", "write-cache", "medium": null |
 *		{"drive": ID, "node": NAME, "file", "kind": "raw" | "null" | "nbd" | "daemon",
 *		 "size", "block-size", "read-only", "cache", "direct", "no-flush", "discard",
 *		 "detect-zeroes", "idle-ns" (unless nothing has ended yet),
 *		 "stats": {"read", "write", "flush", "unmap": {"ops", "bytes", "failed",
 *		 "invalid", "ns", "latency": HIST}, "write-end"}, "throttle": {...}}}]}
 *
 * HIST: an array, element i counts what took 2^i to 2^(i+1) ns; zeros at the end
 * are left out. "unit" is how the calls name a unit.
 */
#ifndef MP_REMOTE_WORKER_SNAPSHOT_H
#define MP_REMOTE_WORKER_SNAPSHOT_H

#include <jansson.h>

#include "remote-worker/worker.h"

/** mp_snapshot_take() - a new reference; NULL: out of memory. The control thread */
json_t *mp_snapshot_take(struct mp_worker *w);

#endif
