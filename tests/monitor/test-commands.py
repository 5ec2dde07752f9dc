# SPDX-License-Identifier: BSD-3-Clause
"""The worker's monitor: what each command does, and what it refuses."""
import argparse
import os
import signal
import socket
import subprocess
import sys

from monitor import Hmp, Qmp, Remote, run_tests

MIB = 1 << 20
DISKS = ["-drive", "id=drive_image2,if=none,format=raw,file={dir}/disk.img",
         "-device", "scsi-hd,id=drive2,drive=drive_image2,bus=lsi0.0,scsi-id=0",
         "-drive", "id=cd0,if=none,media=cdrom,format=raw,readonly=on,file={dir}/cd.iso",
         "-device", "scsi-cd,id=cdd,drive=cd0,bus=lsi0.0,scsi-id=1"]
FILES = [("disk.img", MIB), ("cd.iso", MIB), ("other.iso", 2 * MIB)]
NO_LIMITS = {"_bps": 0, "_bps_rd": 0, "_bps_wr": 0, "_iops": 0, "_iops_rd": 0, "_iops_wr": 0}


def remote(tools, *args):
    return Remote(tools.worker, DISKS + list(args), FILES)


def test_greeting_and_version_are_those_of_a_qemu_with_our_package(tools):
    with remote(tools) as r, Qmp(r) as q:
        version = q.greeting["QMP"]["version"]
        assert version["qemu"] == {"major": 7, "minor": 2, "micro": 0}
        assert version["package"].startswith("mpring ")
        assert q.greeting["QMP"]["capabilities"] == ["oob"]
        assert q.run("query-version") == version


def test_every_command_has_a_schema_and_every_schema_a_command(tools):
    with remote(tools) as r, Qmp(r) as q:
        schema = q.run("query-qmp-schema")
        described = {i["name"] for i in schema if i["meta-type"] == "command"}
        assert described == {c["name"] for c in q.run("query-commands")}


def test_the_schema_names_nothing_that_it_does_not_describe(tools):
    with remote(tools) as r, Qmp(r) as q:
        schema = q.run("query-qmp-schema")
    names = [i["name"] for i in schema]
    assert len(names) == len(set(names))
    for info in schema:
        used = [info[k] for k in ("arg-type", "ret-type", "element-type") if k in info]
        used += [m["type"] for m in info.get("members", []) if "type" in m]
        used += [v["type"] for v in info.get("variants", [])]
        assert set(used) <= set(names), info


def test_names_are_those_of_the_command_line(tools):
    uuid = "12345678-1234-1234-1234-123456789abc"
    with remote(tools, "-name", "foo", "-uuid", uuid) as r, Qmp(r) as q:
        assert q.run("query-name") == {"name": "foo"}
        assert q.run("query-uuid") == {"UUID": uuid}
    with remote(tools) as r, Qmp(r) as q:
        assert q.run("query-name") == {}


def test_stop_and_cont_tell_once(tools):
    with remote(tools) as r, Qmp(r) as q:
        assert q.run("query-status") == {"running": True, "singlestep": False, "status": "running"}
        q.run("stop")
        q.run("stop")
        assert q.names() == ["STOP"]
        assert q.run("query-status") == {"running": False, "singlestep": False, "status": "paused"}
        q.run("cont")
        q.run("cont")
        assert q.names() == ["RESUME"]
        assert q.run("query-status")["running"]


def test_reset_and_powerdown_are_told(tools):
    with remote(tools) as r, Qmp(r) as q:
        q.run("system_reset")
        assert q.event("RESET") == {"guest": False, "reason": "host-qmp-system-reset"}
        q.run("system_powerdown")
        assert q.event("POWERDOWN") is None


def test_quit_ends_with_status_0_and_the_socket_is_gone(tools):
    with remote(tools) as r, Qmp(r) as q:
        q.run("quit")
        assert q.event("SHUTDOWN") == {"guest": False, "reason": "host-qmp-quit"}
        try:
            q.message()
            raise AssertionError("more than an answer")
        except EOFError as e:
            assert e.args[0] == b""
        assert r.wait() == 0
        assert not os.path.exists(r.path("qmp"))


def test_a_signal_is_told_and_ends_with_status_0(tools):
    with remote(tools) as r, Qmp(r) as q:
        r.process.send_signal(signal.SIGTERM)
        assert q.event("SHUTDOWN") == {"guest": False, "reason": "host-signal"}
        assert r.wait() == 0


