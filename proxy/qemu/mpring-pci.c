/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mpring-pci.c - a PCI device whose registers live in another process.
 *
 * BARs: an access becomes a message of the link; memory writes are posted,
 * reads and port writes wait. Config space: the header is QEMU's, answered
 * here; the worker is told of command register, BARs and interrupt line when
 * their value changes. Whether the messages go by rings or, to a stock worker,
 * by its socket is the link's business; only intx.c has to know.
 *
 * A wait that blocks drops the big lock, but only when a vCPU made the access:
 * then "busy" keeps others out of the link, and who finds it set waits, if the
 * caller allows that, or leaves a note ("..._missed") which the busy thread
 * acts on when it is through. Config writes never drop it: they run inside the
 * host bridge's handler, and the bridge refuses to be entered twice.
 */
#include "proxy/qemu/mpring-pci.h"

static void access_begin(MpringPci *d, MemTxAttrs attrs)
{
    while (d->busy) {
        bql_cond_wait(&d->idle);
    }
    /* Device DMA, monitor and qtest say "unspecified"; vCPUs never do. */
    d->may_drop = !attrs.unspecified;
}

static MpringCfg cfg_now(MpringPci *d)
{
    const uint8_t *config = PCI_DEVICE(d)->config;
    MpringCfg now = {
        .command = pci_get_word(config + PCI_COMMAND),
        .line = pci_get_byte(config + PCI_INTERRUPT_LINE),
    };

    for (unsigned int i = 0; i < MP_WIRE_MAX_BARS; i++) {
        now.bar[i] = pci_get_long(config + PCI_BASE_ADDRESS_0 + 4 * i);
    }
    return now;
}

/* Tells the worker what of config space has changed. */
static void cfg_sync(MpringPci *d)
{
    MpringCfg old = d->told, now = cfg_now(d);

    d->told = now;
    d->cfg_missed = false;
    for (unsigned int i = 0; i < MP_WIRE_MAX_BARS; i++) {
        if (now.bar[i] != old.bar[i]) {
            mp_link_cfg_write(&d->link, PCI_BASE_ADDRESS_0 + 4 * i, 4,
                              now.bar[i]);
        }
    }
    if (now.command != old.command) {
        mp_link_cfg_write(&d->link, PCI_COMMAND, 2, now.command);
    }
    if (now.line != old.line) {
        mp_link_cfg_write(&d->link, PCI_INTERRUPT_LINE, 1, now.line);
    }
}

static void access_end(MpringPci *d)
{
    d->may_drop = false;
    if (d->cfg_missed && d->attached) {
        cfg_sync(d);
    }
    if (d->irq_missed && d->attached) {
        d->irq_missed = false;
        mp_link_irq_ready(&d->link);
    }
    if (d->sock_missed && d->attached) {
        d->sock_missed = false;
        mp_link_hup(&d->link);
        if (!d->link.closed) {
            mpring_set_handlers(d, d->handlers);
        }
    }
}

static MemTxResult bar_read(void *opaque, hwaddr off, uint64_t *ret_value,
                            unsigned int size, MemTxAttrs attrs)
{
    MpringBar *bar = opaque;
    MpringPci *d = bar->d;

    access_begin(d, attrs);
    *ret_value = mp_link_read(&d->link, bar->index, (uint32_t)off, size);
    access_end(d);
    return MEMTX_OK;
}

static MemTxResult bar_write(void *opaque, hwaddr off, uint64_t value,
                             unsigned int size, MemTxAttrs attrs)
{
    MpringBar *bar = opaque;
    MpringPci *d = bar->d;

    access_begin(d, attrs);
    if (bar->posted) {
        mp_link_post(&d->link, bar->index, (uint32_t)off, size, value);
    } else {
        mp_link_write(&d->link, bar->index, (uint32_t)off, size, value);
    }
    access_end(d);
    return MEMTX_OK;
}

/* Wider accesses are split, low address first, as a 32-bit PCI bus does. */
static const MemoryRegionOps bar_ops = {
    .read_with_attrs = bar_read,
    .write_with_attrs = bar_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = {.min_access_size = 1, .max_access_size = 8},
    .impl = {.min_access_size = 1, .max_access_size = 4},
};

/* --- what the link calls ------------------------------------------------ */

