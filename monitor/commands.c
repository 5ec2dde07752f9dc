/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands that are about the monitor itself. */
#include "monitor/internal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "monitor/unicode.h"

static const char *text_arg(const json_t *args, const char *name)
{
	return json_string_value(json_object_get(args, name));
}

static json_t *capabilities(struct mp_mon_call *call, const json_t *args)
{
	struct mp_mon *mon = call->mon;

	/* "oob" is the only one, and the schema has seen that it is that. It counts
	 * from the answer on, which mp_mon_run() puts into the output. */
	pthread_mutex_lock(&mon->lock);
	call->client->about_to_negotiate = true;
	call->client->about_to_oob = json_array_size(json_object_get(args, "enable")) > 0;
	pthread_mutex_unlock(&mon->lock);
	return json_object();
}

static int add_names(json_t *names, const struct mp_mon_command *table)
{
	int r = 0;

	for (; r == 0 && table->name; table++)
		r = json_array_append_new(names, json_pack("{ss}", "name", table->name));
	return r;
}

static json_t *query_commands(struct mp_mon_call *call, const json_t *args)
{
	json_t *names = json_array();

	if (add_names(names, mp_mon_own_commands) < 0 ||
	    add_names(names, call->mon->cfg.commands) < 0) {
		json_decref(names);
		return NULL;
	}
	return names;
}

static json_t *query_schema(struct mp_mon_call *call, const json_t *args)
{
	/* A copy: references are counted by two threads otherwise. */
	return json_copy(call->mon->schema.infos);
}

static json_t *query_version(struct mp_mon_call *call, const json_t *args)
{
	const struct mp_mon_version *v = &call->mon->cfg.version;

	return json_pack("{s{sisisi}ss}", "qemu", "micro", v->micro, "minor", v->minor, "major",
			 v->major, "package", v->package);
}

const struct mp_mon_version *mp_mon_version(const struct mp_mon *mon)
{
	return &mon->cfg.version;
}

json_t *mp_mon_chardevs(struct mp_mon *mon)
{
	json_t *list = json_array();
	char filename[512];

	for (unsigned int i = 0; i < mon->n_listeners; i++) {
		const struct mp_mon_listener *l = &mon->listener[i];
		bool connected;

		pthread_mutex_lock(&mon->lock);
		connected = l->n_clients > 0;
		pthread_mutex_unlock(&mon->lock);
		snprintf(filename, sizeof(filename), "%s%s",
			 connected ? "" : "disconnected:", l->port.filename);
		json_array_append_new(list,
				      json_pack("{sbsoss}", "frontend-open", true, "filename",
						mp_utf8_json(filename), "label", l->port.label));
	}
	return list;
}

static json_t *query_chardev(struct mp_mon_call *call, const json_t *args)
{
	return mp_mon_chardevs(call->mon);
}

static json_t *human_monitor_command(struct mp_mon_call *call, const json_t *args)
{
	MP_CLEANUP(mp_mon_buf_fini) struct mp_mon_buf text = MP_MON_BUF_NULL;
	MP_CLEANUP(mp_mon_buf_fini) struct mp_mon_buf crlf = MP_MON_BUF_NULL;
	struct mp_mon_call line = *call;

	/* Its errors are lines of its output. */
	mp_mon_hmp_run(&line, text_arg(args, "command-line"), &text);
	mp_mon_buf_add_crlf(&crlf, mp_mon_buf_data(&text), mp_mon_buf_len(&text));
	return text.error == 0 ? mp_utf8_json(mp_mon_buf_text(&crlf)) : NULL;
}

/* --- named file descriptors --- */

static struct mp_mon_named_fd **find_named(struct mp_mon_client *c, const char *name)
{
	struct mp_mon_named_fd **at = &c->named;

	while (*at && strcmp((*at)->name, name) != 0)
		at = &(*at)->next;
	return at;
}

int mp_mon_take_fd(struct mp_mon_call *call, const char *name)
{
	struct mp_mon_named_fd **at = find_named(call->client, name), *found = *at;
	int fd;

	if (!found)
		return -1;
	fd = found->fd;
	*at = found->next;
	free(found);
	return fd;
}

void mp_mon_close_named(struct mp_mon_client *c)
{
	struct mp_mon_named_fd *n;

	while ((n = c->named)) {
		c->named = n->next;
		close(n->fd);
		free(n);
	}
}

static json_t *get_fd(struct mp_mon_call *call, const json_t *args)
{
	const char *name = text_arg(args, "fdname");
	struct mp_mon_named_fd *named;
	int old;

	if (call->n_fds == 0)
		return mp_mon_fail(call, MP_MON_GENERIC,
				   "No file descriptor supplied via SCM_RIGHTS");
	if (isdigit((unsigned char)name[0]))
		return mp_mon_fail(call, MP_MON_GENERIC,
				   "Parameter 'fdname' expects a name not starting with a digit");
	named = malloc(sizeof(*named) + strlen(name) + 1);
	if (!named)
		return NULL;
	old = mp_mon_take_fd(call, name);
	mp_fd_close(&old);
	memcpy(named->name, name, strlen(name) + 1);
	named->fd = mp_fd_steal(&call->fd[0]);
	named->next = call->client->named;
	call->client->named = named;
	return json_object();
}

static json_t *close_fd(struct mp_mon_call *call, const json_t *args)
{
	const char *name = text_arg(args, "fdname");
	int fd = mp_mon_take_fd(call, name);

	if (fd < 0)
		return mp_mon_fail(call, MP_MON_GENERIC, "File descriptor named '%s' not found",
				   name);
	close(fd);
	return json_object();
}

const struct mp_mon_command mp_mon_own_commands[] = {
	{"qmp_capabilities", 0, capabilities},
	{"query-commands", 0, query_commands},
	{"query-qmp-schema", 0, query_schema},
	{"query-version", 0, query_version},
	{"query-chardev", 0, query_chardev},
	{"human-monitor-command", 0, human_monitor_command},
	{"getfd", 0, get_fd},
	{"closefd", 0, close_fd},
	{NULL, 0, NULL},
};

static const struct mp_mon_command *find_in(const struct mp_mon_command *table, const char *name)
{
	for (; table->name; table++)
		if (strcmp(table->name, name) == 0)
			return table;
	return NULL;
}

const struct mp_mon_command *mp_mon_find_command(const struct mp_mon *mon, const char *name)
{
	const struct mp_mon_command *own = find_in(mp_mon_own_commands, name);

	return own ? own : find_in(mon->cfg.commands, name);
}
