/* SPDX-License-Identifier: BSD-3-Clause */
/* What stands behind the "--" of `mpring run`, as far as it concerns us: the rest is QEMU's. */
#include <string.h>

#include "launcher/options.h"

/* -OPTION or --OPTION, as QEMU takes both. */
static bool is_qemu_option(const char *word, const char *option)
{
	if (word[0] != '-')
		return false;
	return strcmp(word + (word[1] == '-' ? 2 : 1), option) == 0;
}

bool mp_options_qemu_has(const struct mp_options *o, const char *option)
{
	for (int i = 0; i < o->qemu_argc; i++)
		if (is_qemu_option(o->qemu_argv[i], option))
			return true;
	return false;
}

const char *mp_options_qemu_value(const struct mp_options *o, const char *option, int nth)
{
	for (int i = 0; i + 1 < o->qemu_argc; i++)
		if (is_qemu_option(o->qemu_argv[i], option) && nth-- == 0)
			return o->qemu_argv[i + 1];
	return NULL;
}

bool mp_options_qemu_has_backend(const struct mp_options *o)
{
	const char *value;

	for (int i = 0; (value = mp_options_qemu_value(o, "machine", i)); i++)
		if (strstr(value, "memory-backend="))
			return true;
	for (int i = 0; (value = mp_options_qemu_value(o, "M", i)); i++)
		if (strstr(value, "memory-backend="))
			return true;
	return false;
}
