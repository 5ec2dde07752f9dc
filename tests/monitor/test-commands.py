# SPDX-License-Identifier: BSD-3-Clause
"""The worker's monitor: what each command does, and what it refuses."""
import argparse
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

from guest import CHECK_CONDITION, GOOD, Guest
from monitor import DEADLINE_S, NO_NAMESPACE, Hmp, Qmp, Remote, run_tests, runs, where

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


def answers_before_the_end(tools, farewell_s):
    """How many of a client's that reads nothing before the worker has ended."""
    with remote(tools, "-monitor-farewell", farewell_s) as r, Qmp(r) as q:
        for _ in range(30):
            q.send({"execute": "query-qmp-schema"})
        q.send({"execute": "quit"})
        if farewell_s == "0":
            assert r.wait() == 0
        data = b""
        while more := q.sock.recv(1 << 20):
            data += more
        assert r.wait() == 0
        return data.count(b'"return"')


def test_the_farewell_is_as_long_as_it_was_said(tools):
    assert answers_before_the_end(tools, "60") == 31
    assert answers_before_the_end(tools, "0") < 31


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
        assert nodes[::2] == [disk["inserted"], cd["inserted"]]
        assert [(n["node-name"], n["drv"]) for n in nodes[1::2]] == \
            [("#drive_image2.file", "file"), ("#cd0.file", "file")]


def test_eject_takes_the_medium_and_opens_the_tray(tools):
    with remote(tools) as r, Qmp(r) as q:
        q.run("eject", device="cd0")
        assert q.event("DEVICE_TRAY_MOVED") == {"device": "cd0", "tray-open": True, "id": "cdd"}
        cd = q.run("query-block")[1]
        assert cd["tray_open"] and "inserted" not in cd
        q.run("blockdev-close-tray", id="cdd")
        assert q.event("DEVICE_TRAY_MOVED") == {"device": "cd0", "tray-open": False, "id": "cdd"}
        assert not q.run("query-block")[1]["tray_open"]


# /mnt is a file system that the disk doesn't fit into.
FULL = where("mount -t tmpfs -o size=64k none /mnt && truncate -s 1M /mnt/disk")
NO_PROC = where("mount -t tmpfs none /proc")


def test_proc_is_not_needed(tools):
    if tools.sanitizer != "none":
        return "the sanitizer itself needs /proc"
    if not runs(NO_PROC):
        return NO_NAMESPACE
    with Remote(tools.worker, DISKS, FILES, before=NO_PROC) as r, Qmp(r) as qmp, Guest(r.proxy) as guest:
        guest.wake(0)
        qmp.run("quit")
        assert r.wait() == 0 and not r.said(), r.said()


def fill(qmp, guest):
    """Write until the machine stops."""
    guest.wake(0)
    page = b"\x5a" * 4096
    for block in range(0, 1024, 8):
        guest.begin(0, [0x2a, 0, 0, 0, block >> 8, block & 255, 0, 0, 8, 0], page)
        while (status := guest.is_done()) is None and "STOP" not in [e["event"] for e in qmp.events]:
            qmp.run("query-status")
        if status is None:
            break
        assert status == GOOD


def test_a_full_disk_of_a_node_is_named_by_that(tools):
    """Used to have no name."""
    if not runs(FULL):
        return NO_NAMESPACE
    disk = ["-blockdev", "driver=file,node-name=n0,filename=/mnt/disk",
            "-device", "scsi-hd,drive=n0,bus=lsi0.0,werror=stop"]
    with Remote(tools.worker, disk, before=FULL) as r, Qmp(r) as qmp, Guest(r.proxy) as guest:
        fill(qmp, guest)
        assert "cannot write drive n0 (/mnt/disk): No space left on device" in r.said(), r.said()


