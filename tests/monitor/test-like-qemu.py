# SPDX-License-Identifier: BSD-3-Clause
"""The same questions to the worker and to the installed QEMU as x-remote: the
answers must have the same shape, and errors the same words."""
import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile

from guest import CHECK_CONDITION, GOOD, Guest
from monitor import Error, Hmp, Qmp, Remote, run_tests

MIB = 1 << 20
DISKS = ["-drive", "id=drive_image2,if=none,format=raw,file={dir}/disk.img",
         "-device", "scsi-hd,id=drive2,drive=drive_image2,bus=lsi0.0,scsi-id=0",
         "-drive", "id=cd0,if=none,media=cdrom,format=raw,readonly=on,file={dir}/cd.iso",
         "-device", "scsi-cd,id=cdd,drive=cd0,bus=lsi0.0,scsi-id=1",
         "-device", "scsi-cd,id=empty,bus=lsi0.0,scsi-id=2", "-name", "foo"]
FILES = [("disk.img", MIB), ("cd.iso", MIB), ("new.img", MIB)]
QEMU = ["-nodefaults", "-display", "none"]

UNLIMITED = {"bps": 0, "bps_rd": 0, "bps_wr": 0, "iops": 0, "iops_rd": 0, "iops_wr": 0}

# Questions whose values must be equal, not only their shapes.
SAME = [
    ("query-status", {}), ("query-name", {}), ("query-uuid", {}), ("query-iothreads", {}),
    ("query-jobs", {}), ("query-block-jobs", {}), ("human-monitor-command", {"command-line": "info block-jobs"}),
    ("human-monitor-command", {"command-line": "help info block-jobs"}),
    ("qom-get", {"path": "/machine/peripheral/drive2", "property": "drive"}),
    ("qom-get", {"path": "drive2", "property": "scsi-id"}),
    ("qom-get", {"path": "lsi0", "property": "type"}),
    ("human-monitor-command", {"command-line": "info status"}),
    ("human-monitor-command", {"command-line": "info name"}),
    ("human-monitor-command", {"command-line": "bogus"}),
    ("human-monitor-command", {"command-line": "info bogus"}),
    ("human-monitor-command", {"command-line": "eject"}),
    ("human-monitor-command", {"command-line": "eject nope"}),
    ("human-monitor-command", {"command-line": "eject -x cd0"}),
    ("human-monitor-command", {"command-line": "eject a b"}),
    ("human-monitor-command", {"command-line": "help eject"}),
    ("human-monitor-command", {"command-line": "stop 1"}),
    ("human-monitor-command", {"command-line": "block_resize drive_image2 x"}),
    ("human-monitor-command", {"command-line": ""}),
] + [("human-monitor-command", {"command-line": line}) for line in (
    "help device_add", "help device_del", "help drive_add", "help drive_del", "help block_resize",
    "help block_set_io_throttle", "info blockstats", "info block -x", "block_resize drive_image2",
    "block_resize nope 1M", "block_set_io_throttle nope 0 0 0 0 0 0", "block_set_io_throttle drive_image2 1 2 3 4 5 6",
    "device_add", "device_add foo", "device_add scsi-hd", "device_add scsi-hd,id=drive2,drive=x", "device_del",
    "device_del nope", "drive_add", "drive_add 0", "drive_del", "drive_del nope",
    "drive_add dummy file={dir}/new.img,if=none,id=new,format=raw", "drive_add dummy file=x,if=none,id=new,format=raw",
    "drive_add dummy file=/nonexist,if=none,id=new2,format=raw",
    "drive_add -n 0 node-name=nn,driver=raw,file.driver=file,file.filename={dir}/new.img", "drive_del nope",
    "drive_del new", "drive_del new", "drive_add 0 file={dir}/new.img,if=none,id=again,format=raw",
    "device_add scsi-hd,drive=again,id=hd,bus=lsi0.0,scsi-id=5", "device_add scsi-hd,drive=again,id=hd2,bus=lsi0.0",
    "block_set_io_throttle again 1000000 0 0 0 10 0", "info blockstats", "device_del hd",
    "block_set_io_throttle cdd 0 5 6 0 0 0", "block_set_io_throttle lsi0 1 0 0 0 0 0",
    "block_set_io_throttle empty 1 0 0 0 0 0", "eject cdd", "change cdd {dir}/new.img",
    "drive_add 0 if=none,id=1x,file={dir}/new.img", "drive_add 0 if=none,id=,file={dir}/new.img")]
