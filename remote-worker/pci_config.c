/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What isn't named here reads 0 and can't be written: the BARs that the device
 * doesn't have, CardBus CIS (a stock proxy sizes it as if it were the seventh
 * BAR), the option ROM, the capability list, everything behind the header.
 *
 * A BAR's writable bits are the upper ones, down to its size; so all ones read
 * back as its size, in 32 bits for ports too. A base of 0, or a BAR that reaches
 * the last byte of the first 4 GiB, which is what all ones look like while its
 * size is asked for, isn't decoded.
 */
#include "remote-worker/pci_config.h"

#include <string.h>

#include "base/bytes.h"

#define VENDOR           0x00u
#define DEVICE           0x02u
#define CLASS_REVISION   0x08u
#define CACHE_LINE       0x0cu
#define LATENCY          0x0du
#define SUBSYSTEM_VENDOR 0x2cu
#define SUBSYSTEM        0x2eu
#define INTERRUPT_LINE   0x3cu
#define INTERRUPT_PIN    0x3du
#define MIN_GNT          0x3eu
#define MAX_LAT          0x3fu

#define COMMAND_PARITY   (1u << 6)
#define COMMAND_SERR     (1u << 8)
#define BAR_IS_IO        1u

static void set_ids(uint8_t *value, const struct mp_session_device *device)
{
	mp_put_le16(value + VENDOR, device->vendor_id);
	mp_put_le16(value + DEVICE, device->device_id);
	mp_put_le32(value + CLASS_REVISION, device->class_revision);
	mp_put_le16(value + SUBSYSTEM_VENDOR, device->subsystem_vendor_id);
	mp_put_le16(value + SUBSYSTEM, device->subsystem_id);
	value[INTERRUPT_PIN] = device->interrupt_pin;
	value[MIN_GNT] = device->min_gnt;
	value[MAX_LAT] = device->max_lat;
}

static void set_writable(uint8_t *writable)
{
	mp_put_le16(writable + MP_PCI_COMMAND, MP_PCI_COMMAND_IO | MP_PCI_COMMAND_MEM |
						       MP_PCI_COMMAND_DMA | COMMAND_PARITY |
						       COMMAND_SERR | MP_PCI_COMMAND_NO_INTX);
	writable[CACHE_LINE] = 0xff;
	writable[LATENCY] = 0xff;
	writable[INTERRUPT_LINE] = 0xff;
}

void mp_pci_config_init(struct mp_pci_config *c, const struct mp_session_device *device)
{
	uint32_t at;

	memset(c, 0, sizeof(*c));
	set_ids(c->value, device);
	set_writable(c->writable);
	for (unsigned int i = 0; i < MP_WIRE_MAX_BARS; i++) {
		c->bar[i].bytes = device->bar[i].bytes;
		c->bar[i].io = device->bar[i].flags & MP_BAR_IO;
		if (c->bar[i].bytes == 0)
			continue;
		at = MP_PCI_BAR0 + 4 * i;
		mp_put_le32(c->writable + at, ~(c->bar[i].bytes - 1));
		mp_put_le32(c->value + at, c->bar[i].io ? BAR_IS_IO : 0);
	}
}

void mp_pci_config_reset(struct mp_pci_config *c)
{
	for (unsigned int i = 0; i < MP_WIRE_CFG_BYTES; i++)
		c->value[i] &= (uint8_t)~c->writable[i];
	mp_pci_config_set_intx(c, false);
}

uint64_t mp_pci_config_read(const struct mp_pci_config *c, uint32_t off, unsigned int size)
{
	uint8_t bytes[8] = {0};

	memcpy(bytes, c->value + off, size);
	return mp_get_le64(bytes);
}

void mp_pci_config_write(struct mp_pci_config *c, uint32_t off, unsigned int size, uint64_t value)
{
	uint8_t bytes[8], can;

	mp_put_le64(bytes, value);
	for (unsigned int i = 0; i < size; i++) {
		can = c->writable[off + i];
		c->value[off + i] = (uint8_t)((c->value[off + i] & ~can) | (bytes[i] & can));
	}
}

void mp_pci_config_set_intx(struct mp_pci_config *c, bool level)
{
	if (level)
		c->value[MP_PCI_STATUS] |= MP_PCI_STATUS_INTX;
	else
		c->value[MP_PCI_STATUS] &= (uint8_t)~MP_PCI_STATUS_INTX;
}

unsigned int mp_pci_config_command(const struct mp_pci_config *c)
{
	return mp_get_le16(c->value + MP_PCI_COMMAND);
}

uint64_t mp_pci_config_base(const struct mp_pci_config *c, unsigned int bar)
{
	unsigned int enable = c->bar[bar].io ? MP_PCI_COMMAND_IO : MP_PCI_COMMAND_MEM;
	uint32_t base = mp_get_le32(c->value + MP_PCI_BAR0 + 4 * bar) & ~(c->bar[bar].bytes - 1);

	if (c->bar[bar].bytes == 0 || !(mp_pci_config_command(c) & enable))
		return UINT64_MAX;
	return base == 0 || base + (c->bar[bar].bytes - 1) == UINT32_MAX ? UINT64_MAX : base;
}

int mp_pci_config_decode(const struct mp_pci_config *c, uint64_t addr, unsigned int size,
			 bool memory, uint32_t *ret_off)
{
	uint64_t base;

	for (unsigned int i = 0; i < MP_WIRE_MAX_BARS; i++) {
		base = c->bar[i].io == memory ? UINT64_MAX : mp_pci_config_base(c, i);
		if (base == UINT64_MAX || addr < base || addr - base >= c->bar[i].bytes)
			continue;
		if (size > c->bar[i].bytes - (addr - base))
			return -1;
		*ret_off = (uint32_t)(addr - base);
		return (int)i;
	}
	return -1;
}
