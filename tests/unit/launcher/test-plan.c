/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "launcher/disks.h"
#include "launcher/job.h"
#include "tests/lib/t.h"
#include "tests/unit/launcher/make_plan.h"

/* The whole command line as one string, so that a test can look for a part of it. */
static char *joined(void (*fill)(const struct mp_plan *, struct mp_args *), const struct mp_plan *p)
{
	struct mp_args args = MP_ARGS_NULL;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	fill(p, &args);
	mp_args_print(&args, f);
	fclose(f);
	mp_args_fini(&args);
	return text;
}

static void fill_worker0(const struct mp_plan *p, struct mp_args *a)
{
	mp_plan_worker_args(p, 0, a);
}

static void check_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		t_fail(__FILE__, __LINE__, "no \"%s\" in: %s", part, text);
}

static void check_lacks(const char *text, const char *part)
{
	if (strstr(text, part))
		t_fail(__FILE__, __LINE__, "\"%s\" in: %s", part, text);
}

static void test_28_devices_stand_on_the_root_bus(void)
{
	struct mp_options o = make_options(28);
	struct mp_plan p;

	make_plan(&p, &o);
	T_EQ(p.n_bridges, 0);
	T_EQ(p.dev[0].slot, 3);
	T_EQ(p.dev[27].slot, 30);
}

static void test_29_devices_stand_behind_bridges_of_16(void)
{
	struct mp_options o = make_options(29);
	struct mp_plan p;

	make_plan(&p, &o);
	T_EQ(p.n_bridges, 2);
	T_EQ(p.dev[15].bridge, 1);
	T_EQ(p.dev[15].slot, 16);
	T_EQ(p.dev[16].bridge, 2);
	T_EQ(p.dev[16].slot, 1);
}

static void test_64_devices_compared_are_128_behind_8_bridges(void)
{
	struct mp_options o = make_options(64);
	struct mp_plan p;

	o.compare = true;
	make_plan(&p, &o);
	T_EQ(p.n_devs, 128);
	T_EQ(p.n_bridges, 8);
	T_EQ(p.n_workers, 64);
	T_EQ(p.dev[64].kind, MP_DEV_STOCK);
	T_STR_EQ(p.dev[127].id, "own63");
}

static void test_guest_is_told_slots_and_no_bus_numbers(void)
{
	struct mp_options o = make_options(29);
	struct mp_plan p;

	make_plan(&p, &o);
	MP_CLEANUP_FREE char *text = mp_plan_guest_text(&p);

	check_has(text, "disk lsi0 03.0/01.0\n");
	check_has(text, "disk lsi28 04.0/0d.0\n"); /* 29th: the 13th behind the second bridge */
	check_has(text, "round job0\n");
}

static void test_rounds_of_both_kinds_take_turns(void)
{
	struct mp_options o = make_options(1);
	struct mp_plan p;

	o.compare = true;
	o.rounds = 2;
	make_plan(&p, &o);
	MP_CLEANUP_FREE char *text = mp_plan_guest_text(&p);

	check_has(text, "round job0\nround job1\nround job0\nround job1\n");
}

static void test_devices_fill_workers_in_order(void)
{
	struct mp_options o = make_options(5);
	struct mp_plan p;

	o.devices_per_worker = 2;
	make_plan(&p, &o);
	T_EQ(p.n_workers, 3);
	T_EQ(p.dev[1].worker, 0);
	T_EQ(p.dev[4].worker, 2);
}

static void test_worker_gets_one_controller_and_disk_for_each_device(void)
{
	struct mp_options o = make_options(2);
	struct mp_plan p;

	o.devices_per_worker = 2;
	make_plan(&p, &o);
	p.dev[0].disk_fd = 16;
	p.dev[0].sock_worker = 18;
	p.dev[0].stat_worker.fd = 20;
	MP_CLEANUP_FREE char *text = joined(fill_worker0, &p);

	check_has(text, "mpring-worker -machine x-remote -device lsi53c895a,id=lsi0 ");
	check_has(
		text,
		"-drive id=disk-lsi0,if=none,file=/proc/self/fd/16,format=raw,discard=unmap,werror=report ");
	check_has(text,
		  "-object x-remote-object,id=object-lsi0,devid=lsi0,fd=18 --stats-fd lsi0=20 ");
	check_has(text, "-device lsi53c895a,id=lsi1 ");
	check_has(text, "--poll adaptive --spin-us 1000 --cpu 1");
}

