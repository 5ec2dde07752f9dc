/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where monitors listen. QEMU has short forms, which make a character device by
 * themselves, and long ones, which name it:
 *
 *	-qmp unix:PATH,server=on,wait=off
 *	-qmp tcp:HOST:PORT,server=on,wait=off
 *	-chardev socket,id=c,path=PATH,server=on,wait=off -mon chardev=c,mode=control
 *
 * Both end as one struct mp_opt_monitor. A -mon may stand before its -chardev.
 */
#include "remote-worker/options/parser.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define UNIX       "unix:"
#define TCP        "tcp:"
#define LAST_PORT  65535

#define CHARDEV(f) offsetof(struct mp_parser_chardev, f)
const struct mp_prop mp_props_chardev[] = {
	{"id", MP_PROP_STRING, CHARDEV(id), 0, 63, NULL, "name; needed"},
	{"path", MP_PROP_STRING, CHARDEV(path), 0, 107, NULL, "unix socket to listen on"},
	{"fd", MP_PROP_UINT, CHARDEV(fd), 0, INT32_MAX, NULL,
	 "instead of path: a socket that listens, or is connected"},
	{"host", MP_PROP_STRING, CHARDEV(host), 0, 255, NULL,
	 "instead of path: TCP at this name's addresses; empty: at all"},
	{"port", MP_PROP_STRING, CHARDEV(port), 0, 31, NULL, "of host; 0: one that is free"},
	{"ipv4", MP_PROP_CHOICE, CHARDEV(ipv4), 0, 0, "on|off",
	 "on: of host only these; off: not these"},
	{"ipv6", MP_PROP_CHOICE, CHARDEV(ipv6), 0, 0, "on|off",
	 "on: of host only these; off: not these"},
	{"nodelay", MP_PROP_IGNORED, 0, 0, 0, NULL, "ignored: it is on"},
	{"server", MP_PROP_BOOL, CHARDEV(server), 0, 0, NULL, "on; needed with path and host"},
	{"wait", MP_PROP_BOOL, CHARDEV(wait), 0, 0, NULL,
	 "for a first client before all else; default on, as QEMU's"},
	{"nowait", MP_PROP_BOOL, CHARDEV(nowait), 0, 0, NULL, "older name of wait=off"},
	{"abstract", MP_PROP_CHOICE, CHARDEV(abstract), 0, 0, "off", "off"},
	{"telnet", MP_PROP_CHOICE, CHARDEV(telnet), 0, 0, "off", "off"},
	{"websocket", MP_PROP_CHOICE, CHARDEV(websocket), 0, 0, "off", "off"},
	{"mux", MP_PROP_IGNORED, 0, 0, 0, NULL, "ignored"},
	{"signal", MP_PROP_IGNORED, 0, 0, 0, NULL, "ignored"},
	{NULL, 0, 0, 0, 0, NULL, NULL},
};

#define MON(f) offsetof(struct mp_parser_mon, f)
const struct mp_prop mp_props_mon[] = {
	{"chardev", MP_PROP_STRING, MON(chardev), 0, 63, NULL, "id of the -chardev; needed"},
	{"mode", MP_PROP_CHOICE, MON(mode), 0, 0, "readline|control",
	 "HMP or QMP; default readline"},
	{"pretty", MP_PROP_BOOL, MON(pretty), 0, 0, NULL, "QMP with line breaks; default off"},
	{"id", MP_PROP_IGNORED, 0, 0, 0, NULL, "ignored"},
	{NULL, 0, 0, 0, 0, NULL, NULL},
};

static bool is_on(const char *word, const char *other)
{
	return word ? strcmp(word, "on") == 0 : !other || strcmp(other, "off") == 0;
}

/* Of its number the network would use the last 16 bits; a name is not looked at. */
static bool is_no_port(const char *port)
{
	char *end;
	long n = strtol(port, &end, 10);

	return *end == '\0' && (n < 0 || n > LAST_PORT);
}

