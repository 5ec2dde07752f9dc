/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sandbox - what is left of the kernel for a worker that was taken over.
 *
 * syscalls.def names every call that stays, with its reason. Two stages: while
 * proxies still connect, shared memory may be made; afterwards it may not.
 * Anything else kills the process. Builds with a sanitizer have no sandbox.
 */
#ifndef MP_REMOTE_WORKER_SANDBOX_H
#define MP_REMOTE_WORKER_SANDBOX_H

enum mp_sandbox_stage { MP_SANDBOX_MEET, MP_SANDBOX_WORK };

/**
 * mp_sandbox_enter() - restrict every thread of this process, for ever
 *
 * Call it with MEET first. Return: 0; negative errno, nothing changed.
 */
int mp_sandbox_enter(enum mp_sandbox_stage stage);

#endif