static void link_dma_written(void *opaque, uint64_t gpa, uint32_t len)
{
    mpring_ram_written(gpa, len);
}

static void link_irq(void *opaque, int level)
{
    mpring_intx_level(opaque, level);
}

static void link_blocking_begin(void *opaque)
{
    MpringPci *d = opaque;

    if (d->may_drop) {
        d->busy = true;
        bql_unlock();
    }
}

static void link_blocking_end(void *opaque)
{
    MpringPci *d = opaque;

    if (d->may_drop) {
        bql_lock();
        d->busy = false;
        qemu_cond_broadcast(&d->idle);
    }
}

static void link_state(void *opaque, bool dead, const char *why)
{
    MpringPci *d = opaque;

    if (!dead) {
        info_report("mpring-pci %s: %s", mpring_name(d), why);
    } else if (!d->link.closed) {
        error_report("mpring-pci %s: worker is stuck; reads return all ones "
                     "and writes are dropped until a reset finds it "
                     "answering (%s)",
                     mpring_name(d), why);
    } else {
        mpring_set_handlers(d, false);
        error_report("mpring-pci %s: worker is gone; reads return all ones "
                     "and writes are dropped from now on (%s)",
                     mpring_name(d), why);
    }
    mpring_intx_update(d);
}

static void link_io_stopped(void *opaque, bool reading, bool no_space)
{
    mpring_runstate_io_stopped(opaque, reading, no_space);
}

static const struct mp_link_ops link_ops = {
    .dma_written = link_dma_written,
    .irq = link_irq,
    .blocking_begin = link_blocking_begin,
    .blocking_end = link_blocking_end,
    .state = link_state,
    .io_stopped = link_io_stopped,
};

/* --- what the irq thread and the main loop call -------------------------- */

void mpring_irq_fd_ready(MpringPci *d)
{
    if (d->busy) {
        mp_link_irq_missed(&d->link);
        d->irq_missed = true;
    } else {
        mp_link_irq_ready(&d->link);
    }
}

static void sock_ready(void *opaque)
{
    MpringPci *d = opaque;

    if (d->busy) {
        /* It stays readable, so listening on would keep us here. */
        d->sock_missed = true;
        qemu_set_fd_handler(mp_link_sock_fd(&d->link), NULL, NULL, NULL);
    } else {
        mp_link_hup(&d->link);
    }
}

/* Needs no turn at the link, so a busy one doesn't matter. */
static void stop_fd_ready(void *opaque)
{
    MpringPci *d = opaque;

    mp_link_stop_ready(&d->link);
}

void mpring_set_handlers(MpringPci *d, bool on)
{
    int stop_fd = mp_link_stop_fd(&d->link);

    d->handlers = on;
    qemu_set_fd_handler(mp_link_sock_fd(&d->link), on ? sock_ready : NULL, NULL,
                        d);
    mpring_irq_thread_listen(d, on && !d->intx.bound);
    if (stop_fd >= 0) {
        qemu_set_fd_handler(stop_fd, on ? stop_fd_ready : NULL, NULL, d);
    }
}

/* --- config space and reset --------------------------------------------- */

static uint32_t config_read(PCIDevice *pci, uint32_t addr, int len)
{
    MpringPci *d = MPRING_PCI(pci);
    uint8_t *status = pci->config + PCI_STATUS;

    /* While KVM injects by itself, nobody else keeps the status bit. */
    if (d->intx.bound && mpring_intx_asserted(d)) {
        pci_word_test_and_set_mask(status, PCI_STATUS_INTERRUPT);
    } else if (d->intx.bound) {
        pci_word_test_and_clear_mask(status, PCI_STATUS_INTERRUPT);
    }
    return pci_default_read_config(pci, addr, len);
}

static void config_write(PCIDevice *pci, uint32_t addr, uint32_t value, int len)
{
    MpringPci *d = MPRING_PCI(pci);

    /* May end in ram.c: a change of bus mastering is a change of memory. */
    pci_default_write_config(pci, addr, value, len);
    if (!d->attached) {
        return;
    }
    if (d->busy) {
        d->cfg_missed = true;
    } else {
        cfg_sync(d);
    }
    mpring_intx_update(d);
}

