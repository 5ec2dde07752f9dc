/* SPDX-License-Identifier: BSD-3-Clause */
/* Monitors, options about the process, and QEMU's options that we don't have. */
#include <stdlib.h>

#include "tests/unit/remote-worker/parse.h"

static int parse(const char *line)
{
	return parse_behind(ADAPTER, line);
}

/* -- monitors ------------------------------------------------------------- */

static void test_short_forms_of_monitors_old_and_new(void)
{
	T_EQ(parse("-monitor unix:/run/a,server,nowait -qmp unix:/run/b,server=on,wait=off "
		   "-qmp-pretty unix:/run/c,server=on"),
	     0);
	T_EQ(cmd.n_monitors, 3);
	T_STR_EQ(cmd.monitor[0].path, "/run/a");
	T_STR_EQ(cmd.monitor[0].id, "compat_monitor0");
	T_OK(!cmd.monitor[0].is_qmp && !cmd.monitor[0].wait && cmd.monitor[0].fd == -1);
	T_STR_EQ(cmd.monitor[1].path, "/run/b");
	T_STR_EQ(cmd.monitor[1].id, "compat_monitor1");
	T_OK(cmd.monitor[1].is_qmp && !cmd.monitor[1].pretty && !cmd.monitor[1].wait);
	T_OK(cmd.monitor[2].is_qmp && cmd.monitor[2].pretty && cmd.monitor[2].wait);
}

static void test_long_form_may_stand_in_any_order(void)
{
	T_EQ(parse("-mon chardev=c,mode=control,pretty=on -mon d "
		   "-chardev socket,id=c,path=/run/a,,b,server=on,wait=off "
		   "-chardev socket,id=d,fd=9,server=on"),
	     0);
	T_EQ(cmd.n_monitors, 2);
	T_STR_EQ(cmd.monitor[0].id, "c");
	T_STR_EQ(cmd.monitor[0].path, "/run/a,b");
	T_OK(cmd.monitor[0].is_qmp && cmd.monitor[0].pretty);
	T_EQ(cmd.monitor[1].fd, 9);
	T_OK(!cmd.monitor[1].path && !cmd.monitor[1].is_qmp && !cmd.monitor[1].wait);
}

static void test_monitors_listen_on_tcp(void)
{
	T_EQ(parse("-qmp tcp:localhost:4444,server,nowait -monitor tcp:[::1]:4445,server=on "
		   "-qmp tcp::0,server=on,wait=off,ipv4=on -mon c "
		   "-chardev socket,id=c,host=h,port=ssh,server=on,wait=off,ipv4=off,nodelay"),
	     0);
	T_EQ(cmd.n_monitors, 4);
	T_STR_EQ(cmd.monitor[0].host, "localhost");
	T_STR_EQ(cmd.monitor[0].port, "4444");
	T_OK(cmd.monitor[0].is_qmp && !cmd.monitor[0].wait && !cmd.monitor[0].path);
	T_OK(!cmd.monitor[0].no_ipv4 && !cmd.monitor[0].no_ipv6);
	T_STR_EQ(cmd.monitor[1].host, "::1");
	T_OK(!cmd.monitor[1].is_qmp && cmd.monitor[1].wait);
	T_STR_EQ(cmd.monitor[2].host, "");
	T_STR_EQ(cmd.monitor[2].port, "0");
	T_OK(!cmd.monitor[2].no_ipv4 && cmd.monitor[2].no_ipv6);
	T_STR_EQ(cmd.monitor[3].id, "c");
	T_STR_EQ(cmd.monitor[3].port, "ssh");
	T_OK(cmd.monitor[3].no_ipv4 && !cmd.monitor[3].no_ipv6);
}

static void test_wrong_addresses_of_monitors_are_named(void)
{
	T_REFUSED("-qmp tcp:localhost,server", "it is tcp:HOST:PORT");
	T_REFUSED("-qmp tcp:::1:4444,server", "tcp:[IPV6]:PORT");
	T_REFUSED("-qmp tcp:[]:4444,server", "tcp:[IPV6]:PORT");
	T_REFUSED("-qmp tcp:,server", "it is tcp:HOST:PORT");
	T_REFUSED("-qmp tcp:localhost:,server", "port=N is missing");
	T_REFUSED("-qmp tcp:localhost:4444", "add server=on,wait=off");
	T_REFUSED("-qmp tcp:a:1,server,path=/a", "exclude each other");
	T_REFUSED("-qmp tcp:a:1,server,ipv4=off,ipv6=off", "neither ipv4 nor ipv6");
	T_REFUSED("-qmp telnet:a:1,server", "its clients take tcp:a:1,server");
	T_REFUSED("-chardev socket,id=a,host=h,server=on", "port=N is missing");
	T_REFUSED("-chardev socket,id=a,path=/a,port=1,server=on", "go with host=NAME");
	T_REFUSED("-qmp tcp:a:1,server -monitor tcp:a:1,server", "want the same place");
	T_EQ(parse("-qmp tcp:a:0,server -monitor tcp:a:0,server"), 0);
}