static void test_storage_daemon_runs_beside_a_worker_that_gives_way(void)
{
	struct mp_opt_disk disk = {.file = (char[]){"a.qcow2"}, .format = "qcow2"};
	struct mp_options o = make_options(1);
	struct mp_plan p;

	make_plan(&p, &o);
	p.dev[0].disk = &disk;
	p.place.daemons_beside = true;
	MP_CLEANUP_FREE char *text = joined(fill_worker0, &p);
	check_has(text, "--cpu 1 --storage-daemon-cpu 1");

	o.poll = "busy";
	MP_CLEANUP_FREE char *busy = joined(fill_worker0, &p);
	T_OK(!strstr(busy, "--storage-daemon-cpu"));

	o.poll = "adaptive";
	snprintf(disk.format, sizeof(disk.format), "raw");
	MP_CLEANUP_FREE char *raw = joined(fill_worker0, &p);
	T_OK(!strstr(raw, "--storage-daemon-cpu"));
}

static void test_description_says_how_workers_poll(void)
{
	struct mp_options o = make_options(2);
	struct mp_plan p;
	char text[200];

	make_plan(&p, &o);
	mp_plan_describe(&p, text, sizeof(text));
	check_has(text, "; poll adaptive, spin 1000 us");
	o.poll = "sleep";
	mp_plan_describe(&p, text, sizeof(text));
	check_has(text, "; poll sleep");
	check_lacks(text, "spin");
}

static void test_null_backend_needs_no_file(void)
{
	struct mp_options o = make_options(1);
	struct mp_plan p;

	o.backend = MP_BACKEND_NULL;
	make_plan(&p, &o);
	MP_CLEANUP_FREE char *text = joined(fill_worker0, &p);

	check_has(
		text,
		"-drive id=disk-lsi0,if=none,driver=null-co,size=67108864,discard=unmap,werror=report ");
}

static void test_comma_in_a_file_name_is_doubled(void)
{
	struct mp_options o = make_options(1);
	char name[] = "/d/a,b.img";
	struct mp_plan p;

	o.n_disks = 1;
	o.disk[0] = (struct mp_opt_disk){.file = name,
					 .format = "raw",
					 .readonly = true,
					 .drive = ",detect-zeroes=on",
					 .device = ",serial=S"};
	make_plan(&p, &o);
	MP_CLEANUP_FREE char *text = joined(fill_worker0, &p);

	check_has(text, "file=/d/a,,b.img,format=raw,discard=unmap,werror=report,readonly=on,"
			"detect-zeroes=on ");
	check_has(text, "scsi-id=0,serial=S ");
}

/* Used to be an unknown argument of the plugin, and a key without a plugin. */
static void test_comma_and_sign_in_the_name_of_the_plugin_are_its_own(void)
{
	struct mp_options o = make_options(1);
	struct mp_plan p;

	make_plan(&p, &o);
	strcpy(p.plugin, "/a,b=c/p.so");
	MP_CLEANUP_FREE char *text = joined(mp_plan_qemu_args, &p);

	check_has(text, "-plugin file=/a,,b=c/p.so -");
}

static void test_qemu_has_no_disk_of_a_remote_device(void)
{
	struct mp_options o = make_options(1);
	struct mp_plan p;

	make_plan(&p, &o);
	p.dev[0].disk_fd = 16;
	p.dev[0].sock_qemu = 17;
	p.dev[0].stat_proxy.fd = 19;
	MP_CLEANUP_FREE char *text = joined(mp_plan_qemu_args, &p);

	check_has(
		text,
		"-device mpring-pci,id=lsi0,fd=17,stats-fd=19,connect-timeout=60000,bus=pci.0,addr=3");
	check_lacks(text, "-drive");
	check_lacks(text, "fd/16");
}

