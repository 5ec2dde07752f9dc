/* SPDX-License-Identifier: BSD-3-Clause */
/* texts - strings on the heap that live as long as their list. */
#ifndef MP_REMOTE_WORKER_OPTIONS_TEXTS_H
#define MP_REMOTE_WORKER_OPTIONS_TEXTS_H

struct mp_texts {
	char **text;
	unsigned int n, room;
};

/** mp_texts_take() - @text belongs to the list, or is freed: NULL, or no room. Return: 0; -ENOMEM */
int mp_texts_take(struct mp_texts *t, char *text);
/** mp_texts_fini() - frees them all; zeroed is fine */
void mp_texts_fini(struct mp_texts *t);

#endif