SHAPES = ["query-version", "query-chardev", "query-block", "query-blockstats",
          "query-named-block-nodes", "query-pci", "query-kvm", "query-commands"]
ERRORS = [
    ("nonexist", {}), ("qmp_capabilities", {}), ("query-status", {"x": 1}),
    ("block_resize", {}), ("block_resize", {"size": "x"}), ("block_resize", {"size": 1.5}),
    ("block_resize", {"size": 1}), ("block_resize", {"device": 1, "size": 1}),
    ("block_resize", {"device": "nope", "size": 1024}),
    ("block_resize", {"device": "drive_image2", "size": -1}),
    ("eject", {}), ("eject", {"device": "nope"}), ("eject", {"id": "nope"}),
    ("eject", {"device": "drive_image2"}), ("eject", {"device": "cd0", "force": 1}),
    ("blockdev-open-tray", {"id": "drive2"}), ("blockdev-remove-medium", {"id": "cdd"}),
    ("qom-list", {"path": "/nope"}),
    ("qom-get", {"path": "/machine/peripheral/drive2", "property": "nope"}),
    ("getfd", {"fdname": "a"}), ("closefd", {"fdname": "a"}),
    ("block_set_io_throttle", {"id": "nope", **UNLIMITED}), ("block_set_io_throttle", UNLIMITED),
    ("block_set_io_throttle", {"id": "drive2", **UNLIMITED, "bps": 1000, "bps_rd": 1}),
    ("block_set_io_throttle", {"id": "drive2", **UNLIMITED, "bps": 100, "bps_max": 200, "bps_max_length": 0}),
    ("block_set_io_throttle", {"id": "drive2", **UNLIMITED, "iops_rd": 100, "iops_rd_max_length": 0}),
    ("block_set_io_throttle", {"id": "lsi0", **UNLIMITED}), ("block_set_io_throttle", {"id": "empty", **UNLIMITED}),
    *[("device_add", {"driver": "scsi-hd", "drive": "drive_image2", "id": name})
      for name in ("1e", "", "e e", "\u00e9", "-e", "_e", "a:b", "a/b")],
    ("device_add", {"driver": "nope", "id": "1e"}),
    *[("blockdev-add", {"node-name": "n", **node}) for node in (
        {"driver": "null-co", "size": "1M"}, {"driver": "null-co", "size": True}, {"driver": "null-co", "size": None},
        {"driver": "null-co", "size": 1.5}, {"driver": "null-co", "read-only": "on"}, {"driver": "null-co", "read-only": 1},
        {"driver": "null-co", "cache": {"direct": "on"}}, {"driver": "null-co", "cache": "x"},
        {"driver": "null-co", "discard": True}, {"driver": "null-co", "detect-zeroes": 5},
        {"driver": "null-co", "auto-read-only": "x"}, {"driver": "null-co", "force-share": "on"},
        {"driver": "raw", "file": 5}, {"driver": "raw", "file": {"driver": "null-co"}, "offset": "x"},
        {"driver": "raw", "file": {"driver": "null-co", "size": "1M"}}, {"driver": "file", "filename": 5},
        {"driver": "file", "filename": "x", "locking": True}, {"driver": "file", "filename": "x", "aio": True},
        {"driver": "qcow2", "file": {"driver": "file", "filename": "x", "locking": True}},
        {"driver": "nbd", "server": "x"}, {"driver": "nbd", "server": {"type": "inet", "host": "x", "port": 5}},
        {"driver": "nope"}, {"driver": 5}, {})],
    ("blockdev-open-tray", {"id": "lsi0"}), ("eject", {"id": "/machine/peripheral/lsi0"}),
]


class Both:
    def __init__(self, tools):
        self.remotes = [Remote(tools.worker, DISKS, FILES), Remote(tools.qemu, QEMU + DISKS, FILES)]

    def __enter__(self):
        self.ours, self.qemus = [Qmp(r) for r in self.remotes]
        return self

    def __exit__(self, *exc):
        for r in self.remotes:
            r.__exit__()


def in_folder(arguments, remote):
    return {k: v.replace("{dir}", remote.dir) if isinstance(v, str) else v for k, v in arguments.items()}


def ask(qmp, command, arguments):
    qmp.send({"execute": command, "arguments": arguments})
    try:
        return qmp.answer()
    except Error as e:
        return e.error_class, e.desc


