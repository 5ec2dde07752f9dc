/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * uefi - a program that UEFI firmware boots from the disk under test, and that
 * then uses this disk through the firmware's driver (Block I/O protocol). It
 * tells on the debug console (port 0xe9) how far it came:
 *
 *	"uefi;"	it runs: firmware found the disk, its file system and the file
 *	"d"	its device has the Block I/O protocol and media
 *	"r"	128 KiB read at LBA PATTERN_LBA in one call are what the host put there
 *	"w"	they were written behind themselves
 *	"f"	and flushed
 *	"v"	and read back, one block a call
 *	"e"	a read beyond the end is refused
 *	";end"	done; then port 0xf4 (isa-debug-exit)
 *	"!n"	step n failed, then exit
 *
 * The few declarations of the UEFI specification that this takes are below;
 * members before the ones used are counted, not named.
 */
#include <stdint.h>

#define PATTERN_LBA   4096u
#define PATTERN_BYTES 131072u
#define BLOCK_BYTES   512u

typedef uint64_t status_fn(void *self, uint32_t media_id, uint64_t lba, uint64_t bytes, void *buf);

struct guid {
	uint32_t a;
	uint16_t b, c;
	uint8_t d[8];
};

struct media {
	uint32_t id;
	uint8_t removable, present, partition, read_only, write_caching;
	uint32_t block_bytes, align;
	uint64_t last_lba;
};

struct block_io {
	uint64_t revision;
	struct media *media;
	void *reset;
	status_fn *read, *write;
	uint64_t (*flush)(struct block_io *self);
};

struct loaded_image {
	uint64_t revision;
	void *parent, *system, *device;
};

struct boot_services {
	uint64_t header[3];
	void *before[16];
	uint64_t (*handle_protocol)(void *handle, const struct guid *protocol, void **ret);
};

struct system_table {
	uint64_t header[3];
	void *before[9];
	struct boot_services *boot;
};

static const struct guid loaded_image_guid = {
	0x5b1b31a1, 0x9562, 0x11d2, {0x8e, 0x3f, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}};
static const struct guid block_io_guid = {
	0x964e5b21, 0x6459, 0x11d2, {0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}};

/* Not initialised, so not in the file: only the disk can have filled it. */
static uint32_t buffer[PATTERN_BYTES / 4];

static void out(uint16_t port, uint8_t byte)
{
	__asm__ volatile("outb %0, %1" : : "a"(byte), "Nd"(port));
}

static void print(const char *text)
{
	while (*text)
		out(0xe9, (uint8_t)*text++);
}

static void clear(void)
{
	for (uint32_t *p = buffer; p < buffer + PATTERN_BYTES / 4; p++)
		*p = 0;
}

static int buffer_is_pattern(void)
{
	const uint32_t *p = buffer;

	for (uint32_t i = 0; i < PATTERN_BYTES / 4; i++)
		if (p[i] != (i ^ 0x5eed5eedu))
			return 0;
	return 1;
}

static int read_blocks(struct block_io *io, uint64_t lba)
{
	uint8_t *to = (uint8_t *)buffer;
	uint32_t n = PATTERN_BYTES / BLOCK_BYTES;

	clear();
	for (uint32_t i = 0; i < n; i++)
		if (io->read(io, io->media->id, lba + i, BLOCK_BYTES, to + i * BLOCK_BYTES))
			return 0;
	return buffer_is_pattern();
}

/* 0, or the step that failed. */
static int use_disk(struct block_io *io)
{
	uint32_t id = io->media->id;
	uint64_t behind = PATTERN_LBA + PATTERN_BYTES / BLOCK_BYTES;

	if (!io->media->present || io->media->block_bytes != BLOCK_BYTES)
		return 1;
	print("d");
	if (io->read(io, id, PATTERN_LBA, PATTERN_BYTES, buffer) || !buffer_is_pattern())
		return 2;
	print("r");
	if (io->write(io, id, behind, PATTERN_BYTES, buffer))
		return 3;
	print("w");
	if (io->flush(io))
		return 4;
	print("f");
	if (!read_blocks(io, behind))
		return 5;
	print("v");
	if (!io->read(io, id, io->media->last_lba + 1, BLOCK_BYTES, buffer))
		return 6;
	print("e");
	return 0;
}

static struct block_io *own_disk(void *image, const struct boot_services *boot)
{
	struct loaded_image *loaded;
	struct block_io *io;

	if (boot->handle_protocol(image, &loaded_image_guid, (void **)&loaded) ||
	    boot->handle_protocol(loaded->device, &block_io_guid, (void **)&io))
		return 0;
	return io;
}

uint64_t efi_main(void *image, struct system_table *system)
{
	struct block_io *io;
	int step;

	print("uefi;");
	io = own_disk(image, system->boot);
	step = io ? use_disk(io) : 7;
	if (step) {
		out(0xe9, '!');
		out(0xe9, (uint8_t)('0' + step));
	}
	print(";end");
	out(0xf4, 1);
	return 0;
}