def test_a_full_disk_stops_and_is_tried_again(tools):
    if not runs(FULL):
        return NO_NAMESPACE
    disk = ["-drive", "id=d0,if=none,format=raw,file=/mnt/disk", "-device", "scsi-hd,drive=d0,bus=lsi0.0"]
    with Remote(tools.worker, disk, before=FULL) as r, Qmp(r) as qmp, Guest(r.proxy) as guest:
        fill(qmp, guest)
        assert qmp.event("BLOCK_IO_ERROR") == {
            "device": "d0", "node-name": "d0", "operation": "write", "action": "stop", "nospace": True,
            "reason": "No space left on device"}
        assert qmp.run("query-block")[0]["io-status"] == "nospace"
        assert "its disks stand still until a monitor says cont" in r.said()
        room = subprocess.run(["nsenter", "--user", "--mount", "--target", str(r.process.pid), "mount", "-o",
                               "remount,size=2m", "/mnt"], stderr=subprocess.PIPE, check=False)
        assert room.returncode == 0, room.stderr
        qmp.run("cont")
        assert guest.finish() == GOOD
        assert qmp.run("query-block")[0]["io-status"] == "ok"


def test_without_a_monitor_the_guest_of_a_stock_proxy_gets_the_error(tools):
    proxy, theirs = socket.socketpair()
    with proxy, theirs, tempfile.NamedTemporaryFile() as disk:
        disk.truncate(MIB)
        worker = subprocess.Popen(
            ["env", "--ignore-signal=XFSZ", tools.worker, str(theirs.fileno()), "-device", "lsi53c895a,id=lsi0",
             "-drive", "id=d0,if=none,format=raw,werror=stop,file=" + disk.name, "-device", "scsi-hd,drive=d0"],
            pass_fds=[theirs.fileno()])
        theirs.close()
        with Guest(proxy) as guest:
            guest.wake(0)
            resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (65536, resource.RLIM_INFINITY))
            assert guest.run(0, [0x2a, 0, 0, 0, 4, 0, 0, 0, 1, 0], b"x" * 512) == CHECK_CONDITION
        proxy.close()
        assert worker.wait(DEADLINE_S) == 0


def test_a_tray_that_the_guest_moves_is_told_of(tools):
    with remote(tools) as r, Qmp(r) as qmp, Guest(r.proxy) as guest:
        guest.wake(1)
        assert [guest.tray(1, open_it) for open_it in (True, False)] == [GOOD, GOOD]
        for open_it in (True, False):
            assert qmp.event("DEVICE_TRAY_MOVED") == {"device": "cd0", "id": "cdd", "tray-open": open_it}


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


def test_resize_changes_the_file(tools):
    with remote(tools) as r, Qmp(r) as q:
        q.run("block_resize", device="drive_image2", size=3 * MIB)
        assert os.path.getsize(r.path("disk.img")) == 3 * MIB
        assert q.run("query-block")[0]["inserted"]["image"]["virtual-size"] == 3 * MIB
        node = q.run("query-block")[0]["inserted"]["node-name"]
        q.run("block_resize", node_name=node, size=2 * MIB)
        assert os.path.getsize(r.path("disk.img")) == 2 * MIB
        assert q.fails("block_resize", device="x", size=1) == \
            ("GenericError", "Cannot find device='x' nor node-name=''")
        assert q.fails("block_resize", device="drive_image2", size=-1) == \
            ("GenericError", "Parameter 'size' expects a >0 size")
        assert q.fails("block_resize") == ("GenericError", "Parameter 'size' is missing")


def test_names_that_are_no_utf8_are_shown_marked(tools):
    """Used to be out of memory, or to lose the disk, or the name, in the answer."""
    shown, name = "caf\ufffd", "caf\udce9"  # how Python has bytes that are no UTF-8
    with Remote(tools.worker, ["-name", name, "-drive", "id=d0,if=none,format=raw,file={dir}/" + name,
                               "-device", "scsi-hd,id=hd,drive=d0,serial=%s,vendor=%s" % (name, name),
                               "-chardev", "socket,id=c0,server=on,wait=off,path={dir}/q" + name,
                               "-mon", "chardev=c0,mode=control"],
                files=((name, MIB),)) as r, Qmp(r) as q:
        assert q.run("query-name") == {"name": shown}
        inserted = q.run("query-block")[0]["inserted"]
        assert inserted["file"] == r.path(shown), inserted
        q.run("block_resize", device="d0", size=2 * MIB)
        assert os.path.getsize(r.path(name)) == 2 * MIB
        places = {c["label"]: c["filename"] for c in q.run("query-chardev")}
        assert r.path("q" + shown) in places["c0"], places
        assert q.run("qom-get", path="/machine/peripheral/hd", property="serial") == shown