def differences(ours, theirs, where=""):
    """Members that one has and the other doesn't, and types that differ."""
    if isinstance(theirs, bool) or isinstance(ours, bool) or type(ours) is not type(theirs):
        if type(ours) is not type(theirs):
            yield "%s: %r, not %r" % (where, ours, theirs)
    elif isinstance(theirs, dict):
        for name in theirs.keys() - ours.keys():
            yield "%s.%s is missing" % (where, name)
        for name in ours.keys() - theirs.keys():
            yield "%s.%s: QEMU hasn't it" % (where, name)
        for name in theirs.keys() & ours.keys():
            yield from differences(ours[name], theirs[name], where + "." + name)
    elif isinstance(theirs, list) and theirs and ours:
        yield from differences(ours[0], theirs[0], where + "[0]")


def test_answers_have_the_shape_of_qemus(tools):
    with Both(tools) as b:
        for command in SHAPES:
            ours, theirs = ask(b.ours, command, {}), ask(b.qemus, command, {})
            assert len(ours) == len(theirs) or command in ("query-chardev", "query-commands"), command
            found = list(differences(ours, theirs, command))
            assert not found, "\n".join(found)


NODES = ["-blockdev", "driver=file,node-name=low,filename={dir}/disk.img",
         "-blockdev", "driver=raw,node-name=top,file=low", "-device", "scsi-hd,drive=top,id=hd0,bus=lsi0.0",
         "-blockdev", "driver=file,node-name=alone,filename={dir}/new.img", "-device", "scsi-hd,drive=alone,bus=lsi0.0",
         "-blockdev", '{{"driver": "null-co", "node-name": "nothing", "size": 1048576}}',
         "-device", "scsi-hd,drive=nothing,bus=lsi0.0"]


def described_nodes(remote):
    with remote, Qmp(remote) as qmp:
        with Guest(remote.proxy) as guest:
            guest.wake(0)
            assert guest.run(0, [0x2a, 0, 0, 0, 0, 4, 0, 0, 1, 0], b"x" * 512) == GOOD
        nodes = {n["node-name"]: n for n in qmp.run("query-named-block-nodes", flat=True)}
        for node in nodes.values():
            # How a file is laid out, and what QEMU writes for a node without one.
            for member in ("file", "image"):
                node.pop(member)
        stats = {n["node-name"]: n for n in qmp.run("query-blockstats", query_nodes=True)}
        return nodes, stats, [b.get("parent") for b in qmp.run("query-blockstats")]


def test_nodes_are_those_that_qemu_has(tools):
    ours, theirs = [described_nodes(Remote(program, args + NODES, FILES))
                    for program, args in ((tools.worker, []), (tools.qemu, QEMU))]
    assert ours == theirs, "%r, QEMU: %r" % (ours, theirs)
    assert ours[0].keys() == {"top", "low", "alone", "nothing"}
    assert ours[1]["low"]["stats"]["wr_highest_offset"] == 5 * 512


def qemu_img(folder, *args):
    subprocess.run(["qemu-img", *args], cwd=folder, stdout=subprocess.DEVNULL, check=True)