static void reset(DeviceState *dev)
{
    MpringPci *d = MPRING_PCI(dev);

    while (d->busy) {
        bql_cond_wait(&d->idle);
    }
    mp_link_reset(&d->link);
    /* The PCI core clears config space after us; the worker did it just now. */
    d->told = (MpringCfg){.command = 0};
    for (unsigned int i = 0; i < MP_WIRE_MAX_BARS; i++) {
        d->told.bar[i] = PCI_DEVICE(d)->io_regions[i].type;
    }
}

/* --- realize and exit ---------------------------------------------------- */

/* An fd= property: a number, or a name given with getfd. */
static int open_fd(const char *text, Error **errp)
{
    int fd = monitor_fd_param(monitor_cur(), text, errp);

    if (fd < 0) {
        return fd;
    }
    /* QEMU's own helper would abort. */
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
        error_setg(errp,
                   "descriptor %d isn't open; whoever starts QEMU passes it on",
                   fd);
        return -1;
    }
    return fd;
}

static int open_path(MpringPci *d, Error **errp)
{
    int fd =
        mp_link_connect(d->socket_path, d->connect_timeout_ms * 1000000ull);

    if (fd == -ENAMETOOLONG) {
        error_setg(errp,
                   "socket=%s: a socket's path has at most 107 characters",
                   d->socket_path);
    } else if (fd < 0) {
        error_setg_errno(errp, -fd,
                         "nobody listens on socket=%s; start the worker, or "
                         "give it more time with connect-timeout=MILLISECONDS",
                         d->socket_path);
    }
    return fd;
}

static int open_socket(MpringPci *d, Error **errp)
{
    int fd;

    if (!d->fd_text == !d->socket_path) {
        error_setg(errp, "give either fd=N, a socket that is connected to the "
                         "worker, or socket=PATH, where one listens");
        return -1;
    }
    if (d->socket_path) {
        return open_path(d, errp);
    }
    fd = open_fd(d->fd_text, errp);
    if (fd >= 0 && !fd_is_socket(fd)) {
        error_setg(errp, "fd=%s is not a socket", d->fd_text);
        close(fd);
        return -1;
    }
    return fd;
}

static bool open_stats(MpringPci *d, Error **errp)
{
    int fd, r;

    if (!d->stats_fd_text) {
        return true;
    }
    fd = open_fd(d->stats_fd_text, errp);
    if (fd < 0) {
        return false;
    }
    r = mp_stat_adopt_take(fd, &d->stats);
    if (r < 0) {
        error_setg_errno(errp, -r, "stats-fd=%s is not a page of counters",
                         d->stats_fd_text);
    }
    return r >= 0;
}

/* Index in this list, or -1. */
static int transport_of(MpringPci *d, Error **errp)
{
    static const char *const names[] = {
        [MP_LINK_RING] = "ring",
        [MP_LINK_SOCKET] = "socket",
        [MP_LINK_AUTO] = "auto",
    };

    for (int i = 0; i < (int)ARRAY_SIZE(names); i++) {
        if (!d->transport_text || strcmp(d->transport_text, names[i]) == 0) {
            return d->transport_text ? i : MP_LINK_AUTO;
        }
    }
    error_setg(errp, "transport=%s is none of auto, ring, socket",
               d->transport_text);
    return -1;
}

static bool wants_reports(MpringPci *d)
{
    return d->dma_report == ON_OFF_AUTO_ON ||
           (d->dma_report == ON_OFF_AUTO_AUTO && !kvm_enabled());
}

static struct mp_link_cfg link_cfg(MpringPci *d)
{
    /* A spin on the only CPU keeps the worker from answering. */
    bool spin = g_get_num_processors() > 1;

    return (struct mp_link_cfg){
        .ops = &link_ops,
        .opaque = d,
        .features = (wants_reports(d) ? MP_FEAT_DMA_REPORT : 0) |
                    MP_FEAT_PAUSE | (d->vm_stop ? MP_FEAT_IO_STOP : 0),
        .connect_timeout_ns = d->connect_timeout_ms * 1000000ull,
        .reply_timeout_ns = d->reply_timeout_ms * 1000000ull,
        .spin_ns = d->spin_us >= 0 ? (uint64_t)d->spin_us * 1000
                   : spin          ? MP_LINK_DEFAULT_SPIN_NS
                                   : 0,
        .stats = mp_stat_page(&d->stats),
    };
}

