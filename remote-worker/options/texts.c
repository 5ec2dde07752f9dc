/* SPDX-License-Identifier: BSD-3-Clause */
#include "remote-worker/options/texts.h"

#include <errno.h>
#include <stdlib.h>

#include "base/err.h"

int mp_texts_take(struct mp_texts *t, char *text)
{
	unsigned int more_room = t->room ? 2 * t->room : 32;
	char **more;

	if (!text)
		return mp_err_origin(-ENOMEM);
	if (t->n == t->room) {
		more = reallocarray(t->text, more_room, sizeof(*more));
		if (!more) {
			free(text);
			return mp_err_origin(-ENOMEM);
		}
		t->text = more;
		t->room = more_room;
	}
	t->text[t->n++] = text;
	return 0;
}

void mp_texts_fini(struct mp_texts *t)
{
	for (unsigned int i = 0; i < t->n; i++)
		free(t->text[i]);
	free(t->text);
	*t = (struct mp_texts){.text = 0};
}
