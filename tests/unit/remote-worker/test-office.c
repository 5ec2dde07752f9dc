/* SPDX-License-Identifier: BSD-3-Clause */
/* What a supervisor can have done to a worker that works, by calls as it makes them. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "remote-worker/supervisor/rpc.h"
#include "remote-worker/options/unit_json.h"
#include "tests/lib/t.h"
#include "tests/unit/remote-worker/rig.h"

#define DATA_OFF   0x100000u
#define DISK_BYTES (1u << 20)
#define DISC_BYTES (1u << 19)
#define OPTIONS                                                                                    \
	"-drive id=d0,driver=null-co,size=1M -device scsi-hd,id=hd0,drive=d0 "                     \
	"-device scsi-cd,id=cd0,scsi-id=2"
#define CD_UNIT 1

static struct rig rig;
static struct mp_rpc *rpc;
static pthread_t poller;
static struct mp_rpc_error error; /* of the last call that failed */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t told = PTHREAD_COND_INITIALIZER;
static char events[1024];

static void event(void *opaque, const char *name, json_t *data)
{
	const char *id = json_string_value(json_object_get(data, "id"));
	const char *action = json_string_value(json_object_get(data, "action"));
	json_t *open = json_object_get(data, "open");
	size_t n = strlen(events);

	pthread_mutex_lock(&lock);
	snprintf(events + n, sizeof(events) - n, "%s(%s%s%s);", name, id ? id : "",
		 open ? json_is_true(open) ? " open" : " closed" : "", action ? action : "");
	pthread_cond_broadcast(&told);
	pthread_mutex_unlock(&lock);
}

static void wait_for_event(const char *what)
{
	struct timespec end;
	int r = 0;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += 60;
	pthread_mutex_lock(&lock);
	while (!strstr(events, what) && r == 0)
		r = pthread_cond_timedwait(&told, &lock, &end);
	pthread_mutex_unlock(&lock);
	if (r != 0)
		t_fail(__FILE__, __LINE__, "no event %s in \"%s\"", what, events);
}

static void *poll_loop(void *arg)
{
	struct pollfd pfd = {.fd = mp_rpc_fd(rpc), .events = POLLIN};

	while (poll(&pfd, 1, -1) == 1 && mp_rpc_poll(rpc) == 0)
		;
	return NULL;
}

static void start(const char *options)
{
	struct mp_rpc_cfg cfg = {.timeout_ns = RIG_WAIT_NS, .event = event};

	events[0] = '\0';
	T_EQ(mp_rpc_create_take(rig_start_office(&rig, 1, options), &cfg, &rpc), 0);
	T_EQ(pthread_create(&poller, NULL, poll_loop, NULL), 0);
	rig_link(&rig, MP_FEAT_PAUSE | MP_FEAT_IO_STOP);
}

static void stop(void)
{
	T_EQ(rig_stop(&rig), 0);
	pthread_join(poller, NULL);
	rpc = mp_rpc_destroy(rpc);
}

/* @args is stolen. */
static int call_fd(const char *name, json_t *args, int fd, json_t **ret)
{
	struct mp_fds fds = {.fd = &fd, .n = 1};
	struct mp_rpc_request req = {.name = name, .args = args, .fds = fd < 0 ? NULL : &fds};
	int r = mp_rpc_call(rpc, &req, ret, &error);

	json_decref(args);
	return r;
}

static void call(const char *name, json_t *args)
{
	if (call_fd(name, args, -1, NULL) < 0)
		t_fail(__FILE__, __LINE__, "%s: %s", name, error.desc);
}

static void check_refused(const char *name, json_t *args, const char *klass)
{
	T_EQ(call_fd(name, args, -1, NULL), -EREMOTEIO);
	T_STR_EQ(error.klass, klass);
}

static json_t *snapshot(void)
{
	json_t *value;

	T_EQ(call_fd("snapshot", NULL, -1, &value), 0);
	return value;
}

static const char *state(void)
{
	static char word[16];
	json_t *j = snapshot();

	snprintf(word, sizeof(word), "%s", json_string_value(json_object_get(j, "status")));
	json_decref(j);
	return word;
}

