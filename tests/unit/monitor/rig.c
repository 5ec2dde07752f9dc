/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/monitor/rig.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "tests/lib/t.h"

#define MAX_EVENTS 1000

const char rig_schema[] =
	"[{'name':'str','meta-type':'builtin','json-type':'string'},"
	" {'name':'int','meta-type':'builtin','json-type':'int'},"
	" {'name':'number','meta-type':'builtin','json-type':'number'},"
	" {'name':'bool','meta-type':'builtin','json-type':'boolean'},"
	" {'name':'null','meta-type':'builtin','json-type':'null'},"
	" {'name':'any','meta-type':'builtin','json-type':'value'},"
	" {'name':'none','meta-type':'object','members':[]},"
	" {'name':'Cap','meta-type':'enum','members':[{'name':'oob'}]},"
	" {'name':'[Cap]','meta-type':'array','element-type':'Cap'},"
	" {'name':'caps','meta-type':'object','members':"
	"  [{'name':'enable','type':'[Cap]','default':null}]},"
	" {'name':'line','meta-type':'object','members':[{'name':'command-line','type':'str'}]},"
	" {'name':'fdname','meta-type':'object','members':[{'name':'fdname','type':'str'}]},"
	" {'name':'text','meta-type':'object','members':[{'name':'text','type':'str'}]},"
	" {'name':'sum','meta-type':'object','members':"
	"  [{'name':'a','type':'int'},{'name':'b','type':'int','default':null}]},"
	" {'name':'bytes','meta-type':'object','members':[{'name':'bytes','type':'int'}]},"
	" {'name':'n','meta-type':'object','members':[{'name':'n','type':'int'}]},"
	" {'name':'Kind','meta-type':'enum','members':[{'name':'file'},{'name':'null'}]},"
	" {'name':'Node','meta-type':'object','members':[{'name':'kind','type':'Kind'},"
	"  {'name':'size','type':'number','default':null}],'tag':'kind','variants':"
	"  [{'case':'file','type':'NodeFile'}]},"
	" {'name':'NodeFile','meta-type':'object','members':[{'name':'filename','type':'str'},"
	"  {'name':'below','type':'NodeOrName','default':null}]},"
	" {'name':'NodeOrName','meta-type':'alternate','members':"
	"  [{'type':'Node'},{'type':'str'},{'type':'null'}]},"
	" {'name':'node','meta-type':'object','members':[{'name':'node','type':'Node'},"
	"  {'name':'flags','type':'[bool]','default':null},"
	"  {'name':'extra','type':'any','default':null}]},"
	" {'name':'[bool]','meta-type':'array','element-type':'bool'},"
	" {'name':'qmp_capabilities','meta-type':'command','arg-type':'caps'},"
	" {'name':'query-commands','meta-type':'command','arg-type':'none'},"
	" {'name':'query-qmp-schema','meta-type':'command','arg-type':'none'},"
	" {'name':'query-version','meta-type':'command','arg-type':'none'},"
	" {'name':'query-chardev','meta-type':'command','arg-type':'none'},"
	" {'name':'human-monitor-command','meta-type':'command','arg-type':'line'},"
	" {'name':'getfd','meta-type':'command','arg-type':'fdname'},"
	" {'name':'closefd','meta-type':'command','arg-type':'fdname'},"
	" {'name':'echo','meta-type':'command','arg-type':'text'},"
	" {'name':'add','meta-type':'command','arg-type':'sum'},"
	" {'name':'fail','meta-type':'command','arg-type':'none'},"
	" {'name':'wait','meta-type':'command','arg-type':'none'},"
	" {'name':'big','meta-type':'command','arg-type':'bytes'},"
	" {'name':'now','meta-type':'command','arg-type':'none'},"
	" {'name':'announce','meta-type':'command','arg-type':'n'},"
	" {'name':'take','meta-type':'command','arg-type':'fdname'},"
	" {'name':'build','meta-type':'command','arg-type':'node'}]";

static json_int_t int_arg(const json_t *args, const char *name)
{
	return json_integer_value(json_object_get(args, name));
}

static const char *text_arg(const json_t *args, const char *name)
{
	return json_string_value(json_object_get(args, name));
}