static void test_a_port_beyond_the_last_is_refused(void)
{
	/* Was 34463, and -1 an unknown service. */
	T_REFUSED("-qmp tcp:a:99999,server", "-qmp: port 99999 is none; the last is 65535");
	T_REFUSED("-chardev socket,id=a,host=h,port=99999,server=on",
		  "-chardev: port 99999 is none; the last is 65535");
	T_REFUSED("-qmp tcp:a:65536,server", "port 65536 is none");
	T_REFUSED("-qmp tcp:a:-1,server", "port -1 is none");
	T_REFUSED("-qmp tcp:a:99999999999999999999,server", "the last is 65535");
	T_EQ(parse("-qmp tcp:a:65535,server -monitor tcp:a:99999x,server"), 0);
}

static void test_monitor_on_stdio_or_nowhere(void)
{
	T_EQ(parse("-monitor none -qmp stdio -chardev null,id=n -mon n"), 0);
	T_EQ(cmd.n_monitors, 1);
	T_OK(cmd.monitor[0].is_stdio && cmd.monitor[0].is_qmp);
	T_EQ(parse("-chardev stdio,id=s,mux=on -monitor chardev:s"), 0);
	T_OK(cmd.monitor[0].is_stdio && !cmd.monitor[0].is_qmp);
	T_EQ(cmd.warnings.n, 0);
}

static void test_wrong_places_of_monitors_name_the_right_ones(void)
{
	T_REFUSED("-qmp udp:localhost:4444", "unix:PATH,server=on,wait=off, tcp:HOST:PORT");
	T_REFUSED("-qmp unix:/run/a", "add server=on,wait=off");
	T_REFUSED("-qmp unix:/run/a,server,nowat", "unknown property 'nowat'; valid are id, path");
	T_REFUSED("-chardev pty,id=a", "valid are socket, stdio, null");
	T_REFUSED("-chardev socket,id=a,server=on",
		  "path=NAME, host=NAME,port=N or fd=N is missing");
	T_REFUSED("-chardev socket,id=a,host=h,port=1", "add server=on,wait=off");
	T_REFUSED("-chardev socket,path=/a,server=on", "id=NAME is missing");
	T_REFUSED("-chardev socket,id=a,path=/a,fd=3,server=on", "exclude each other");
	T_REFUSED("-mon mode=control", "chardev=ID is missing");
	T_REFUSED("-mon chardev=x,mode=json", "readline|control");
	T_REFUSED("-mon x", "no character device 'x'; add -chardev socket,id=x");
}

static void test_places_of_monitors_are_used_once(void)
{
	T_REFUSED("-chardev socket,id=c,fd=5 -mon c -monitor chardev:c", "used by two monitors");
	T_REFUSED("-chardev stdio,id=c -chardev stdio,id=c", "two -chardev have the id 'c'");
	T_REFUSED("-qmp unix:/a,server -monitor unix:/a,server", "want the same place");
	T_REFUSED("-qmp stdio -monitor stdio", "want the same place");
	T_REFUSED("-qmp stdio -daemonize", "leaves no stdio");
}

static void test_chardev_without_a_user_is_said(void)
{
	T_EQ(parse("-chardev socket,id=lonely,fd=7"), 0);
	T_EQ(cmd.n_monitors, 0);
	T_EQ(cmd.warnings.n, 1);
	T_SAYS(cmd.warnings.text[0], "lonely");
}

static void test_more_monitors_than_there_is_room_for_are_refused(void)
{
	char line[1024] = "";

	for (unsigned int i = 0; i < MP_CMDLINE_MAX_MONITORS; i++)
		snprintf(line + strlen(line), sizeof(line) - strlen(line), "-qmp unix:/%u,server ",
			 i);
	T_EQ(parse(line), 0);
	T_EQ(cmd.n_monitors, MP_CMDLINE_MAX_MONITORS);
	snprintf(line + strlen(line), sizeof(line) - strlen(line), "-qmp stdio");
	T_REFUSED(line, "more than 16 monitors");
}

/* -- the process ---------------------------------------------------------- */

static void test_options_about_the_process(void)
{
	T_EQ(parse("-name guest=vm1,debug-threads=on -uuid 6ba7b810-9dad-11d1-80b4-00c04fd430c8 "
		   "-pidfile /run/p -D /log -d debug -daemonize -S -monitor unix:/m,server"),
	     0);
	T_STR_EQ(cmd.name, "vm1");
	T_STR_EQ(cmd.uuid, "6ba7b810-9dad-11d1-80b4-00c04fd430c8");
	T_STR_EQ(cmd.pidfile, "/run/p");
	T_STR_EQ(cmd.log_file, "/log");
	T_OK(cmd.verbose && cmd.daemonize && cmd.start_stopped);
	T_EQ(cmd.warnings.n, 0);
	T_EQ(parse("-name vm2"), 0);
	T_STR_EQ(cmd.name, "vm2");
	T_OK(!cmd.verbose && !cmd.daemonize && !cmd.pidfile && !cmd.log_file && !cmd.uuid);
}

