/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What stands in -drive file=. As in QEMU a name with a colon before its first
 * slash begins with a protocol; "file:" in front protects a path that has one.
 */
#include "remote-worker/options/node.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "monitor/unicode.h"

/* The credentials that a URI asks for. Its drive's storage daemon has no others of ours. */
#define TLS_ID    "mpring-tls"
#define MAX_QUERY 16u

/* SCHEME://[USER@]HOST[:PORT]/PATH?KEY=VALUE&..., or PROTOCOL:REST; pointers into text. */
struct uri {
	char *text;
	const char *name; /* as the user wrote it */
	char *scheme, *user, *host, *port, *path, *rest;
	struct mp_keyval query;
	char *why; /* 256 bytes */
	struct mp_node_source *to;
};

static int __attribute__((format(printf, 2, 3))) refuse(struct uri *u, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(u->why, 256, fmt, ap);
	va_end(ap);
	return mp_err_origin(-EINVAL);
}

static int hex(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c | 0x20 : c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* "%41" is "A"; in place. */
static char *decode(char *text)
{
	char *out = text;

	for (char *in = text; *in; in++) {
		if (*in == '%' && hex(in[1]) >= 0 && hex(in[2]) >= 0) {
			*out++ = (char)(hex(in[1]) << 4 | hex(in[2]));
			in += 2;
		} else {
			*out++ = *in;
		}
	}
	*out = '\0';
	return text;
}

/* Ends @text at the first @c; what is behind it, or NULL. */
static char *cut(char *text, char c)
{
	char *at = text ? strchr(text, c) : NULL;

	if (at)
		*at++ = '\0';
	return at;
}

static int split_query(struct uri *u, char *query)
{
	char *save = NULL, *value;

	for (char *w = query ? strtok_r(query, "&", &save) : NULL; w;
	     w = strtok_r(NULL, "&", &save)) {
		if (u->query.n == MAX_QUERY)
			return refuse(u, "%s: too many parameters", u->name);
		value = cut(w, '=');
		u->query.item[u->query.n].key = decode(w);
		u->query.item[u->query.n].value = value ? decode(value) : "";
		u->query.n++;
	}
	return 0;
}

/* "[::1]:10809", "host", "host:1"; in place */
static void split_host(struct uri *u, char *authority)
{
	char *at = strrchr(authority, '@');

	if (at) {
		*at = '\0';
		u->user = decode(authority);
		authority = at + 1;
	}
	if (*authority == '[' && strchr(authority, ']')) {
		u->host = authority + 1;
		authority = cut(u->host, ']');
		u->port = *authority == ':' ? authority + 1 : NULL;
		return;
	}
	u->host = authority;
	u->port = cut(authority, ':');
	decode(u->host);
}

static int split_uri(struct uri *u)
{
	char *slash;
	int r;

	u->scheme = u->text;
	u->rest = cut(u->text, ':');
	if (strncmp(u->rest, "//", 2) != 0)
		return 0;
	u->rest = NULL;
	r = split_query(u, cut(u->text + strlen(u->scheme) + 1, '?'));
	if (r < 0)
		return mp_err_trace(r);
	u->host = u->text + strlen(u->scheme) + 3;
	slash = strchr(u->host, '/');
	u->path = slash ? slash + 1 : u->host + strlen(u->host);
	if (slash)
		*slash = '\0';
	decode(u->path);
	split_host(u, u->host);
	return 0;
}

/* A parameter that the scheme doesn't have would be lost in silence. */
static int check_query(struct uri *u, const char *const *known)
{
	const char *const *k;

	for (unsigned int i = 0; i < u->query.n; i++) {
		for (k = known; *k && strcmp(*k, u->query.item[i].key) != 0; k++)
			;
		if (!*k)
			return refuse(u, "%s: unknown parameter '%s'%s%s", u->name,
				      u->query.item[i].key, known[0] ? "; one is " : "",
				      known[0] ? known[0] : "");
	}
	return 0;
}

/* {"driver": ..., "server": {"type": "inet", ...}} */
static int set_inet(struct uri *u, json_t *node, const char *prefix, const char *default_port)
{
	char key[32];
	int r;

	if (!u->host || !*u->host)
		return refuse(u, "%s: there is no host in it", u->name);
	snprintf(key, sizeof(key), "%s.host", prefix);
	r = mp_node_set(node, key, u->host);
	snprintf(key, sizeof(key), "%s.port", prefix);
	if (r == 0 && default_port)
		r = mp_node_set(node, key, u->port && *u->port ? u->port : default_port);
	return mp_err_trace(r);
}

/* -- nbd --------------------------------------------------------------------- */

static int set_unix(struct uri *u, const char *path)
{
	int r;

	if (!path || !*path)
		return refuse(u, "%s: socket=PATH is missing", u->name);
	r = mp_node_set(u->to->node, "server.type", "unix");
	return r == 0 ? mp_err_trace(mp_node_set(u->to->node, "server.path", path)) : r;
}

static int set_tcp(struct uri *u)
{
	int r = mp_node_set(u->to->node, "server.type", "inet");

	return r == 0 ? mp_err_trace(set_inet(u, u->to->node, "server", "10809")) : r;
}

/* Keys as libnbd's URIs have them; the files as QEMU and libnbd both name them. */
static int set_tls(struct uri *u)
{
	const char *dir = mp_keyval_get(&u->query, "tls-certificates");
	const char *psk = mp_keyval_get(&u->query, "tls-psk-file");
	const char *slash = psk ? strrchr(psk, '/') : NULL;
	json_t *creds;

	if (!dir && !psk)
		return refuse(u,
			      "%s: add ?tls-certificates=DIRECTORY, with ca-cert.pem in it, or "
			      "?tls-psk-file=DIRECTORY/keys.psk",
			      u->name);
	if (psk && (!slash || strcmp(slash, "/keys.psk") != 0))
		return refuse(u, "%s: tls-psk-file must be named DIRECTORY/keys.psk", u->name);
	if (psk)
		creds = json_pack("{s:s, s:s, s:s, s:s%, s:s}", "qom-type", "tls-creds-psk", "id",
				  TLS_ID, "endpoint", "client", "dir", psk, (size_t)(slash - psk),
				  "username", u->user ? u->user : "qemu");
	else
		creds = json_pack("{s:s, s:s, s:s, s:s}", "qom-type", "tls-creds-x509", "id",
				  TLS_ID, "endpoint", "client", "dir", dir);
	u->to->objects = json_array();
	if (!creds || json_array_append_new(u->to->objects, creds) < 0)
		return mp_err_origin(-ENOMEM);
	if (mp_node_put_text(u->to->node, "tls-hostname",
			     mp_keyval_get(&u->query, "tls-hostname")) < 0)
		return mp_err_origin(-ENOMEM);
	return mp_err_trace(mp_node_put_text(u->to->node, "tls-creds", TLS_ID));
}

/* nbd:HOST:PORT:exportname=NAME, nbd:unix:PATH:exportname=NAME */
static int old_nbd(struct uri *u)
{
	char *name = strstr(u->rest, ":exportname=");
	int r;

	if (name) {
		*name = '\0';
		name += strlen(":exportname=");
	}
	if (strncmp(u->rest, "unix:", 5) == 0) {
		r = set_unix(u, u->rest + 5);
	} else {
		split_host(u, u->rest);
		r = set_tcp(u);
	}
	return r == 0 ? mp_err_trace(mp_node_put_text(u->to->node, "export", name ? name : ""))
		      : mp_err_trace(r);
}

static int from_nbd(struct uri *u)
{
	static const char *const known[] = {"socket", "tls-certificates", "tls-psk-file",
					    "tls-hostname", NULL};
	bool tls = u->scheme[3] == 's';
	int r;

	r = mp_node_put_text(u->to->node, "driver", "nbd");
	if (r < 0)
		return mp_err_trace(r);
	if (u->rest)
		return mp_err_trace(old_nbd(u));
	r = check_query(u, known);
	if (r == 0)
		r = strstr(u->scheme, "+unix") ? set_unix(u, mp_keyval_get(&u->query, "socket"))
					       : set_tcp(u);
	if (r == 0)
		r = mp_node_put_text(u->to->node, "export", u->path);
	return r == 0 && tls ? mp_err_trace(set_tls(u)) : mp_err_trace(r);
}

/* -- what only a storage daemon opens ------------------------------------------ */

static int from_url(struct uri *u)
{
	int r = mp_node_put_text(u->to->node, "driver", u->scheme);

	return r == 0 ? mp_err_trace(mp_node_put_text(u->to->node, "url", u->name)) : r;
}

static int from_ssh(struct uri *u)
{
	static const char *const known[] = {"host_key_check", NULL};
	const char *check = mp_keyval_get(&u->query, "host_key_check");
	json_t *node = u->to->node;
	int r = check_query(u, known);

	if (r == 0 && check && strcmp(check, "no") != 0 && strcmp(check, "yes") != 0)
		return refuse(u, "%s: host_key_check is yes or no; fingerprints go by -blockdev",
			      u->name);
	if (r == 0)
		r = mp_node_put_text(node, "driver", "ssh");
	if (r == 0)
		r = set_inet(u, node, "server", "22");
	if (r == 0 && check)
		r = mp_node_set(node, "host-key-check.mode",
				check[0] == 'n' ? "none" : "known_hosts");
	if (r == 0)
		r = mp_node_put_text(node, "user", u->user);
	return r == 0 ? mp_err_trace(mp_node_put(node, "path", json_sprintf("/%s", u->path))) : r;
}

static int from_iscsi(struct uri *u)
{
	static const char *const known[] = {NULL};
	json_t *node = u->to->node;
	char *lun = strrchr(u->path, '/');
	int r = check_query(u, known);

	if (r < 0)
		return mp_err_trace(r);
	if (!lun)
		return refuse(u, "%s: it is iscsi://HOST[:PORT]/TARGET/LUN", u->name);
	if (u->user)
		return refuse(u,
			      "%s: a user goes by -blockdev driver=iscsi,user=NAME,"
			      "password-secret=ID",
			      u->name);
	*lun++ = '\0';
	r = mp_node_put_text(node, "driver", "iscsi");
	if (r == 0)
		r = mp_node_put_text(node, "transport", u->scheme[2] == 'e' ? "iser" : "tcp");
	if (r == 0)
		r = mp_node_put(node, "portal",
				json_sprintf(strchr(u->host, ':') ? "[%s]:%s" : "%s:%s", u->host,
					     u->port ? u->port : "3260"));
	if (r == 0)
		r = mp_node_put_text(node, "target", u->path);
	return r == 0 ? mp_err_trace(mp_node_set(node, "lun", lun)) : mp_err_trace(r);
}

/* rbd:POOL/[NAMESPACE/]IMAGE[@SNAPSHOT][:id=USER][:conf=FILE] */
static int from_rbd(struct uri *u)
{
	json_t *node = u->to->node;
	char *options = u->rest ? cut(u->rest, ':') : NULL, *image = cut(u->rest, '/'), *next,
	     *more;
	int r;

	if (!image)
		return refuse(u, "%s: it is rbd:POOL/IMAGE[@SNAPSHOT][:id=USER][:conf=FILE]",
			      u->name);
	r = mp_node_put_text(node, "driver", "rbd");
	if (r == 0)
		r = mp_node_put_text(node, "pool", u->rest);
	more = cut(image, '/');
	if (r == 0 && more)
		r = mp_node_put_text(node, "namespace", image);
	image = more ? more : image;
	more = cut(image, '@');
	if (r == 0)
		r = mp_node_put_text(node, "snapshot", more);
	if (r == 0)
		r = mp_node_put_text(node, "image", image);
	for (; r == 0 && options; options = next) {
		next = cut(options, ':');
		if (strncmp(options, "id=", 3) == 0)
			r = mp_node_put_text(node, "user", options + 3);
		else if (strncmp(options, "conf=", 5) == 0)
			r = mp_node_put_text(node, "conf", options + 5);
		else
			return refuse(u, "%s: '%s' goes into the file that conf=FILE names",
				      u->name, options);
	}
	return mp_err_trace(r);
}

static int from_nfs(struct uri *u)
{
	static const char *const known[] = {NULL};
	json_t *node = u->to->node;
	int r = check_query(u, known);

	if (r == 0)
		r = mp_node_put_text(node, "driver", "nfs");
	if (r == 0)
		r = mp_node_set(node, "server.type", "inet");
	if (r == 0)
		r = set_inet(u, node, "server", NULL);
	return r == 0 ? mp_err_trace(mp_node_put(node, "path", json_sprintf("/%s", u->path))) : r;
}

static int from_gluster(struct uri *u)
{
	static const char *const known[] = {"socket", NULL};
	const char *sock = mp_keyval_get(&u->query, "socket");
	json_t *node = u->to->node;
	char *path = cut(u->path, '/');
	int r = check_query(u, known);

	if (r == 0 && !path)
		return refuse(u, "%s: it is gluster://HOST[:PORT]/VOLUME/PATH", u->name);
	if (r == 0)
		r = mp_node_put_text(node, "driver", "gluster");
	if (r == 0)
		r = mp_node_put_text(node, "volume", u->path);
	if (r == 0)
		r = mp_node_put_text(node, "path", path);
	if (r == 0)
		r = mp_node_set(node, "server.0.type", sock ? "unix" : "inet");
	if (r == 0)
		r = sock ? mp_node_set(node, "server.0.path", sock)
			 : set_inet(u, node, "server.0", "24007");
	return r == 0 ? mp_err_trace(mp_node_fold_lists(node)) : mp_err_trace(r);
}

static int from_null(struct uri *u)
{
	return mp_err_trace(mp_node_put_text(u->to->node, "driver", u->scheme));
}

static const struct {
	const char *name;
	int (*parse)(struct uri *u);
	bool needs_slashes; /* the form with :// only */
} schemes[] = {
	{"nbd", from_nbd, false},
	{"nbd+tcp", from_nbd, true},
	{"nbd+unix", from_nbd, true},
	{"nbds", from_nbd, true},
	{"nbds+unix", from_nbd, true},
	{"http", from_url, true},
	{"https", from_url, true},
	{"ftp", from_url, true},
	{"ftps", from_url, true},
	{"ssh", from_ssh, true},
	{"iscsi", from_iscsi, true},
	{"iser", from_iscsi, true},
	{"rbd", from_rbd, false},
	{"nfs", from_nfs, true},
	{"gluster", from_gluster, true},
	{"gluster+tcp", from_gluster, true},
	{"gluster+unix", from_gluster, true},
	{"null-co", from_null, false},
	{"null-aio", from_null, false},
};

#define N_SCHEMES (sizeof(schemes) / sizeof(schemes[0]))

/* A storage daemon gets them as JSON; what the worker opens itself are bytes. */
static int check_texts(struct uri *u)
{
	const char *const texts[] = {u->user, u->host, u->port, u->path, u->rest};
	const char *foreign = NULL;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i] && !mp_utf8_is_valid(texts[i]))
			foreign = texts[i];
	for (unsigned int i = 0; i < u->query.n; i++)
		if (!mp_utf8_is_valid(u->query.item[i].value))
			foreign = u->query.item[i].value;
	return foreign ? refuse(u, "%s: '%s' isn't UTF-8", u->name, foreign) : 0;
}