/* Used to be five seconds. */
static void test_proxy_waits_for_its_worker_as_long_as_all_may_start(void)
{
	struct mp_options o = make_options(1);
	struct mp_plan p;

	o.start_timeout_s = 300;
	make_plan(&p, &o);
	MP_CLEANUP_FREE char *longer = joined(mp_plan_qemu_args, &p);

	check_has(longer, ",connect-timeout=300000,");
	o.start_timeout_s = 0;
	MP_CLEANUP_FREE char *for_ever = joined(mp_plan_qemu_args, &p);

	check_has(for_ever, ",connect-timeout=4294967295,");
}

static void test_qemu_memory_can_be_mapped_by_workers(void)
{
	struct mp_options o = make_options(1);
	struct mp_plan p;

	make_plan(&p, &o);
	MP_CLEANUP_FREE char *text = joined(mp_plan_qemu_args, &p);

	check_has(text, "-object memory-backend-memfd,id=mpring-mem,size=1024M,share=on "
			"-machine memory-backend=mpring-mem ");
}

static void test_compared_disk_is_opened_twice_without_locks(void)
{
	struct mp_options o = make_options(1);
	char name[] = "/d";
	struct mp_plan p;

	o.compare = true;
	o.n_disks = 1;
	o.disk[0] = (struct mp_opt_disk){.file = name, .format = "raw"};
	make_plan(&p, &o);
	MP_CLEANUP_FREE char *qemu = joined(mp_plan_qemu_args, &p);
	MP_CLEANUP_FREE char *worker = joined(fill_worker0, &p);

	check_has(
		qemu,
		"file=/d,format=raw,discard=unmap,werror=report,file.locking=off,cache=writeback,aio=io_uring ");
	check_has(worker, "file=/d,format=raw,discard=unmap,werror=report,locking=off ");
}

static void test_compared_disk_of_another_format_is_a_copy(void)
{
	struct mp_options o = make_options(1);
	char name[] = "/d", uri[] = "nbd://h/x";
	struct mp_plan p;

	o.compare = true;
	o.n_disks = 1;
	o.disk[0] = (struct mp_opt_disk){.file = name, .format = "qcow2"};
	make_plan(&p, &o);
	p.dev[1].disk_fd = 30;
	MP_CLEANUP_FREE char *qemu = joined(mp_plan_qemu_args, &p);
	MP_CLEANUP_FREE char *worker = joined(fill_worker0, &p);

	check_has(qemu, "file=/proc/self/fd/30,format=qcow2,");
	check_has(worker, "file=/d,format=qcow2,");
	check_lacks(qemu, "locking=off");
	check_lacks(worker, "locking=off");
	T_OK(mp_disk_is_copied(&o, &o.disk[0]));
	o.disk[0].readonly = true;
	T_OK(!mp_disk_is_copied(&o, &o.disk[0]));
	o.disk[0] = (struct mp_opt_disk){.file = uri};
	T_OK(!mp_disk_is_copied(&o, &o.disk[0]));
}

static void test_disk_elsewhere_is_passed_on_without_a_format(void)
{
	struct mp_options o = make_options(1);
	char name[] = "nbd://h/a,b";
	struct mp_plan p;

	o.n_disks = 1;
	o.disk[0] = (struct mp_opt_disk){.file = name};
	make_plan(&p, &o);
	MP_CLEANUP_FREE char *text = joined(fill_worker0, &p);

	check_has(text, "file=nbd://h/a,,b,discard=unmap");
	check_lacks(text, "format=");
}

static void test_transport_is_named_only_when_it_was_asked_for(void)
{
	struct mp_options o = make_options(1);
	struct mp_plan p;

	make_plan(&p, &o);
	MP_CLEANUP_FREE char *by_default = joined(mp_plan_qemu_args, &p);

	check_lacks(by_default, "transport=");
	T_STR_EQ(mp_plan_transport(&p), "ring");
	o.transport = "socket";
	MP_CLEANUP_FREE char *asked = joined(mp_plan_qemu_args, &p);

	check_has(asked, ",transport=socket,bus=pci.0");
	T_STR_EQ(mp_plan_transport(&p), "socket");
}

