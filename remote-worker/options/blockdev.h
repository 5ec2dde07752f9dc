/* SPDX-License-Identifier: BSD-3-Clause */
/* blockdev - block nodes and what they mean for a drive; inside of cmdline. */
#ifndef MP_REMOTE_WORKER_OPTIONS_BLOCKDEV_H
#define MP_REMOTE_WORKER_OPTIONS_BLOCKDEV_H

#include <jansson.h>

#include "remote-worker/options/parser.h"

/** mp_drive_init() - with the defaults of -drive, and nothing in it */
void mp_drive_init(struct mp_opt_drive *d);

/** mp_node_is_ours() - a driver whose nodes a worker may have itself */
bool mp_node_is_ours(const char *driver);
/** mp_node_name_is_valid() - as QEMU has it */
bool mp_node_name_is_valid(const char *name);

/** mp_blockdev_add() - one more node, for others to name. Return: 0; -EINVAL; -ENOMEM */
int mp_blockdev_add(struct mp_parser *p, json_t *node);

/**
 * mp_drive_of_node() - who serves it, and what it is called
 * @node:     strings in @d point into it; it lives as long as the drive
 * @objects:  list that it needs beside those of the command line, or NULL
 * @d:        initialised; what it says already stays, where the node says nothing
 *
 * Return: 0; -EINVAL; -ENOMEM.
 */
int mp_drive_of_node(struct mp_parser *p, json_t *node, json_t *objects, struct mp_opt_drive *d);

#endif
