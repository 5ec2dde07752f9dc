/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * monitor - QEMU's two monitor protocols, the server's side: QMP (JSON) and HMP
 * (lines). It knows connections, requests, replies and events, not what the
 * commands do: those are tables of the program.
 *
 * Three threads. The I/O thread reads, parses, greets and writes. One dispatcher
 * runs commands one after the other, in the order in which each client sent them,
 * another those that came out of band. A handler may block: then clients wait for
 * their answers and for nothing else.
 *
 * Any number of clients may be on one listening socket. Each has its own
 * negotiation, queue and named file descriptors. One that doesn't read its answers
 * isn't read either, once max_unread_bytes wait for it; at eight times that much,
 * which only events can bring, it is disconnected.
 */
#ifndef MP_MONITOR_MON_H
#define MP_MONITOR_MON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "monitor/buf.h"

struct mp_mon;
struct mp_mon_client;

enum mp_mon_class {
	MP_MON_GENERIC,
	MP_MON_COMMAND_NOT_FOUND,
	MP_MON_DEVICE_NOT_FOUND,
	MP_MON_DEVICE_NOT_ACTIVE,
	MP_MON_KVM_MISSING_CAP,
};

#define MP_MON_DESC_MAX 1024

struct mp_mon_error {
	bool is_set;
	enum mp_mon_class class;
	char desc[MP_MON_DESC_MAX];
};

/* A command that is being run. */
struct mp_mon_call {
	void *opaque; /* of the configuration */
	struct mp_mon *mon;
	struct mp_mon_client *client; /* whose it is */
	struct mp_mon_error error;
	/* Came with the command; -1 those that the handler took. Others are closed. */
	int *fd;
	size_t n_fds;
};

