/* SPDX-License-Identifier: BSD-3-Clause */
/* What stands behind the "--" of `mpring run`, as far as it concerns us: the rest is QEMU's. */
#include <stdio.h>
#include <string.h>

#include "launcher/options.h"

/* QEMU would take these, and who gave them would believe more than is so. */
static const struct {
	const char *option, *why;
} refused[] = {
	{"daemonize", "-daemonize would take QEMU away from its workers; have mpring in the "
		      "background instead: setsid mpring run ... &"},
	{"snapshot", "-snapshot doesn't reach the disks, which are the workers': the guest would "
		     "write to them. A throw-away copy is an overlay: qemu-img create -f qcow2 -b "
		     "FILE -F FORMAT OVERLAY, and then --disk OVERLAY"},
	{"loadvm", "-loadvm: no saved state has the workers' devices; have the guest boot"},
	{"incoming", "-incoming: no saved state has the workers' devices; have the guest boot"},
	{"mem-path", "-mem-path makes memory that workers can't map; instead: -object "
		     "memory-backend-file,id=mem,size=SIZE,mem-path=PATH,share=on "
		     "-machine memory-backend=mem"},
};

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
	/* QEMU knows the memory of nodes, or one for the machine, not both. */
	static const char *const where[][2] = {
		{"machine", "memory-backend="}, {"M", "memory-backend="}, {"numa", "memdev="}};
	const char *value;

	for (size_t w = 0; w < sizeof(where) / sizeof(where[0]); w++)
		for (int i = 0; (value = mp_options_qemu_value(o, where[w][0], i)); i++)
			if (strstr(value, where[w][1]))
				return true;
	return false;
}

/* Of a -readconfig: what would change our -m and -machine, or be changed by them. */
static bool file_has_memory(const char *path)
{
	static const char *const starts[] = {"[memory", "memory-backend", "memdev"};
	FILE *f = fopen(path, "re"); /* that it can't be read is QEMU's to say */
	char line[1024];
	bool has = false;

	while (f && !has && fgets(line, sizeof(line), f))
		for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
			has |= strncmp(line + strspn(line, " \t"), starts[i], strlen(starts[i])) ==
			       0;
	if (f)
		fclose(f);
	return has;
}

const char *mp_options_qemu_refusal(const struct mp_options *o)
{
	const char *file;

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		if (mp_options_qemu_has(o, refused[i].option))
			return refused[i].why;
	for (int i = 0; (file = mp_options_qemu_value(o, "readconfig", i)); i++)
		if (file_has_memory(file))
			return "-readconfig: what its file says of memory isn't seen here; say it "
			       "in the arguments: -m SIZE, -machine memory-backend=ID, -numa ...";
	return NULL;
}
