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
 * A worker that keeps its fd readable would keep this thread at the lock, which
 * isn't fair: who waits for it might never get it. So after a millisecond
 * without a pause the thread makes one.
 *
 * Fds are registered under the big lock and looked up again under it, because
 * a round that epoll has already handed out may name a device that is gone.
 */
#include "proxy/qemu/mpring-pci.h"

#include <sys/epoll.h>

#include "base/clock.h"

#define MAX_EVENTS 16
#define BUSY_NS 1000000 /* without a pause */
#define PAUSE_US 50

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

/* @busy_since_ns: 0: nothing was there when it last looked */
static int next_round(struct epoll_event *events, uint64_t *busy_since_ns)
{
    int n = epoll_wait(epoll_fd, events, MAX_EVENTS, 0);

    if (n <= 0) {
        *busy_since_ns = 0;
        return epoll_wait(epoll_fd, events, MAX_EVENTS, -1);
    }
    if (*busy_since_ns == 0) {
        *busy_since_ns = mp_clock_ns();
    } else if (mp_clock_ns() - *busy_since_ns > BUSY_NS) {
        g_usleep(PAUSE_US);
        *busy_since_ns = 0;
    }
    return n;
}

static void *run(void *unused)
{
    struct epoll_event events[MAX_EVENTS];
    uint64_t busy_since_ns = 0;
    int n;

    rcu_register_thread();
    for (;;) {
        n = next_round(events, &busy_since_ns);
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

static void change(MpringPci *d, int op)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = d};

    if (epoll_ctl(epoll_fd, op, mp_link_irq_fd(&d->link), &event) < 0) {
        error_report("mpring-pci %s: no interrupts by eventfd: %s; is "
                     "fs.epoll.max_user_watches too low?",
                     mpring_name(d), strerror(errno));
    }
}

void mpring_irq_thread_listen(MpringPci *d, bool on)
{
    bool listens = g_slist_find(listeners, d);

    if (on && !listens) {
        listeners = g_slist_prepend(listeners, d);
        change(d, EPOLL_CTL_ADD);
    } else if (!on && listens) {
        listeners = g_slist_remove(listeners, d);
        change(d, EPOLL_CTL_DEL);
    }
}