def test_disks_of_a_group_share_its_limits(tools):
    def inserted(q):
        return [(b["inserted"].get("group"), b["inserted"]["bps"]) for b in q.run("query-block")]

    with remote(tools) as r, Qmp(r) as q:
        limit, more = dict(NO_LIMITS, _bps=1000000), dict(NO_LIMITS, _bps=2000000)
        q.run("block_set_io_throttle", id="drive2", group="slow", **limit)
        assert inserted(q) == [("slow", 1000000), (None, 0)]
        q.run("block_set_io_throttle", id="cdd", group="slow", **more)
        assert inserted(q) == [("slow", 2000000), ("slow", 2000000)]
        q.run("block_set_io_throttle", id="drive2", **limit)  # it stays in its group
        assert inserted(q) == [("slow", 1000000), ("slow", 1000000)]
        q.run("block_set_io_throttle", id="drive2", **NO_LIMITS)
        assert inserted(q) == [(None, 0), ("slow", 1000000)]
        q.run("block_set_io_throttle", id="drive2", **more)  # a group of its own, by QEMU's name
        assert inserted(q) == [("drive2", 2000000), ("slow", 1000000)]
        q.run("block_set_io_throttle", id="cdd", group="drive2", **limit)
        assert inserted(q) == [("drive2", 1000000), ("drive2", 1000000)]
        assert q.fails("block_set_io_throttle", id="cdd", group="x" * 64, **limit) == \
            ("GenericError", "the throttle group's name is too long")


def test_people_add_disks_and_take_them_away(tools):
    with remote(tools) as r, Qmp(r) as q, Hmp(r) as h:
        assert h.run("drive_add 0 if=none,id=d3,format=raw,file=" + r.path("other.iso")) == "OK\n"
        assert h.run("device_add scsi-hd,drive=d3,id=hd3,scsi-id=3") == ""
        assert "d3 (d3): %s (raw)\n    Attached to:      hd3\n" % r.path("other.iso") in h.run("info block d3")
        assert h.run("drive_del d3") == "Device 'd3' is in use; it goes with its disk, by device_del\n"
        assert h.run("device_del hd3") == ""
        assert q.event("DEVICE_DELETED")["device"] == "hd3"
        assert h.run("drive_del d3") == "Device 'd3' not found\n"
        assert "id=NAME is missing" in h.run("drive_add 0 if=none,format=raw,file=" + r.path("other.iso"))


def test_limits_that_contradict_each_other_are_refused(tools):
    with remote(tools) as r, Qmp(r) as q:
        assert q.fails("block_set_io_throttle", id="drive2",
                       **{**NO_LIMITS, "_bps": 1000, "_bps_rd": 1}) == \
            ("GenericError", "bps/iops/max total values and read/write values cannot be used at "
             "the same time")
        assert q.fails("block_set_io_throttle", id="x", **NO_LIMITS) == \
            ("DeviceNotFound", "Device 'x' not found")


