/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One filter a stage, built from syscalls.def by libseccomp and put on all
 * threads at once (TSYNC). Filters stack, and the strictest answer counts, so
 * the second stage can only take away.
 *
 * No call that could open a file, make a socket or start a program is left, nor
 * one that makes memory executable; while proxies still connect, one accepts
 * them on sockets that listened before. io_uring_enter can't get around that: a ring
 * has its own operations, which seccomp doesn't see, so what they may do is
 * limited by the engine that set the ring up.
 *
 * The filter is sorted by libseccomp into a binary tree: the kernel runs it at
 * each system call, and the polling core makes a few of them per command.
 */
#include "remote-worker/sandbox.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/err.h"

struct rule {
	enum mp_sandbox_stage last_stage;
	int nr;
	int arg; /* -1: any */
	uint64_t mask, value;
	int arg2; /* -1: any */
	uint64_t value2;
	bool is_self; /* value: our process id */
};

#define MEET MP_SANDBOX_MEET
#define WORK MP_SANDBOX_WORK
static const struct rule rules[] = {
#define MP_SYSCALL(stage, name, reason) {stage, SCMP_SYS(name), -1, 0, 0, -1, 0, false},
#define MP_SYSCALL_SELF(stage, name, arg, reason)                                                  \
	{stage, SCMP_SYS(name), arg, 0xffffffff, 0, -1, 0, true},
#define MP_SYSCALL_ARG(stage, name, arg, mask, value, reason)                                      \
	{stage, SCMP_SYS(name), arg, mask, value, -1, 0, false},
#define MP_SYSCALL_ARGS(stage, name, arg, value, arg2, value2, reason)                             \
	{stage, SCMP_SYS(name), arg, 0xffffffff, value, arg2, value2, false},
#include "remote-worker/syscalls.def"
#undef MP_SYSCALL
#undef MP_SYSCALL_SELF
#undef MP_SYSCALL_ARG
#undef MP_SYSCALL_ARGS
};
#undef MEET
#undef WORK

static int add_rule(scmp_filter_ctx ctx, const struct rule *rule)
{
	uint64_t value = rule->is_self ? (uint64_t)getpid() : rule->value;
	struct scmp_arg_cmp cmp[2];

	/* A call that this architecture doesn't have can't be made. */
	if (rule->nr < 0)
		return 0;
	if (rule->arg < 0)
		return seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, rule->nr, 0, NULL);
	cmp[0] = SCMP_CMP((unsigned int)rule->arg, SCMP_CMP_MASKED_EQ, rule->mask, value);
	if (rule->arg2 < 0)
		return seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, rule->nr, 1, cmp);
	cmp[1] = SCMP_CMP((unsigned int)rule->arg2, SCMP_CMP_MASKED_EQ, 0xffffffff, rule->value2);
	return seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, rule->nr, 2, cmp);
}

static int build(scmp_filter_ctx ctx, enum mp_sandbox_stage stage)
{
	int r;

	r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
	if (r == 0)
		r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	for (size_t i = 0; r == 0 && i < sizeof(rules) / sizeof(rules[0]); i++)
		if (rules[i].last_stage >= stage)
			r = add_rule(ctx, &rules[i]);
	return r;
}

/*
 * No new rights by any program, no core file with guest memory in it. And what
 * a thread frees at its end stays with the process: before glibc gives it back
 * it reads a file of /proc, and that would be the end of us.
 */
static int limit(void)
{
	struct rlimit none = {0, 0};

	mallopt(M_TRIM_THRESHOLD, INT_MAX);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return mp_err_origin(-errno);
	if (setrlimit(RLIMIT_CORE, &none) < 0)
		return mp_err_origin(-errno);
	return 0;
}

int mp_sandbox_enter(enum mp_sandbox_stage stage)
{
	scmp_filter_ctx ctx;
	int r;

	r = stage == MP_SANDBOX_MEET ? limit() : 0;
	if (r < 0)
		return mp_err_trace(r);
	ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	if (!ctx)
		return mp_err_origin(-ENOMEM);
	r = build(ctx, stage);
	if (r == 0)
		r = seccomp_load(ctx);
	seccomp_release(ctx);
	return r < 0 ? mp_err_origin(r) : 0;
}