def test_the_end_of_the_proxies_is_the_guests(tools):
    with remote(tools) as r, Qmp(r) as q:
        r.proxy.close()
        assert q.event("SHUTDOWN") == {"guest": True, "reason": "guest-shutdown"}
        assert r.wait() == 0


def test_a_worker_that_dies_is_told_of(tools):
    with remote(tools) as r, Qmp(r) as q:
        children = "/proc/%d/task/%d/children" % (r.process.pid, r.process.pid)
        with open(children) as f:
            os.kill(int(f.read().split()[0]), signal.SIGKILL)
        assert q.event("SHUTDOWN") == {"guest": False, "reason": "host-error"}
        assert r.wait() == -signal.SIGKILL


def test_clients_are_served_beside_each_other(tools):
    with remote(tools) as r, Qmp(r) as first, Qmp(r) as second, Hmp(r) as people:
        second.run("stop")
        assert first.event("STOP") is None
        assert people.run("info status") == "VM status: paused\n"


def test_query_block_shows_media_and_trays(tools):
    with remote(tools) as r, Qmp(r) as q:
        disk, cd = q.run("query-block")
        assert (disk["device"], disk["qdev"]) == ("drive_image2", "drive2")
        assert not disk["removable"] and not disk["locked"] and "tray_open" not in disk
        assert disk["io-status"] == "ok"
        assert disk["inserted"]["file"] == r.path("disk.img")
        assert disk["inserted"]["image"]["virtual-size"] == MIB
        assert disk["inserted"]["cache"] == {"writeback": True, "direct": False, "no-flush": False}
        assert not disk["inserted"]["ro"] and cd["inserted"]["ro"]
        assert (cd["device"], cd["removable"], cd["tray_open"]) == ("cd0", True, False)
        nodes = q.run("query-named-block-nodes")
        assert nodes == [disk["inserted"], cd["inserted"]]


def test_eject_takes_the_medium_and_opens_the_tray(tools):
    with remote(tools) as r, Qmp(r) as q:
        q.run("eject", device="cd0")
        assert q.event("DEVICE_TRAY_MOVED") == {"device": "cd0", "tray-open": True, "id": "cdd"}
        cd = q.run("query-block")[1]
        assert cd["tray_open"] and "inserted" not in cd
        q.run("blockdev-close-tray", id="cdd")
        assert q.event("DEVICE_TRAY_MOVED") == {"device": "cd0", "tray-open": False, "id": "cdd"}
        assert not q.run("query-block")[1]["tray_open"]


def test_a_tray_opens_with_its_medium_in_it(tools):
    with remote(tools) as r, Qmp(r) as q:
        assert q.fails("blockdev-remove-medium", id="cdd") == \
            ("GenericError", "Tray of device 'cdd' is not open")
        q.run("blockdev-open-tray", id="cdd")
        assert q.run("query-block")[1]["tray_open"]
        assert "inserted" in q.run("query-block")[1]
        q.run("blockdev-remove-medium", id="cdd")
        assert "inserted" not in q.run("query-block")[1]


def test_what_is_no_tray_cannot_be_opened(tools):
    with remote(tools) as r, Qmp(r) as q:
        assert q.fails("eject") == ("GenericError", "Need exactly one of 'device' and 'id'")
        assert q.fails("eject", device="x") == ("DeviceNotFound", "Device 'x' not found")
        assert q.fails("eject", id="x") == ("DeviceNotFound", "Device 'x' not found")
        assert q.fails("eject", device="drive_image2") == \
            ("GenericError", "Device 'drive_image2' is not removable")
        assert q.fails("blockdev-open-tray", id="drive2") == \
            ("GenericError", "Device 'drive2' is not removable")
        assert q.fails("eject", device="cd0", force=1) == \
            ("GenericError", "Invalid parameter type for 'force', expected: boolean")


def test_limits_that_contradict_each_other_are_refused(tools):
    with remote(tools) as r, Qmp(r) as q:
        assert q.fails("block_set_io_throttle", id="drive2",
                       **{**NO_LIMITS, "_bps": 1000, "_bps_rd": 1}) == \
            ("GenericError", "bps/iops/max total values and read/write values cannot be used at "
             "the same time")
        assert q.fails("block_set_io_throttle", id="x", **NO_LIMITS) == \
            ("DeviceNotFound", "Device 'x' not found")


