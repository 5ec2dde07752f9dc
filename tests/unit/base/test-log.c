/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "tests/lib/t.h"

/* Who says strerror(errno) and then returns -errno may not return another error, or none. */
static void test_a_message_that_fails_leaves_errno_alone(void)
{
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC), kept = dup(STDERR_FILENO), error;

	T_OK(full >= 0 && kept >= 0);
	T_EQ(dup2(full, STDERR_FILENO), STDERR_FILENO);
	errno = EDOM;
	mp_error("nobody reads this");
	error = errno;
	dup2(kept, STDERR_FILENO);
	T_EQ(error, EDOM);
	close(kept);
	close(full);
}

T_MAIN(T_TEST(test_a_message_that_fails_leaves_errno_alone))
