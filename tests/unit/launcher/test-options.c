/* SPDX-License-Identifier: BSD-3-Clause */
/* argp ends the program on a complaint, so wrong command lines are parsed in a child. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "launcher/options.h"
#include "tests/lib/t.h"

#define MAX_WORDS 16

struct words {
	char copy[512], *v[MAX_WORDS];
	int n;
};

static void split(struct words *w, const char *line)
{
	char *save = NULL;

	w->n = 0;
	snprintf(w->copy, sizeof(w->copy), "%s", line);
	for (char *p = strtok_r(w->copy, " ", &save); p; p = strtok_r(NULL, " ", &save))
		w->v[w->n++] = p;
	w->v[w->n] = NULL;
}

static void parse(struct mp_options *o, enum mp_mode mode, const char *line)
{
	struct words w;

	split(&w, line);
	T_EQ(mp_options_parse(o, mode, w.n, w.v), 0);
}

/* Exit status of parsing in a child; 99: it was accepted. What was printed goes to @message. */
static int refused(enum mp_mode mode, const char *line, char *message, size_t len)
{
	int fds[2], status;
	struct mp_options o;
	struct words w;
	ssize_t n;

	T_EQ(pipe(fds), 0);
	fflush(NULL);
	if (fork() == 0) {
		dup2(fds[1], STDERR_FILENO);
		split(&w, line);
		mp_options_parse(&o, mode, w.n, w.v);
		_exit(99);
	}
	close(fds[1]);
	n = read(fds[0], message, len - 1);
	message[n > 0 ? n : 0] = '\0';
	close(fds[0]);
	wait(&status);
	return WEXITSTATUS(status);
}

static void test_defaults_are_the_documented_ones(void)
{
	struct mp_options o;

	parse(&o, MP_MODE_PERF, "mpring");
	T_EQ(o.n_devices, 1);
	T_EQ(o.runtime_s, 10);
	T_EQ(o.iodepth, 16);
	T_STR_EQ(o.rw, "randread");
	T_STR_EQ(o.bs, "4k");
	T_STR_EQ(o.poll, "adaptive");
	T_EQ(o.rounds, 1);
	T_EQ(o.start_timeout_s, 60);
	T_EQ(o.end_timeout_s, 60);
	parse(&o, MP_MODE_PERF, "mpring --start-timeout 0");
	T_EQ(o.start_timeout_s, 0);
}

static void test_compare_means_three_rounds(void)
{
	struct mp_options o;

	parse(&o, MP_MODE_PERF, "mpring --compare");
	T_EQ(o.rounds, 3);
	parse(&o, MP_MODE_PERF, "mpring --compare --rounds 5");
	T_EQ(o.rounds, 5);
}

static void test_disk_names_file_and_properties(void)
{
	struct mp_options o;

	parse(&o, MP_MODE_PERF, "mpring --disk a,,b,readonly=on,format=raw --disk c");
	T_EQ(o.n_devices, 2);
	T_STR_EQ(o.disk[0].file, "a,b");
	T_OK(o.disk[0].readonly);
	T_STR_EQ(o.disk[1].file, "c");
	T_OK(!o.disk[1].readonly);
	T_STR_EQ(o.disk[1].drive, "");
	mp_options_fini(&o);
	parse(&o, MP_MODE_RUN, "mpring --disk a,serial=S,discard=unmap,wwn=0x5,werror=stop");
	T_STR_EQ(o.disk[0].drive, ",discard=unmap,werror=stop");
	T_STR_EQ(o.disk[0].device, ",serial=S,wwn=0x5");
	mp_options_fini(&o);
}

static void test_disk_without_format_leaves_it_to_who_opens_it(void)
{
	struct mp_options o;

	parse(&o, MP_MODE_PERF, "mpring --disk a --disk b,format=qcow2 --disk nbd://h/x");
	T_STR_EQ(o.disk[0].format, "");
	T_STR_EQ(o.disk[1].format, "qcow2");
	T_STR_EQ(o.disk[2].file, "nbd://h/x");
	mp_options_fini(&o);
}

static void test_remote_options_stand_as_they_were_given(void)
{
	struct mp_options o;
	struct words w;

	parse(&o, MP_MODE_PERF, "mpring --devices 2");
	T_OK(!o.transport);
	T_OK(!o.stock_remote);
	parse(&o, MP_MODE_PERF,
	      "mpring --remote qemu --transport socket --worker-arg -S "
	      "--worker-arg a,b");
	T_OK(o.stock_remote);
	T_STR_EQ(o.transport, "socket");
	T_EQ(o.n_worker_args, 2);
	T_STR_EQ(o.worker_arg[1], "a,b");
	split(&w, "mpring --disk a --monitor m --qmp q -- -m 1G");
	T_EQ(mp_options_parse(&o, MP_MODE_RUN, w.n, w.v), 0);
	T_STR_EQ(o.monitor, "m");
	T_STR_EQ(o.qmp, "q");
	mp_options_fini(&o);
}

