/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ram.c - guest memory as the device may reach it.
 *
 * The listener watches the device's own bus-master address space: memory is
 * there once the guest allows bus mastering and gone when it forbids it, and a
 * vIOMMU shows up in its place. Every transaction on any address space ends
 * in commit(), dozens during boot, so the table is built on the side and sent
 * only if it differs. Sending waits for the worker's ACK: when commit()
 * returns, no DMA into what has gone can come.
 *
 * Under TCG, written() makes QEMU forget code that it translated from bytes
 * which the worker has overwritten.
 */
#include "proxy/qemu/mpring-pci.h"

static bool is_main_memory(const MemoryRegion *mr)
{
    return mr->owner && object_dynamic_cast(mr->owner, TYPE_MEMORY_BACKEND);
}

static bool is_shared_file(MemoryRegion *mr)
{
    return memory_region_get_fd(mr) >= 0 && qemu_ram_is_shared(mr->ram_block);
}

/* Is there main memory which another process can't map? */
static bool find_private(Int128 start, Int128 len, const MemoryRegion *mr,
                         hwaddr offset, void *opaque)
{
    MemoryRegion *region = (MemoryRegion *)(uintptr_t)mr;
    const MemoryRegion **found = opaque;

    if (memory_region_is_ram(region) && is_main_memory(region) &&
        !is_shared_file(region)) {
        *found = mr;
        return true;
    }
    return false;
}

bool mpring_ram_check_machine(MpringPci *d, Error **errp)
{
    PCIDevice *pci = PCI_DEVICE(d);
    const MemoryRegion *private = NULL;

    if (pci_device_iommu_address_space(pci) != &address_space_memory) {
        error_setg(errp, "this device is behind a vIOMMU, which mpring-pci "
                         "doesn't support; put it on a bus without one");
        return false;
    }
    if (current_machine->cgs) {
        error_setg(errp, "guest memory is encrypted; mpring-pci can't work in "
                         "a confidential guest");
        return false;
    }
    WITH_RCU_READ_LOCK_GUARD()
    {
        flatview_for_each_range(
            address_space_to_flatview(&address_space_memory), find_private,
            &private);
    }
    if (private) {
        error_setg(errp, "guest memory is private to QEMU; start it with "
                         "-object memory-backend-memfd,id=mem,"
                         "size=<RAM size>,share=on "
                         "-machine memory-backend=mem");
        return false;
    }
    return true;
}

static void forget(MpringRam *ram)
{
    for (uint32_t i = 0; i < ram->table.n_fds; i++) {
        memory_region_unref(ram->mr[i]);
    }
    mp_dma_clear(&ram->table);
}

static void say_once(bool *said, const char *name, const char *what)
{
    if (!*said) {
        *said = true;
        error_report("mpring-pci %s: %s", name, what);
    }
}

static void begin(MemoryListener *l)
{
    MpringPci *d = container_of(l, MpringPci, listener);

    forget(d->next_ram);
}

static void add_section(MpringPci *d, MemoryRegionSection *s)
{
    MemoryRegion *mr = s->mr;
    MpringRam *ram = d->next_ram;
    uint32_t n_fds = ram->table.n_fds;
    struct mp_session_region region = {
        .gpa = s->offset_within_address_space,
        .len = int128_get64(s->size),
        .fd_offset =
            s->offset_within_region + compat_ram_fd_offset(mr->ram_block),
        .flags = s->readonly || mr->readonly ? MP_RAM_READONLY : 0,
    };
    int index = mp_dma_add(&ram->table, &region, memory_region_get_fd(mr));

    if (index < 0) {
        say_once(&d->said_many, mpring_name(d),
                 "guest memory is in too many pieces; DMA to the last of "
                 "them fails");
    } else if (ram->table.n_fds > n_fds) {
        memory_region_ref(mr);
        ram->mr[index] = mr;
    }
}

/* Called for what is new and for what stays. */
static void region_add(MemoryListener *l, MemoryRegionSection *s)
{
    MpringPci *d = container_of(l, MpringPci, listener);

    if (memory_region_is_iommu(s->mr)) {
        say_once(&d->said_iommu, mpring_name(d),
                 "a vIOMMU translates this device, which is not supported; "
                 "its DMA fails");
        return;
    }
    if (!memory_region_is_ram(s->mr) || memory_region_is_ram_device(s->mr)) {
        return;
    }
    if (is_shared_file(s->mr)) {
        add_section(d, s);
    } else if (is_main_memory(s->mr)) {
        say_once(&d->said_private, mpring_name(d),
                 "memory was added that is private to QEMU (share=off); DMA "
                 "to it fails");
    }
}

static void commit(MemoryListener *l)
{
    MpringPci *d = container_of(l, MpringPci, listener);
    MpringRam *old = d->ram;
    struct mp_dma_table *t = &d->next_ram->table;

    if (mp_dma_equal(t, &old->table)) {
        return;
    }
    /* A failure closes the link, which tells the user. */
    if (mp_link_set_ram(&d->link, t->region, t->n_regions, t->fds, t->n_fds) >
        0) {
        say_once(&d->said_left_out, mpring_name(d),
                 "a stock worker takes 7 pieces of guest memory, and there are "
                 "more; DMA to the smallest of them fails; use an mpring "
                 "worker, or fewer memory devices");
    }
    d->ram = d->next_ram;
    d->next_ram = old;
    forget(old);
}

void mpring_ram_listen(MpringPci *d)
{
    d->ram = g_new0(MpringRam, 1);
    d->next_ram = g_new0(MpringRam, 1);
    d->listener = (MemoryListener){
        .name = TYPE_MPRING_PCI,
        .priority = 10,
        .begin = begin,
        .region_add = region_add,
        .region_nop = region_add,
        .commit = commit,
    };
    d->listening = true;
    memory_listener_register(&d->listener,
                             pci_get_address_space(PCI_DEVICE(d)));
}

void mpring_ram_unlisten(MpringPci *d)
{
    if (!d->listening) {
        return;
    }
    d->listening = false;
    memory_listener_unregister(&d->listener);
    forget(d->ram);
    forget(d->next_ram);
    g_free(d->ram);
    g_free(d->next_ram);
}

/*
 * Mapping for writing and unmapping is what makes QEMU forget translations. A
 * hostile range must not reach anything but memory: mapping a device's
 * registers would, through a bounce buffer, write to them.
 */
void mpring_ram_written(uint64_t gpa, uint32_t len)
{
    const MemTxAttrs attrs = MEMTXATTRS_UNSPECIFIED;
    AddressSpace *as = &address_space_memory;
    hwaddr left = len, at = gpa, n, unused;
    MemoryRegion *mr;
    void *hva;

    RCU_READ_LOCK_GUARD();
    for (; left > 0 && at >= gpa; at += n, left -= n) {
        n = left;
        mr = address_space_translate(as, at, &unused, &n, true, attrs);
        if (n == 0) {
            return;
        }
        if (!memory_region_is_ram(mr) || mr->readonly || mr->rom_device ||
            memory_region_is_ram_device(mr)) {
            continue;
        }
        hva = address_space_map(as, at, &n, true, attrs);
        if (!hva) {
            return;
        }
        address_space_unmap(as, hva, n, true, n);
    }
}