static void test_stock_remote_gets_only_what_qemu_knows(void)
{
	struct mp_options o = make_options(1);
	struct mp_plan p;

	o.stock_remote = true;
	make_plan(&p, &o);
	strcpy(p.worker, "qemu");
	p.dev[0].disk_fd = 16;
	p.dev[0].sock_worker = 18;
	MP_CLEANUP_FREE char *text = joined(fill_worker0, &p);

	T_STR_EQ(text,
		 "qemu -machine x-remote -nodefaults -no-user-config -display none -device "
		 "lsi53c895a,id=lsi0 -drive id=disk-lsi0,if=none,file=/proc/self/fd/16,format=raw,"
		 "discard=unmap,werror=report,cache=writeback,aio=io_uring -device "
		 "scsi-hd,drive=disk-lsi0,bus=lsi0.0,scsi-id=0 -object "
		 "x-remote-object,id=object-lsi0,devid=lsi0,fd=18\n");
	T_STR_EQ(mp_plan_transport(&p), "socket");
}

static void test_monitors_and_further_arguments_reach_each_worker(void)
{
	struct mp_opt_disk disk = {.file = (char *)(uintptr_t) "d"};
	struct mp_options o = make_options(2);
	struct mp_plan p;

	o.mode = MP_MODE_RUN;
	o.disk[0] = o.disk[1] = disk;
	o.n_disks = 2;
	o.monitor = "/m,n";
	o.qmp = "/q";
	o.worker_arg[0] = "-S";
	o.n_worker_args = 1;
	make_plan(&p, &o);
	MP_CLEANUP_FREE char *of_two = joined(fill_worker0, &p);

	check_has(of_two, "-monitor unix:/m,,n.0,server=on,wait=off -qmp "
			  "unix:/q.0,server=on,wait=off -S\n");
	o.devices_per_worker = 2;
	make_plan(&p, &o);
	MP_CLEANUP_FREE char *of_one = joined(fill_worker0, &p);

	check_has(of_one, "-qmp unix:/q,server=on,wait=off -S\n");
}

static void test_user_guest_keeps_its_own_arguments(void)
{
	struct mp_options o = make_options(1);
	char m[] = "-m", size[] = "512M", nographic[] = "-nographic";
	char *argv[] = {m, size, nographic};
	struct mp_plan p;

	o.mode = MP_MODE_RUN;
	o.qemu_argv = argv;
	o.qemu_argc = 3;
	make_plan(&p, &o);
	MP_CLEANUP_FREE char *text = joined(mp_plan_qemu_args, &p);

	/* With our own monitor QEMU would make none of these by itself. */
	check_has(text, "qemu -m 512M -nographic -serial mon:stdio -plugin file=/p.so ");
	check_lacks(text, "-nodefaults");
	check_lacks(text, "addr=");
}

static char *user_guest(int argc, char **argv)
{
	struct mp_options o = make_options(1);
	struct mp_plan p;

	o.mode = MP_MODE_RUN;
	o.qemu_argv = argv;
	o.qemu_argc = argc;
	make_plan(&p, &o);
	return joined(mp_plan_qemu_args, &p);
}

static void test_user_guest_has_the_monitor_that_qemu_would_make(void)
{
	char nographic[] = "-nographic", serial[] = "--serial", null[] = "null", mon[] = "-monitor",
	     none[] = "none", nodefaults[] = "-nodefaults", mux[] = "mon:stdio";
	MP_CLEANUP_FREE char *muxed = user_guest(3, (char *[]){nographic, serial, mux});
	MP_CLEANUP_FREE char *window = user_guest(0, NULL);
	MP_CLEANUP_FREE char *own_serial = user_guest(3, (char *[]){nographic, serial, null});
	MP_CLEANUP_FREE char *own = user_guest(3, (char *[]){nographic, mon, none});
	MP_CLEANUP_FREE char *bare = user_guest(2, (char *[]){nographic, nodefaults});

	check_has(window, "-monitor vc:80Cx24C ");
	check_has(own_serial, "-monitor stdio ");
	check_lacks(own_serial, "mon:stdio");
	check_lacks(own, "stdio");
	check_lacks(own, "vc:");
	check_lacks(bare, "stdio");
	check_lacks(muxed, "-monitor");
}

