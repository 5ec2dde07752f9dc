/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * line - the command line as it would have to be now: what a monitor adds are
 * options, and what it takes away is taken out. So what may be added, the parser
 * of the command line decides, in its words.
 */
#ifndef MP_REMOTE_WORKER_OPTIONS_LINE_H
#define MP_REMOTE_WORKER_OPTIONS_LINE_H

#include <stdbool.h>

#include "remote-worker/options/cmdline.h"

struct mp_line {
	char **word; /* on the heap, each of them */
	int n, room;
};

#define MP_LINE_NULL ((struct mp_line){.word = NULL})

/** mp_line_init() - a copy; 0 or -ENOMEM; mp_line_fini() also after a failure */
int mp_line_init(struct mp_line *l, int argc, char *const argv[]);
void mp_line_fini(struct mp_line *l);

/** mp_line_add() - an option and its argument, at the end; 0 or -ENOMEM */
int mp_line_add(struct mp_line *l, const char *option, const char *arg);

/** mp_line_has() - is such an option in it? As mp_line_remove() */
bool mp_line_has(const struct mp_line *l, const char *option, const char *key, const char *value);
/** mp_line_get() - what such an option says of @wanted, the caller's to free; NULL: nothing */
char *mp_line_get(const struct mp_line *l, const char *option, const char *key, const char *value,
		  const char *wanted);
/** mp_line_remove() - the options with this argument's key and value: "-device", "id", "d0". How many? */
int mp_line_remove(struct mp_line *l, const char *option, const char *key, const char *value);
/** mp_line_drop() - take that key and its value out of such options; 0 or -ENOMEM */
int mp_line_drop(struct mp_line *l, const char *option, const char *key, const char *value);

/**
 * mp_line_try() - parse it, with more behind it that isn't kept
 * @more:   options and arguments in turn; NULL at the end
 * @ret_c:  on the heap; mp_line_forget() releases it
 * @error:  on failure a sentence for the user
 */
int mp_line_try(const struct mp_line *l, const char *const more[], struct mp_cmdline **ret_c,
		char *error, size_t error_len);
/** mp_line_forget() - NULL is fine; returns NULL */
struct mp_cmdline *mp_line_forget(struct mp_cmdline *c);

/** mp_line_has_drive() - is there a drive or a node of that name, for drive= of a disk? */
bool mp_line_has_drive(const struct mp_line *l, const char *name);

#endif
