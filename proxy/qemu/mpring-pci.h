/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mpring-pci - the QEMU half of the proxy device: what its files share.
 *
 *   plugin.c       loading, and the checks that make it safe
 *   mpring-pci.c   the PCI device: properties, BARs, config space
 *   intx.c         its interrupt line, with and without KVM's irqfd
 *   irq_thread.c   who listens to the worker's interrupts without irqfd
 *   ram.c          guest memory: offered to the worker, and what it wrote
 *   runstate.c     the machine stops and goes on; an I/O error stops it
 */
#ifndef MP_PROXY_QEMU_MPRING_PCI_H
#define MP_PROXY_QEMU_MPRING_PCI_H

#include "proxy/qemu/compat.h"

#include "proxy/dma.h"
#include "proxy/link.h"

#define TYPE_MPRING_PCI "mpring-pci"
OBJECT_DECLARE_SIMPLE_TYPE(MpringPci, MPRING_PCI)

typedef struct MpringBar {
    MpringPci *d;
    unsigned int index;
    bool posted; /* memory BAR: writes don't wait */
    MemoryRegion mr;
} MpringBar;

/* A table of guest memory, and a reference to each region of it. */
typedef struct MpringRam {
    struct mp_dma_table table;
    MemoryRegion *mr[MP_SESSION_MAX_RAM_FDS]; /* by index in table.fds */
} MpringRam;

/* What of config space the worker was told last. */
typedef struct MpringCfg {
    uint16_t command;
    uint32_t bar[MP_WIRE_MAX_BARS];
    uint8_t line;
} MpringCfg;

typedef struct MpringIntx {
    bool bound;     /* KVM injects from the irq fd by itself */
    bool possible;  /* the accelerator can, and irqfd= allows it */
    bool notifying; /* routing notifiers are installed */
    int gsi;
    EventNotifier raise;    /* the session's irq fd; borrowed */
    EventNotifier resample; /* KVM: the guest is done with the interrupt */
    Notifier irqchip_change;
} MpringIntx;

struct MpringPci {
    PCIDevice parent_obj;

    /* Properties. */
    char *fd_text, *socket_path, *stats_fd_text, *transport_text;
    uint32_t reply_timeout_ms, connect_timeout_ms;
    int32_t spin_us;
    OnOffAuto dma_report, irqfd;
    bool vm_stop;

    struct mp_link link;
    struct mp_shm stats;
    bool attached; /* link and handlers are there; exit ends it */
    bool handlers; /* main loop and irq thread listen to the link's fds */

    /*
     * A blocked wait drops the big lock. Then "busy" keeps everybody else out
     * of the link; "idle" wakes them. What the main loop or the irq thread
     * could not do meanwhile, the busy thread does when it is through.
     */
    bool may_drop, busy, irq_missed, cfg_missed, sock_missed;
    QemuCond idle;

    VMChangeStateEntry *runstate;
    bool stop_asked; /* for an I/O error, since the machine last ran */

    MpringBar bar[MP_WIRE_MAX_BARS];
    MpringCfg told;
    MpringIntx intx;

    MemoryListener listener;
    bool listening;
    bool said_iommu, said_private, said_many, said_left_out;
    MpringRam *ram, *next_ram; /* in use, being built */

    Error *blocker;
};

/* intx.c */
void mpring_intx_init(MpringPci *d);
void mpring_intx_fini(MpringPci *d);
/* After anything that may change the route, or the guest's INTx disable bit. */
void mpring_intx_update(MpringPci *d);
void mpring_intx_level(MpringPci *d, int level);
/* Is the line as the guest should see it asserted? */
bool mpring_intx_asserted(MpringPci *d);

/* irq_thread.c; with the big lock */
bool mpring_irq_thread_start(Error **errp);
void mpring_irq_thread_listen(MpringPci *d, bool on);

/* ram.c */
bool mpring_ram_check_machine(MpringPci *d, Error **errp);
void mpring_ram_listen(MpringPci *d);
void mpring_ram_unlisten(MpringPci *d);
void mpring_ram_written(uint64_t gpa, uint32_t len);

/* runstate.c */
void mpring_runstate_init(MpringPci *d);
void mpring_runstate_fini(MpringPci *d);
void mpring_runstate_io_stopped(MpringPci *d, bool reading, bool no_space);

/* mpring-pci.c */
void mpring_pci_register(void);
void mpring_set_handlers(MpringPci *d, bool on);
/* The irq fd is readable. */
void mpring_irq_fd_ready(MpringPci *d);

/* How messages call the device. */
static inline const char *mpring_name(const MpringPci *d)
{
    return d->parent_obj.qdev.id ? d->parent_obj.qdev.id : "(no id)";
}

#endif