def test_objects_are_found_by_path_and_by_its_end(tools):
    with remote(tools) as r, Qmp(r) as q:
        names = {p["name"]: p["type"] for p in q.run("qom-list", path="/machine/peripheral")}
        assert names == {"type": "string", "lsi0": "child<lsi53c895a>",
                         "drive2": "child<scsi-hd>", "cdd": "child<scsi-cd>"}
        assert q.run("qom-get", path="/machine/peripheral/drive2", property="drive") == \
            "drive_image2"
        assert q.run("qom-get", path="drive2", property="type") == "scsi-hd"
        assert q.run("qom-get", path="/machine/peripheral/lsi0/lsi0.0", property="child[1]") == \
            "/machine/peripheral/cdd"
        assert q.fails("qom-get", path="drive2", property="nope") == \
            ("GenericError", "Property 'scsi-hd.nope' not found")
        assert q.fails("qom-list", path="/nope") == \
            ("DeviceNotFound", "Device '/nope' not found")


def test_statistics_come_out_of_band(tools):
    with remote(tools) as r, Qmp(r, oob=True) as q:
        stats = q.run("x-mpring-query-stats", key="exec-oob")
        assert stats["devices"][0]["id"] == "lsi0" and "worker_turns" in \
            stats["devices"][0]["counters"]
        assert stats["turns"]["total"] > 0
        assert [d["qdev"] for d in stats["disks"]] == ["drive2", "cdd"]


def test_people_see_what_programs_see(tools):
    with remote(tools, "-name", "foo") as r, Hmp(r) as h:
        assert h.banner.startswith("QEMU 7.2.0 monitor - type 'help' for more information\r\n")
        assert h.run("info status") == "VM status: running\n"
        assert h.run("info name") == "foo\n"
        assert h.run("info block drive2") == \
            "drive_image2 (%s): %s (raw)\n    Attached to:      drive2\n" \
            "    Cache mode:       writeback\n" % ("drive_image2", r.path("disk.img"))
        assert h.run("eject cd0") == ""
        assert h.run("info block cd0") == \
            "cd0: [not inserted]\n    Attached to:      cdd\n" \
            "    Removable device: not locked, tray open\n"
        assert h.run("eject drive_image2") == "Error: Device 'drive_image2' is not removable\n"
        assert h.run("info blockstats").startswith("drive_image2: rd_bytes=0 wr_bytes=0 ")
        assert h.run("stop") == "" and h.run("info status") == "VM status: paused\n"
        assert 'id "lsi0"' in h.run("info pci") and 'dev: scsi-cd, id "cdd"' in h.run("info qtree")


def test_qmp_lends_its_tongue_to_people(tools):
    with remote(tools) as r, Qmp(r) as q:
        assert q.run("human-monitor-command", command_line="info status") == \
            "VM status: running\r\n"


def test_a_worker_in_which_a_client_sends_nonsense_goes_on(tools):
    with remote(tools) as r, Qmp(r) as q:
        with r.dial("qmp") as nonsense:
            nonsense.sendall(b"\xff\x00{{{[[[" + os.urandom(1000))
        assert q.run("query-status")["running"]


def test_a_monitor_that_waits_holds_everything_up(tools):
    with remote(tools, "-qmp", "unix:{dir}/first,server=on") as r:
        with r.dial("first"):
            with Qmp(r) as q:
                assert q.run("query-status")["running"]


def test_a_file_in_the_way_is_named(tools):
    with remote(tools, "-qmp", "unix:{dir}/disk.img,server,nowait") as r:
        assert r.wait() == 1
        assert "disk.img: Address already in use; a file that is no socket is there" in r.said()


def test_standard_input_and_output_are_a_monitor(tools):
    proxy, theirs = socket.socketpair()
    with proxy, theirs:
        out = subprocess.run([tools.worker, str(theirs.fileno()), "-device", "lsi53c895a,id=lsi0",
                              "-name", "foo", "-monitor", "stdio"],
                             input=b"info name\nquit\n", pass_fds=[theirs.fileno()],
                             stdout=subprocess.PIPE, timeout=30, check=True)
    assert b"(qemu) foo\r\n(qemu) " in out.stdout, out.stdout


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--worker")
    parser.add_argument("--only", default="")
    tools = parser.parse_args()
    tests = [f for name, f in globals().items() if name.startswith("test_") and tools.only in name]
    sys.exit(run_tests(tests, tools))


if __name__ == "__main__":
    main()
