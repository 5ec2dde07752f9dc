/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * irq_thread.c - one thread for the interrupts of all devices.
 *
 * The main loop could listen to the irq fds, but between its poll() and its
 * handlers it asks every source of QEMU whether it is ready: some 10 us, in
 * which the guest's CPU waits for its interrupt. This thread has nothing else
 * to do. It takes the big lock for each round of them, so for the rest of the
 * device it is another vCPU that looks at the link.
 *
 * It begins with the first device and ends with QEMU.
 *
 * Fds are registered under the big lock and looked up again under it, because
 * a round that epoll has already handed out may name a device that is gone.
 */
#include "proxy/qemu/mpring-pci.h"

#include <sys/epoll.h>

#define MAX_EVENTS 16

static int epoll_fd = -1;
static GSList *listeners; /* of MpringPci; under the big lock */

static void deliver(const struct epoll_event *events, int n)
{
    bql_lock();
    for (int i = 0; i < n; i++) {
        if (g_slist_find(listeners, events[i].data.ptr)) {
            mpring_irq_fd_ready(events[i].data.ptr);
        }
    }
    bql_unlock();
}

static void *run(void *unused)
{
    struct epoll_event events[MAX_EVENTS];
    int n;

    rcu_register_thread();
    for (;;) {
        n = epoll_wait(epoll_fd, events, MAX_EVENTS, -1);
        if (n > 0) {
            deliver(events, n);
        }
    }
    return NULL;
}

bool mpring_irq_thread_start(Error **errp)
{
    QemuThread thread;

    if (epoll_fd >= 0) {
        return true;
    }
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0) {
        error_setg_errno(errp, errno, "no epoll descriptor for interrupts");
        return false;
    }
    qemu_thread_create(&thread, "mpring-irq", run, NULL, QEMU_THREAD_DETACHED);
    return true;
}

void mpring_irq_thread_listen(MpringPci *d, bool on)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = d};
    bool listens = g_slist_find(listeners, d);

    if (on && !listens) {
        listeners = g_slist_prepend(listeners, d);
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, mp_link_irq_fd(&d->link), &event);
    } else if (!on && listens) {
        listeners = g_slist_remove(listeners, d);
        epoll_ctl(epoll_fd, EPOLL_CTL_DEL, mp_link_irq_fd(&d->link), &event);
    }
}
