/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A line is a command's name and words; "..." holds blanks and escapes. What a
 * command takes, its table says, and its handler gets it as an object.
 */
#include "monitor/internal.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"

#define PROMPT   "(qemu) "
#define WORD_MAX 4100 /* longer than a line */
#define MAX_ARGS 8u

/* One argument of a table's text. */
struct arg {
	char name[32];
	char kind; /* of mon.h; '-' with the flag's letter */
	char letter;
	bool optional;
};

/* A line being taken apart. */
struct parse {
	const struct mp_mon_hmp_command *cmd;
	const char *before; /* the word before its name: "info", or NULL */
	const char *at;
	json_t *args;
	struct mp_mon_buf *out;
};

void mp_mon_printf(struct mp_mon_buf *out, const char *fmt, ...)
{
	char *text;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vasprintf(&text, fmt, args);
	va_end(args);
	if (n < 0) {
		out->error = -ENOMEM;
		return;
	}
	mp_mon_buf_add(out, text, (size_t)n);
	free(text);
}

static void skip_blanks(const char **at)
{
	while (isblank((unsigned char)**at))
		(*at)++;
}

static char unescaped(char c)
{
	return c == 'n' ? '\n' : c == 'r' ? '\r' : c == 't' ? '\t' : c;
}

/* The next word; false when there is none, or its quote doesn't end. */
static bool next_word(const char **at, char word[WORD_MAX])
{
	bool quoted;
	size_t n = 0;

	skip_blanks(at);
	if (!**at)
		return false;
	quoted = **at == '"';
	*at += quoted;
	while (**at && n < WORD_MAX - 1 && (quoted ? **at != '"' : !isblank((unsigned char)**at))) {
		if (quoted && **at == '\\' && (*at)[1]) {
			word[n++] = unescaped((*at)[1]);
			*at += 2;
		} else {
			word[n++] = *(*at)++;
		}
	}
	word[n] = 0;
	if (quoted && **at != '"')
		return false;
	*at += quoted;
	return true;
}

/* Whether one of the names in "stop|s" is the word. */
static bool is_named(const char *names, const char *word)
{
	size_t len = strcspn(word, "|");

	if (word[len])
		return false;
	for (const char *at = names; at; at = strchr(at, '|')) {
		at += *at == '|';
		if (strncmp(at, word, len) == 0 && (at[len] == 0 || at[len] == '|'))
			return len > 0;
	}
	return false;
}

static const struct mp_mon_hmp_command *find(const struct mp_mon_hmp_command *table,
					     const char *word)
{
	for (; table && table->name; table++)
		if (is_named(table->name, word))
			return table;
	return NULL;
}

/* The next argument of the table's text; false at its end. */
static bool next_arg(const char **at, struct arg *ret)
{
	size_t n;

	if (!*at || !**at)
		return false;
	n = strcspn(*at, ":");
	*ret = (struct arg){.kind = (*at)[n + 1]};
	mp_assert(n < sizeof(ret->name));
	memcpy(ret->name, *at, n);
	*at += n + 2;
	if (ret->kind == '-')
		ret->letter = *(*at)++;
	if (**at == '?') {
		ret->optional = true;
		(*at)++;
	}
	*at += **at == ',';
	return true;
}

static bool say_try_help(struct parse *p)
{
	mp_mon_printf(p->out, "\nTry \"help %s%s%.*s\" for more information\n",
		      p->before ? p->before : "", p->before ? " " : "",
		      (int)strcspn(p->cmd->name, "|"), p->cmd->name);
	return false;
}

static bool complain(struct parse *p, const char *what, const char *about)
{
	mp_mon_printf(p->out, "%s: %s%s", p->cmd->name, what, about);
	return say_try_help(p);
}

static bool invalid_size(struct parse *p)
{
	mp_mon_printf(p->out, "invalid size");
	return say_try_help(p);
}

static bool set(struct parse *p, const char *name, json_t *value)
{
	if (json_object_set_new(p->args, name, value) < 0)
		return complain(p, "not text: ", name);
	return true;
}

static bool has_flag(const struct parse *p, char letter)
{
	const char *table = p->cmd->args;
	struct arg arg;

	while (next_arg(&table, &arg))
		if (arg.kind == '-' && arg.letter == letter)
			return true;
	return false;
}

/* Flags come in the table's order; one that isn't there is passed over. */
static bool take_flag(struct parse *p, const struct arg *arg)
{
	if (p->at[0] != '-' || !isalpha((unsigned char)p->at[1]))
		return true;
	if (p->at[1] != arg->letter) {
		char option[3] = {'-', p->at[1], 0};

		return has_flag(p, p->at[1]) || complain(p, "unsupported option ", option);
	}
	p->at += 2;
	return set(p, arg->name, json_true());
}

/* It ends with its unit, not with a blank: what follows is another argument. */
static bool take_size(struct parse *p, const struct arg *arg)
{
	int64_t bytes;

	if (mp_hmp_take_size(&p->at, &bytes) < 0)
		return invalid_size(p);
	return set(p, arg->name, json_integer(bytes));
}

static bool take_value(struct parse *p, const struct arg *arg, const char *word)
{
	json_int_t v;
	char *end;

	switch (arg->kind) {
	case 'i':
		errno = 0;
		v = strtoll(word, &end, 0);
		if (end == word || *end || errno)
			return complain(p, "integer expected: ", word);
		return set(p, arg->name, json_integer(v));
	default:
		return set(p, arg->name, json_string(word));
	}
}

