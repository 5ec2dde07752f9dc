#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""SeaBIOS boots from disks on servers and from images of other formats, and writes to them.

Usage: test-drives.py QEMU WORKER PLUGIN BOOT_IMAGE MPRING [CHECK...]      TAP; without CHECK all
Servers listen on the loopback interface, at sockets that are made before them and that they are given, so nobody has
to wait for them.
"""
import http.server
import os
import re
import secrets
import signal
import socket
import ssl
import subprocess
import sys
import threading

from vm import DEADLINE_S, EXPECTED, Failure, Skip, Vm, check_written, expect, need, run_tests, run_tool

MODULES = "/usr/lib/x86_64-linux-gnu/qemu"
# The BIOS gets an error for its write, which boot.S prints and ends with.
EXPECTED_READ_ONLY = re.compile(rb"boot;AB![1-?]")
PASSWORD = "correct horse"
# To make a LUKS header QEMU measures its key function, and refuses where the system's clock of CPU time hasn't moved.
COARSE_CLOCK = "Unable to get accurate CPU usage"
MOST_ATTEMPTS = 50


class DriveVm(Vm):
    """The worker's -drive is @drive; in it, and in @objects, {dir} is the folder and {port} the server's."""

    def __init__(self, drive, objects=(), fmt=None, fmt_options=()):
        super().__init__()
        self.properties, self.format, self.format_options = drive, fmt, fmt_options
        self.image = os.path.join(self.dir, "image")
        self.port, self.servers = 0, []
        self.objects = objects

    def __exit__(self, *_):
        for stop in self.servers:
            stop()
        super().__exit__()

    def fill(self, text):
        return text.format(dir=self.dir, port=self.port)

    def drive(self):
        return self.fill(self.properties)

    def make_disk(self):
        """disk.img, and with a format also image, which has the same in it."""
        need("qemu-storage-daemon", "qemu-system-common")
        super().make_disk()
        self.save("password", PASSWORD.encode())
        for text in self.objects:
            self.worker_args += ["-object", self.fill(text)]
        if self.format:
            self.convert(f"driver=raw,file.filename={self.disk}", self.image)

    def convert(self, source, path):
        secret = ["--object", f"secret,id=key,file={self.dir}/password"]
        line = ["qemu-img", "convert", "-O", self.format, *secret, *self.format_options, "--image-opts", source, path]
        for attempts_left in reversed(range(MOST_ATTEMPTS)):
            try:
                return run_tool(*line)
            except Failure as e:
                if COARSE_CLOCK not in str(e) or not attempts_left:
                    raise

    def content(self):
        """what the disk holds now"""
        if not self.format:
            return self.read("disk.img")
        options = f"driver={self.format},file.filename={self.image}"
        if "key-secret" in "".join(self.format_options):
            options += "," + self.format_options[1].split(",")[0]
        out = os.path.join(self.dir, "out.img")
        run_tool("qemu-img", "convert", "-O", "raw", "--object", f"secret,id=key,file={self.dir}/password",
                 "--image-opts", options, out)
        return self.read("out.img")

    def save(self, name, data):
        path = os.path.join(self.dir, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(data)

    def serve(self, *argv, sock=None):
        """Starts a server that takes its listening socket as systemd hands one over: it is number 3."""
        need(argv[0], argv[0])
        listener = sock or socket.create_server(("127.0.0.1", 0))
        if not sock:
            self.port = listener.getsockname()[1]
        with listener:
            script = f'[ {listener.fileno()} = 3 ] || exec 3<&{listener.fileno()}; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"'
            server = subprocess.Popen(["bash", "-c", script, "-", *argv], pass_fds=[listener.fileno()],
                                      stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                      stderr=open(os.path.join(self.dir, "server.log"), "wb"))

        def stop():
            server.send_signal(signal.SIGTERM)
            server.wait(DEADLINE_S)
        self.servers.append(stop)

    def serve_http(self, context=None):
        handler = type("Handler", (RangeHandler,), {"data": self.read("disk.img")})
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        self.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()

        def stop():
            server.shutdown()
            server.server_close()
        self.servers.append(stop)

    def boots(self):
        expect(self, EXPECTED)
        check_written(self.content())

    def boots_read_only(self):
        before = self.content()
        got = self.run()
        if not EXPECTED_READ_ONLY.fullmatch(got):
            self.fail(f"the guest printed {got!r}, expected a refused write")
        if self.content() != before:
            raise Failure("the disk was written")

    def refused(self, *words):
        """The worker doesn't start, and what it says has @words."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            worker = self.start_worker(ours)
            try:
                status = worker.wait(DEADLINE_S)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
                self.fail("the worker did not end in time")
        said = self.read("worker.log").decode()
        missing = [word for word in words if word not in said]
        if status != 1 or missing:
            self.fail(f"the worker ended with {status} and did not say {missing}")