/* Over the stock protocol no worker tells what it wrote to guest memory. */
static bool accept_stock(MpringPci *d, Error **errp)
{
    if (d->dma_report == ON_OFF_AUTO_ON) {
        error_setg(errp, "dma-report=on, but the stock protocol has no reports "
                         "of memory writes; use rings with an mpring worker, "
                         "or KVM");
        return false;
    }
    if (wants_reports(d)) {
        warn_report("mpring-pci %s: the stock protocol has no reports of "
                    "memory writes, so under TCG the guest may run stale code; "
                    "use rings with an mpring worker, or KVM; dma-report=off "
                    "takes the risk without this warning",
                    mpring_name(d));
    }
    return true;
}

static bool attach(MpringPci *d, Error **errp)
{
    struct mp_link_cfg cfg = link_cfg(d);
    int transport = transport_of(d, errp);
    const char *what = NULL;
    int sock, r;

    if (transport < 0) {
        return false;
    }
    cfg.transport = transport;
    sock = open_socket(d, errp);
    if (sock < 0) {
        return false;
    }
    r = mp_link_attach_take(&d->link, sock, &cfg, &what);
    if (r < 0) {
        error_setg_errno(errp, -r, "no session with the worker: %s",
                         what ? what : "unknown step");
        return false;
    }
    if (d->link.socket) {
        return accept_stock(d, errp);
    }
    if ((cfg.features & ~d->link.s.features) & MP_FEAT_DMA_REPORT) {
        error_setg(errp, "the worker can't report its memory writes, without "
                         "which guests run stale code under TCG; update it, "
                         "or risk it with dma-report=off");
        return false;
    }
    return true;
}

static void fill_config(MpringPci *d)
{
    const struct mp_session_device *dev = &d->link.s.device;
    uint8_t *config = PCI_DEVICE(d)->config;

    pci_config_set_vendor_id(config, dev->vendor_id);
    pci_config_set_device_id(config, dev->device_id);
    pci_set_long(config + PCI_CLASS_REVISION, dev->class_revision);
    pci_set_word(config + PCI_SUBSYSTEM_VENDOR_ID, dev->subsystem_vendor_id);
    pci_set_word(config + PCI_SUBSYSTEM_ID, dev->subsystem_id);
    pci_set_byte(config + PCI_INTERRUPT_PIN, dev->interrupt_pin);
    pci_set_byte(config + PCI_MIN_GNT, dev->min_gnt);
    pci_set_byte(config + PCI_MAX_LAT, dev->max_lat);
}

static void register_bars(MpringPci *d)
{
    const struct mp_session_device *dev = &d->link.s.device;

    for (unsigned int i = 0; i < MP_WIRE_MAX_BARS; i++) {
        MpringBar *bar = &d->bar[i];
        g_autofree char *name = g_strdup_printf("%s.bar%u", dev->name, i);
        bool io = dev->bar[i].flags & MP_BAR_IO;

        if (!dev->bar[i].bytes) {
            continue;
        }
        *bar = (MpringBar){.d = d, .index = i, .posted = !io};
        memory_region_init_io(&bar->mr, OBJECT(d), &bar_ops, bar, name,
                              dev->bar[i].bytes);
        /* "busy" does what this guard does, for a lock that is dropped. */
        bar->mr.disable_reentrancy_guard = true;
        pci_register_bar(PCI_DEVICE(d), (int)i,
                         io ? PCI_BASE_ADDRESS_SPACE_IO
                            : PCI_BASE_ADDRESS_SPACE_MEMORY,
                         &bar->mr);
    }
}

static bool block_migration(MpringPci *d, Error **errp)
{
    error_setg(&d->blocker,
               "mpring-pci %s runs in another process, whose state can't be "
               "migrated or saved",
               mpring_name(d));
    return compat_blocker_add(&d->blocker, errp) >= 0;
}

/* Takes any half-made device. */
static void release(MpringPci *d)
{
    while (d->busy) {
        bql_cond_wait(&d->idle);
    }
    d->attached = false;
    if (!d->link.closed) {
        mpring_set_handlers(d, false);
    }
    mpring_runstate_fini(d);
    mpring_intx_fini(d);
    mpring_ram_unlisten(d);
    compat_blocker_del(&d->blocker);
    mp_link_detach(&d->link);
    mp_shm_fini(&d->stats);
}