static bool missing(struct parse *p, char kind)
{
	switch (kind) {
	case 'B':
		return complain(p, "block device name expected", "");
	case 'F':
		return complain(p, "filename expected", "");
	case 'i':
		return complain(p, "integer expected", "");
	default:
		return complain(p, "string expected", "");
	}
}

/* Options are the rest of the line, as it is; there may be none. */
static bool take_rest(struct parse *p, const struct arg *arg)
{
	size_t n = strlen(p->at);

	while (n > 0 && isblank((unsigned char)p->at[n - 1]))
		n--;
	if (!set(p, arg->name, json_stringn(p->at, n)))
		return false;
	p->at += strlen(p->at);
	return true;
}

static bool take_word(struct parse *p, const struct arg *arg)
{
	char word[WORD_MAX];

	if (!*p->at && arg->optional)
		return true;
	if (!next_word(&p->at, word))
		return missing(p, arg->kind);
	return take_value(p, arg, word);
}

static bool take_arg(struct parse *p, const struct arg *arg)
{
	skip_blanks(&p->at);
	switch (arg->kind) {
	case '-':
		return take_flag(p, arg);
	case 'O':
		return take_rest(p, arg);
	case 'o':
		return take_size(p, arg);
	default:
		return take_word(p, arg);
	}
}

static bool take_args(struct parse *p)
{
	const char *table = p->cmd->args;
	struct arg arg;

	while (next_arg(&table, &arg))
		if (!take_arg(p, &arg))
			return false;
	skip_blanks(&p->at);
	return *p->at ? complain(p, "extraneous characters at the end of line", "") : true;
}

/* --- help --- */

static void help_line(struct mp_mon_buf *out, const char *before,
		      const struct mp_mon_hmp_command *cmd)
{
	mp_mon_printf(out, "%s%s%s %s -- %s\n", before ? before : "", before ? " " : "", cmd->name,
		      cmd->params, cmd->help);
}

static void help_table(struct mp_mon_buf *out, const char *before,
		       const struct mp_mon_hmp_command *table)
{
	for (; table->name; table++)
		help_line(out, before, table);
}

static void help(const struct mp_mon *mon, const char *rest, struct mp_mon_buf *out)
{
	const struct mp_mon_hmp_command *cmd;
	char word[WORD_MAX], second[WORD_MAX];

	if (!next_word(&rest, word)) {
		help_table(out, NULL, mon->cfg.hmp);
		mp_mon_printf(out, "help|? [cmd] -- show the help\n");
		return;
	}
	cmd = find(mon->cfg.hmp, word);
	if (cmd && cmd->sub && next_word(&rest, second)) {
		cmd = find(cmd->sub, second);
		if (cmd)
			mp_mon_printf(out, "%s ", word);
	}
	if (!cmd)
		mp_mon_printf(out, "unknown command: '%s'\n", word);
	else if (cmd->sub)
		help_table(out, cmd->name, cmd->sub);
	else
		help_line(out, NULL, cmd);
}

/* --- running --- */

static void run_command(struct mp_mon_call *call, struct parse *p)
{
	p->args = json_object();
	if (p->args && take_args(p)) {
		p->cmd->fn(call, p->args, p->out);
		if (call->error.is_set)
			mp_mon_printf(p->out, "Error: %s\n", call->error.desc);
	}
	json_decref(p->args);
}

void mp_mon_hmp_run(struct mp_mon_call *call, const char *line, struct mp_mon_buf *out)
{
	struct parse p = {.at = line, .out = out};
	char word[WORD_MAX], second[WORD_MAX];

	if (!next_word(&p.at, word))
		return;
	if (is_named("help|?", word)) {
		help(call->mon, p.at, out);
		return;
	}
	p.cmd = find(call->mon->cfg.hmp, word);
	if (!p.cmd) {
		mp_mon_printf(out, "unknown command: '%s'\n", word);
		return;
	}
	if (p.cmd->sub) {
		if (!next_word(&p.at, second)) {
			help(call->mon, word, out);
			return;
		}
		p.before = word;
		p.cmd = find(p.cmd->sub, second);
		if (!p.cmd) {
			mp_mon_printf(out, "unknown command: '%s %s'\n", word, second);
			return;
		}
	}
	run_command(call, &p);
}

void mp_hmp_greet(struct mp_mon_client *c, struct mp_mon_buf *out)
{
	const struct mp_mon_version *v = &c->mon->cfg.version;

	mp_mon_printf(out, "QEMU %u.%u.%u monitor - type 'help' for more information\r\n" PROMPT,
		      v->major, v->minor, v->micro);
}

void mp_hmp_run(struct mp_mon_client *c, struct mp_mon_request *req, struct mp_mon_buf *out)
{
	MP_CLEANUP(mp_mon_buf_fini) struct mp_mon_buf text = MP_MON_BUF_NULL;
	struct mp_mon_call call = {.opaque = c->mon->cfg.opaque,
				   .mon = c->mon,
				   .client = c,
				   .fd = req->fd,
				   .n_fds = req->n_fds};

	if (req->error[0])
		mp_mon_printf(&text, "%s\n", req->error);
	else
		mp_mon_hmp_run(&call, req->line, &text);
	mp_mon_buf_add_crlf(out, mp_mon_buf_data(&text), mp_mon_buf_len(&text));
	if (text.error < 0)
		out->error = text.error;
	mp_mon_buf_add_text(out, PROMPT);
}