static int check_tcp(struct mp_parser *p, const struct mp_parser_chardev *dev, const char *what)
{
	if (dev->host && !(dev->port && dev->port[0]))
		return mp_parser_fail(p, "%s: port=N is missing", what);
	if (dev->host && is_no_port(dev->port))
		return mp_parser_fail(p, "%s: port %s is none; the last is %d", what, dev->port,
				      LAST_PORT);
	if (!dev->host && (dev->port || dev->ipv4 || dev->ipv6))
		return mp_parser_fail(p, "%s: port, ipv4 and ipv6 go with host=NAME", what);
	if (!is_on(dev->ipv4, dev->ipv6) && !is_on(dev->ipv6, dev->ipv4))
		return mp_parser_fail(p, "%s: neither ipv4 nor ipv6 is left", what);
	return 0;
}

static int check_socket(struct mp_parser *p, const struct mp_parser_chardev *dev, const char *what)
{
	unsigned int n = (dev->path != NULL) + (dev->host != NULL) + (dev->fd != MP_PARSER_NO_ID);

	if (n == 0)
		return mp_parser_fail(p, "%s: path=NAME, host=NAME,port=N or fd=N is missing",
				      what);
	if (n > 1)
		return mp_parser_fail(p, "%s: path, host and fd exclude each other", what);
	if (dev->fd == MP_PARSER_NO_ID && !dev->server)
		return mp_parser_fail(p,
				      "%s: a monitor doesn't connect to a socket, it listens: "
				      "add server=on,wait=off",
				      what);
	return mp_err_trace(check_tcp(p, dev, what));
}

/* The items behind the back end's name, which has been looked at. */
static int set_chardev(struct mp_parser *p, const struct mp_keyval *kv, const char *what,
		       struct mp_parser_chardev *dev)
{
	char why[768];

	for (unsigned int i = 0; i < kv->n; i++) {
		if (strcmp(kv->item[i].key, "backend") == 0)
			continue;
		if (mp_prop_set(mp_props_chardev, dev, &kv->item[i], why, sizeof(why)) < 0)
			return mp_parser_fail(p, "%s: %s", what, why);
	}
	if (dev->kind != MP_CHARDEV_SOCKET)
		return 0;
	return mp_err_trace(check_socket(p, dev, what));
}

static int chardev_kind(const char *name, enum mp_chardev_kind *ret_kind)
{
	static const char *const names[] = {[MP_CHARDEV_SOCKET] = "socket",
					    [MP_CHARDEV_STDIO] = "stdio",
					    [MP_CHARDEV_NULL] = "null"};

	for (size_t i = 0; name && i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i], name) == 0) {
			*ret_kind = (enum mp_chardev_kind)i;
			return 0;
		}
	}
	return -EINVAL;
}

int mp_parse_chardev(struct mp_parser *p, const struct mp_option *o, const char *arg)
{
	struct mp_parser_chardev *dev = &p->chardev[p->n_chardevs];
	struct mp_keyval kv = MP_KEYVAL_NULL;
	int r;

	if (p->n_chardevs == MP_PARSER_MAX_CHARDEVS)
		return mp_parser_fail(p, "more than %u -chardev", MP_PARSER_MAX_CHARDEVS);
	r = mp_parser_split(p, o->name, arg, "backend", &kv);
	if (r < 0)
		return mp_err_trace(r);
	*dev = (struct mp_parser_chardev){.fd = MP_PARSER_NO_ID, .wait = true};
	if (chardev_kind(mp_keyval_get(&kv, "backend"), &dev->kind) < 0)
		return mp_parser_fail(p,
				      "-chardev %s: unknown back end; valid are socket, stdio, "
				      "null",
				      arg);
	r = set_chardev(p, &kv, "-chardev", dev);
	if (r == 0 && !dev->id)
		return mp_parser_fail(p, "-chardev %s: id=NAME is missing", arg);
	for (unsigned int i = 0; r == 0 && i < p->n_chardevs; i++)
		if (strcmp(p->chardev[i].id, dev->id) == 0)
			r = mp_parser_fail(p, "two -chardev have the id '%s'", dev->id);
	if (r == 0)
		p->n_chardevs++;
	return mp_err_trace(r);
}

static int add_mon(struct mp_parser *p, const struct mp_parser_mon *mon)
{
	if (p->n_mons == MP_CMDLINE_MAX_MONITORS)
		return mp_parser_fail(p, "more than %u monitors", MP_CMDLINE_MAX_MONITORS);
	p->mon[p->n_mons++] = *mon;
	return 0;
}