static void test_user_guest_keeps_its_own_memory_backend(void)
{
	char machine[] = "-machine", backend[] = "pc,memory-backend=mine";
	MP_CLEANUP_FREE char *text = user_guest(2, (char *[]){machine, backend});

	check_lacks(text, "mpring-mem");
}

/* How large the memory is that QEMU and the workers share, with these words behind "--". */
static char *shared_memory(int argc, char **argv)
{
	char self[] = "/proc/self/exe"; /* a file that is there */
	struct mp_options o = make_options(1);
	struct mp_plan p;

	o.mode = MP_MODE_RUN;
	o.dry_run = true;
	o.memory_mib = 1024;
	o.qemu = "qemu";
	o.worker = o.plugin = self;
	o.qemu_argv = argv;
	o.qemu_argc = argc;
	T_EQ(mp_plan_make(&p, &o), 0);
	return strdup(p.mem_size);
}

static void test_size_of_user_guest_may_stand_anywhere_in_m(void)
{
	char m[] = "-m", last[] = "slots=2,maxmem=8G,size=4G", first[] = "4G,slots=2,maxmem=8G",
	     twice[] = "1G,size=512,maxmem=8G";
	MP_CLEANUP_FREE char *at_end = shared_memory(2, (char *[]){m, last});
	MP_CLEANUP_FREE char *at_begin = shared_memory(2, (char *[]){m, first});
	MP_CLEANUP_FREE char *of_two = shared_memory(2, (char *[]){m, twice});

	T_STR_EQ(at_end, "4G"); /* used to be "slots=2" */
	T_STR_EQ(at_begin, "4G");
	T_STR_EQ(of_two, "512M");
}

static void test_user_guest_whose_m_has_no_size_gets_qemus_default(void)
{
	char m[] = "-m", slots[] = "slots=2,maxmem=8G", size[] = "256";
	MP_CLEANUP_FREE char *alone = shared_memory(2, (char *[]){m, slots});
	MP_CLEANUP_FREE char *behind = shared_memory(4, (char *[]){m, size, m, slots});

	T_STR_EQ(alone, "128M");
	T_STR_EQ(behind, "256M"); /* QEMU merges them */
}

static void test_user_guest_keeps_the_memory_of_its_nodes(void)
{
	char numa[] = "-numa", node0[] = "node,memdev=m0", node1[] = "node,memdev=m1",
	     cpu[] = "node,cpus=0";
	MP_CLEANUP_FREE char *text = user_guest(4, (char *[]){numa, node0, numa, node1});
	MP_CLEANUP_FREE char *bare = user_guest(2, (char *[]){numa, cpu});

	/* QEMU takes only one of memdev and memory-backend. */
	check_lacks(text, "mpring-mem");
	check_has(bare, "memory-backend=mpring-mem");
}

static void test_monitors_may_be_at_a_place_of_qemus(void)
{
	struct mp_options o = make_options(1);
	struct mp_plan p;
	MP_CLEANUP_FREE char *text = NULL;

	o.mode = MP_MODE_RUN;
	o.monitor = "tcp:localhost:4444,server=on,wait=off";
	o.qmp = "/a=b";
	make_plan(&p, &o);
	text = joined(fill_worker0, &p);
	check_has(text, "-monitor tcp:localhost:4444,server=on,wait=off ");
	check_has(text, "-qmp unix:path=/a=b,server=on,wait=off\n");
}

static void test_cdroms_stand_on_the_first_device(void)
{
	struct mp_opt_disk disk = {.file = (char *)(uintptr_t) "d", .format = "raw"};
	struct mp_options o = make_options(2);
	struct mp_plan p;
	MP_CLEANUP_FREE char *text = NULL;

	o.mode = MP_MODE_RUN;
	o.disk[0] = o.disk[1] = disk;
	o.n_disks = 2;
	o.cdrom[0] = "a,b.iso";
	o.n_cdroms = 1;
	o.devices_per_worker = 2;
	make_plan(&p, &o);
	text = joined(fill_worker0, &p);
	check_has(text, "id=cd0,if=none,media=cdrom,file=a,,b.iso,format=raw");
	check_has(text, "scsi-cd,drive=cd0,bus=lsi0.0");
	check_has(text, "id=lsi1");
	check_lacks(text, "scsi-cd,drive=cd0,bus=lsi1.0");
}