/** mp_mon_fail() - the command's error, if it is the first; returns NULL, for handlers to return */
void *mp_mon_fail(struct mp_mon_call *call, enum mp_mon_class class, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/** mp_mon_class_name() - as QMP spells it; mp_mon_class_of() - the reverse, GENERIC by default */
const char *mp_mon_class_name(enum mp_mon_class class);
enum mp_mon_class mp_mon_class_of(const char *name);

/**
 * A command's handler. @args is an object that fits the schema, or an empty one.
 * Return: a new reference; after mp_mon_fail(), NULL; NULL alone means no memory.
 */
typedef json_t *mp_mon_command_fn(struct mp_mon_call *call, const json_t *args);

#define MP_MON_OOB  1u /* may come out of band: its handler may run while another's does */
#define MP_MON_OPEN 2u /* arguments that the schema doesn't know are the handler's to check */

struct mp_mon_command {
	const char *name;
	unsigned int flags;
	mp_mon_command_fn *fn;
};

/** A line's handler: writes lines that end in "\n"; mp_mon_fail() adds "Error: DESC". */
typedef void mp_mon_hmp_fn(struct mp_mon_call *call, const json_t *args, struct mp_mon_buf *out);

struct mp_mon_hmp_command {
	const char *name; /* with aliases: "stop|s" */
	/*
	 * Arguments, "name:KIND" with commas between. KINDs: "s" a word, "B" a block
	 * device's name, "F" a file's name, "o" a size (K, M, G, ... behind it; M when
	 * there is none), "i" an integer, "-x" a flag, "O" all that is left, which may be
	 * nothing; "?" behind it: may be left out.
	 */
	const char *args;
	const char *params, *help; /* for people */
	mp_mon_hmp_fn *fn; /* NULL with sub */
	const struct mp_mon_hmp_command *sub; /* a table of commands behind this word */
};

struct mp_mon_version {
	unsigned int major, minor, micro; /* of the QEMU whose monitor this speaks */
	const char *package;
};

struct mp_mon_cfg {
	void *opaque;
	struct mp_mon_version version;
	const struct mp_mon_command *commands; /* ends with a name of NULL, as do all tables */
	const struct mp_mon_hmp_command *hmp;
	const char *schema; /* JSON: an array of SchemaInfo, as query-qmp-schema returns it */
	/* 0: the default. */
	size_t max_request_bytes, max_unread_bytes;
	unsigned int max_nesting, max_clients; /* clients: at each listening socket */
};

#define MP_MON_DEFAULT_REQUEST_BYTES (64u << 20)
#define MP_MON_DEFAULT_UNREAD_BYTES  (1u << 20)
#define MP_MON_DEFAULT_NESTING       1024u
#define MP_MON_DEFAULT_CLIENTS       16u

/* What is spoken at a socket. */
struct mp_mon_port {
	bool is_qmp, pretty;
	const char *label, *filename; /* for query-chardev; copied */
};

/**
 * mp_mon_create() - a server without ports and threads
 * @cfg:  copied; what it points to must live as long
 *
 * Return: 0; -EINVAL the schema is none, or a limit is out of range; -ENOMEM; others.
 */
int mp_mon_create(const struct mp_mon_cfg *cfg, struct mp_mon **ret_mon);

/**
 * mp_mon_listen_unix() - a listening socket at @path; a socket that was left there is removed
 *
 * Return: 0; -ENAMETOOLONG; -EADDRINUSE something else than a socket is there; others.
 */
int mp_mon_listen_unix(const char *path, int *ret_fd);

#define MP_MON_MAX_ADDRESSES 8u

/* Where a monitor listens on TCP. */
struct mp_mon_tcp {
	const char *host; /* name or number; empty: all addresses of this machine */
	const char *port; /* number or service; "0": one that is free, the same at all addresses */
	bool no_ipv4, no_ipv6;
};

/**
 * mp_mon_listen_tcp() - listening sockets at all addresses that @at stands for
 * @ret_fd:  the caller's, as many as returned
 * @error:   on failure why, for the user
 *
 * An address that this machine hasn't is left out, if there is another.
 * Return: how many; -EADDRINUSE; -EHOSTUNREACH nothing known of the host or service; others.
 */
int mp_mon_listen_tcp(const struct mp_mon_tcp *at, int ret_fd[MP_MON_MAX_ADDRESSES], char *error,
		      size_t error_len);

/** mp_mon_tcp_name() - "127.0.0.1:4444", "[::1]:4444": where @fd listens */
void mp_mon_tcp_name(int fd, char *name, size_t len);

/** mp_mon_add_listener_take() - before the start; return: number of the port, or -ENOMEM */
int mp_mon_add_listener_take(struct mp_mon *mon, int fd, const struct mp_mon_port *port);

/** mp_mon_add_address_take() - one more socket of that port, before the start; 0 or -ENOSPC */
int mp_mon_add_address_take(struct mp_mon *mon, int port, int fd);

/**
 * mp_mon_add_client_take() - before the start: somebody who is connected already
 * @in, @out:  the same socket, or two ends such as standard input and output
 */
int mp_mon_add_client_take(struct mp_mon *mon, int in, int out, const struct mp_mon_port *port);

/** mp_mon_start() - the threads; all signals are blocked in them */
int mp_mon_start(struct mp_mon *mon);

/** mp_mon_met_fd() - becomes readable when somebody has connected to the port; borrowed */
int mp_mon_met_fd(struct mp_mon *mon, int port);

/**
 * mp_mon_event() - tell all negotiated QMP clients; from any thread
 * @data:  an object, stolen; NULL none
 */
void mp_mon_event(struct mp_mon *mon, const char *name, json_t *data);

/**
 * mp_mon_destroy() - end the running command, write what waits, close
 * @deadline_ns:  for clients to read their last answers; on TCP, for their kernels to take them
 *
 * Commands that wait are dropped. NULL is fine; returns NULL.
 */
struct mp_mon *mp_mon_destroy(struct mp_mon *mon, uint64_t deadline_ns);

/** mp_mon_version() - as configured */
const struct mp_mon_version *mp_mon_version(const struct mp_mon *mon);
/** mp_mon_chardevs() - its ports, as query-chardev has them; a new reference */
json_t *mp_mon_chardevs(struct mp_mon *mon);

/** mp_mon_hmp_run() - a line of HMP, its output in @out */
void mp_mon_hmp_run(struct mp_mon_call *call, const char *line, struct mp_mon_buf *out);

/** mp_mon_printf() - into @out; failures stay in out->error */
void mp_mon_printf(struct mp_mon_buf *out, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/** mp_mon_take_fd() - what the client stored by getfd under @name, now the caller's; -1 none */
int mp_mon_take_fd(struct mp_mon_call *call, const char *name);

/* What every server has; see the table in commands.c. */
extern const struct mp_mon_command mp_mon_own_commands[];

#endif
