/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * compat - the differences between the QEMU versions that the device is
 * compiled for, in one place. Nothing else here tests a version.
 *
 * A function that a later QEMU dropped is declared weak: the address is NULL
 * where it is gone.
 */
#ifndef MP_PROXY_QEMU_COMPAT_H
#define MP_PROXY_QEMU_COMPAT_H

#include "proxy/qemu/qemu-headers.h"

#define COMPAT_QEMU (QEMU_VERSION_MAJOR * 100 + QEMU_VERSION_MINOR)

/* The big lock: renamed in 9.0. */
#if COMPAT_QEMU < 900
#define bql_lock() qemu_mutex_lock_iothread()
#define bql_unlock() qemu_mutex_unlock_iothread()
#define bql_cond_wait(cond) qemu_cond_wait_iothread(cond)
#else
#define bql_cond_wait(cond) qemu_cond_wait_bql(cond)
#endif

/* Property arrays: const and without a terminator from 10.0. */
#if COMPAT_QEMU < 1000
#define COMPAT_PROPERTY static Property
#define COMPAT_PROPERTY_END DEFINE_PROP_END_OF_LIST(),
#else
#define COMPAT_PROPERTY static const Property
#define COMPAT_PROPERTY_END
#endif

/* class_init's argument and interface lists: const from 10.1. */
#if COMPAT_QEMU < 1001
typedef void CompatClassData;
typedef InterfaceInfo CompatInterface;
#else
typedef const void CompatClassData;
typedef const InterfaceInfo CompatInterface;
#endif

/* The reset hook: by function from 9.2. */
#if COMPAT_QEMU < 902
static inline void compat_set_reset(DeviceClass *dc,
                                    void (*reset)(DeviceState *))
{
    dc->reset = reset;
}
#else
static inline void compat_set_reset(DeviceClass *dc,
                                    void (*reset)(DeviceState *))
{
    device_class_set_legacy_reset(dc, reset);
}
#endif

/* Migration blockers: by pointer to the Error pointer from 8.2. */
static inline int compat_blocker_add(Error **blocker, Error **errp)
{
#if COMPAT_QEMU < 802
    int r = migrate_add_blocker(*blocker, errp);

    if (r < 0) {
        error_free(*blocker);
        *blocker = NULL;
    }
    return r;
#else
    return migrate_add_blocker(blocker, errp);
#endif
}

static inline void compat_blocker_del(Error **blocker)
{
    if (!*blocker) {
        return;
    }
#if COMPAT_QEMU < 802
    migrate_del_blocker(*blocker);
    error_free(*blocker);
    *blocker = NULL;
#else
    migrate_del_blocker(blocker);
#endif
}

/* Where a RAM block begins in its file: always 0 before 8.1. */
static inline uint64_t compat_ram_fd_offset(RAMBlock *block)
{
#if COMPAT_QEMU < 801
    return 0;
#else
    return block->fd_offset;
#endif
}

/* An event's optional strings lost their flags in 8.0; qom-path came in 9.2. */
static inline void compat_send_io_error(const char *device, bool reading,
                                        bool no_space, const char *why)
{
    IoOperationType op =
        reading ? IO_OPERATION_TYPE_READ : IO_OPERATION_TYPE_WRITE;

#if COMPAT_QEMU < 800
    qapi_event_send_block_io_error(
        device, false, NULL, op, BLOCK_ERROR_ACTION_STOP, true, no_space, why);
#elif COMPAT_QEMU < 902
    qapi_event_send_block_io_error(device, NULL, op, BLOCK_ERROR_ACTION_STOP,
                                   true, no_space, why);
#else
    qapi_event_send_block_io_error(
        "", device, NULL, op, BLOCK_ERROR_ACTION_STOP, true, no_space, why);
#endif
}

/* Exported, but declared for per-target code only. */
void kvm_irqchip_add_change_notifier(Notifier *n);
void kvm_irqchip_remove_change_notifier(Notifier *n);

/* Weak: gone in 10.0. */
size_t
compat_instance_size(const char *type) __asm__("object_type_get_instance_size")
    __attribute__((weak));

#endif
