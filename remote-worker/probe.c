/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * QEMU guesses the format of a drive without format=. We have only raw, so we
 * guess only to refuse: a guest that wrote to the outside of a qcow2 file would
 * destroy it. With format=raw the user has said what he wants.
 */
#include "remote-worker/probe.h"

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

#define HEAD_BYTES 512

static const struct {
	const char *name;
	size_t off, len;
	const char *magic;
} formats[] = {
	{"qcow2", 0, 4, "QFI\xfb"},
	{"vmdk", 0, 4, "KDMV"},
	{"vmdk", 0, 4, "COWD"},
	{"luks", 0, 6, "LUKS\xba\xbe"},
	{"qed", 0, 4, "QED"},
	{"vpc", 0, 8, "conectix"},
	{"vhdx", 0, 8, "vhdxfile"},
	{"vdi", 64, 4, "\x7f\x10\xda\xbe"},
	{"parallels", 0, 16, "WithoutFreeSpace"},
};

const char *mp_probe_bytes(const void *head, size_t len)
{
	const uint8_t *b = head;

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (formats[i].off + formats[i].len <= len &&
		    memcmp(b + formats[i].off, formats[i].magic, formats[i].len) == 0)
			return formats[i].name;
	return NULL;
}

const char *mp_probe_file(const char *filename)
{
	MP_CLEANUP_FD int fd = open(filename, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	uint8_t head[HEAD_BYTES];
	ssize_t n;

	if (fd < 0)
		return NULL;
	n = pread(fd, head, sizeof(head), 0);
	return n > 0 ? mp_probe_bytes(head, (size_t)n) : NULL;
}