static void realize(PCIDevice *pci, Error **errp)
{
    MpringPci *d = MPRING_PCI(pci);

    if (d->reply_timeout_ms == 0 || d->connect_timeout_ms == 0) {
        error_setg(errp, "reply-timeout and connect-timeout must be 1 or more "
                         "(milliseconds)");
        return;
    }
    if (!mpring_ram_check_machine(d, errp)) {
        return;
    }
    if (!block_migration(d, errp) || !open_stats(d, errp) ||
        !mpring_irq_thread_start(errp) || !attach(d, errp)) {
        release(d);
        return;
    }
    fill_config(d);
    register_bars(d);
    d->told = cfg_now(d);
    d->attached = true;
    mpring_set_handlers(d, true);
    mpring_intx_init(d);
    mpring_ram_listen(d);
    mpring_runstate_init(d);
}

static void unrealize(PCIDevice *pci)
{
    release(MPRING_PCI(pci));
}

static void instance_init(Object *obj)
{
    MpringPci *d = MPRING_PCI(obj);

    d->stats = MP_SHM_NULL;
    d->link.s = MP_SESSION_NULL;
    d->link.dead = d->link.closed = true;
    qemu_cond_init(&d->idle);
}

static void instance_finalize(Object *obj)
{
    qemu_cond_destroy(&MPRING_PCI(obj)->idle);
}

COMPAT_PROPERTY properties[] = {
    DEFINE_PROP_STRING("fd", MpringPci, fd_text),
    DEFINE_PROP_STRING("socket", MpringPci, socket_path),
    DEFINE_PROP_STRING("stats-fd", MpringPci, stats_fd_text),
    /* auto, ring, socket */
    DEFINE_PROP_STRING("transport", MpringPci, transport_text),
    /* milliseconds; until the worker is there, and then for each step */
    DEFINE_PROP_UINT32("connect-timeout", MpringPci, connect_timeout_ms,
                       MP_SESSION_DEFAULT_TIMEOUT_NS / 1000000),
    /* milliseconds; the bound of every wait for the worker */
    DEFINE_PROP_UINT32("reply-timeout", MpringPci, reply_timeout_ms,
                       MP_LINK_DEFAULT_REPLY_TIMEOUT_NS / 1000000),
    /* microseconds before a wait blocks; -1: 50, or 0 on a single CPU */
    DEFINE_PROP_INT32("spin", MpringPci, spin_us, -1),
    DEFINE_PROP_ON_OFF_AUTO("dma-report", MpringPci, dma_report,
                            ON_OFF_AUTO_AUTO),
    DEFINE_PROP_ON_OFF_AUTO("irqfd", MpringPci, irqfd, ON_OFF_AUTO_AUTO),
    /* off: the worker reports the errors that would stop the machine */
    DEFINE_PROP_BOOL("vm-stop", MpringPci, vm_stop, true), COMPAT_PROPERTY_END};

static void class_init(ObjectClass *klass, CompatClassData *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    PCIDeviceClass *pc = PCI_DEVICE_CLASS(klass);

    pc->realize = realize;
    pc->exit = unrealize;
    pc->config_read = config_read;
    pc->config_write = config_write;
    pc->class_id = PCI_CLASS_OTHERS;
    dc->desc = "PCI device in a worker process, over shared-memory rings or "
               "the stock socket protocol";
    set_bit(DEVICE_CATEGORY_STORAGE, dc->categories);
    compat_set_reset(dc, reset);
    device_class_set_props(dc, properties);
}

void mpring_pci_register(void)
{
    static CompatInterface interfaces[] = {{INTERFACE_CONVENTIONAL_PCI_DEVICE},
                                           {}};
    static const TypeInfo type = {
        .name = TYPE_MPRING_PCI,
        .parent = TYPE_PCI_DEVICE,
        .instance_size = sizeof(MpringPci),
        .instance_init = instance_init,
        .instance_finalize = instance_finalize,
        .class_init = class_init,
        .interfaces = interfaces,
    };

    type_register_static(&type);
}