static int parse_scheme(struct uri *u)
{
	char list[160] = "file";
	size_t n = strlen(list);

	for (size_t i = 0; i < N_SCHEMES; i++) {
		if (strcmp(schemes[i].name, u->scheme) == 0 &&
		    !(schemes[i].needs_slashes && u->rest))
			return mp_err_trace(schemes[i].parse(u));
		if (n < sizeof(list))
			n += (size_t)snprintf(list + n, sizeof(list) - n, ", %s", schemes[i].name);
	}
	return refuse(u,
		      "unknown protocol '%s'; valid are %s; if it is a path, write file:%s or ./%s",
		      u->scheme, list, u->name, u->name);
}

static int from_path(const char *path, struct mp_node_source *to)
{
	int r = mp_node_put_text(to->node, "driver", "file");

	return r == 0 ? mp_err_trace(mp_node_put_text(to->node, "filename", path)) : r;
}

int mp_node_from_name(const char *name, struct mp_node_source *ret_source, char why[256])
{
	struct uri u = {.name = name, .why = why, .to = ret_source};
	size_t len = strcspn(name, ":/");
	int r;

	*ret_source = (struct mp_node_source){.node = json_object()};
	if (name[len] != ':')
		return mp_err_trace(from_path(name, ret_source));
	if (strncmp(name, "file:", 5) == 0)
		return mp_err_trace(from_path(name + 5, ret_source));
	u.text = strdup(name);
	if (!u.text)
		return mp_err_origin(-ENOMEM);
	r = split_uri(&u);
	if (r == 0 && (strncmp(u.scheme, "nbd", 3) != 0 || u.scheme[3] == 's'))
		r = check_texts(&u);
	if (r == 0)
		r = parse_scheme(&u);
	free(u.text);
	return mp_err_trace(r);
}