static void test_what_a_stock_remote_cannot_do_is_refused(void)
{
	char m[1024];

	T_EQ(refused(MP_MODE_PERF, "mpring --remote qemu --transport ring", m, sizeof(m)), 2);
	T_OK(strstr(m, "no rings") != NULL);
	T_EQ(refused(MP_MODE_PERF, "mpring --remote qemu --poll busy", m, sizeof(m)), 2);
	T_OK(strstr(m, "--poll is mpring-worker's") != NULL);
	T_EQ(refused(MP_MODE_RUN, "mpring --disk a --remote qemu --devices-per-worker 2 -- -m 1G",
		     m, sizeof(m)),
	     2);
	T_OK(strstr(m, "--devices-per-worker") != NULL);
	T_EQ(refused(MP_MODE_PERF, "mpring --baseline --transport socket", m, sizeof(m)), 2);
	T_OK(strstr(m, "leave --transport out") != NULL);
	T_EQ(refused(MP_MODE_PERF, "mpring --disk a,format=Q2", m, sizeof(m)), 2);
	T_OK(strstr(m, "format=qcow2") != NULL);
}

static void test_run_hands_on_everything_after_the_dashes(void)
{
	struct mp_options o;
	struct words w;

	split(&w, "mpring --disk d -- -m 1G --foo x");
	T_EQ(mp_options_parse(&o, MP_MODE_RUN, w.n, w.v), 0);
	T_EQ(o.qemu_argc, 4);
	T_STR_EQ(o.qemu_argv[0], "-m");
	T_STR_EQ(o.qemu_argv[3], "x");
	mp_options_fini(&o);
}

static void test_cdroms_may_come_without_a_disk(void)
{
	struct mp_options o;
	struct words w;

	split(&w, "mpring --cdrom a,b.iso --cdrom c -- -m 1G");
	T_EQ(mp_options_parse(&o, MP_MODE_RUN, w.n, w.v), 0);
	T_EQ(o.n_devices, 1);
	T_EQ(o.n_cdroms, 2);
	T_STR_EQ(o.cdrom[0], "a,b.iso");
	T_EQ(o.qemu_argc, 2);
	mp_options_fini(&o);
}

static void test_qemus_options_without_dashes_are_told_where_to_stand(void)
{
	char m[1024];

	T_EQ(refused(MP_MODE_RUN, "mpring --disk a -m 1G", m, sizeof(m)), 2);
	T_OK(strstr(m, "'-m': QEMU's own options stand after --") != NULL);
	T_EQ(refused(MP_MODE_RUN, "mpring --disk a -nographic", m, sizeof(m)), 2);
	T_OK(strstr(m, "'-nographic': QEMU's own") != NULL);
	T_EQ(refused(MP_MODE_RUN, "mpring -v --disk -a --dry-run -- -m 1G", m, sizeof(m)), 99);
}

static void test_wrong_lines_end_with_status_2_and_say_what_is_valid(void)
{
	char m[1024];

	T_EQ(refused(MP_MODE_PERF, "mpring --poll often", m, sizeof(m)), 2);
	T_OK(strstr(m, "busy adaptive sleep") != NULL);
	T_EQ(refused(MP_MODE_PERF, "mpring --devices 65", m, sizeof(m)), 2);
	T_OK(strstr(m, "1 to 64") != NULL);
	T_EQ(refused(MP_MODE_PERF, "mpring --disk a,snapshot=on", m, sizeof(m)), 2);
	T_OK(strstr(m, "readonly=on") != NULL);
	T_EQ(refused(MP_MODE_PERF, "mpring --devices 2 --disk a", m, sizeof(m)), 2);
	T_EQ(refused(MP_MODE_PERF, "mpring stray", m, sizeof(m)), 2);
	T_EQ(refused(MP_MODE_RUN, "mpring --disk a stray -- -m 1G", m, sizeof(m)), 2);
	T_EQ(refused(MP_MODE_RUN, "mpring -- -m 1G", m, sizeof(m)), 2);
	T_OK(strstr(m, "--disk") != NULL);
}

static void test_what_would_leave_its_workers_is_refused(void)
{
	char m[1024];

	T_EQ(refused(MP_MODE_RUN, "mpring --disk a -- --daemonize", m, sizeof(m)), 2);
	T_OK(strstr(m, "in the background instead") != NULL);
	T_EQ(refused(MP_MODE_RUN, "mpring --disk a --disk b --qmp tcp:h:1,server -- -m 1G", m,
		     sizeof(m)),
	     2);
	T_OK(strstr(m, "one place for 2 workers") != NULL);
}

static void check_refused_for_qemu(const char *rest, const char *way_out)
{
	char line[300], m[1024];

	snprintf(line, sizeof(line), "mpring --disk a -- -m 1G %s", rest);
	T_EQ(refused(MP_MODE_RUN, line, m, sizeof(m)), 2);
	T_OK(strstr(m, way_out) != NULL);
}

