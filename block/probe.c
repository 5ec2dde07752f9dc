/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * QEMU guesses the format of a drive without format=, from its first sector.
 * That is safe only as long as no guest can write a header into a raw disk that
 * was guessed: the next start would take the disk for the image that the guest
 * has made up, with any file of the host as its backing file. So a raw disk that
 * was guessed refuses such a write (struct mp_blk_open.probed), as QEMU's does.
 *
 * Everything here looks at the same bytes in the same way: what starts a disk and
 * what a guest may write can't differ.
 */
#include "block/probe.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

static const struct {
	const char *name;
	size_t off, len;
	const char *magic;
} formats[] = {
	{"qcow2", 0, 4, "QFI\xfb"}, /* its ancestor qcow too */
	{"vmdk", 0, 4, "KDMV"},
	{"vmdk", 0, 4, "COWD"},
	{"luks", 0, 6, "LUKS\xba\xbe"},
	{"qed", 0, 4, "QED"},
	{"vpc", 0, 8, "conectix"},
	{"vhdx", 0, 8, "vhdxfile"},
	{"vdi", 64, 4, "\x7f\x10\xda\xbe"},
	{"parallels", 0, 16, "WithoutFreeSpace"},
	{"parallels", 0, 16, "WithouFreSpacExt"},
	{"bochs", 0, 22, "Bochs Virtual HD Image"},
	{"cloop", 0, 23, "#!/bin/sh\n#V2.0 Format\n"},
};

/* One line of text, or what there is of it. */
struct line {
	const char *at;
	size_t len;
	bool ends; /* with a newline, which isn't counted */
};

static struct line next_line(const char *at, const char *end)
{
	const char *newline = memchr(at, '\n', (size_t)(end - at));

	return (struct line){at, (size_t)((newline ? newline : end) - at), newline != NULL};
}

static bool is_blank(const struct line *l)
{
	for (size_t i = 0; i < l->len; i++)
		if (l->at[i] != ' ' && l->at[i] != '\r')
			return false;
	return true;
}

static bool is_version(const struct line *l)
{
	static const char key[] = "version=";
	const size_t len = sizeof(key) - 1;

	if (!l->ends || l->len <= len || memcmp(l->at, key, len) != 0)
		return false;
	if (l->at[len] < '1' || l->at[len] > '3')
		return false;
	return l->len == len + 1 || (l->len == len + 2 && l->at[len + 1] == '\r');
}

/* VMDK's descriptor may be a text of its own: comments, then its version. */
static bool is_descriptor(const char *head, size_t len)
{
	const char *end = head + len;

	for (const char *at = head; at < end;) {
		struct line l = next_line(at, end);

		if (l.len == 0 || (l.at[0] != '#' && !is_blank(&l)))
			return is_version(&l);
		if (!l.ends)
			return false;
		at += l.len + 1;
	}
	return false;
}

const char *mp_probe_bytes(const void *head, size_t len)
{
	const uint8_t *b = head;

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (formats[i].off + formats[i].len <= len &&
		    memcmp(b + formats[i].off, formats[i].magic, formats[i].len) == 0)
			return formats[i].name;
	return is_descriptor(head, len) ? "vmdk" : NULL;
}

const char *mp_probe_fd(int fd)
{
	uint8_t head[MP_PROBE_BYTES];
	ssize_t n = pread(fd, head, sizeof(head), 0);

	return n > 0 ? mp_probe_bytes(head, (size_t)n) : NULL;
}

const char *mp_probe_file(const char *filename)
{
	MP_CLEANUP_FD int fd = open(filename, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	return fd < 0 ? NULL : mp_probe_fd(fd);
}