static int scsi(unsigned int target, uint8_t opcode)
{
	struct rig_io io = {.target = target, .cdb = {opcode}};

	return rig_command(&rig, &io);
}

/* TEST UNIT READY until the unit attentions of before are told. */
static int ready(unsigned int target)
{
	uint8_t *sense = rig.ram + DATA_OFF;
	struct rig_io io = {.target = target,
			    .cdb = {3, 0, 0, 0, 18},
			    .in = true,
			    .data_off = DATA_OFF,
			    .len = 18};
	int status;

	for (;;) {
		status = scsi(target, 0);
		if (status != 2)
			return status;
		T_EQ(rig_command(&rig, &io), 0);
		if ((sense[2] & 15) != 6)
			return sense[2] & 15;
	}
}

static int temp_disk(size_t bytes, uint8_t fill)
{
	int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	uint8_t *data = malloc(bytes);

	memset(data, fill, bytes);
	T_OK(fd >= 0 && write(fd, data, bytes) == (ssize_t)bytes);
	free(data);
	return fd;
}

static json_t *opened(size_t bytes)
{
	return json_pack("{s:i, s:i}", "size", (int)bytes, "block-size", 512);
}

/* A disk at @target over @fd, as a supervisor would add it. */
static int add_disk(unsigned int target, int fd, json_t **ret)
{
	struct mp_opt_disk disk = {.id = "hd1", .drive = "d1", .scsi_id = target};
	struct mp_opt_drive drive = {.id = "d1", .file = "new.img", .node_name = "n1"};

	return call_fd("disk-add",
		       json_pack("{s:o, s:o, s:o}", "disk", mp_disk_to_json(&disk), "drive",
				 mp_drive_to_json(&drive), "opened", opened(DISK_BYTES)),
		       fd, ret);
}

static int put_disc(int fd, size_t bytes, bool force)
{
	struct mp_opt_drive drive = {.id = "", .file = "disc.iso", .node_name = "n2"};

	return call_fd("medium-change",
		       json_pack("{s:i, s:o, s:o, s:b}", "unit", CD_UNIT, "drive",
				 mp_drive_to_json(&drive), "opened", opened(bytes), "force", force),
		       fd, NULL);
}

static json_t *unit(int n)
{
	return json_pack("{s:i}", "unit", n);
}

static void lock_disc(bool locked)
{
	struct rig_io io = {.target = 2, .cdb = {0x1e, 0, 0, 0, locked}};

	T_EQ(rig_command(&rig, &io), 0);
}

/* -- tests ---------------------------------------------------------------------- */

static void test_snapshot_names_devices_units_and_what_they_did(void)
{
	json_t *j, *u, *d;

	start(OPTIONS);
	T_EQ(ready(0), 0);
	T_EQ(rig_read(&rig, 0, 0, 8, DATA_OFF), 0);
	j = snapshot();
	d = json_array_get(json_object_get(j, "devices"), 0);
	u = json_array_get(json_object_get(j, "units"), 0);
	T_STR_EQ(json_string_value(json_object_get(d, "id")), "lsi0");
	T_OK(json_is_true(json_object_get(d, "attached")));
	T_OK(strncmp(json_string_value(json_object_get(d, "config")), "00101200", 8) == 0);
	T_STR_EQ(json_string_value(json_object_get(u, "id")), "hd0");
	u = json_object_get(u, "medium");
	T_EQ(json_integer_value(json_object_get(u, "size")), DISK_BYTES);
	u = json_object_get(json_object_get(u, "stats"), "read");
	T_EQ(json_integer_value(json_object_get(u, "ops")), 1);
	T_EQ(json_integer_value(json_object_get(u, "bytes")), 4096);
	u = json_array_get(json_object_get(j, "units"), 1);
	T_OK(json_is_null(json_object_get(u, "medium")));
	json_decref(j);
	stop();
}