def make_images(folder):
    """An image over another one, which its header names without the folder."""
    qemu_img(folder, "create", "-q", "-f", "raw", "raw.img", "1M")
    with open(os.path.join(folder, "odd.img"), "wb") as f:
        f.truncate(1000)
    qemu_img(folder, "create", "-q", "-f", "vmdk", "-o", "subformat=monolithicFlat", "flat.vmdk", "1M")
    qemu_img(folder, "create", "-q", "-f", "qcow2", "base.qcow2", "1M")
    qemu_img(folder, "create", "-q", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", "top.qcow2")
    qemu_img(folder, "bitmap", "--add", "top.qcow2", "changes")
    qemu_img(folder, "snapshot", "-c", "before", "top.qcow2")


CACHE = {"direct": True, "no-flush": False}
LIBVIRTS = ["-blockdev", {"driver": "file", "filename": "FOLDER/top.qcow2", "node-name": "libvirt-1-storage",
                          "auto-read-only": True, "discard": "unmap", "cache": CACHE},
            "-blockdev", {"driver": "qcow2", "node-name": "libvirt-1-format", "read-only": False, "cache": CACHE,
                          "discard": "unmap", "detect-zeroes": "unmap", "file": "libvirt-1-storage"},
            "-device", "scsi-hd,bus=lsi0.0,drive=libvirt-1-format,id=hd0"]
IMAGES = [LIBVIRTS] + [
    ["-drive", "id=d0,if=none,node-name=n0,file.node-name=f0,file.driver=file,file.filename=FOLDER/%s,%s" % (name, options),
     "-device", "scsi-hd,drive=d0,bus=lsi0.0,id=hd0,write-cache=" + cache] for name, options, cache in (
         ("top.qcow2", "format=qcow2,cache=writethrough", "on"), ("base.qcow2", "format=qcow2,cache=unsafe", "off"),
         ("base.qcow2", "format=qcow2,cache=none,detect-zeroes=on", "auto"),
         ("raw.img", "format=raw,cache=directsync,discard=unmap,detect-zeroes=unmap", "on"),
         ("flat.vmdk", "format=vmdk", "auto"), ("odd.img", "format=raw", "auto"),
         ("raw.img", "format=raw,cache=writethrough", "auto"), ("raw.img", "format=raw,throttling.bps-total=5000", "on"))]


def described_images(program, args, folder):
    """The images of @args, which are in that folder."""
    args = [json.dumps(a).replace("{", "{{").replace("}", "}}") if isinstance(a, dict) else a for a in args]
    with Remote(program, [a.replace("FOLDER", folder) for a in args]) as remote, Qmp(remote) as qmp:
        nodes = qmp.run("query-named-block-nodes", flat=True)
        return {"inserted": qmp.run("query-block")[0]["inserted"], "lines": people(qmp, "info block"),
                "more": people(qmp, "info block -v"), "stats": people(qmp, "info blockstats"),
                "nodes": {n["node-name"]: n for n in nodes if n["node-name"][0] != "#"}}


def test_images_are_described_as_by_qemu(tools):
    if not shutil.which("qemu-storage-daemon") or not shutil.which("qemu-img"):
        return "needs qemu-storage-daemon and qemu-img"
    with tempfile.TemporaryDirectory(prefix="mpring-monitor-") as folder:
        make_images(folder)
        for disk in IMAGES:
            theirs = described_images(tools.qemu, QEMU + disk, folder)
            ours = described_images(tools.worker, disk, folder)
            assert ours == theirs, "%s: %r, QEMU: %r" % (disk, ours, theirs)


USED = ["-blockdev", "driver=file,node-name=low,filename={dir}/disk.img", "-blockdev", "driver=raw,node-name=top,file=low",
        "-device", "scsi-hd,drive=top,id=hd0,bus=lsi0.0", "-device", "scsi-cd,id=cd0,bus=lsi0.0",
        "-blockdev", "driver=file,node-name=disc,read-only=on,filename={dir}/cd.iso",
        "-blockdev", "driver=file,node-name=new,filename={dir}/new.img", "-blockdev", "driver=raw,node-name=over,file=new",
        "-device", "scsi-cd,id=cd1,bus=lsi0.0"]


LIMITED = ["-object", "throttle-group,id=tg,x-iops-total=100", "-blockdev", "driver=file,node-name=f0,filename={dir}/disk.img",
           "-blockdev", "driver=throttle,node-name=t0,throttle-group=tg,file=f0", "-device", "scsi-hd,id=hd0,drive=t0"]


def seen_of_a_filter(remote):
    with remote, Qmp(remote) as qmp:
        block = qmp.run("query-block")[0]["inserted"]
        nodes = sorted((n["node-name"], n["drv"]) for n in qmp.run("query-named-block-nodes"))
        return [block["node-name"], block["drv"], nodes, qmp.run("query-blockstats")[0]["node-name"],
                qmp.run("block_resize", node_name="t0", size=2 * MIB), qmp.fails("blockdev-del", node_name="t0"),
                qmp.fails("blockdev-del", node_name="f0")]


def test_a_throttle_filter_is_known_by_its_name_as_in_qemu(tools):
    ours, theirs = [seen_of_a_filter(Remote(program, args + LIMITED, FILES))
                    for program, args in ((tools.worker, []), (tools.qemu, QEMU))]
    assert ours == theirs, "%r, QEMU: %r" % (ours, theirs)
    assert ours[:2] == ["t0", "throttle"]


def test_a_node_inside_a_filter_needs_no_name(tools):
    # The disk used to be missing from every list.
    node = "driver=throttle,node-name=t0,throttle-group=tg,file.driver=file,file.filename={dir}/disk.img"
    disks = LIMITED[:2] + ["-blockdev", node, "-device", "scsi-hd,id=hd0,drive=t0"]
    with Remote(tools.worker, disks, FILES) as remote, Qmp(remote) as qmp:
        assert [b["inserted"]["node-name"] for b in qmp.run("query-block")] == ["t0"]
        assert [n["node-name"] for n in qmp.run("query-named-block-nodes")] == ["t0"]


TOLD = ["-drive", "id=d0,if=none,format=raw,file={dir}/disk.img,werror=stop,cache=writethrough",
        "-device", "scsi-hd,id=hd0,drive=d0,bus=lsi0.0,vendor=ACME,product=Disk,ver=1.2,bootindex=3,share-rw=on,serial=abc",
        "-drive", "id=d1,if=none,format=raw,file={dir}/new.img",
        "-device", "scsi-hd,id=hd1,drive=d1,bus=lsi0.0,write-cache=on,rerror=ignore,device_id=foo,wwn=0x5000c500a0b1c2d3",
        "-drive", "id=c0,if=none,media=cdrom", "-device", "scsi-cd,id=cdd,drive=c0,bus=lsi0.0,rerror=stop",
        "-device", "scsi-cd,id=empty,bus=lsi0.0"]
PROPERTIES = ("type", "drive", "scsi-id", "lun", "channel", "removable", "wwn", "serial", "device_id", "bootindex",
              "rerror", "werror", "write-cache", "share-rw")


def properties(remote):
    with remote, Qmp(remote) as qmp:
        told = [ask(qmp, "qom-get", {"path": "hd0", "property": p}) for p in ("vendor", "product", "ver")]
        types = [{p["name"]: p["type"] for p in qmp.run("qom-list", path=disk) if p["name"] in PROPERTIES}
                 for disk in ("hd0", "cdd")]
        return told, types, [(disk, p, ask(qmp, "qom-get", {"path": disk, "property": p}))
                             for disk in ("hd0", "hd1", "cdd", "empty") for p in PROPERTIES]


def test_properties_of_disks_are_those_that_qemu_has(tools):
    ours, theirs = [properties(Remote(program, args + TOLD, FILES))
                    for program, args in ((tools.worker, []), (tools.qemu, QEMU))]
    assert ours == theirs, "%r, QEMU: %r" % (ours, theirs)
    with Remote(tools.worker, TOLD, FILES) as remote, Qmp(remote) as qmp:
        assert [ask(qmp, "qom-get", {"path": "hd1", "property": p}) for p in ("vendor", "product", "ver")] == [
            "mpring", "mpring HARDDISK", "0.1"]


def words_about_nodes(remote):
    def delete(node):
        return "blockdev-del", {"node-name": node}

    def insert(device, node):
        return "blockdev-insert-medium", {"id": device, "node-name": node}

    def tray(action, device="cd0"):
        return "blockdev-%s-tray" % action, {"id": device}

    with remote, Qmp(remote) as qmp:
        return [(command, arguments, ask(qmp, command, arguments)) for command, arguments in [
            delete("low"), delete("top"), delete("new"), delete("nope"), insert("cd0", "nope"), insert("cd0", "top"),
            insert("cd0", "disc"), insert("hd0", "disc"), insert("hd0", "nope"), insert("nope", "disc"), tray("open"),
            tray("open", "cd1"), insert("cd0", "disc"), insert("cd0", "disc"), insert("cd1", "disc"),
            insert("cd0", "over"), delete("disc"), tray("close"), delete("disc"), delete("over"), delete("new")]]


def test_words_about_nodes_are_qemus(tools):
    for ours, theirs in zip(*[words_about_nodes(Remote(program, args + USED, FILES))
                              for program, args in ((tools.worker, []), (tools.qemu, QEMU))]):
        assert ours == theirs, "%r, QEMU: %r" % (ours, theirs)


DISCS = ["-blockdev", "driver=file,node-name=first,read-only=on,filename={dir}/cd.iso",
         "-blockdev", "driver=file,node-name=second,read-only=on,filename={dir}/new.img",
         "-device", '{{"driver":"scsi-cd","id":"cd0","drive":"first","bus":"lsi0.0"}}', "-device", "scsi-cd,id=cd1,bus=lsi0.0"]


def discs_change(remote):
    """As a manager of machines does it: each disc is a node that is deleted when it is out."""
    def out(device):
        return [("blockdev-open-tray", {"id": device}), ("blockdev-remove-medium", {"id": device})]

    def put(device, node):
        return [("blockdev-insert-medium", {"id": device, "node-name": node}), ("blockdev-close-tray", {"id": device})]

    add = "blockdev-add", {"driver": "file", "node-name": "first", "read-only": True, "filename": remote.path("cd.iso")}
    delete = "blockdev-del", {"node-name": "first"}
    with remote, Qmp(remote) as qmp:
        return [(command, ask(qmp, command, arguments)) for command, arguments in (
            out("cd0") + [delete, add] + put("cd0", "second") + out("cd1") + put("cd1", "first") + [delete] + out("cd1") +
            [("device_add", {"driver": "scsi-cd", "id": "cd2", "drive": "first", "bus": "lsi0.0"}), delete])]


def test_discs_change_as_in_qemu(tools):
    ours, theirs = [discs_change(Remote(program, args + DISCS, FILES))
                    for program, args in ((tools.worker, []), (tools.qemu, QEMU))]
    assert ours == theirs, "%r, QEMU: %r" % (ours, theirs)
    assert [answer for command, answer in ours if command != "blockdev-del"] == [{}] * (len(ours) - 3)


def test_commands_that_both_know_are_described_alike(tools):
    with Both(tools) as b:
        ours, theirs = [{i["name"]: i for i in ask(q, "query-qmp-schema", {})}
                        for q in (b.ours, b.qemus)]
    for name, info in ours.items():
        if info["meta-type"] not in ("command", "event") or name.startswith("x-mpring"):
            continue
        assert name in theirs, name
        taken = {m["name"]: "default" in m for m in ours[info["arg-type"]]["members"]}
        known = {m["name"]: "default" in m for m in theirs[theirs[name]["arg-type"]]["members"]}
        for member, optional in taken.items():
            assert known.get(member) == optional, "%s: %s" % (name, member)
        for member, optional in known.items():
            assert optional or member in taken, "%s: no %s" % (name, member)


def test_answers_of_some_questions_are_qemus(tools):
    with Both(tools) as b:
        for command, arguments in SAME:
            ours, theirs = [ask(q, command, in_folder(arguments, r))
                            for q, r in zip((b.ours, b.qemus), b.remotes)]
            assert ours == theirs, "%s %s: %r, QEMU: %r" % (command, arguments, ours, theirs)


SIZES = ("2", "2M", "3m", "512k", "1.5", "1.", "1.5G", "0x3", "0x2k", "010", "+1", "1048576B", "0.5M", "1e6", "1e-3",
         "1.5e3", "0x1.8", "0x", "1X", "1MM", "1.5b", ".5M", "-1", '"1M"', "8E", "18446744073709551615b", "1,5", "nan")


def sizes_by_people(qmp, remote):
    seen = []
    for size in SIZES:
        people(qmp, "block_resize drive_image2 1M")
        said = people(qmp, "block_resize drive_image2 " + size)
        seen.append((size, said, os.stat(remote.path("disk.img")).st_size))
    return seen


def test_sizes_that_people_write_are_those_of_qemu(tools):
    with Both(tools) as b:
        for ours, theirs in zip(*[sizes_by_people(q, r) for q, r in zip((b.ours, b.qemus), b.remotes)]):
            assert ours == theirs, "%r, QEMU: %r" % (ours, theirs)


LIMITS = {"_" + name: 100 if name == "iops" else 0 for name in UNLIMITED}


def test_lines_about_disks_are_qemus_but_for_node_names(tools):
    with Both(tools) as b:
        seen = []
        for q, r in zip((b.ours, b.qemus), b.remotes):
            people(q, "block_set_io_throttle drive_image2 1000000 0 0 0 10 0")
            text = people(q, "info block -v")
            for block in [b for b in q.run("query-block") if "inserted" in b]:
                text = text.replace("(%s)" % block["inserted"]["node-name"], "(NODE)")
            seen.append(text.replace(r.dir, ""))
            people(q, "block_set_io_throttle cdd 0 5 6 0 0 0")
            q.run("block_set_io_throttle", id="drive2", **dict(LIMITS, _iops_max=200))
            seen.append([{k: v for k, v in block["inserted"].items() if "ps" in k or k == "group"}
                         for block in q.run("query-block") if "inserted" in block])
        assert seen[:2] == seen[2:], "%r, QEMU: %r" % (seen[:2], seen[2:])
        assert [block["group"] for block in seen[1]] == ["drive_image2", "cdd"]


def test_errors_have_qemus_words(tools):
    with Both(tools) as b:
        for command, arguments in ERRORS:
            ours, theirs = ask(b.ours, command, arguments), ask(b.qemus, command, arguments)
            assert ours == theirs, "%s %s: %r, QEMU: %r" % (command, arguments, ours, theirs)


def events_of(qmp, commands):
    for command, arguments in commands:
        qmp.send({"execute": command, "arguments": arguments})
        qmp.answer()
    return [(e["event"], e.get("data")) for e in qmp.events]


def test_events_are_qemus(tools):
    commands = [("stop", {}), ("cont", {}), ("system_powerdown", {}),
                ("blockdev-open-tray", {"id": "cdd"}), ("blockdev-close-tray", {"id": "cdd"}),
                ("eject", {"device": "cd0"}), ("query-status", {})]
    with Both(tools) as b:
        ours, theirs = events_of(b.ours, commands), events_of(b.qemus, commands)
        assert ours == theirs, "%r, QEMU: %r" % (ours, theirs)


STOPS = ["-drive", "id=d0,if=none,format=raw,werror=stop,node-name=n0,file={dir}/disk.img",
         "-device", "scsi-hd,id=drive2,drive=d0,bus=lsi0.0,scsi-id=0"]
FAR = 1024  # a block behind the limit that a file gets
IGNORE_XFSZ = ["env", "--ignore-signal=XFSZ"]


def people(qmp, line):
    return qmp.run("human-monitor-command", command_line=line)


def write_far(guest):
    guest.begin(0, [0x2a, 0] + list(FAR.to_bytes(4, "big")) + [0, 0, 1, 0], b"\x5a" * 512)


def error_that_stops(remote):
    """Everything that a client sees of it."""
    with remote, Qmp(remote) as qmp, Guest(remote.proxy) as guest:
        def state():
            return qmp.run("query-status"), qmp.run("query-block")[0]["io-status"], people(qmp, "info status")

        guest.wake(0)
        seen = [state()]
        remote.limit_files(FAR * 512)
        write_far(guest)
        for again in range(2):
            # What stops is told before or behind the answers of others.
            seen += [qmp.event("BLOCK_IO_ERROR"), qmp.event("STOP"), state()]
            assert guest.is_done() is None
            if again:
                remote.limit_files(resource.RLIM_INFINITY)
            qmp.run("cont")
            seen.append(qmp.event("RESUME"))
        assert guest.finish() == GOOD
        with open(remote.path("disk.img"), "rb") as f:
            f.seek(FAR * 512)
            assert f.read(512) == b"\x5a" * 512
        return seen + [state()]


def test_an_io_error_stops_and_is_tried_again_as_by_qemu(tools):
    ours, theirs = [error_that_stops(Remote(program, args + STOPS, FILES, before=IGNORE_XFSZ))
                    for program, args in ((tools.worker, []), (tools.qemu, QEMU))]
    assert ours == theirs, "%r, QEMU: %r" % (ours, theirs)
    assert ours[1] == {"device": "d0", "node-name": "n0", "operation": "write", "action": "stop", "nospace": False,
                       "reason": "File too large"}, ours[1]


def error_that_is_reported(remote):
    with remote, Qmp(remote) as qmp, Guest(remote.proxy) as guest:
        guest.wake(0)
        remote.limit_files(FAR * 512)
        write_far(guest)
        assert guest.finish() == CHECK_CONDITION
        return qmp.event("BLOCK_IO_ERROR"), qmp.run("query-status"), qmp.names()


def test_an_io_error_that_does_not_stop_is_told_as_by_qemu(tools):
    disks = [STOPS[0], STOPS[1].replace("werror=stop", "werror=enospc")] + STOPS[2:]
    ours, theirs = [error_that_is_reported(Remote(program, args + disks, FILES, before=IGNORE_XFSZ))
                    for program, args in ((tools.worker, []), (tools.qemu, QEMU))]
    assert ours == theirs, "%r, QEMU: %r" % (ours, theirs)
    assert ours[0]["action"] == "report"


def cache_modes(remote):
    """Of the disk and of its node, before and after the guest has set it."""
    with remote, Qmp(remote) as qmp, Guest(remote.proxy) as guest:
        guest.wake(0)
        seen = []
        for wce in (None, 0, 4):
            if wce is not None:
                page = bytes([8, 18, wce]) + bytes(17)
                assert guest.run(0, [0x15, 0x10, 0, 0, 4 + len(page), 0], bytes(4) + page) == GOOD
            seen.append([qmp.run("query-block")[0]["inserted"]["cache"], qmp.run("query-named-block-nodes")[0]["cache"]])
        return seen


def test_the_cache_mode_is_what_the_guest_has_set_as_in_qemu(tools):
    disk = ["-drive", "id=d0,if=none,format=raw,cache=writethrough,file={dir}/disk.img",
            "-device", "scsi-hd,drive=d0,bus=lsi0.0"]
    ours, theirs = [cache_modes(Remote(program, args + disk, FILES))
                    for program, args in ((tools.worker, []), (tools.qemu, QEMU))]
    assert ours == theirs, "%r, QEMU: %r" % (ours, theirs)
    assert [modes[0]["writeback"] for modes in ours] == [False, False, True]


POLICIES = ["-drive", "id=d0,if=none,format=raw,werror=report,rerror=report,file={dir}/disk.img",
            "-device", "scsi-hd,id=hd0,drive=d0,bus=lsi0.0",
            "-drive", "id=d1,if=none,format=raw,werror=report,rerror=stop,file={dir}/new.img",
            "-device", "scsi-hd,id=hd1,drive=d1,bus=lsi0.0", "-device", "scsi-cd,id=empty,bus=lsi0.0"]


def blocks_in_short(remote):
    with remote, Qmp(remote) as qmp:
        return [[b.get(m) for m in ("device", "qdev", "io-status", "tray_open", "removable")]
                for b in qmp.run("query-block")]


def test_the_io_status_is_of_disks_that_an_error_can_stop(tools):
    ours, theirs = [blocks_in_short(Remote(program, args + POLICIES, FILES))
                    for program, args in ((tools.worker, []), (tools.qemu, QEMU))]
    assert ours == theirs, "%r, QEMU: %r" % (ours, theirs)
    assert [b[2] for b in ours] == [None, "ok", "ok"]


def states_from_the_start(remote):
    with remote, Qmp(remote) as qmp:
        seen = []
        for command in ("stop", "cont", "stop", "cont"):
            seen += [qmp.run("query-status"), people(qmp, "info status"), qmp.run(command), qmp.names()]
        return seen


def test_a_remote_that_starts_stopped_is_in_qemus_states(tools):
    ours, theirs = [states_from_the_start(Remote(program, args + DISKS + ["-S"], FILES))
                    for program, args in ((tools.worker, []), (tools.qemu, QEMU))]
    assert ours == theirs, "%r, QEMU: %r" % (ours, theirs)
    assert ours[0]["status"] == "prelaunch"


def trays_that_the_guest_moves(qmp, remote):
    with Guest(remote.proxy) as guest:
        guest.wake(1)
        assert guest.lock(1, True) == GOOD
        assert guest.tray(1, True) == CHECK_CONDITION
        assert guest.lock(1, False) == GOOD
        for open_it in (True, True, False):
            assert guest.tray(1, open_it) == GOOD
        moved = [qmp.event("DEVICE_TRAY_MOVED") for _ in range(2)]
    qmp.run("query-status")
    assert "DEVICE_TRAY_MOVED" not in qmp.names()
    return moved


def test_a_tray_that_the_guest_moves_is_told_of_as_by_qemu(tools):
    with Both(tools) as b:
        ours, theirs = [trays_that_the_guest_moves(q, r) for q, r in zip((b.ours, b.qemus), b.remotes)]
        assert ours == theirs, "%r, QEMU: %r" % (ours, theirs)
        assert [t["tray-open"] for t in ours] == [True, False]


def test_the_end_is_qemus(tools):
    with Both(tools) as b:
        for q in (b.ours, b.qemus):
            q.run("quit")
            assert q.event("SHUTDOWN") == {"guest": False, "reason": "host-qmp-quit"}
        assert [r.wait() for r in b.remotes] == [0, 0]


def test_the_banner_is_qemus(tools):
    with Both(tools) as b:
        ours, theirs = [Hmp(r).banner for r in b.remotes]
    assert ours.split()[2:] == theirs.split()[2:], (ours, theirs)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--worker")
    parser.add_argument("--qemu")
    parser.add_argument("--only", default="")
    tools = parser.parse_args()
    tests = [f for name, f in globals().items() if name.startswith("test_") and tools.only in name]
    sys.exit(run_tests(tests, tools))


if __name__ == "__main__":
    main()
