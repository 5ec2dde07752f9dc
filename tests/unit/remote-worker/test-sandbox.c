/* SPDX-License-Identifier: BSD-3-Clause */
/* What docs/threats.md says a worker can't do, tried from inside its sandbox. */
#include <fcntl.h>
#include <linux/io_uring.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "remote-worker/sandbox.h"
#include "tests/lib/t.h"

#define X32_BIT 0x40000000

struct call {
	const char *name;
	long nr;
	long args[6];
};

static char path[] = "/dev/null";
static struct io_uring_params params;

static const struct call never[] = {
	{"open", SYS_open, {(long)path, O_RDWR}},
	{"openat", SYS_openat, {AT_FDCWD, (long)path, O_RDWR}},
	{"openat2", SYS_openat2, {AT_FDCWD, (long)path}},
	{"creat", SYS_creat, {(long)path, 0600}},
	{"unlink", SYS_unlink, {(long)path}},
	{"stat by path", SYS_newfstatat, {AT_FDCWD, (long)path, 0, 0}},
	{"execve", SYS_execve, {(long)path}},
	{"execveat", SYS_execveat, {AT_FDCWD, (long)path}},
	{"socket", SYS_socket, {AF_INET, SOCK_STREAM}},
	{"socketpair", SYS_socketpair, {AF_UNIX, SOCK_STREAM}},
	{"connect", SYS_connect, {0}},
	{"accept", SYS_accept, {0}},
	{"bind", SYS_bind, {0}},
	{"listen", SYS_listen, {0}},
	{"clone", SYS_clone, {SIGCHLD}},
	{"clone3", SYS_clone3, {0}},
	{"fork", SYS_fork, {0}},
	{"ptrace", SYS_ptrace, {PTRACE_TRACEME}},
	{"process_vm_writev", SYS_process_vm_writev, {0}},
	{"pidfd_getfd", SYS_pidfd_getfd, {0}},
	{"kill", SYS_kill, {0}},
	{"tgkill of another process", SYS_tgkill, {1, 1, 0}},
	{"setns", SYS_setns, {0}},
	{"unshare", SYS_unshare, {CLONE_NEWUSER}},
	{"mount", SYS_mount, {0}},
	{"bpf", SYS_bpf, {0}},
	{"userfaultfd", SYS_userfaultfd, {0}},
	{"keyctl", SYS_keyctl, {0}},
	{"io_uring_setup", SYS_io_uring_setup, {1, (long)&params}},
	{"ioctl", SYS_ioctl, {0, FIONBIO}},
	{"F_SETFL", SYS_fcntl, {0, F_SETFL, 0}},
	{"F_SETFL, with more", SYS_fcntl, {0, F_SETFL, O_RDWR | O_NONBLOCK | O_ASYNC}},
	{"F_SETFD, to be inherited", SYS_fcntl, {0, F_SETFD, 0}},
	{"sendto an address", SYS_sendto, {-1, 0, 0, 0, (long)path}},
	{"F_SETOWN", SYS_fcntl, {0, F_SETOWN, 1}},
	{"F_DUPFD", SYS_fcntl, {0, F_DUPFD, 9}},
	{"dup2", SYS_dup2, {0, 9}},
	{"executable mmap",
	 SYS_mmap,
	 {0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1}},
	{"executable mprotect", SYS_mprotect, {0, 4096, PROT_READ | PROT_EXEC}},
	{"pkey_mprotect", SYS_pkey_mprotect, {0, 4096, PROT_EXEC, -1}},
	{"personality", SYS_personality, {0x0400000}},
	{"setuid", SYS_setuid, {0}},
	{"prlimit64", SYS_prlimit64, {0, RLIMIT_CORE}},
	{"x32 open", X32_BIT | SYS_open, {(long)path, O_RDWR}},
};

/* Needed to meet a proxy, and gone after that. */
static const struct call only_to_meet[] = {
	{"accept4", SYS_accept4, {0}},
	{"ftruncate", SYS_ftruncate, {-1, 0}},
	{"memfd_create", SYS_memfd_create, {(long)path}},
	{"eventfd2", SYS_eventfd2, {0}},
	{"F_ADD_SEALS", SYS_fcntl, {-1, F_ADD_SEALS}},
	{"prctl", SYS_prctl, {PR_SET_DUMPABLE, 1}},
	{"seccomp", SYS_seccomp, {0}},
	{"readlink", SYS_readlink, {(long)path}},
};

/* The signal that ends a process which makes the call in @stage; 0: none did. */
static int signal_of(const struct call *c, enum mp_sandbox_stage stage)
{
	const long *a = c->args;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (mp_sandbox_enter(MP_SANDBOX_MEET) < 0 ||
		    (stage == MP_SANDBOX_WORK && mp_sandbox_enter(MP_SANDBOX_WORK) < 0))
			_exit(1);
		syscall(c->nr, a[0], a[1], a[2], a[3], a[4], a[5]);
		syscall(SYS_exit_group, 0);
	}
	T_EQ(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status))
		T_EQ(WEXITSTATUS(status), 0);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void check_all(const struct call *calls, size_t n, enum mp_sandbox_stage stage, int signal)
{
	for (size_t i = 0; i < n; i++) {
		int got = signal_of(&calls[i], stage);

		if (got != signal)
			t_fail(__FILE__, __LINE__, "%s ends with signal %d, expected %d",
			       calls[i].name, got, signal);
	}
}

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

static void test_new_reach_kills_while_meeting(void)
{
	check_all(never, N_OF(never), MP_SANDBOX_MEET, SIGSYS);
}

static void test_new_reach_kills_while_working(void)
{
	check_all(never, N_OF(never), MP_SANDBOX_WORK, SIGSYS);
}

static void test_calls_of_the_handshake_are_taken_away_after_it(void)
{
	check_all(only_to_meet, N_OF(only_to_meet), MP_SANDBOX_MEET, 0);
	check_all(only_to_meet, N_OF(only_to_meet), MP_SANDBOX_WORK, SIGSYS);
}

T_MAIN(T_TEST(test_new_reach_kills_while_meeting), T_TEST(test_new_reach_kills_while_working),
       T_TEST(test_calls_of_the_handshake_are_taken_away_after_it))
