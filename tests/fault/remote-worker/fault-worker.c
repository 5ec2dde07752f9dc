/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Command line, guest memory and the start of a worker with their Nth call
 * failing, N = 1, 2, ... until they get through: the right errno, a sentence for
 * the user, no fd and no mapping left. Only the calling thread is hit; what the
 * polling thread opens is under test in tests/fault/block.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "remote-worker/options/cmdline.h"
#include "remote-worker/guest_mem.h"
#include "remote-worker/worker.h"
#include "tests/lib/fault.h"
#include "tests/lib/t.h"

/* An errno that no call gives by itself. */
#define INJECTED ENOANO
#define MANY     200u

static char *const args[] = {
	"fault",
	"-device",
	"lsi53c895a,id=a",
	"-object",
	"x-remote-object,devid=a,fd=0",
	"-drive",
	"id=d,driver=null-co",
	"-device",
	"scsi-hd,drive=d",
};
#define N_ARGS ((int)(sizeof(args) / sizeof(args[0])))

/* One of each form that keeps something on the heap. The JSON library's own calls don't fail. */
static char *const rich_args[] = {
	"fault",
	"4",
	"-device",
	"lsi53c895a,id=a",
	"-global",
	"scsi-hd.vendor=A",
	"-drive",
	"file=F,format=qcow2,lazy-refcounts=on,cache=none,backing.driver=raw",
	"-device",
	"scsi-hd,drive=none0",
	"-object",
	"secret,id=s,file=K",
	"-drive",
	"id=n,file=nbds://h/e?tls-certificates=/d",
	"-blockdev",
	"{\"driver\":\"qcow2\",\"node-name\":\"q\",\"file\":\"f\"}",
	"-blockdev",
	"file,node-name=f,filename=G",
	"-device",
	"scsi-hd,drive=q",
	"-drive",
	("id=long-for-what-names-a-node.01,file=json:{\"driver\":\"raw\",,\"file\":{\"driver\":\"nbd\",,\"server\":"
	 "{\"type\":\"unix\",,\"path\":\"/s\"}}}"),
	"-qmp",
	"unix:/q,server=on",
	"-m",
	"1G",
};
#define N_RICH_ARGS ((int)(sizeof(rich_args) / sizeof(rich_args[0])))

static struct mp_cmdline cmd;

/* Lines of /proc/self/maps. */
static unsigned int count_maps(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	unsigned int n = 0;
	int c;

	while (f && (c = getc(f)) != EOF)
		n += c == '\n';
	if (f)
		fclose(f);
	return n;
}

static void test_command_line_survives_each_failing_call(void)
{
	unsigned int nth;
	char error[256];
	int r = -1;

	for (nth = 1; r < 0 && nth < MANY; nth++) {
		t_fault_arm(nth, ENOMEM);
		r = mp_cmdline_parse(&cmd, N_ARGS, args, error, sizeof(error));
		t_fault_disarm();
		T_OK(r == 0 || (r == -ENOMEM && error[0]));
		mp_cmdline_fini(&cmd);
	}
	T_OK(nth > 4);
}

static void test_rich_command_line_survives_each_failing_call(void)
{
	const char *what = "";
	unsigned int nth;
	char error[256];
	int r;

	for (nth = 1; what && nth < 100 * MANY; nth++) {
		t_fault_arm(nth, ENOMEM);
		r = mp_cmdline_parse(&cmd, N_RICH_ARGS, rich_args, error, sizeof(error));
		what = t_fault_disarm();
		mp_cmdline_fini(&cmd);
		if (r != (what ? -ENOMEM : 0))
			t_fail(__FILE__, __LINE__, "call %u: %d: %s", nth, r, error);
	}
	T_OK(!what && nth > 8);
}

static void test_guest_table_survives_each_failing_call(void)
{
	const struct mp_session_region region[] = {
		{.gpa = 0, .len = 4096},
		{.gpa = 8192, .len = 4096, .fd_offset = 4096},
	};
	unsigned int nth, n_maps = count_maps();
	struct mp_guest_table *table = NULL;
	int fd = memfd_create("guest", MFD_CLOEXEC), r = -1;

	T_EQ(ftruncate(fd, 8192), 0);
	for (nth = 1; r < 0 && nth < MANY; nth++) {
		t_fault_arm(nth, INJECTED);
		r = mp_guest_table_create(region, 2, &fd, &table);
		t_fault_disarm();
		/* A file that doesn't tell its length is taken for too short. */
		T_OK(r == 0 || r == -INJECTED || r == -ENOMEM || r == -ERANGE);
		if (r < 0)
			T_EQ(count_maps(), n_maps);
	}
	T_OK(nth > 5);
	mp_guest_table_destroy(table);
	T_EQ(count_maps(), n_maps);
	close(fd);
}

static void test_start_survives_each_failing_call(void)
{
	unsigned int nth, n_fds = t_count_fds();
	struct mp_worker *w = NULL;
	char error[1024];
	int r = -1;

	T_EQ(mp_cmdline_parse(&cmd, N_ARGS, args, error, sizeof(error)), 0);
	for (nth = 1; r < 0 && nth < MANY; nth++) {
		t_fault_arm(nth, INJECTED);
		r = mp_worker_start(&cmd, &w, error, sizeof(error));
		t_fault_disarm();
		T_OK(r == 0 || r == -INJECTED || r == -ENOMEM);
		T_OK(r == 0 || error[0]);
		if (r < 0)
			T_EQ(t_count_fds(), n_fds);
	}
	/* Struct, two eventfds, control, its ring, memfd, size, map, seals. */
	T_OK(nth > 9);
	mp_worker_stop(w, NULL);
	mp_cmdline_fini(&cmd);
}

T_MAIN(T_TEST(test_command_line_survives_each_failing_call),
       T_TEST(test_rich_command_line_survives_each_failing_call),
       T_TEST(test_guest_table_survives_each_failing_call),
       T_TEST(test_start_survives_each_failing_call))