static json_t *echo(struct mp_mon_call *call, const json_t *args)
{
	return json_string(text_arg(args, "text"));
}

static json_t *add(struct mp_mon_call *call, const json_t *args)
{
	return json_integer(int_arg(args, "a") + int_arg(args, "b"));
}

static json_t *fail(struct mp_mon_call *call, const json_t *args)
{
	return mp_mon_fail(call, MP_MON_DEVICE_NOT_FOUND, "Device '%s' not found", "x");
}

static json_t *wait_for_go(struct mp_mon_call *call, const json_t *args)
{
	struct rig *r = call->opaque;

	pthread_mutex_lock(&r->lock);
	r->n_waiting++;
	pthread_cond_broadcast(&r->changed);
	while (!r->go)
		pthread_cond_wait(&r->changed, &r->lock);
	pthread_mutex_unlock(&r->lock);
	return json_object();
}

static json_t *big(struct mp_mon_call *call, const json_t *args)
{
	size_t n = (size_t)int_arg(args, "bytes");
	char *text;
	json_t *value;

	if (n > RIG_LINE_MAX)
		return mp_mon_fail(call, MP_MON_GENERIC, "too big");
	text = malloc(n);
	mp_assert(text);
	memset(text, 'x', n);
	value = json_stringn(text, n);
	free(text);
	return value;
}

static json_t *now(struct mp_mon_call *call, const json_t *args)
{
	return json_object();
}

static json_t *announce(struct mp_mon_call *call, const json_t *args)
{
	for (json_int_t i = 0; i < int_arg(args, "n") && i < MAX_EVENTS; i++)
		mp_mon_event(call->mon, "TICK", json_pack("{sI}", "i", i));
	return json_object();
}

static json_t *take(struct mp_mon_call *call, const json_t *args)
{
	int fd = mp_mon_take_fd(call, text_arg(args, "fdname"));
	bool ok = write(fd, "!", 1) == 1;

	close(fd);
	return json_boolean(ok);
}

static json_t *build(struct mp_mon_call *call, const json_t *args)
{
	return json_object();
}

static const struct mp_mon_command commands[] = {
	{"echo", 0, echo},         {"add", 0, add},   {"fail", 0, fail},
	{"wait", 0, wait_for_go},  {"big", 0, big},   {"now", MP_MON_OOB, now},
	{"announce", 0, announce}, {"take", 0, take}, {"build", 0, build},
	{NULL, 0, NULL},
};

static void hmp_show(struct mp_mon_call *call, const json_t *args, struct mp_mon_buf *out)
{
	char *text = json_dumps(args, JSON_SORT_KEYS);

	mp_mon_printf(out, "%s\n", text);
	free(text);
}

static void hmp_fail(struct mp_mon_call *call, const json_t *args, struct mp_mon_buf *out)
{
	mp_mon_fail(call, MP_MON_GENERIC, "no such thing");
}

static const struct mp_mon_hmp_command info[] = {
	{"name", "", "", "show the name", hmp_show, NULL},
	{"block", "nodes:-n?,verbose:-v?,device:B?", "[-n] [-v] [device]", "show block devices",
	 hmp_show, NULL},
	{.name = NULL},
};

static const struct mp_mon_hmp_command hmp[] = {
	{"eject", "force:-f?,device:B", "[-f] device", "eject a medium", hmp_show, NULL},
	{"change", "device:B,file:F,format:s?", "device filename [format]", "change it", hmp_show,
	 NULL},
	{"block_resize", "device:B,size:o", "device size", "resize it", hmp_show, NULL},
	{"limit", "n:i", "n", "set a limit", hmp_show, NULL},
	{"options", "o:O", "[options]", "take options", hmp_show, NULL},
	{"stop|s", "", "", "stop", hmp_show, NULL},
	{"fail", "", "", "fails", hmp_fail, NULL},
	{"info", "", "[subcommand]", "show things", NULL, info},
	{.name = NULL},
};

