/* SPDX-License-Identifier: BSD-3-Clause */
/* thread - threads beside the one that handles signals. */
#ifndef MP_BASE_THREAD_H
#define MP_BASE_THREAD_H

#include <pthread.h>
#include <stddef.h>

/**
 * mp_thread_create() - a thread that no signal of the process is delivered to
 * @stack_bytes:  0: the usual size
 *
 * Return: 0; negative errno.
 */
int mp_thread_create(pthread_t *ret_thread, size_t stack_bytes, void *(*run)(void *arg), void *arg);

#endif
