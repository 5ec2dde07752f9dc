/* SPDX-License-Identifier: BSD-3-Clause */
/* Our own options, and the kinds of value that several options share. */
#include "remote-worker/options/parser.h"

#include <string.h>

#include "base/clock.h"
#include "base/err.h"

static void *field_of(struct mp_parser *p, const struct mp_option *o)
{
	return (char *)p->c + o->off;
}

static int number_of(struct mp_parser *p, const struct mp_option *o, const char *arg,
		     uint64_t *ret_v)
{
	if (mp_parse_uint(arg, o->min, o->max, ret_v) < 0)
		return mp_parser_fail(p, "--%s takes a number from %llu to %llu, not '%s'", o->name,
				      (unsigned long long)o->min, (unsigned long long)o->max, arg);
	return 0;
}

int mp_parse_u32(struct mp_parser *p, const struct mp_option *o, const char *arg)
{
	uint64_t v;
	int r = number_of(p, o, arg, &v);

	if (r < 0)
		return mp_err_trace(r);
	*(uint32_t *)field_of(p, o) = (uint32_t)v;
	return 0;
}

int mp_parse_seconds(struct mp_parser *p, const struct mp_option *o, const char *arg)
{
	uint64_t v;
	int r = number_of(p, o, arg, &v);

	if (r < 0)
		return mp_err_trace(r);
	*(uint64_t *)field_of(p, o) = v * MP_NS_PER_SEC;
	return 0;
}

int mp_parse_flag(struct mp_parser *p, const struct mp_option *o, const char *arg)
{
	*(bool *)field_of(p, o) = true;
	return 0;
}

int mp_parse_text(struct mp_parser *p, const struct mp_option *o, const char *arg)
{
	if (*arg == '\0')
		return mp_parser_fail(p, "-%s takes %s, not nothing", o->name, o->arg);
	*(const char **)field_of(p, o) = arg;
	return 0;
}

/* QEMU has a -cpu MODEL of its own: a worker has no such CPU. */
int mp_parse_cpu(struct mp_parser *p, const struct mp_option *o, const char *arg)
{
	if (*arg >= '0' && *arg <= '9')
		return mp_err_trace(mp_parse_u32(p, o, arg));
	return mp_err_trace(mp_parser_warn(
		p, "-cpu %s has no meaning here; a number pins the polling thread", arg));
}

int mp_parse_poll(struct mp_parser *p, const struct mp_option *o, const char *arg)
{
	if (mp_idle_mode_parse(arg, &p->c->poll) < 0)
		return mp_parser_fail(p, "--poll takes one of busy|adaptive|sleep, not '%s'", arg);
	return 0;
}

int mp_parse_aio(struct mp_parser *p, const struct mp_option *o, const char *arg)
{
	if (strcmp(arg, "auto") == 0)
		p->c->aio = MP_BLK_AIO_AUTO;
	else if (strcmp(arg, "io_uring") == 0)
		p->c->aio = MP_BLK_AIO_URING;
	else if (strcmp(arg, "threads") == 0)
		p->c->aio = MP_BLK_AIO_THREADS;
	else
		return mp_parser_fail(p, "--aio takes one of auto|io_uring|threads, not '%s'", arg);
	return 0;
}

int mp_parse_pool(struct mp_parser *p, const struct mp_option *o, const char *arg)
{
	uint64_t v;

	if (mp_parse_size(arg, &v) < 0 || v < MP_CMDLINE_MIN_POOL || v > MP_CMDLINE_MAX_POOL ||
	    v % 4096)
		return mp_parser_fail(
			p, "--pool-bytes takes a multiple of 4096 from 256k to 1G, not '%s'", arg);
	p->c->pool_bytes = v;
	return 0;
}

int mp_parse_unstable(struct mp_parser *p, const struct mp_option *o, const char *arg)
{
	uint64_t v;

	if (mp_parse_size(arg, &v) < 0 || v < o->min || v > o->max)
		return mp_parser_fail(p, "--unstable-bytes takes a size from 1M to 1G, not '%s'",
				      arg);
	p->c->unstable_bytes = v;
	return 0;
}

int mp_parse_listen(struct mp_parser *p, const struct mp_option *o, const char *arg)
{
	if (p->n_objects == MP_CMDLINE_MAX_HBAS)
		return mp_parser_fail(p, "more than %u sockets", MP_CMDLINE_MAX_HBAS);
	p->object[p->n_objects++] = (struct mp_parser_object){.path = arg, .fd = MP_PARSER_NO_ID};
	return 0;
}

int mp_parse_stats(struct mp_parser *p, const struct mp_option *o, const char *arg)
{
	struct mp_parser_stats *s = &p->stats[p->n_stats];
	struct mp_keyval kv = MP_KEYVAL_NULL;
	uint64_t fd;
	int r;

	r = mp_parser_split(p, "-stats-fd", arg, NULL, &kv);
	if (r < 0)
		return mp_err_trace(r);
	if (kv.n != 1 || mp_parse_uint(kv.item[0].value, 0, INT32_MAX, &fd) < 0)
		return mp_parser_fail(p, "--stats-fd takes DEVICE=FD, not '%s'", arg);
	if (p->n_stats == MP_CMDLINE_MAX_HBAS)
		return mp_parser_fail(p, "more than %u --stats-fd", MP_CMDLINE_MAX_HBAS);
	*s = (struct mp_parser_stats){.devid = kv.item[0].key, .fd = (uint32_t)fd};
	p->n_stats++;
	return 0;
}