static void test_stopped_worker_runs_no_commands_until_cont(void)
{
	struct rig_io io = {.target = 0};
	struct pollfd pfd;

	start(OPTIONS);
	T_EQ(ready(0), 0);
	call("stop", NULL);
	T_STR_EQ(state(), "paused");
	rig_begin(&rig, &io);
	pfd = (struct pollfd){.fd = mp_link_irq_fd(&rig.dev[0].link), .events = POLLIN};
	T_EQ(poll(&pfd, 1, 50), 0);
	call("cont", NULL);
	T_STR_EQ(state(), "running");
	T_EQ(rig_finish(&rig, 0), 0);
	stop();
}

static void test_proxys_continue_does_not_undo_the_users_stop(void)
{
	start(OPTIONS);
	T_EQ(ready(0), 0);
	call("stop", NULL);
	T_EQ(mp_link_pause(&rig.dev[0].link), 0);
	mp_link_continue(&rig.dev[0].link);
	T_STR_EQ(state(), "paused");
	call("cont", NULL);
	T_EQ(ready(0), 0);
	stop();
}

static void test_added_disk_is_found_read_and_told_to_be_gone(void)
{
	int fd = temp_disk(DISK_BYTES, 0x77);
	json_t *value;

	start(OPTIONS);
	T_EQ(add_disk(5, fd, &value), 0);
	close(fd);
	T_EQ(json_integer_value(json_object_get(value, "unit")), 2);
	json_decref(value);
	T_EQ(ready(5), 0);
	T_EQ(rig_command(&rig, &(struct rig_io){.target = 5,
						.cdb = {0x28, 0, 0, 0, 0, 9, 0, 0, 1},
						.in = true,
						.data_off = DATA_OFF,
						.len = 512}),
	     0);
	T_EQ(rig.ram[DATA_OFF + 511], 0x77);
	call("disk-del", unit(2));
	wait_for_event("disk-gone(hd1);");
	check_refused("disk-del", unit(2), "DeviceNotFound");
	stop();
}

static void test_disk_at_a_taken_place_is_refused_and_leaves_nothing(void)
{
	int fd = temp_disk(DISK_BYTES, 0);
	json_t *j;

	start(OPTIONS);
	T_EQ(add_disk(0, fd, NULL), -EREMOTEIO);
	j = snapshot();
	T_EQ(json_array_size(json_object_get(j, "units")), 2);
	json_decref(j);
	T_EQ(add_disk(1, fd, NULL), 0);
	close(fd);
	stop();
}

static void test_server_that_says_nothing_is_not_waited_for(void)
{
	struct mp_opt_disk disk = {.id = "hd1", .drive = "d1", .scsi_id = 5};
	struct mp_opt_drive drive = {.kind = MP_DRIVE_NBD, .id = "d1", .node_name = "n1"};
	uint64_t begun_ns = mp_clock_ns();
	int sock[2];

	T_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock), 0);
	start(OPTIONS);
	T_EQ(call_fd("disk-add",
		     json_pack("{s:o, s:o}", "disk", mp_disk_to_json(&disk), "drive",
			       mp_drive_to_json(&drive)),
		     sock[0], NULL),
	     -EREMOTEIO);
	close(sock[0]);
	/* The default for the drives of the command line is 30 seconds. */
	T_OK(mp_clock_ns() - begun_ns < 20 * MP_NS_PER_SEC);
	T_EQ(ready(0), 0);
	close(sock[1]);
	stop();
}

/* A disk that can't be opened, with a server's name of @n bytes in the reason. */
static void refuse_long_name(size_t n, const char *detect_zeroes)
{
	struct mp_opt_disk disk = {.id = "hd1", .drive = "d1", .scsi_id = 5};
	struct mp_opt_drive drive = {.kind = MP_DRIVE_NBD,
				     .id = "d1",
				     .node_name = "n1",
				     .detect_zeroes = detect_zeroes};
	char name[1024] = "x";
	int sock[2];

	for (size_t i = 1; i < n; i += 2)
		memcpy(name + i, "\xc3\xa9", 3);
	drive.file = name + (n & 1 ? 0 : 1);
	T_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock), 0);
	close(sock[1]);
	T_EQ(call_fd("disk-add",
		     json_pack("{s:o, s:o}", "disk", mp_disk_to_json(&disk), "drive",
			       mp_drive_to_json(&drive)),
		     sock[0], NULL),
	     -EREMOTEIO);
	T_OK(strncmp(error.desc, "cannot open ", 12) == 0);
	close(sock[0]);
}

