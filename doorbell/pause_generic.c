/* SPDX-License-Identifier: BSD-3-Clause */
#include "doorbell/idle.h"

void mp_pause(void)
{
#if defined(__aarch64__)
	__asm__ volatile("yield");
#elif defined(__powerpc64__)
	__asm__ volatile("or 27,27,27");
#endif
}