int mp_parse_mon(struct mp_parser *p, const struct mp_option *o, const char *arg)
{
	struct mp_parser_mon mon = {.mode = "readline"};
	struct mp_keyval kv = MP_KEYVAL_NULL;
	char why[768];
	int r;

	r = mp_parser_split(p, o->name, arg, "chardev", &kv);
	if (r < 0)
		return mp_err_trace(r);
	for (unsigned int i = 0; i < kv.n; i++)
		if (mp_prop_set(mp_props_mon, &mon, &kv.item[i], why, sizeof(why)) < 0)
			return mp_parser_fail(p, "-mon: %s", why);
	if (!mon.chardev)
		return mp_parser_fail(p, "-mon %s: chardev=ID is missing", arg);
	return mp_err_trace(add_mon(p, &mon));
}

/* "unix:PATH,server=on,wait=off" */
static int short_unix(struct mp_parser *p, const struct mp_option *o, const char *arg,
		      struct mp_parser_chardev *dev)
{
	struct mp_keyval kv = MP_KEYVAL_NULL;
	char what[32];
	int r = mp_parser_split(p, o->name, arg + strlen(UNIX), "path", &kv);

	snprintf(what, sizeof(what), "-%s", o->name);
	if (r == 0)
		r = set_chardev(p, &kv, what, dev);
	return mp_err_trace(r);
}

/* "HOST:PORT", "[::1]:PORT", ":PORT"; @text: is cut in pieces */
static int split_address(char *text, struct mp_parser_chardev *dev)
{
	char *colon = strrchr(text, ':');
	size_t len;

	if (!colon)
		return -EINVAL;
	*colon = '\0';
	len = strlen(text);
	if (text[0] == '[') {
		if (len < 3 || text[len - 1] != ']')
			return -EINVAL;
		text[len - 1] = '\0';
		text++;
	} else if (strchr(text, ':')) {
		return -EINVAL;
	}
	dev->host = text;
	dev->port = colon + 1;
	return 0;
}

/* "tcp:HOST:PORT,server=on,wait=off" */
static int short_tcp(struct mp_parser *p, const struct mp_option *o, const char *arg,
		     struct mp_parser_chardev *dev)
{
	const char *at = arg + strlen(TCP), *rest = at + strcspn(at, ",");
	char *address = strndup(at, (size_t)(rest - at)), what[32];
	struct mp_keyval kv = MP_KEYVAL_NULL;
	int r = mp_texts_take(p->texts, address);

	if (r < 0)
		return mp_err_trace(r);
	if (split_address(address, dev) < 0)
		return mp_parser_fail(p,
				      "-%s %s: no address; it is tcp:HOST:PORT, tcp:[IPV6]:PORT or "
				      "tcp::PORT",
				      o->name, arg);
	r = mp_parser_split(p, o->name, *rest ? rest + 1 : rest, NULL, &kv);
	snprintf(what, sizeof(what), "-%s", o->name);
	if (r == 0)
		r = set_chardev(p, &kv, what, dev);
	return mp_err_trace(r);
}

static int no_such_place(struct mp_parser *p, const struct mp_option *o, const char *arg)
{
	if (strncmp(arg, "telnet:", 7) == 0)
		return mp_parser_fail(
			p,
			"-%s %s: telnet's own protocol isn't spoken; its clients take "
			"tcp:%s as well",
			o->name, arg, arg + 7);
	return mp_parser_fail(p,
			      "-%s %s: unknown place; valid are unix:PATH,server=on,wait=off, "
			      "tcp:HOST:PORT,server=on,wait=off, stdio, chardev:ID, none",
			      o->name, arg);
}

int mp_parse_monitor(struct mp_parser *p, const struct mp_option *o, const char *arg)
{
	struct mp_parser_mon mon = {.mode = o->name[0] == 'q' ? "control" : "readline",
				    .pretty = strcmp(o->name, "qmp-pretty") == 0,
				    .own = {.fd = MP_PARSER_NO_ID, .wait = true}};
	int r = 0;

	if (strcmp(arg, "none") == 0 || strcmp(arg, "null") == 0)
		return 0;
	if (strncmp(arg, "chardev:", 8) == 0)
		mon.chardev = arg + 8;
	else if (strncmp(arg, UNIX, strlen(UNIX)) == 0)
		r = short_unix(p, o, arg, &mon.own);
	else if (strncmp(arg, TCP, strlen(TCP)) == 0)
		r = short_tcp(p, o, arg, &mon.own);
	else if (strcmp(arg, "stdio") == 0 || strcmp(arg, "mon:stdio") == 0)
		mon.own.kind = MP_CHARDEV_STDIO;
	else
		return mp_err_trace(no_such_place(p, o, arg));
	return r == 0 ? mp_err_trace(add_mon(p, &mon)) : mp_err_trace(r);
}

