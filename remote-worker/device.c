/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device is the place where a request's BAR and offset become a call into the
 * chip. BAR0 (ports) and BAR1 (memory) are the same 256 registers, BAR1 repeats
 * them; BAR2 is SCRIPTS RAM. With the rings config space is the proxy's: it sends
 * only writes that move a BAR or switch its decoding, because the chip must
 * recognise its own bus addresses in SCRIPTS (manual 4-42, "self-addressing").
 *
 * A machine that QEMU has stopped must find its memory and its disks as it left
 * them. PAUSE halts the device for that: registers still answer, a reset still
 * resets, but nothing else moves until CONTINUE. An I/O error whose policy is to
 * stop (io_stopped) pauses only the SCSI bus, and lets QEMU do the rest: it stops
 * the machine and sends PAUSE; CONTINUE ends both.
 *
 * Without bus mastering every DMA address is a bus fault. Our proxy offers guest
 * memory only while the guest has switched it on; a stock one offers it always, so
 * for that front (gates_dma) the command register decides here.
 */
#include "remote-worker/device.h"

#include <string.h>

#include "base/bytes.h"
#include "base/err.h"

#define N_BARS          3u

#define VENDOR_LSI      0x1000
#define DEVICE_895A     0x0012
#define SUBSYSTEM       0x1000
#define CLASS_SCSI      0x010000u
#define REGS_MMIO_BYTES 1024u

int mp_device_init(struct mp_device *d, const struct mp_device_cfg *how,
		   const struct mp_state *state, unsigned int index)
{
	struct mp_session_device device;
	struct mp_scsi_bus_cfg cfg;
	int r;

	mp_device_describe(&device);
	mp_pci_config_init(&d->config, &device);
	d->id = how->id;
	d->tasks = mp_state_tasks(state, index);
	d->pool = mp_state_pool(state, index);
	d->stats = MP_SHM_NULL;
	mp_guest_view_init(&d->mem, NULL);
	cfg = (struct mp_scsi_bus_cfg){.ops = &mp_glue_scsi_ops,
				       .opaque = d,
				       .tasks = d->tasks,
				       .n_tasks = MP_SCSI_MAX_TASKS,
				       .pool = d->pool,
				       .pool_len = how->pool_bytes,
				       .tsc_hz = how->tsc_hz};
	r = mp_scsi_bus_create(&cfg, &d->bus);
	if (r < 0)
		return mp_err_trace(r);
	r = mp_lsi_attach(&d->lsi, mp_state_lsi(state, index), &mp_glue_lsi_ops, d);
	return r < 0 ? mp_err_trace(r) : 0;
}

void mp_device_fini(struct mp_device *d)
{
	d->bus = mp_scsi_bus_destroy(d->bus);
	mp_shm_fini(&d->stats);
}

void mp_device_describe(struct mp_session_device *ret_device)
{
	struct mp_session_device dev = {.vendor_id = VENDOR_LSI,
					.device_id = DEVICE_895A,
					.subsystem_vendor_id = VENDOR_LSI,
					.subsystem_id = SUBSYSTEM,
					.class_revision = CLASS_SCSI << 8,
					.interrupt_pin = 1,
					.shadow_window = MP_LSI_REG_BYTES,
					.name = "lsi53c895a"};

	dev.bar[MP_LSI_BAR_IO].bytes = MP_LSI_REG_BYTES;
	dev.bar[MP_LSI_BAR_IO].flags = MP_BAR_IO;
	dev.bar[MP_LSI_BAR_MMIO].bytes = REGS_MMIO_BYTES;
	dev.bar[MP_LSI_BAR_MMIO].flags = MP_BAR_MEM;
	dev.bar[MP_LSI_BAR_RAM].bytes = MP_LSI_RAM_BYTES;
	dev.bar[MP_LSI_BAR_RAM].flags = MP_BAR_MEM;
	dev.shadow_bar_mask = 1u << MP_LSI_BAR_IO | 1u << MP_LSI_BAR_MMIO;
	memcpy(dev.shadowable, mp_lsi_shadowable, sizeof(dev.shadowable));
	*ret_device = dev;
}

static uint64_t reg_read(struct mp_device *d, unsigned int off, unsigned int size)
{
	uint64_t low;

	if (size <= 4)
		return mp_lsi_read(&d->lsi, off & 0xff, size);
	low = mp_lsi_read(&d->lsi, off & 0xff, 4);
	return (uint64_t)mp_lsi_read(&d->lsi, (off + 4) & 0xff, 4) << 32 | low;
}

