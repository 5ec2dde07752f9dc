/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * intx.c - from the level in the worker's page to the guest's interrupt line.
 *
 * Unbound (TCG, and KVM until the firmware has routed the pin): the irq thread,
 * or the vCPU whose access just returned, reads the level and sets the pin.
 *
 * Bound (KVM with irqfd and resamplefd): the worker's eventfd asserts the line
 * in the kernel. When the guest acknowledges the interrupt, KVM lowers the line
 * and writes "resample"; if the level is still 1, we ring the eventfd again.
 * The pin as QEMU sees it stays 0 while bound, because KVM ORs both sources.
 *
 * Each switch re-asserts what the level says, so no edge is lost.
 *
 * A stock worker has no page, but the same two eventfds as KVM, and takes
 * "resample" itself: bound, nothing of an interrupt comes here. Unbound, the
 * link makes a level of its rises, see proxy/link_socket.c. Nobody can ask for
 * the level, so each switch asks the worker to rise again.
 *
 * While bound the link goes on telling levels that go nowhere, and tells only
 * changes: who unbinds has it tell again.
 */
#include "proxy/qemu/mpring-pci.h"

bool mpring_intx_asserted(MpringPci *d)
{
    return d->attached && !d->link.dead && mp_link_irq_now(&d->link);
}

void mpring_intx_level(MpringPci *d, int level)
{
    if (!d->intx.bound) {
        pci_set_irq(PCI_DEVICE(d), level);
    }
}

/* KVM has lowered the line at the guest's EOI: is there more? */
static void resample(void *opaque)
{
    MpringPci *d = opaque;

    event_notifier_test_and_clear(&d->intx.resample);
    if (d->intx.bound && mpring_intx_asserted(d)) {
        event_notifier_set(&d->intx.raise);
    }
}

/* A stock worker takes "resample" itself; one of ours has no such fd. */
static bool worker_resamples(MpringPci *d)
{
    return mp_link_resample_fd(&d->link) >= 0;
}

/* A link that is closed has said so to the guest; a stock one keeps its fds. */
static bool resample_init(MpringPci *d)
{
    if (worker_resamples(d)) {
        event_notifier_init_fd(&d->intx.resample,
                               mp_link_resample_fd(&d->link));
        return true;
    }
    return event_notifier_init(&d->intx.resample, 0) >= 0;
}

static void resample_cleanup(MpringPci *d)
{
    if (!worker_resamples(d)) {
        event_notifier_cleanup(&d->intx.resample);
    }
}

static void listen_resample(MpringPci *d, bool on)
{
    if (!worker_resamples(d)) {
        qemu_set_fd_handler(event_notifier_get_fd(&d->intx.resample),
                            on ? resample : NULL, NULL, d);
    }
}

static void unbind(MpringPci *d)
{
    if (!d->intx.bound) {
        return;
    }
    kvm_irqchip_remove_irqfd_notifier_gsi(kvm_state, &d->intx.raise,
                                          d->intx.gsi);
    listen_resample(d, false);
    resample_cleanup(d);
    d->intx.bound = false;
    mp_link_set_irq_edge_only(&d->link, false);
    if (d->attached) {
        mpring_set_handlers(d, d->handlers);
        pci_set_irq(PCI_DEVICE(d), mpring_intx_asserted(d));
        mp_link_irq_again(&d->link);
    }
}

static void bind_to(MpringPci *d, int gsi)
{
    if (!resample_init(d)) {
        return;
    }
    event_notifier_init_fd(&d->intx.raise, mp_link_irq_fd(&d->link));
    pci_set_irq(PCI_DEVICE(d), 0);
    mpring_irq_thread_listen(d, false);
    if (kvm_irqchip_add_irqfd_notifier_gsi(kvm_state, &d->intx.raise,
                                           &d->intx.resample, gsi) < 0) {
        resample_cleanup(d);
        mpring_set_handlers(d, d->handlers);
        pci_set_irq(PCI_DEVICE(d), mpring_intx_asserted(d));
        mp_link_irq_again(&d->link);
        return;
    }
    d->intx.gsi = gsi;
    d->intx.bound = true;
    listen_resample(d, true);
    mp_link_set_irq_edge_only(&d->link, true);
    if (worker_resamples(d)) {
        mp_link_irq_again(&d->link);
    } else if (mpring_intx_asserted(d)) {
        event_notifier_set(&d->intx.raise);
    }
}

/* The GSI that the pin should drive directly, or -1. */
static int wanted_gsi(MpringPci *d)
{
    PCIDevice *pci = PCI_DEVICE(d);
    PCIINTxRoute route;

    if (!d->intx.possible || !d->attached || d->link.dead) {
        return -1;
    }
    if (pci_get_word(pci->config + PCI_COMMAND) & PCI_COMMAND_INTX_DISABLE) {
        return -1;
    }
    route = pci_device_route_intx_to_irq(pci, pci_intx(pci));
    return route.mode == PCI_INTX_ENABLED ? route.irq : -1;
}

void mpring_intx_update(MpringPci *d)
{
    int gsi = wanted_gsi(d);

    if (d->intx.bound && d->intx.gsi != gsi) {
        unbind(d);
    }
    if (!d->intx.bound && gsi >= 0) {
        bind_to(d, gsi);
    }
}

static void route_changed(PCIDevice *pci)
{
    mpring_intx_update(MPRING_PCI(pci));
}

static void irqchip_changed(Notifier *n, void *unused)
{
    MpringPci *d = container_of(n, MpringPci, intx.irqchip_change);

    if (d->intx.bound) {
        unbind(d);
    }
    mpring_intx_update(d);
}

void mpring_intx_init(MpringPci *d)
{
    if (!pci_get_byte(PCI_DEVICE(d)->config + PCI_INTERRUPT_PIN)) {
        return;
    }
    d->intx.possible = kvm_enabled() && kvm_irqfds_enabled() &&
                       kvm_resamplefds_enabled() && d->irqfd != ON_OFF_AUTO_OFF;
    if (!d->intx.possible) {
        if (d->irqfd == ON_OFF_AUTO_ON) {
            warn_report("mpring-pci %s: irqfd=on needs KVM with an in-kernel "
                        "interrupt controller; a thread of QEMU raises the "
                        "interrupts",
                        mpring_name(d));
        }
        return;
    }
    d->intx.irqchip_change.notify = irqchip_changed;
    kvm_irqchip_add_change_notifier(&d->intx.irqchip_change);
    pci_device_set_intx_routing_notifier(PCI_DEVICE(d), route_changed);
    d->intx.notifying = true;
    mpring_intx_update(d);
}

void mpring_intx_fini(MpringPci *d)
{
    unbind(d);
    if (d->intx.notifying) {
        pci_device_set_intx_routing_notifier(PCI_DEVICE(d), NULL);
        kvm_irqchip_remove_change_notifier(&d->intx.irqchip_change);
        d->intx.notifying = false;
    }
}