def test_a_disk_comes_and_goes_on_a_live_bus(tools):
    with remote(tools) as r, Qmp(r) as q:
        q.run("blockdev-add", driver="null-co", node_name="n1", size=MIB)
        q.run("device_add", driver="scsi-hd", id="d3", drive="n1", bus="lsi0.0", _serial="a,b")
        disk = q.run("query-block")[2]
        assert (disk["device"], disk["qdev"]) == ("", "d3")
        assert disk["inserted"]["node-name"] == "n1"
        assert q.run("qom-get", path="d3", property="serial") == "a,b"
        assert q.fails("blockdev-del", node_name="n1") == \
            ("GenericError", "Node n1 is in use")
        q.run("device_del", id="d3")
        assert q.event("DEVICE_DELETED") == {"device": "d3", "path": "/machine/peripheral/d3"}
        assert len(q.run("query-block")) == 2
        q.run("device_add", driver="scsi-hd", id="d3", drive="n1", bus="lsi0.0")
        q.run("device_del", id="d3")
        q.run("blockdev-del", node_name="n1")
        assert q.fails("blockdev-del", node_name="n1") == \
            ("GenericError", "Failed to find node with node-name='n1'")


def test_a_disk_of_the_command_line_goes_and_its_file_is_free(tools):
    with remote(tools) as r, Qmp(r) as q:
        with open(r.path("disk.img")) as f, open("/proc/locks") as locks:
            inode = ":%d " % os.fstat(f.fileno()).st_ino
            assert inode in locks.read()
        q.run("device_del", id="drive2")
        q.event("DEVICE_DELETED")
        with open("/proc/locks") as locks:
            assert inode not in locks.read()
        q.run("blockdev-add", driver="file", node_name="n1", filename=r.path("disk.img"))
        q.run("device_add", driver="scsi-hd", id="drive2", drive="n1", scsi_id=0)
        assert [b["qdev"] for b in q.run("query-block")].count("drive2") == 1


def test_what_cannot_be_plugged_is_refused_and_changes_nothing(tools):
    with remote(tools) as r, Qmp(r) as q:
        q.run("blockdev-add", driver="null-co", node_name="n1", size=MIB)
        before = q.run("query-block")
        add = lambda **kw: q.fails("device_add", **{"driver": "scsi-hd", "id": "d3", "drive": "n1",
                                                    **kw})[1]
        assert add(driver="nope") == "'nope' is not a valid device model name"
        assert add(bus="nope") == "Bus 'nope' not found"
        assert add(id="drive2") == "Duplicate device ID 'drive2'"
        assert add(id="lsi0") == "Duplicate device ID 'lsi0'"
        assert add(drive="drive_image2") == \
            "Drive 'drive_image2' is already in use by another device"
        assert "no drive 'nope'" in add(drive="nope")
        assert "unknown property 'bogus'; valid are" in add(bogus=1)
        assert "two disks have scsi-id=0" in add(**{"_scsi-id": 0})
        assert add(_serial=[1]) == "Invalid parameter type for 'serial', expected: string"
        assert add(driver=1) == "Invalid parameter type for 'driver', expected: string"
        assert q.fails("device_add") == ("GenericError", "Parameter 'driver' is missing")
        assert q.fails("device_del", id="nope") == ("DeviceNotFound", "Device 'nope' not found")
        assert q.fails("device_del", id="lsi0")[1] == \
            "Bus 'remote-pci' does not support hotplugging"
        assert q.fails("blockdev-add", driver="null-co", size=1)[1] == \
            "'node-name' must be specified for the root node"
        assert q.fails("blockdev-add", driver="nope", node_name="n2")[1] == \
            "Parameter 'driver' does not accept value 'nope'"
        assert q.fails("blockdev-add", driver="file", node_name="n2", filename="/x/y")[1] == \
            "Could not open '/x/y': No such file or directory"
        assert "n1" in q.fails("blockdev-add", driver="null-co", node_name="n1")[1]
        assert q.run("query-block") == before


def test_the_medium_is_changed_by_name(tools):
    with remote(tools) as r, Qmp(r) as q:
        q.run("blockdev-change-medium", device="cd0", filename=r.path("other.iso"), format="raw")
        assert q.event("DEVICE_TRAY_MOVED")["tray-open"]
        assert not q.event("DEVICE_TRAY_MOVED")["tray-open"]
        cd = q.run("query-block")[1]
        assert cd["inserted"]["file"] == r.path("other.iso") and cd["device"] == "cd0"
        assert cd["inserted"]["image"]["virtual-size"] == 2 * MIB
        assert "nonexist" in q.fails("blockdev-change-medium", device="cd0",
                                     filename=r.path("nonexist"), format="raw")[1]
        assert q.run("query-block")[1] == cd
    with remote(tools) as r, Hmp(r) as h:
        assert h.run("change cd0 %s raw" % r.path("other.iso")) == ""
        assert "other.iso" in h.run("info block cd0")
        assert h.run("change cd0 x raw bogus") == "Error: invalid parameter value: bogus\n"


