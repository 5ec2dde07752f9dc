/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qemu-headers - every QEMU header that the device needs, where each QEMU
 * version has it. The first include of each file here: osdep.h wants to be
 * first. The pragma keeps our warning flags out of QEMU's code.
 */
#ifndef MP_PROXY_QEMU_HEADERS_H
#define MP_PROXY_QEMU_HEADERS_H

#pragma GCC system_header

#include "qemu/osdep.h"

#include "qapi/error.h"
#include "qapi/qapi-commands-control.h"
#include "qapi/qapi-events-block-core.h"
#include "migration/blocker.h"
#include "migration/vmstate.h"
#include "monitor/monitor.h"
#include "qemu/error-report.h"
#include "qemu/event_notifier.h"
#include "qemu/main-loop.h"
#include "qemu/module.h"
#include "qemu/rcu.h"
#include "qemu/sockets.h"
#include "qemu/thread.h"
#include "qom/object.h"

#if __has_include("plugins/qemu-plugin.h")
#include "plugins/qemu-plugin.h"
#else
#include "qemu/qemu-plugin.h"
#endif

#if __has_include("hw/pci/pci_device.h")
#include "hw/pci/pci_device.h"
#else
#include "hw/pci/pci.h"
#endif
#include "hw/pci/pci_bus.h"

#if __has_include("hw/core/boards.h")
#include "hw/core/boards.h"
#include "hw/core/qdev-properties.h"
#else
#include "hw/boards.h"
#include "hw/qdev-properties.h"
#endif

#if __has_include("system/memory.h")
#include "system/address-spaces.h"
#include "system/memory.h"
#include "system/ramblock.h"
#else
#include "exec/address-spaces.h"
#include "exec/memory.h"
#include "exec/ramblock.h"
#endif

#if __has_include("system/kvm.h")
#include "system/hostmem.h"
#include "system/kvm.h"
#include "system/runstate.h"
#else
#include "sysemu/hostmem.h"
#include "sysemu/kvm.h"
#include "sysemu/runstate.h"
#endif

#endif