static void test_wrong_options_about_the_process(void)
{
	T_REFUSED("-name a,colour=red", "unknown property 'colour'; valid are guest");
	T_REFUSED("-uuid 1234", "00000000-0000-0000-0000-000000000000");
	T_REFUSED("-uuid 6ba7b810-9dad-11d1-80b4-00c04fd430c8x", "hexadecimal digits");
	T_REFUSED("-d everything", "unknown item; valid is debug");
	T_REFUSED("-sandbox maybe", "on or off");
}

static void test_sandbox_of_qemu_is_ours(void)
{
	T_EQ(parse("-sandbox on,obsolete=deny,spawn=deny"), 0);
	T_OK(!cmd.no_sandbox);
	T_EQ(parse("-sandbox off"), 0);
	T_OK(cmd.no_sandbox);
}

/* A worker that nobody could wake would be worse than one that runs. */
static void test_stopped_start_without_a_monitor_is_ignored_and_said(void)
{
	T_EQ(parse("-S"), 0);
	T_OK(!cmd.start_stopped);
	T_EQ(cmd.warnings.n, 1);
	T_SAYS(cmd.warnings.text[0], "no monitor");
}

/* -- QEMU's others -------------------------------------------------------- */

static void test_options_without_a_meaning_are_accepted_and_named_once(void)
{
	T_EQ(parse("-m 1G -smp 2 -accel kvm -enable-kvm -cpu host -m 2G -no-shutdown -trace x"), 0);
	T_EQ(cmd.warnings.n, 7);
	T_STR_EQ(cmd.warnings.text[0], "-m has no meaning here");
	T_STR_EQ(cmd.warnings.text[3], "-enable-kvm has no meaning here");
	T_EQ(parse("-d guest_errors,unimp"), 0);
	T_EQ(cmd.warnings.n, 2);
}

static void test_options_that_say_what_is_so_cost_no_warning(void)
{
	T_EQ(parse("-nographic -nodefaults -no-user-config -display none -vga none -serial none "
		   "-parallel none -net none -nic none -monitor none"),
	     0);
	T_EQ(cmd.warnings.n, 0);
	T_EQ(parse("-serial stdio -display gtk"), 0);
	T_EQ(cmd.warnings.n, 2);
}

static void test_options_that_would_be_missed_are_refused_with_the_way_out(void)
{
	T_REFUSED("-kernel bzImage", "-kernel isn't supported: the guest's kernel");
	T_REFUSED("-incoming defer", "there is no migration");
	T_REFUSED("-readconfig x", "write the options into the command line");
	T_REFUSED("-hda disk.img", "use -drive id=d0,file=FILE");
	T_REFUSED("-snapshot", "qemu-img create -f qcow2 -b");
	T_REFUSED("-set a.b.c=d", "-global");
	T_REFUSED("-runas nobody", "setpriv");
}

static void test_word_that_is_no_option_is_named(void)
{
	T_REFUSED("disk.img", "'disk.img' is no option");
	T_REFUSED("-m", "-m needs an argument");
	T_REFUSED("-qmp", "-qmp needs an argument: PLACE");
}

T_MAIN(T_TEST(test_short_forms_of_monitors_old_and_new),
       T_TEST(test_long_form_may_stand_in_any_order), T_TEST(test_monitors_listen_on_tcp),
       T_TEST(test_a_port_beyond_the_last_is_refused),
       T_TEST(test_wrong_addresses_of_monitors_are_named), T_TEST(test_monitor_on_stdio_or_nowhere),
       T_TEST(test_wrong_places_of_monitors_name_the_right_ones),
       T_TEST(test_places_of_monitors_are_used_once), T_TEST(test_chardev_without_a_user_is_said),
       T_TEST(test_more_monitors_than_there_is_room_for_are_refused),
       T_TEST(test_options_about_the_process), T_TEST(test_wrong_options_about_the_process),
       T_TEST(test_sandbox_of_qemu_is_ours),
       T_TEST(test_stopped_start_without_a_monitor_is_ignored_and_said),
       T_TEST(test_options_without_a_meaning_are_accepted_and_named_once),
       T_TEST(test_options_that_say_what_is_so_cost_no_warning),
       T_TEST(test_options_that_would_be_missed_are_refused_with_the_way_out),
       T_TEST(test_word_that_is_no_option_is_named))