static char *double_quotes(const char *text)
{
	char *copy = strdup(text);

	for (char *c = copy; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	return copy;
}

void rig_init(struct rig *r)
{
	*r = (struct rig){
		.cfg = {.version = {.major = 7, .minor = 2, .micro = 22, .package = "pkg"},
			.commands = commands,
			.hmp = hmp}};
	r->cfg.opaque = r;
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->changed, NULL);
	r->cfg.schema = double_quotes(rig_schema);
}

static void create(struct rig *r)
{
	if (!r->mon)
		T_EQ(mp_mon_create(&r->cfg, &r->mon), 0);
}

void rig_start(struct rig *r)
{
	create(r);
	T_EQ(mp_mon_start(r->mon), 0);
}

void rig_fini(struct rig *r)
{
	rig_let_go(r);
	r->mon = mp_mon_destroy(r->mon, mp_clock_ns());
	free((char *)(uintptr_t)r->cfg.schema);
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
}

void rig_connect(struct rig *r, struct rig_client *c, bool is_qmp)
{
	struct mp_mon_port port = {.is_qmp = is_qmp, .label = "label", .filename = "unix:x"};
	int sv[2];

	create(r);
	T_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	T_OK(mp_mon_add_client_take(r->mon, sv[0], sv[0], &port) >= 0);
	c->fd = sv[1];
	c->n = 0;
}

void rig_close(struct rig_client *c)
{
	close(c->fd);
	c->fd = -1;
}

void rig_send_bytes(struct rig_client *c, const void *bytes, size_t n)
{
	T_EQ(send(c->fd, bytes, n, MSG_NOSIGNAL), n);
}

void rig_send(struct rig_client *c, const char *text)
{
	rig_send_bytes(c, text, strlen(text));
}

/* More input; false at its end, or when none comes. */
static bool fill(struct rig_client *c, const char **why)
{
	struct pollfd pfd = {.fd = c->fd, .events = POLLIN};
	ssize_t n;
	int r;

	*why = "(nothing)";
	do
		r = poll(&pfd, 1, RIG_DEADLINE_MS);
	while (r < 0 && errno == EINTR); /* a fuzzer's clock */
	if (r <= 0)
		return false;
	*why = "(eof)";
	n = recv(c->fd, c->buf + c->n, sizeof(c->buf) - c->n, 0);
	c->n += n > 0 ? (size_t)n : 0;
	return n > 0;
}

static const char *take_bytes(struct rig_client *c, size_t n, size_t skip)
{
	memcpy(c->line, c->buf, n);
	c->line[n] = 0;
	memmove(c->buf, c->buf + n + skip, c->n - n - skip);
	c->n -= n + skip;
	return c->line;
}

static const char *until(struct rig_client *c, const char *what, bool with_it)
{
	size_t len = strlen(what);
	const char *why, *at;

	while (!(at = memmem(c->buf, c->n, what, len)))
		if (!fill(c, &why))
			return why;
	return with_it ? take_bytes(c, (size_t)(at - c->buf) + len, 0)
		       : take_bytes(c, (size_t)(at - c->buf), len);
}

const char *rig_line(struct rig_client *c)
{
	return until(c, "\r\n", false);
}

const char *rig_until_prompt(struct rig_client *c)
{
	return until(c, "(qemu) ", true);
}

const char *rig_ask(struct rig_client *c, const char *text)
{
	rig_send(c, text);
	return rig_line(c);
}

void rig_negotiate(struct rig_client *c)
{
	rig_line(c);
	T_STR_EQ(rig_ask(c, "{'execute':'qmp_capabilities','arguments':{'enable':['oob']}}"),
		 "{\"return\": {}}");
}

void rig_wait_until_running(struct rig *r, unsigned int n)
{
	pthread_mutex_lock(&r->lock);
	while (r->n_waiting < n)
		pthread_cond_wait(&r->changed, &r->lock);
	pthread_mutex_unlock(&r->lock);
}

void rig_let_go(struct rig *r)
{
	pthread_mutex_lock(&r->lock);
	r->go = true;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

void rig_open(struct rig *r, struct rig_client *c)
{
	rig_init(r);
	rig_connect(r, c, true);
	rig_start(r);
	rig_negotiate(c);
}

void rig_done(struct rig *r, struct rig_client *c)
{
	rig_fini(r);
	rig_close(c);
}