/* Used to end the worker, or to cost the call's whole time, if the cut went through a character. */
static void test_a_long_reason_is_told_and_the_worker_goes_on(void)
{
	start(OPTIONS);
	refuse_long_name(701, "unmap"); /* refused at once */
	refuse_long_name(702, "unmap");
	refuse_long_name(701, NULL); /* when the server has gone */
	refuse_long_name(702, NULL);
	T_EQ(ready(0), 0);
	stop();
}

static void test_disc_is_put_in_read_and_taken_out(void)
{
	int fd = temp_disk(DISC_BYTES, 0x42);

	start(OPTIONS);
	T_EQ(ready(2), 2); /* NOT READY */
	T_EQ(put_disc(fd, DISC_BYTES, false), 0);
	close(fd);
	T_EQ(ready(2), 0);
	T_EQ(rig_command(&rig, &(struct rig_io){.target = 2,
						.cdb = {0x28, 0, 0, 0, 0, 0, 0, 0, 1},
						.in = true,
						.data_off = DATA_OFF,
						.len = 2048}),
	     0);
	T_EQ(rig.ram[DATA_OFF + 2047], 0x42);
	call("eject", unit(CD_UNIT));
	T_EQ(ready(2), 2);
	wait_for_event("tray-moved(cd0 closed);tray-moved(cd0 open);");
	stop();
}

static void test_locked_disc_leaves_only_by_force(void)
{
	int fd = temp_disk(DISC_BYTES, 0);

	start(OPTIONS);
	T_EQ(put_disc(fd, DISC_BYTES, false), 0);
	T_EQ(ready(2), 0);
	lock_disc(true);
	check_refused("eject", unit(CD_UNIT), "GenericError");
	T_OK(strstr(error.desc, "'cd0' is locked"));
	T_EQ(put_disc(fd, DISC_BYTES, false), -EREMOTEIO);
	check_refused("open-tray", unit(CD_UNIT), "GenericError");
	T_EQ(ready(2), 0);
	call("open-tray", json_pack("{s:i, s:b}", "unit", CD_UNIT, "force", 1));
	T_EQ(ready(2), 2);
	call("close-tray", unit(CD_UNIT));
	T_EQ(ready(2), 0);
	T_EQ(put_disc(fd, DISC_BYTES, true), 0);
	T_EQ(ready(2), 0);
	close(fd);
	stop();
}

static void test_disk_has_no_tray(void)
{
	start(OPTIONS);
	check_refused("eject", unit(0), "GenericError");
	T_STR_EQ(error.desc, "'hd0' is not removable");
	check_refused("open-tray", unit(0), "GenericError");
	stop();
}

static void test_nonsense_is_refused_and_changes_nothing(void)
{
	start(OPTIONS);
	check_refused("no-such-call", NULL, "CommandNotFound");
	check_refused("eject", NULL, "DeviceNotFound");
	check_refused("eject", unit(-1), "DeviceNotFound");
	check_refused("eject", unit(256), "DeviceNotFound");
	check_refused("eject", unit(2), "DeviceNotFound");
	check_refused("disk-add", NULL, "GenericError");
	check_refused("disk-add", json_pack("{s:{s:i}}", "disk", "hba", 1), "GenericError");
	check_refused("disk-add", json_pack("{s:{s:s}}", "disk", "scsi_id", "x"), "GenericError");
	T_STR_EQ(state(), "running");
	stop();
}