def test_a_node_in_the_tray_is_there_when_the_tray_has_closed(tools):
    with remote(tools) as r, Qmp(r) as q:
        q.run("blockdev-add", driver="file", node_name="n5", filename=r.path("other.iso"),
              read_only=True)
        assert q.fails("blockdev-insert-medium", id="cdd", node_name="n5")[1] == \
            "Tray of the device is not open"
        q.run("blockdev-open-tray", id="cdd")
        assert q.fails("blockdev-insert-medium", id="cdd", node_name="n5")[1] == \
            "There already is a medium in the device"
        q.run("blockdev-remove-medium", id="cdd")
        assert q.fails("blockdev-insert-medium", id="cdd", node_name="nope")[1] == \
            "Node 'nope' not found"
        q.run("blockdev-insert-medium", id="cdd", node_name="n5")
        assert q.fails("blockdev-del", node_name="n5")[1] == "Node n5 is in use"
        q.run("blockdev-close-tray", id="cdd")
        assert q.run("query-block")[1]["inserted"]["node-name"] == "n5"
        assert q.names() == ["DEVICE_TRAY_MOVED", "DEVICE_TRAY_MOVED"]


def test_files_that_end_within_a_sector_are_no_trap(tools):
    """QEMU 7.2 waits for ever for a read by io_uring that meets the end of a file; descriptors of VMDK are short texts."""
    if not shutil.which("qemu-storage-daemon") or not shutil.which("qemu-img"):
        return "needs qemu-storage-daemon and qemu-img"
    with tempfile.TemporaryDirectory(prefix="mpring-odd-") as folder:
        flat, text = os.path.join(folder, "flat.vmdk"), os.path.join(folder, "text")
        subprocess.run(["qemu-img", "create", "-q", "-f", "vmdk", "-o", "subformat=monolithicFlat", flat, "1M"], check=True)
        assert os.path.getsize(flat) % 512
        with open(text, "w") as f:
            f.write("hello\n")
        disk = ["-drive", "id=d0,if=none,format=vmdk,file=" + flat, "-device", "scsi-hd,drive=d0"]
        with Remote(tools.worker, [*disk, "-storage-daemon-start", "10"]) as r, Qmp(r) as q:
            assert q.run("query-block")[0]["inserted"]["image"]["virtual-size"] == MIB
            q.run("blockdev-add", driver="qcow2", node_name="n1", file={"driver": "file", "filename": text})
            assert q.fails("device_add", driver="scsi-hd", drive="n1", id="h1") == \
                ("GenericError", "drive n1: Image is not in qcow2 format")
    return None


def test_images_of_storage_daemons_come_and_go_too(tools):
    if not shutil.which("qemu-storage-daemon") or not shutil.which("qemu-img"):
        return "needs qemu-storage-daemon and qemu-img"
    with remote(tools) as r, Qmp(r) as q:
        for name, size in (("disk.qcow2", "4M"), ("cd.qcow2", "2M")):
            subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", r.path(name), size],
                           check=True)
        q.run("blockdev-change-medium", device="cd0", filename=r.path("cd.qcow2"), format="qcow2")
        q.run("blockdev-add", driver="qcow2", node_name="q1",
              file={"driver": "file", "filename": r.path("disk.qcow2")})
        q.run("device_add", driver="scsi-hd", id="dq", drive="q1", bus="lsi0.0")
        cd, disk = [b["inserted"] for b in q.run("query-block")[1:]]
        assert (cd["drv"], cd["image"]["virtual-size"]) == ("qcow2", 2 * MIB)
        assert (disk["drv"], disk["image"]["virtual-size"]) == ("qcow2", 4 * MIB)
        named = [(n["node-name"] == "q1", n["drv"]) for n in q.run("query-named-block-nodes")
                 if n["file"] == r.path("disk.qcow2")]
        assert sorted(named) == [(False, "file"), (True, "qcow2")], named
        q.run("block_resize", node_name="q1", size=8 * MIB)
        assert q.run("query-block")[2]["inserted"]["image"]["virtual-size"] == 8 * MIB
        q.run("device_del", id="dq")
        q.event("DEVICE_DELETED")
        q.run("blockdev-del", node_name="q1")
        q.run("eject", device="cd0")
        assert "inserted" not in q.run("query-block")[1]
    return None


