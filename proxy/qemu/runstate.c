/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * runstate.c - the machine stops, and the device with it.
 *
 * When QEMU has stopped a machine, its memory and its disks must lie still:
 * somebody is about to save, copy or inspect them. So the worker is told, and
 * this waits until its block I/O in flight has ended, as QEMU drains its own.
 * The wait has a limit, because a worker isn't trusted with QEMU's time; a disk
 * that takes longer is named.
 *
 * The other way round, an I/O error may stop the machine (rerror=, werror= of
 * the worker's disks). The worker says so by a level in its page and an
 * eventfd, and this asks QEMU for the state "io-error", at most once until the
 * machine runs again: a hostile worker that says it all the time gets one stop
 * and one message for each "cont" of the user. vm-stop=off takes even that from
 * it. Management hears QMP's BLOCK_IO_ERROR before the STOP, as from a disk of
 * QEMU's own, with this device's id as its name.
 */
#include "proxy/qemu/mpring-pci.h"

static void pause_device(MpringPci *d)
{
    int r = mp_link_pause(&d->link);

    if (r == -EBUSY) {
        warn_report("mpring-pci %s: block I/O did not end within reply-timeout;"
                    " its disks may change while the machine is stopped",
                    mpring_name(d));
    }
}

static void changed(void *opaque, bool running, RunState state)
{
    MpringPci *d = opaque;

    while (d->busy) {
        bql_cond_wait(&d->idle);
    }
    if (running) {
        d->stop_asked = false;
        mp_link_continue(&d->link);
    } else {
        pause_device(d);
    }
}

void mpring_runstate_io_stopped(MpringPci *d, bool reading, bool no_space)
{
    const char *why = no_space ? "no space left" : "I/O error";

    if (d->stop_asked || !runstate_is_running()) {
        return;
    }
    d->stop_asked = true;
    error_report("mpring-pci %s: %s on %s stops the machine; \"cont\" tries it "
                 "again",
                 mpring_name(d), why, reading ? "reading" : "writing");
    compat_send_io_error(mpring_name(d), reading, no_space, why);
    qemu_system_vmstop_request_prepare();
    qemu_system_vmstop_request(RUN_STATE_IO_ERROR);
}

void mpring_runstate_init(MpringPci *d)
{
    /* Plugged into a machine that stands still, it has nothing to do yet. */
    d->runstate = qemu_add_vm_change_state_handler(changed, d);
}

void mpring_runstate_fini(MpringPci *d)
{
    if (d->runstate) {
        qemu_del_vm_change_state_handler(d->runstate);
        d->runstate = NULL;
    }
}
