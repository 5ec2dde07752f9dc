/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plugin.c - how the device gets into an unmodified QEMU, and only into the
 * right one.
 *
 * "-plugin mpring-pci.so" makes QEMU dlopen() this file before it creates any
 * device, and call qemu_plugin_install(). Instead of translation hooks it
 * registers a device type. A QEMU whose structures differ from the headers
 * that this was compiled with would corrupt memory silently, so the version,
 * the sizes and some offsets are compared first; a difference refuses to load.
 */
#include "proxy/qemu/mpring-pci.h"

#ifndef MPRING_BUILT_FOR
#define MPRING_BUILT_FOR QEMU_VERSION
#endif

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;
QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id,
                                           const qemu_info_t *info, int argc,
                                           char **argv);

static bool same_release(const VersionInfo *v)
{
    g_autofree char *running = g_strdup_printf("%" PRId64 ".%" PRId64 ".",
                                               v->qemu->major, v->qemu->minor);

    /* Patch levels of one release keep their structures; see layout_agrees().
     */
    return g_str_has_prefix(MPRING_BUILT_FOR, running);
}

/* The offset of a PCIDevice field, as the running QEMU has it. */
static bool offset_agrees(const char *field, size_t offset)
{
    const VMStateField *f;

    for (f = vmstate_pci_device.fields; f->name; f++) {
        if (!strcmp(f->name, field)) {
            return f->offset == offset;
        }
    }
    return false;
}

static bool size_agrees(const char *type, size_t size)
{
    return !compat_instance_size || compat_instance_size(type) == size;
}

static bool layout_agrees(void)
{
    return size_agrees(TYPE_PCI_DEVICE, sizeof(PCIDevice)) &&
           size_agrees(TYPE_MEMORY_REGION, sizeof(MemoryRegion)) &&
           offset_agrees("version_id", offsetof(PCIDevice, version_id)) &&
           offset_agrees("config", offsetof(PCIDevice, config)) &&
           offset_agrees("irq_state", offsetof(PCIDevice, irq_state));
}

static bool fits_this_qemu(void)
{
    VersionInfo *v = qmp_query_version(&error_abort);
    bool fits = same_release(v) && layout_agrees();

    if (!fits) {
        error_report("mpring-pci.so is built for QEMU %s (%s), but this is "
                     "QEMU %" PRId64 ".%" PRId64 ".%" PRId64 "%s%s; rebuild "
                     "it for this QEMU: ./quickstart --build-only",
                     MPRING_BUILT_FOR, MPRING_QEMU_PACKAGE, v->qemu->major,
                     v->qemu->minor, v->qemu->micro, *v->package ? " " : "",
                     v->package);
    }
    qapi_free_VersionInfo(v);
    return fits;
}

int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc,
                        char **argv)
{
    if (argc > 0) {
        error_report("mpring-pci.so takes no argument (got '%s'); give "
                     "options to -device mpring-pci",
                     argv[0]);
        return -1;
    }
    if (!fits_this_qemu()) {
        return -1;
    }
    mpring_pci_register();
    return 0;
}