static void test_cdrom_with_a_colon_in_its_name_is_a_file(void)
{
	struct mp_options o = make_options(1);
	struct mp_plan p;
	MP_CLEANUP_FREE char *text = NULL;

	o.mode = MP_MODE_RUN;
	o.cdrom[0] = "a:b.iso";
	o.cdrom[1] = "/a:b.iso";
	o.n_cdroms = 2;
	make_plan(&p, &o);
	text = joined(fill_worker0, &p);
	check_has(text, "media=cdrom,file=./a:b.iso,format=raw");
	check_has(text, "media=cdrom,file=/a:b.iso,format=raw");
}

static void test_guest_with_a_cdrom_alone_has_no_disk(void)
{
	struct mp_options o = make_options(1);
	struct mp_plan p;
	MP_CLEANUP_FREE char *text = NULL;

	o.mode = MP_MODE_RUN;
	o.cdrom[0] = "c";
	o.n_cdroms = 1;
	make_plan(&p, &o);
	text = joined(fill_worker0, &p);
	check_has(text, "scsi-cd");
	check_lacks(text, "scsi-hd");
}

static void test_quoted_words_come_back_from_a_shell(void)
{
	struct mp_args args = MP_ARGS_NULL;
	MP_CLEANUP_FREE char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	mp_args_add(&args, "a b");
	mp_args_add(&args, "it's");
	mp_args_add(&args, "%s", "");
	mp_args_print(&args, f);
	fclose(f);
	mp_args_fini(&args);
	T_STR_EQ(text, "'a b' 'it'\\''s' ''\n");
}

static void test_job_section_is_copied_for_each_device(void)
{
	struct mp_options o = make_options(2);
	struct mp_plan p;
	MP_CLEANUP_FREE char *job = NULL;

	make_plan(&p, &o);
	T_EQ(mp_job_text(&p, MP_DEV_REMOTE, &job), 0);
	check_has(job, "rw=randread\nbs=4k\niodepth=16\n");
	check_has(job, "[perf@lsi0]\nfilename=/dev/mpring/lsi0\n");
	check_has(job, "[perf@lsi1]\nfilename=/dev/mpring/lsi1\n");
}

static void test_job_barrier_stays_on_the_first_copy_only(void)
{
	static const char text[] = "[global]\nrw=write\n[a]\nsize=1M\n[b]\nstonewall\nsize=2M\n";
	struct mp_options o = make_options(2);
	struct mp_plan p;
	const char *error;
	MP_CLEANUP_FREE char *job = NULL;

	make_plan(&p, &o);
	T_EQ(mp_job_expand(&p, MP_DEV_REMOTE, text, &job, &error), 0);
	check_has(job, "[b@lsi0]\nfilename=/dev/mpring/lsi0\n\nstonewall\nsize=2M\n");
	check_has(job, "[b@lsi1]\nfilename=/dev/mpring/lsi1\n\nsize=2M\n");
}

static void test_job_that_names_a_file_is_refused(void)
{
	struct mp_options o = make_options(1);
	struct mp_plan p;
	const char *error;
	char *job = NULL;

	make_plan(&p, &o);
	T_EQ(mp_job_expand(&p, MP_DEV_REMOTE, "[a]\n filename = /dev/sda\n", &job, &error),
	     -EINVAL);
	check_has(error, "names a file");
	T_EQ(mp_job_expand(&p, MP_DEV_REMOTE, "[global]\nrw=read\n", &job, &error), -EINVAL);
	check_has(error, "no [section]");
}

/* What mp_job_check() makes of this load, with temporary disks of 64 MiB and 1 GiB of guest memory. */
static int check_load(unsigned int n_devices, const char *rw, const char *bs, unsigned int iodepth)
{
	struct mp_options o = make_options(n_devices);
	struct mp_plan p;

	o.memory_mib = 1024;
	o.rw = rw;
	o.bs = bs;
	o.iodepth = iodepth;
	make_plan(&p, &o);
	return mp_job_check(&p);
}

