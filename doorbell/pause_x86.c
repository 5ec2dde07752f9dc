/* SPDX-License-Identifier: BSD-3-Clause */
#include "doorbell/idle.h"

void mp_pause(void)
{
	__builtin_ia32_pause();
}
