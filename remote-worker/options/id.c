/* SPDX-License-Identifier: BSD-3-Clause */
#include "remote-worker/options/id.h"

#include <string.h>

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

bool mp_id_is_wellformed(const char *id)
{
	return *id && strchr(LETTERS, *id) && id[strspn(id, LETTERS "0123456789-._")] == 0;
}
