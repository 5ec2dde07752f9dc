/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pci_config - a device's configuration header: what it answers, which bits can
 * be written, and where its BARs are.
 *
 * With the rings QEMU's proxy answers the guest, and only the writes that move a
 * BAR come here. With the stock protocol every access comes here, and a BAR is
 * addressed absolutely, so that this is what finds it.
 */
#ifndef MP_REMOTE_WORKER_PCI_CONFIG_H
#define MP_REMOTE_WORKER_PCI_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/session.h"

#define MP_PCI_COMMAND         0x04u
#define MP_PCI_STATUS          0x06u
#define MP_PCI_BAR0            0x10u

#define MP_PCI_COMMAND_IO      (1u << 0)
#define MP_PCI_COMMAND_MEM     (1u << 1)
#define MP_PCI_COMMAND_DMA     (1u << 2) /* bus master */
#define MP_PCI_COMMAND_NO_INTX (1u << 10)
#define MP_PCI_STATUS_INTX     (1u << 3)

struct mp_pci_config {
	uint8_t value[MP_WIRE_CFG_BYTES];
	uint8_t writable[MP_WIRE_CFG_BYTES]; /* bits */
	struct {
		uint32_t bytes; /* 0: there is none */
		bool io;
	} bar[MP_WIRE_MAX_BARS];
};

/** mp_pci_config_init() - as after power-on */
void mp_pci_config_init(struct mp_pci_config *c, const struct mp_session_device *device);
/** mp_pci_config_reset() - all that can be written is 0: nothing is decoded, no DMA, no line */
void mp_pci_config_reset(struct mp_pci_config *c);

/** mp_pci_config_read() - @off + @size <= MP_WIRE_CFG_BYTES, @size at most 8 */
uint64_t mp_pci_config_read(const struct mp_pci_config *c, uint32_t off, unsigned int size);
/** mp_pci_config_write() - the bits that can be; same limits */
void mp_pci_config_write(struct mp_pci_config *c, uint32_t off, unsigned int size, uint64_t value);

/** mp_pci_config_set_intx() - the status bit: does the device assert its interrupt? */
void mp_pci_config_set_intx(struct mp_pci_config *c, bool level);

/** mp_pci_config_command() - the command register */
unsigned int mp_pci_config_command(const struct mp_pci_config *c);

/** mp_pci_config_base() - bus address of BAR @bar, UINT64_MAX: not decoded */
uint64_t mp_pci_config_base(const struct mp_pci_config *c, unsigned int bar);

/**
 * mp_pci_config_decode() - which BAR answers this access, all of it?
 * @memory:   in memory space, else ports
 * @ret_off:  offset in the BAR
 *
 * Return: the BAR; -1 none.
 */
int mp_pci_config_decode(const struct mp_pci_config *c, uint64_t addr, unsigned int size,
			 bool memory, uint32_t *ret_off);

#endif