def test_an_image_of_a_storage_daemon_may_end_within_a_sector(tools):
    """Used to be done, and then to fail after 10 s: QEMU rounds what it exports up."""
    if not shutil.which("qemu-storage-daemon"):
        return "no qemu-storage-daemon"
    with remote(tools) as r, Qmp(r) as q:
        with open(r.path("raw.img"), "wb") as f:
            f.truncate(4 * MIB)
        q.run("blockdev-add", driver="copy-on-read", node_name="c1",
              file={"driver": "raw", "file": {"driver": "file", "filename": r.path("raw.img")}})
        q.run("device_add", driver="scsi-hd", id="dq", drive="c1", scsi_id=5)
        for size in 8 * MIB + 100, 8 * MIB + 512, 8 * MIB + 700, 2 * MIB - 1:
            q.run("block_resize", node_name="c1", size=size)
            shown = q.run("query-block")[2]["inserted"]["image"]["virtual-size"]
            assert shown == (size + 511) // 512 * 512, (size, shown)
    return None


def test_less_than_a_block_is_no_size_and_changes_nothing(tools):
    def sizes(q):
        return [b["inserted"]["image"]["virtual-size"] for b in q.run("query-block") if "inserted" in b]

    if not shutil.which("qemu-storage-daemon"):
        return "no qemu-storage-daemon"
    block = ("GenericError", "The disk has blocks of 4096 bytes; less than one can't be")
    with remote(tools, "-drive", "id=d4,if=none,format=raw,file={dir}/other.iso",
                "-device", "scsi-hd,drive=d4,scsi-id=4,logical_block_size=4096,physical_block_size=4096") as r, \
            Qmp(r) as q:
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", r.path("disk.qcow2"), "4M"], check=True)
        q.run("blockdev-add", driver="qcow2", node_name="q1",
              file={"driver": "file", "filename": r.path("disk.qcow2")})
        q.run("device_add", driver="scsi-hd", id="dq", drive="q1", scsi_id=5,
              **{"_logical_block_size": 4096, "_physical_block_size": 4096})
        before = sizes(q)
        for size in 0, 512, 2048, 4095:
            assert q.fails("block_resize", device="d4", size=size) == block
            assert q.fails("block_resize", node_name="q1", size=size) == block
        assert sizes(q) == before
        q.run("block_resize", node_name="q1", size=4096)
        q.run("block_resize", node_name="q1", size=2 * MIB)
        q.run("block_resize", device="d4", size=4096)
        assert sizes(q)[-2:] == [4096, 2 * MIB]
        assert q.fails("block_resize", device="d4", size=(1 << 63) - 1) == \
            ("GenericError", "Image size cannot exceed 9223372036854771711 bytes")
        assert q.fails("block_resize", device="d4", size=1 << 62) == \
            ("GenericError", "Could not resize %s: File too large" % r.path("other.iso"))
        assert sizes(q)[-2] == 4096
    return None


