/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sizes as people write them: a whole number, or one with a decimal fraction, and
 * a letter that says of what. There is no exponent: the e of "1e" is exbibytes.
 */
#include "monitor/internal.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

/* Goes on from a number: how many bytes its unit has. */
static uint64_t take_unit(const char **at)
{
	static const char letters[] = "bkmgtpe";
	const char *found = **at ? strchr(letters, tolower((unsigned char)**at)) : NULL;

	*at += found != NULL;
	return 1ull << 10 * (found ? found - letters : strchr(letters, 'm') - letters);
}

/* Goes on from the point: what is behind it, from 0 to below 1. */
static double take_fraction(const char **at)
{
	double v = 0, digit = 0.1;

	for (; isdigit((unsigned char)**at); (*at)++, digit /= 10)
		v += (**at - '0') * digit;
	return v;
}

static bool has_exponent(const char *at)
{
	if (tolower((unsigned char)*at) != 'e')
		return false;
	at++;
	at += *at == '+' || *at == '-';
	return isdigit((unsigned char)*at);
}

int mp_hmp_take_size(const char **at, int64_t *ret_bytes)
{
	const char *p = *at + (**at == '+');
	bool hex = p[0] == '0' && tolower((unsigned char)p[1]) == 'x' &&
		   isxdigit((unsigned char)p[2]);
	double fraction = 0;
	uint64_t whole, unit;
	char *end;

	if (!isdigit((unsigned char)*p))
		return mp_err_origin(-EINVAL);
	errno = 0;
	whole = strtoull(p, &end, hex ? 16 : 10);
	p = end;
	if (errno || (hex && *p == '.'))
		return mp_err_origin(-EINVAL);
	if (*p == '.') {
		p++;
		fraction = take_fraction(&p);
		if (has_exponent(p))
			return mp_err_origin(-EINVAL);
	}
	unit = take_unit(&p);
	if ((unit == 1 && fraction > 0) || whole > INT64_MAX / unit)
		return mp_err_origin(-EINVAL);
	whole = whole * unit + (uint64_t)(fraction * (double)unit + 0.5);
	if (whole > INT64_MAX)
		return mp_err_origin(-EINVAL);
	*ret_bytes = (int64_t)whole;
	*at = p;
	return 0;
}