static void test_disk_grows_while_it_is_used(void)
{
	int fd = temp_disk(DISK_BYTES, 0);
	json_t *value;

	start(OPTIONS);
	T_EQ(add_disk(5, fd, NULL), 0);
	T_EQ(ready(5), 0);
	T_EQ(ftruncate(fd, 2 * DISK_BYTES), 0);
	T_EQ(call_fd("resize", unit(2), -1, &value), 0);
	T_OK(json_is_true(json_object_get(value, "changed")));
	T_EQ(json_integer_value(json_object_get(value, "size")), 2 * DISK_BYTES);
	T_EQ(json_integer_value(json_object_get(value, "block-size")), 512);
	json_decref(value);
	T_EQ(scsi(5, 0), 2); /* the unit attention of it */
	/* Less than the file has; which stays as it is. */
	T_EQ(call_fd("resize", json_pack("{s:i, s:i}", "unit", 2, "size", DISK_BYTES), -1, &value),
	     0);
	T_EQ(json_integer_value(json_object_get(value, "size")), DISK_BYTES);
	json_decref(value);
	T_EQ(lseek(fd, 0, SEEK_END), 2 * DISK_BYTES);
	T_EQ(scsi(5, 0), 2);
	check_refused("resize", unit(CD_UNIT), "GenericError");
	T_STR_EQ(error.desc, "'cd0' has no medium");
	close(fd);
	stop();
}

static void test_limits_are_taken_shown_and_checked(void)
{
	json_t *j, *limits;

	start(OPTIONS);
	call("throttle", json_pack("{s:i, s:{s:i}}", "unit", 0, "throttle", "iops_total.avg", 77));
	j = snapshot();
	limits = json_object_get(json_array_get(json_object_get(j, "units"), 0), "medium");
	limits = json_object_get(limits, "throttle");
	T_EQ(json_integer_value(json_object_get(limits, "iops_total.avg")), 77);
	json_decref(j);
	check_refused("throttle",
		      json_pack("{s:i, s:{s:i}}", "unit", 0, "throttle", "iops_total.max", 1),
		      "GenericError");
	check_refused("throttle", unit(0), "GenericError");
	stop();
}

static void test_reset_forgets_what_the_driver_wrote(void)
{
	start(OPTIONS);
	rig_write32(&rig, 0, LSI_SCRATCHA, 0x12345678);
	T_EQ(rig_read32(&rig, 0, LSI_SCRATCHA), 0x12345678);
	call("reset", NULL);
	T_EQ(rig_read32(&rig, 0, LSI_SCRATCHA), 0);
	stop();
}

static void test_quit_ends_the_worker_in_order(void)
{
	start(OPTIONS);
	call("quit", NULL);
	T_OK(rig_worker_hung_up(&rig, 0));
	stop();
}

static void test_worker_ends_when_its_supervisor_does(void)
{
	start(OPTIONS);
	/* As the kernel closes it for a process that was killed. */
	shutdown(mp_rpc_fd(rpc), SHUT_RDWR);
	T_OK(rig_worker_hung_up(&rig, 0));
	stop();
}

T_MAIN(T_TEST(test_snapshot_names_devices_units_and_what_they_did),
       T_TEST(test_stopped_worker_runs_no_commands_until_cont),
       T_TEST(test_proxys_continue_does_not_undo_the_users_stop),
       T_TEST(test_added_disk_is_found_read_and_told_to_be_gone),
       T_TEST(test_disk_at_a_taken_place_is_refused_and_leaves_nothing),
       T_TEST(test_server_that_says_nothing_is_not_waited_for),
       T_TEST(test_a_long_reason_is_told_and_the_worker_goes_on),
       T_TEST(test_disc_is_put_in_read_and_taken_out),
       T_TEST(test_locked_disc_leaves_only_by_force), T_TEST(test_disk_has_no_tray),
       T_TEST(test_nonsense_is_refused_and_changes_nothing),
       T_TEST(test_disk_grows_while_it_is_used), T_TEST(test_limits_are_taken_shown_and_checked),
       T_TEST(test_reset_forgets_what_the_driver_wrote), T_TEST(test_quit_ends_the_worker_in_order),
       T_TEST(test_worker_ends_when_its_supervisor_does))