class RangeHandler(http.server.BaseHTTPRequestHandler):
    """One file, of which a client may have ranges."""

    data = b""
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body, length, more=()):
        self.send_response(status)
        for name, value in (("Accept-Ranges", "bytes"), ("Content-Length", length), *more):
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def do_HEAD(self):
        self.answer(200, b"", len(self.data))

    def do_GET(self):
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if not wanted:
            return self.answer(200, self.data, len(self.data))
        first, last = int(wanted[1]), min(int(wanted[2]), len(self.data) - 1)
        part = self.data[first:last + 1]
        return self.answer(206, part, len(part), [("Content-Range", f"bytes {first}-{last}/{len(self.data)}")])


def make_certificates(vm):
    """An authority in ca, and below it server (127.0.0.1), other (another name) and client, each a folder for QEMU."""
    need("openssl", "openssl")
    ca = os.path.join(vm.dir, "ca")
    os.mkdir(ca)
    run_tool("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-days", "2", "-subj", "/CN=mpring test authority", "-addext", "keyUsage=critical,keyCertSign",
             "-keyout", f"{ca}/key.pem", "-out", f"{ca}/ca-cert.pem")
    for folder, role, name in (("server", "server", "IP:127.0.0.1"), ("other", "server", "DNS:elsewhere.example"),
                               ("client", "client", "DNS:client.example")):
        where = os.path.join(vm.dir, folder)
        vm.save(f"{folder}/extensions", f"subjectAltName={name}\nkeyUsage=critical,digitalSignature\n"
                f"extendedKeyUsage={role}Auth\n".encode())
        run_tool("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                 "-subj", f"/CN={folder}", "-keyout", f"{where}/{role}-key.pem", "-out", f"{where}/request")
        run_tool("openssl", "x509", "-req", "-in", f"{where}/request", "-CA", f"{ca}/ca-cert.pem",
                 "-CAkey", f"{ca}/key.pem", "-CAcreateserial", "-days", "2", "-extfile", f"{where}/extensions",
                 "-out", f"{where}/{role}-cert.pem")
        os.link(f"{ca}/ca-cert.pem", f"{where}/ca-cert.pem")


def serve_tls(vm, certificates="server"):
    make_certificates(vm)
    vm.serve("nbdkit", "-f", "--tls=require", f"--tls-certificates={vm.dir}/{certificates}", "--tls-verify-peer",
             "file", f"dir={vm.dir}")


NBDS = "file=nbds://127.0.0.1:{port}/disk.img?tls-certificates={dir}/client"


def nbd_server_by_address():
    with DriveVm("file=nbd://127.0.0.1:{port}/disk.img") as vm:
        vm.serve("nbdkit", "-f", "file", f"dir={vm.dir}")
        vm.boots()


def nbd_server_by_path():
    with DriveVm("file=nbd+unix:///disk.img?socket={dir}/nbd") as vm:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(os.path.join(vm.dir, "nbd"))
        listener.listen()
        vm.serve("qemu-nbd", "-f", "raw", "-x", "disk.img", vm.disk, sock=listener)
        vm.boots()


def nbd_export_that_is_not_there_is_named():
    with DriveVm("file=nbd://127.0.0.1:{port}/nowhere") as vm:
        vm.serve("nbdkit", "-f", "file", f"dir={vm.dir}")
        vm.refused("nowhere")


def nbd_disk_by_mpring_run():
    with DriveVm("") as vm:
        vm.serve("nbdkit", "-f", "file", f"dir={vm.dir}")
        line = [MPRING, "run", "--worker", vm.worker, "--plugin", vm.plugin, "--qemu", vm.qemu,
                "--disk", f"nbd://127.0.0.1:{vm.port}/disk.img", "--", "-m", "64M", "-nodefaults", "-display", "none",
                "-debugcon", "stdio", "-device", "isa-debug-exit,iobase=0xf4,iosize=1"]
        with subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
            try:
                out, err = run.communicate(timeout=DEADLINE_S)
            except subprocess.TimeoutExpired:
                run.terminate()  # it ends what it has started
                raise Failure(f"mpring run did not end in time: {run.communicate()}") from None
        # isa-debug-exit makes QEMU end with 3, which mpring run reports.
        if run.returncode != 1 or out != EXPECTED or b"exit status 3" not in err:
            raise Failure(f"mpring run ended with {run.returncode}: {out} {err}")
        check_written(vm.content())


def nbds_server_with_certificates():
    with DriveVm(NBDS) as vm:
        serve_tls(vm)
        vm.boots()


def nbds_server_with_a_key():
    with DriveVm("file=nbds://127.0.0.1:{port}/disk.img?tls-psk-file={dir}/psk/keys.psk") as vm:
        vm.save("psk/keys.psk", f"qemu:{secrets.token_hex(32)}\n".encode())
        vm.serve("nbdkit", "-f", "--tls=require", f"--tls-psk={vm.dir}/psk/keys.psk", "file", f"dir={vm.dir}")
        vm.boots()


def nbds_server_of_another_name_is_refused():
    with DriveVm(NBDS) as vm:
        serve_tls(vm, "other")
        vm.refused("drive d0", "Certificate", "127.0.0.1")


def nbds_server_of_another_name_is_taken_when_that_is_meant():
    with DriveVm(NBDS + "&tls-hostname=elsewhere.example") as vm:
        serve_tls(vm, "other")
        vm.boots()


def nbds_server_refuses_who_speaks_plainly():
    with DriveVm("file=nbd://127.0.0.1:{port}/disk.img") as vm:
        serve_tls(vm)
        vm.refused("127.0.0.1", "nbds")


def need_curl():
    if not os.path.exists(f"{MODULES}/block-curl.so"):
        raise Skip("QEMU has no curl; install qemu-block-extra")


def http_server_is_read_only():
    need_curl()
    with DriveVm("file=http://127.0.0.1:{port}/disk.img,format=raw,readonly=on") as vm:
        vm.serve_http()
        vm.boots_read_only()


def https_server_by_its_longer_name():
    need_curl()
    with DriveVm("file.driver=https,file.url=https://127.0.0.1:{port}/disk.img,file.sslverify=off,"
                 "format=raw,readonly=on") as vm:
        make_certificates(vm)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"{vm.dir}/server/server-cert.pem", f"{vm.dir}/server/server-key.pem")
        vm.serve_http(context)
        vm.boots_read_only()


