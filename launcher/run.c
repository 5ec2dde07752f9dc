/* SPDX-License-Identifier: BSD-3-Clause */
/* `mpring run`: the user's guest has the terminal; we wait for it to end. */
#include <poll.h>
#include <sys/wait.h>

#include "base/log.h"
#include "launcher/machine.h"
#include "launcher/perf.h"

#define EXIT_INTERRUPTED 130

static int guest_status(const struct mp_machine *m)
{
	char how[64];

	if (m->interrupted)
		return EXIT_INTERRUPTED;
	if (WIFEXITED(m->qemu.status) && WEXITSTATUS(m->qemu.status) == 0)
		return m->n_dead_workers ? 1 : 0;
	mp_child_describe_end(&m->qemu, how, sizeof(how));
	mp_error("QEMU ended: %s", how);
	return 1;
}

int mp_run(struct mp_plan *plan)
{
	struct mp_machine m;
	struct pollfd pfd;
	int status = 1;

	if (mp_machine_start(&m, plan) == 0) {
		pfd = (struct pollfd){.fd = m.signal_fd, .events = POLLIN};
		while (mp_machine_check(&m))
			poll(&pfd, 1, -1);
		status = guest_status(&m);
	} else if (m.interrupted) {
		status = EXIT_INTERRUPTED;
	}
	if (!mp_machine_stop(&m) && status == 0)
		status = 1;
	return status;
}
