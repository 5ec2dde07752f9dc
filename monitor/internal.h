/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * internal - what the files of this folder share.
 *
 * One lock. A field is the I/O thread's alone, the in-order dispatcher's alone,
 * or under the lock, as the groups below say. A client is freed by the I/O thread,
 * and not while a command of it runs.
 */
#ifndef MP_MONITOR_INTERNAL_H
#define MP_MONITOR_INTERNAL_H

#include <pthread.h>

#include "monitor/lexer.h"
#include "monitor/mon.h"
#include "monitor/schema.h"

#define MP_MON_MAX_PORTS  64u
#define MP_MON_MAX_QUEUED 8u
#define MP_MON_MAX_FDS    16u /* of one request */
#define MP_MON_MAX_LINE   4096u /* of HMP */

struct mp_mon_request {
	struct mp_mon_request *next;
	char *line; /* of HMP */
	struct mp_message msg; /* of QMP; the following point into it */
	const char *name;
	const json_t *args;
	bool oob;
	/* What was wrong before any command was known; "" nothing. */
	enum mp_mon_class class;
	char error[MP_MON_DESC_MAX];
	int fd[MP_MON_MAX_FDS];
	size_t n_fds;
};

/* Two threads run commands, so that one which waits holds up none out of band. */
enum mp_mon_lane { MP_MON_IN_ORDER, MP_MON_OUT_OF_BAND, MP_MON_N_LANES };

/* Of one client. */
struct mp_mon_queue {
	struct mp_mon_request *first, *last;
	unsigned int n;
	bool running; /* a command that came out of it */
};

struct mp_mon_named_fd {
	struct mp_mon_named_fd *next;
	int fd;
	char name[];
};

struct mp_mon_listener {
	struct mp_mon_port port;
	int fd[MP_MON_MAX_ADDRESSES];
	unsigned int n_fds; /* 0: there is a client only */
	int met_fd;
	uint64_t mute_until_ns; /* accept() failed; I/O thread */
	unsigned int n_clients; /* lock */
};

struct mp_mon_client {
	struct mp_mon_client *next; /* lock */
	struct mp_mon *mon;
	struct mp_mon_listener *from;
	int in, out;
	bool in_is_socket, out_is_socket;

	/* The I/O thread. */
	struct mp_lexer lexer;
	struct mp_mon_buf input; /* has come, isn't looked at yet: for want of room in the queue */
	struct mp_mon_buf line; /* of HMP, so far */
	bool line_too_long, after_cr;
	int fd[MP_MON_MAX_FDS]; /* have come with it */
	size_t n_fds;
	bool eof;
	bool hung_up; /* both directions */

	/* The dispatcher of commands in order. */
	struct mp_mon_named_fd *named;

	/* The lock. */
	bool negotiated, oob, about_to_negotiate, about_to_oob;
	struct mp_mon_queue queue[MP_MON_N_LANES];
	uint64_t served; /* when, in commands; the least is next */
	struct mp_mon_buf output;
	bool out_dead; /* nobody reads it */
	bool lost; /* no memory for it, or it reads nothing: to be disconnected */
};

struct mp_mon {
	struct mp_mon_cfg cfg;
	struct mp_schema schema;
	struct mp_mon_listener listener[MP_MON_MAX_PORTS];
	unsigned int n_listeners;
	int wake_fd;
	pthread_t io, dispatcher[MP_MON_N_LANES];
	bool started;

	pthread_mutex_t lock;
	pthread_cond_t work; /* for the dispatchers */
	struct mp_mon_client *clients;
	uint64_t n_served;
	bool no_more_commands, no_more_input;
	uint64_t end_ns; /* then, what isn't written is dropped */
};

/* client.c: one connection; all in the I/O thread unless they say so. */
struct mp_mon_client *mp_mon_client_create(struct mp_mon *mon, struct mp_mon_listener *from, int in,
					   int out);
void mp_mon_client_destroy(struct mp_mon_client *c);
/** Read once what is there, into requests. */
void mp_mon_client_read(struct mp_mon_client *c);
/** Requests out of input that has come already. */
void mp_mon_client_parse(struct mp_mon_client *c);
/** Under the lock: write what fits. */
void mp_mon_client_flush(struct mp_mon_client *c);
bool mp_mon_client_wants_input(const struct mp_mon_client *c);
/** Under the lock: add to its output, any thread. */
void mp_mon_client_put(struct mp_mon_client *c, const struct mp_mon_buf *text);
/** Under the lock, any thread: disconnect it. */
void mp_mon_client_lose(struct mp_mon_client *c);
/** Under the lock: whether it can be destroyed. */
bool mp_mon_client_is_done(const struct mp_mon_client *c);
void mp_mon_request_destroy(struct mp_mon_request *req);

/* server.c */
void mp_mon_wake(struct mp_mon *mon);
/** Queue it. Takes the request. */
void mp_mon_accept_request(struct mp_mon_client *c, struct mp_mon_request *req);
/** Run a request and put its answer into the client's output. Takes the request. */
void mp_mon_run(struct mp_mon_client *c, struct mp_mon_request *req);

/* qmp.c */
void mp_qmp_greet(struct mp_mon_client *c, struct mp_mon_buf *out);
/** Look at the members of a request; what is wrong goes into req->error. */
void mp_qmp_check(struct mp_mon_request *req, bool oob_enabled);
void mp_qmp_run(struct mp_mon_client *c, struct mp_mon_request *req, struct mp_mon_buf *out);
/** One object and a line's end. */
void mp_qmp_put(struct mp_mon_buf *out, const json_t *object, bool pretty);

/* hmp.c */
void mp_hmp_greet(struct mp_mon_client *c, struct mp_mon_buf *out);
void mp_hmp_run(struct mp_mon_client *c, struct mp_mon_request *req, struct mp_mon_buf *out);

/* size.c: "10" (mebibytes), "1.5G"; @at goes on behind it. 0; -EINVAL */
int mp_hmp_take_size(const char **at, int64_t *ret_bytes);

/* commands.c: all commands of QMP, those of the program after our own */
const struct mp_mon_command *mp_mon_find_command(const struct mp_mon *mon, const char *name);
void mp_mon_close_named(struct mp_mon_client *c);

#endif
