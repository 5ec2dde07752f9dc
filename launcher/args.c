/* SPDX-License-Identifier: BSD-3-Clause */
#include "launcher/args.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

static void append(struct mp_args *a, char *word)
{
	char **v = reallocarray(a->v, a->n + 2, sizeof(*v));

	mp_assert(v && word);
	a->v = v;
	a->v[a->n++] = word;
	a->v[a->n] = NULL;
}

static void append_formatted(struct mp_args *a, const char *fmt, va_list ap)
{
	char *word = NULL;
	int r = vasprintf(&word, fmt, ap);

	mp_assert(r >= 0);
	append(a, word);
}

void mp_args_add(struct mp_args *a, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	append_formatted(a, fmt, ap);
	va_end(ap);
}

void mp_args_add2(struct mp_args *a, const char *option, const char *fmt, ...)
{
	va_list ap;

	append(a, strdup(option));
	va_start(ap, fmt);
	append_formatted(a, fmt, ap);
	va_end(ap);
}

void mp_args_fini(struct mp_args *a)
{
	for (size_t i = 0; i < a->n; i++)
		free(a->v[i]);
	free(a->v);
	*a = MP_ARGS_NULL;
}

static void print_word(const char *word, FILE *out)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789%+,-./:=@_";

	if (*word && word[strspn(word, plain)] == '\0') {
		fputs(word, out);
		return;
	}
	fputc('\'', out);
	for (const char *p = word; *p; p++) {
		if (*p == '\'')
			fputs("'\\''", out);
		else
			fputc(*p, out);
	}
	fputc('\'', out);
}

void mp_args_print(const struct mp_args *a, FILE *out)
{
	for (size_t i = 0; i < a->n; i++) {
		if (i > 0)
			fputc(' ', out);
		print_word(a->v[i], out);
	}
	fputc('\n', out);
}

char *mp_args_escape(const char *text)
{
	char *escaped = malloc(2 * strlen(text) + 1), *to = escaped;

	mp_assert(escaped);
	for (; *text; text++) {
		if (*text == ',')
			*to++ = ',';
		*to++ = *text;
	}
	*to = '\0';
	return escaped;
}