static void reg_write(struct mp_device *d, unsigned int off, unsigned int size, uint64_t value)
{
	if (size <= 4) {
		mp_lsi_write(&d->lsi, off & 0xff, size, (uint32_t)value);
		return;
	}
	mp_lsi_write(&d->lsi, off & 0xff, 4, (uint32_t)value);
	mp_lsi_write(&d->lsi, (off + 4) & 0xff, 4, (uint32_t)(value >> 32));
}

static void update_bars(struct mp_device *d)
{
	for (unsigned int i = 0; i < N_BARS; i++)
		mp_lsi_set_bar(&d->lsi, i, mp_pci_config_base(&d->config, i));
}

static bool may_touch_ram(const struct mp_device *d)
{
	return !d->front || !d->front->gates_dma ||
	       mp_pci_config_command(&d->config) & MP_PCI_COMMAND_DMA;
}

static void update_mem(struct mp_device *d)
{
	mp_guest_view_init(&d->mem, may_touch_ram(d) ? d->ram : NULL);
	mp_dma_log_fold(&d->log, &d->mem);
}

void mp_device_set_ram(struct mp_device *d, const struct mp_guest_table *table)
{
	d->ram = table;
	update_mem(d);
}

/* All of it follows from the header as a whole: BARs and command may change in any order. */
static void config_changed(struct mp_device *d)
{
	update_bars(d);
	if (d->front && d->front->gates_dma)
		update_mem(d);
}

static void config_write(struct mp_device *d, uint32_t off, unsigned int size, uint64_t value)
{
	mp_pci_config_write(&d->config, off, size, value);
	config_changed(d);
}

void mp_device_reset(struct mp_device *d)
{
	mp_lsi_reset(&d->lsi);
	/* The disks are part of the device: the machine was switched off and on. */
	mp_scsi_reset(d->bus, MP_SCSI_RESET_POWER, 0, 0);
	mp_pci_config_reset(&d->config);
	config_changed(d);
}

/*
 * SCRIPTS are all that writes guest memory: a halted device leaves it alone from
 * here on. Block I/O in flight only fills the pool; the proxy asks until it ends.
 */
uint64_t mp_device_hold(struct mp_device *d, enum mp_hold who)
{
	d->holds |= (uint8_t)who;
	d->halted = true;
	mp_scsi_pause(d->bus);
	return mp_scsi_bus_n_busy(d->bus);
}

void mp_device_release(struct mp_device *d, enum mp_hold who)
{
	d->holds &= (uint8_t)~who;
	/* What QEMU has stopped for, QEMU continues. */
	if (!(d->holds & MP_HOLD_PROXY))
		d->io_stopped = 0;
	if (d->holds)
		return;
	d->halted = false;
	mp_scsi_continue(d->bus);
}

void mp_device_attach(struct mp_device *d, struct mp_front *front)
{
	d->front = front;
	d->log.on = front && front->wants_reports;
	if (front) {
		mp_scsi_may_stop(d->bus, front->may_stop);
		return;
	}
	mp_device_reset(d);
	d->ram = NULL;
	mp_guest_view_init(&d->mem, NULL);
	d->log.n = 0;
	mp_device_release(d, MP_HOLD_PROXY);
}

static uint64_t bar_read(struct mp_device *d, const struct mp_wire_req *req)
{
	if (req->bar == MP_LSI_BAR_RAM)
		return mp_lsi_ram_read(&d->lsi, req->off, req->size);
	return reg_read(d, req->off, req->size);
}

static void bar_write(struct mp_device *d, const struct mp_wire_req *req)
{
	if (req->bar == MP_LSI_BAR_RAM)
		mp_lsi_ram_write(&d->lsi, req->off, req->size, req->data);
	else
		reg_write(d, req->off, req->size, req->data);
}

uint64_t mp_device_apply(struct mp_device *d, const struct mp_wire_req *req)
{
	switch (req->op) {
	case MP_REQ_BAR_READ:
		return bar_read(d, req);
	case MP_REQ_BAR_WRITE:
	case MP_REQ_BAR_WRITE_WAIT:
		bar_write(d, req);
		return 0;
	case MP_REQ_CFG_WRITE:
		config_write(d, req->off, req->size, req->data);
		return 0;
	case MP_REQ_RESET:
		mp_device_reset(d);
		return 0;
	case MP_REQ_PAUSE:
		return mp_device_hold(d, MP_HOLD_PROXY);
	case MP_REQ_CONTINUE:
		mp_device_release(d, MP_HOLD_PROXY);
		return 0;
	default:
		return 0;
	}
}