def test_a_long_backing_chain_is_shown(tools):
    """What its daemon says of its nodes is more than a megabyte."""
    if not shutil.which("qemu-storage-daemon"):
        return "no qemu-storage-daemon"
    n = 75
    with remote(tools) as r, Qmp(r) as q:
        for i in range(n):
            base = ["-b", "c%d" % (i - 1), "-F", "qcow2", "-u"] if i else []
            subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *base, r.path("c%d" % i), "1M"], check=True)
        q.run("blockdev-add", driver="qcow2", node_name="q1",
              file={"driver": "file", "filename": r.path("c%d" % (n - 1))})
        q.run("device_add", driver="scsi-hd", id="dq", drive="q1")
        assert q.run("query-block")[2]["inserted"]["backing_file_depth"] == n - 1
        q.run("block_resize", node_name="q1", size=2 * MIB)
    return None


def test_limits_are_kept_and_shown(tools):
    with remote(tools) as r, Qmp(r) as q:
        q.run("block_set_io_throttle", id="drive2",
              **{**NO_LIMITS, "_bps": 1 << 20, "_bps_max": 1 << 21, "_iops": 100})
        shown = q.run("query-block")[0]["inserted"]
        assert (shown["bps"], shown["bps_max"], shown["iops"]) == (1 << 20, 1 << 21, 100)
        assert shown["bps_rd"] == 0 and "iops_max" not in shown


def test_the_page_of_the_monitor_lists_the_commands_that_there_are(tools):
    with open(os.path.join(tools.source_root, "docs", "monitor.md")) as f:
        page = f.read()
    table = page[page.index("## QMP commands"):page.index("Errors of `device_add`")]
    listed = set()
    for row in table.splitlines():
        if row.startswith("| `"):
            listed |= set(re.findall(r"`([^`]+)`", row.split("|")[1]))
    with remote(tools) as r, Qmp(r) as q:
        assert listed == {c["name"] for c in q.run("query-commands")}


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
        assert h.run("block_resize drive_image2 2") == ""
        assert os.path.getsize(r.path("disk.img")) == 2 * MIB
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


def tcp_port(q):
    """of the one monitor that listens on TCP"""
    name, = [dev["filename"] for dev in q.run("query-chardev") if "tcp:" in dev["filename"]]
    return int(name.split(",")[0].rsplit(":", 1)[1])


def test_a_monitor_listens_on_tcp(tools):
    with remote(tools, "-qmp", "tcp::0,server=on,wait=off") as r, Qmp(r) as q:
        port = tcp_port(q)
        for host in "127.0.0.1", "127.0.0.2":
            with socket.create_connection((host, port), 30) as sock, sock.makefile("rw") as f:
                assert "QMP" in json.loads(f.readline())
                f.write('{"execute": "qmp_capabilities"}{"execute": "query-name"}')
                f.flush()
                assert json.loads(f.readline()) == {"return": {}}
                assert "return" in json.loads(f.readline())
        with remote(tools, "-qmp", "tcp:127.0.0.1:%d,server,nowait" % port) as other:
            assert other.wait() == 1
            assert "monitor tcp:127.0.0.1:%d: Address already in use" % port in other.said()


def test_on_tcp_the_last_answers_are_read_too(tools):
    with remote(tools, "-qmp", "tcp:127.0.0.1:0,server=on,wait=off", "-monitor-farewell", "60") as r, \
            Qmp(r) as q, socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", tcp_port(q)))
        words = ["qmp_capabilities"] + ["query-qmp-schema"] * 5 + ["quit"] + ["query-name"] * 2000
        sock.sendall(b"".join(b'{"execute": "%s"}' % word.encode() for word in words))
        q.event("SHUTDOWN")
        data = b""
        while more := sock.recv(1 << 20):
            data += more
        assert data.count(b'"return"') >= 7 and data.endswith(b"\r\n")
        assert r.wait() == 0


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
    parser.add_argument("--source-root")
    parser.add_argument("--sanitizer", default="none", help="that the worker was built with")
    parser.add_argument("--only", default="")
    tools = parser.parse_args()
    tests = [f for name, f in globals().items() if name.startswith("test_") and tools.only in name]
    sys.exit(run_tests(tests, tools))


if __name__ == "__main__":
    main()