static struct mp_parser_chardev *find_chardev(struct mp_parser *p, const char *id)
{
	for (unsigned int i = 0; i < p->n_chardevs; i++)
		if (strcmp(p->chardev[i].id, id) == 0)
			return &p->chardev[i];
	return NULL;
}

static int name_monitor(struct mp_parser *p, struct mp_opt_monitor *m, unsigned int number)
{
	char *name = NULL;

	if (asprintf(&name, "compat_monitor%u", number) < 0)
		return mp_err_origin(-ENOMEM);
	m->id = name;
	return mp_err_trace(mp_texts_take(p->texts, name));
}

static int resolve_mon(struct mp_parser *p, struct mp_parser_mon *mon, unsigned int *n_compat)
{
	struct mp_opt_monitor *m = &p->c->monitor[p->c->n_monitors];
	struct mp_parser_chardev *dev = mon->chardev ? find_chardev(p, mon->chardev) : &mon->own;

	if (!dev)
		return mp_parser_fail(p,
				      "no character device '%s'; add -chardev socket,id=%s,"
				      "path=NAME,server=on,wait=off",
				      mon->chardev, mon->chardev);
	if (dev->used)
		return mp_parser_fail(p, "character device '%s' is used by two monitors",
				      mon->chardev);
	dev->used = true;
	if (dev->kind == MP_CHARDEV_NULL)
		return 0;
	*m = (struct mp_opt_monitor){.id = mon->chardev,
				     .is_qmp = mon->mode[0] == 'c',
				     .pretty = mon->pretty,
				     .wait = (dev->path || dev->host) && dev->wait && !dev->nowait,
				     .path = dev->path,
				     .host = dev->host,
				     .port = dev->port,
				     .no_ipv4 = !is_on(dev->ipv4, dev->ipv6),
				     .no_ipv6 = !is_on(dev->ipv6, dev->ipv4),
				     .fd = dev->fd == MP_PARSER_NO_ID ? -1 : (int)dev->fd,
				     .is_stdio = dev->kind == MP_CHARDEV_STDIO};
	p->c->n_monitors++;
	return mon->chardev ? 0 : mp_err_trace(name_monitor(p, m, (*n_compat)++));
}

static bool are_same(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

static bool is_same_place(const struct mp_opt_monitor *a, const struct mp_opt_monitor *b)
{
	return (a->is_stdio && b->is_stdio) || (a->fd >= 0 && a->fd == b->fd) ||
	       are_same(a->path, b->path) ||
	       (are_same(a->host, b->host) && are_same(a->port, b->port) &&
		strcmp(a->port, "0") != 0);
}

static int check_places(struct mp_parser *p)
{
	const struct mp_opt_monitor *m = p->c->monitor;

	for (unsigned int i = 0; i < p->c->n_monitors; i++) {
		if (m[i].is_stdio && p->c->daemonize)
			return mp_parser_fail(p, "-daemonize leaves no stdio for a monitor; use "
						 "unix:PATH,server=on,wait=off");
		for (unsigned int k = 0; k < i; k++)
			if (is_same_place(&m[i], &m[k]))
				return mp_parser_fail(p, "monitors %s and %s want the same place",
						      m[k].id, m[i].id);
	}
	return 0;
}

int mp_parser_resolve_monitors(struct mp_parser *p)
{
	unsigned int n_compat = 0;
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < p->n_mons; i++)
		r = resolve_mon(p, &p->mon[i], &n_compat);
	for (unsigned int i = 0; r == 0 && i < p->n_chardevs; i++)
		if (!p->chardev[i].used && p->chardev[i].kind != MP_CHARDEV_NULL)
			r = mp_parser_warn(p, "-chardev id=%s has no user here", p->chardev[i].id);
	if (r == 0 && p->c->start_stopped && p->c->n_monitors == 0) {
		p->c->start_stopped = false;
		r = mp_parser_warn(p, "-S is ignored, as there is no monitor that could say cont");
	}
	return r == 0 ? mp_err_trace(check_places(p)) : mp_err_trace(r);
}
