/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fake-worker - the device of tests/lib/fake_peer.h as a process, for QEMU.
 *
 *	fake-worker --fd N	on an inherited, connected socket
 *	fake-worker --listen PATH	on the first connection to PATH
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "tests/lib/fake_peer.h"
#include "wire/mpqemu.h"

static int listen_once(const char *path)
{
	MP_CLEANUP_FD int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (listener < 0 || bind(listener, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    listen(listener, 1) < 0)
		return -1;
	return accept4(listener, NULL, NULL, SOCK_CLOEXEC);
}

/* As a worker of ours: takes an offer of rings, if that is what comes first. */
static int take_offer(int sock)
{
	struct mp_mpqemu_msg msg = {
		.cmd = MP_MPQEMU_RET, .hole = MP_MPQEMU_ANSWER, .size = sizeof(msg.value)};
	struct mp_session_header raw_header;
	struct mp_mpqemu_cfg raw_cfg;
	ssize_t n = recv(sock, &raw_header, sizeof(raw_header), MSG_PEEK | MSG_WAITALL);

	if (n != sizeof(raw_header))
		return -1;
	if (raw_header.cmd != MP_MPQEMU_PCI_CFGREAD || raw_header.hole != MP_MPQEMU_OFFER)
		return 0;
	if (recv(sock, &raw_header, sizeof(raw_header), 0) != sizeof(raw_header) ||
	    recv(sock, &raw_cfg, sizeof(raw_cfg), MSG_WAITALL) != sizeof(raw_cfg))
		return -1;
	return mp_mpqemu_send(sock, &msg, MP_FDPASS_FOREVER);
}

int main(int argc, char **argv)
{
	struct fake_peer *p = calloc(1, sizeof(*p));
	int sock = -1;

	if (p && argc == 3 && strcmp(argv[1], "--fd") == 0)
		sock = atoi(argv[2]);
	if (p && argc == 3 && strcmp(argv[1], "--listen") == 0)
		sock = listen_once(argv[2]);
	if (sock < 0) {
		fprintf(stderr, "usage: fake-worker --fd N | --listen PATH\n");
		free(p);
		return 2;
	}
	if (take_offer(sock) < 0 ||
	    fake_peer_accept_take(p, sock, 64,
				  MP_FEAT_DMA_REPORT | MP_FEAT_PAUSE | MP_FEAT_IO_STOP) < 0) {
		free(p);
		return 1;
	}
	fake_peer_run(p);
	fake_peer_fini(p);
	free(p);
	return 0;
}