static void test_what_would_not_reach_the_disks_is_refused(void)
{
	/* Used to write to the image that -snapshot should have kept. */
	check_refused_for_qemu("-snapshot", "qemu-img create -f qcow2 -b FILE -F FORMAT OVERLAY");
	check_refused_for_qemu("--snapshot -nographic", "--disk OVERLAY");
	check_refused_for_qemu("-loadvm s", "no saved state");
	check_refused_for_qemu("-incoming defer", "no saved state");
	/* QEMU's own complaint was of a -machine memory-backend that nobody had given. */
	check_refused_for_qemu("-mem-path /dev/hugepages", "memory-backend-file,id=mem,size=SIZE,");
}

/* Status of a run whose -readconfig file has this text; what was printed goes to @message. */
static int with_config(const char *text, char *message, size_t len)
{
	char path[] = "/var/tmp/mpring-test.XXXXXX", line[300];
	int fd = mkstemp(path), status;

	T_OK(fd >= 0);
	T_EQ(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	snprintf(line, sizeof(line), "mpring --disk a -- -readconfig %s", path);
	status = refused(MP_MODE_RUN, line, message, len);
	unlink(path);
	return status;
}

static void test_memory_that_only_a_config_file_names_is_refused(void)
{
	char m[1024];

	/* Used to start a guest with 1024 MiB. */
	T_EQ(with_config("[memory]\n  size = \"2G\"\n", m, sizeof(m)), 2);
	T_OK(strstr(m, "-m SIZE") != NULL);
	T_EQ(with_config("[machine]\n  memory-backend = \"m\"\n", m, sizeof(m)), 2);
	T_EQ(with_config("[numa]\n  type = \"node\"\n  memdev = \"m\"\n", m, sizeof(m)), 2);
	T_EQ(with_config("[object \"m\"]\n  qom-type = \"memory-backend-file\"\n", m, sizeof(m)),
	     99);
}

static void test_a_load_that_cannot_run_is_refused(void)
{
	char m[1024];

	T_EQ(refused(MP_MODE_PERF, "mpring --rw trim --disk a,readonly=on", m, sizeof(m)), 2);
	T_OK(strstr(m, "readonly") != NULL);
	T_EQ(refused(MP_MODE_PERF, "mpring --rw randread --disk a,readonly=on", m, sizeof(m)), 99);
	T_EQ(refused(MP_MODE_PERF, "mpring --job f --disk a,readonly=on", m, sizeof(m)), 99);
	T_EQ(refused(MP_MODE_PERF, "mpring --job f --runtime 5", m, sizeof(m)), 2);
	T_OK(strstr(m, "--runtime") != NULL);
	T_EQ(refused(MP_MODE_PERF, "mpring --bs 1000", m, sizeof(m)), 2);
	T_OK(strstr(m, "512") != NULL);
	T_EQ(refused(MP_MODE_PERF, "mpring --memory 256", m, sizeof(m)), 2);
	T_OK(strstr(m, "384") != NULL);
}

static void test_sizes_have_units(void)
{
	uint64_t v;

	T_EQ(mp_options_size("512", &v), 0);
	T_EQ(v, 512);
	T_EQ(mp_options_size("4k", &v), 0);
	T_EQ(v, 4096);
	T_EQ(mp_options_size("2G", &v), 0);
	T_EQ(v, 2ll << 30);
	T_EQ(mp_options_size("4x", &v), -EINVAL);
	T_EQ(mp_options_size("4kk", &v), -EINVAL);
	T_EQ(mp_options_size("-1", &v), -EINVAL);
	T_EQ(mp_options_size("0", &v), -EINVAL);
	T_EQ(mp_options_size("99999999999T", &v), -EINVAL);
}

T_MAIN(T_TEST(test_defaults_are_the_documented_ones), T_TEST(test_compare_means_three_rounds),
       T_TEST(test_disk_names_file_and_properties),
       T_TEST(test_disk_without_format_leaves_it_to_who_opens_it),
       T_TEST(test_remote_options_stand_as_they_were_given),
       T_TEST(test_what_a_stock_remote_cannot_do_is_refused),
       T_TEST(test_run_hands_on_everything_after_the_dashes),
       T_TEST(test_cdroms_may_come_without_a_disk),
       T_TEST(test_qemus_options_without_dashes_are_told_where_to_stand),
       T_TEST(test_wrong_lines_end_with_status_2_and_say_what_is_valid),
       T_TEST(test_what_would_leave_its_workers_is_refused),
       T_TEST(test_what_would_not_reach_the_disks_is_refused),
       T_TEST(test_memory_that_only_a_config_file_names_is_refused),
       T_TEST(test_a_load_that_cannot_run_is_refused), T_TEST(test_sizes_have_units))