def https_server_of_an_unknown_authority_is_refused():
    need_curl()
    with DriveVm("file=https://127.0.0.1:{port}/disk.img,format=raw,readonly=on") as vm:
        make_certificates(vm)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"{vm.dir}/server/server-cert.pem", f"{vm.dir}/server/server-key.pem")
        vm.serve_http(context)
        vm.refused("drive d0", "certificate")


def image(fmt, options=()):
    """A check that boots from an image of the format."""
    def check():
        with DriveVm("file={dir}/image,format=" + fmt, fmt=fmt, fmt_options=options) as vm:
            vm.boots()
    check.__name__ = f"{fmt}_image"
    return check


LUKS_KEY = "secret,id=key,file={dir}/password"
LUKS_TIME = "iter-time=10"  # milliseconds that the key takes; the default is two seconds


def luks_image_with_its_secret():
    with DriveVm("file={dir}/image,format=luks,key-secret=key", [LUKS_KEY], fmt="luks",
                 fmt_options=["-o", f"key-secret=key,{LUKS_TIME}"]) as vm:
        vm.boots()


def luks_in_qcow2_with_its_secret():
    with DriveVm("file={dir}/image,format=qcow2,encrypt.key-secret=key", [LUKS_KEY], fmt="qcow2",
                 fmt_options=["-o", f"encrypt.key-secret=key,encrypt.format=luks,encrypt.{LUKS_TIME}"]) as vm:
        vm.boots()


def luks_image_with_another_secret_is_refused():
    with DriveVm("file={dir}/image,format=luks,key-secret=other", ["secret,id=other,data=wrong"], fmt="luks",
                 fmt_options=["-o", f"key-secret=key,{LUKS_TIME}"]) as vm:
        vm.refused("drive d0", "password")


TESTS = [nbd_server_by_address, nbd_server_by_path, nbd_export_that_is_not_there_is_named, nbd_disk_by_mpring_run,
         nbds_server_with_certificates, nbds_server_with_a_key, nbds_server_of_another_name_is_refused,
         nbds_server_of_another_name_is_taken_when_that_is_meant, nbds_server_refuses_who_speaks_plainly,
         http_server_is_read_only, https_server_by_its_longer_name, https_server_of_an_unknown_authority_is_refused,
         image("vmdk"), image("vdi"), image("vhdx"), image("vpc", ["-o", "force_size=on"]), image("parallels"),
         image("qcow"), image("qed"),
         luks_image_with_its_secret, luks_in_qcow2_with_its_secret, luks_image_with_another_secret_is_refused]


if __name__ == "__main__":
    if len(sys.argv) < 6:
        sys.exit(__doc__)
    Vm.qemu, Vm.worker, Vm.plugin, Vm.boot_image, MPRING, *chosen = sys.argv[1:]
    sys.exit(run_tests([t for t in TESTS if not chosen or t.__name__ in chosen]))