/* Used to boot a guest, in which fio failed. */
static void test_load_that_is_more_than_the_memory_is_refused(void)
{
	T_EQ(check_load(1, "read", "1M", 768), 0);
	T_EQ(check_load(1, "read", "1M", 1024), -EINVAL);
	T_EQ(check_load(64, "read", "4k", 1024), 0);
	T_EQ(check_load(64, "randwrite", "1M", 16), -EINVAL);
	T_EQ(check_load(1, "randtrim", "1M", 1024), 0); /* which has no data */
}

static void test_blocks_above_the_size_of_a_disk_are_refused(void)
{
	T_EQ(check_load(1, "read", "64M", 1), 0);
	T_EQ(check_load(1, "read", "65M", 1), -EINVAL);
	T_EQ(check_load(1, "trim", "1G", 1), -EINVAL);
}

static void test_load_of_a_job_file_is_its_own(void)
{
	struct mp_options o = make_options(1);
	struct mp_plan p;

	o.job_file = "f";
	o.bs = "1G";
	make_plan(&p, &o);
	T_EQ(mp_job_check(&p), 0);
}

T_MAIN(T_TEST(test_28_devices_stand_on_the_root_bus),
       T_TEST(test_29_devices_stand_behind_bridges_of_16),
       T_TEST(test_64_devices_compared_are_128_behind_8_bridges),
       T_TEST(test_guest_is_told_slots_and_no_bus_numbers),
       T_TEST(test_rounds_of_both_kinds_take_turns), T_TEST(test_devices_fill_workers_in_order),
       T_TEST(test_worker_gets_one_controller_and_disk_for_each_device),
       T_TEST(test_storage_daemon_runs_beside_a_worker_that_gives_way),
       T_TEST(test_description_says_how_workers_poll), T_TEST(test_null_backend_needs_no_file),
       T_TEST(test_comma_in_a_file_name_is_doubled),
       T_TEST(test_comma_and_sign_in_the_name_of_the_plugin_are_its_own),
       T_TEST(test_qemu_has_no_disk_of_a_remote_device),
       T_TEST(test_proxy_waits_for_its_worker_as_long_as_all_may_start),
       T_TEST(test_qemu_memory_can_be_mapped_by_workers),
       T_TEST(test_compared_disk_is_opened_twice_without_locks),
       T_TEST(test_compared_disk_of_another_format_is_a_copy),
       T_TEST(test_disk_elsewhere_is_passed_on_without_a_format),
       T_TEST(test_transport_is_named_only_when_it_was_asked_for),
       T_TEST(test_stock_remote_gets_only_what_qemu_knows),
       T_TEST(test_monitors_and_further_arguments_reach_each_worker),
       T_TEST(test_user_guest_keeps_its_own_arguments),
       T_TEST(test_user_guest_has_the_monitor_that_qemu_would_make),
       T_TEST(test_user_guest_keeps_its_own_memory_backend),
       T_TEST(test_size_of_user_guest_may_stand_anywhere_in_m),
       T_TEST(test_user_guest_whose_m_has_no_size_gets_qemus_default),
       T_TEST(test_user_guest_keeps_the_memory_of_its_nodes),
       T_TEST(test_monitors_may_be_at_a_place_of_qemus),
       T_TEST(test_cdroms_stand_on_the_first_device),
       T_TEST(test_cdrom_with_a_colon_in_its_name_is_a_file),
       T_TEST(test_guest_with_a_cdrom_alone_has_no_disk),
       T_TEST(test_quoted_words_come_back_from_a_shell),
       T_TEST(test_job_section_is_copied_for_each_device),
       T_TEST(test_job_barrier_stays_on_the_first_copy_only),
       T_TEST(test_job_that_names_a_file_is_refused),
       T_TEST(test_load_that_is_more_than_the_memory_is_refused),
       T_TEST(test_blocks_above_the_size_of_a_disk_are_refused),
       T_TEST(test_load_of_a_job_file_is_its_own))
