"""A web server on 127.0.0.1 that misbehaves in the way that it is told to.

A resource is a function of a request that answers it; what was asked is kept.
"""
import contextlib
import hashlib
import http.server
import re
import ssl
import subprocess
import threading


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):  # pylint: disable=invalid-name
        self.server.asked.append((self.path, dict(self.headers)))
        self.close_connection = True
        resource = self.server.resources.get(self.path)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            if resource:
                resource(self)
            else:
                self.answer(404, b"{no such page}")

    def answer(self, code, content=b"", headers=(), length=None):
        self.send_response(code)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass


def tag(content):
    return f'"{hashlib.md5(content).hexdigest()}"'


def plain(content, **headers):
    """All of it, always, and nothing that says which file it is."""
    return lambda request: request.answer(200, content, headers)


def status(code, **headers):
    return lambda request: request.answer(code, b"<html>an error</html>", headers)


def proper(content, cut=(), date=None, weak=False, dot=None):
    """A file with an ETag, or a date, and ranges. @cut: how many bytes each of the first replies has before it breaks off.
    @dot: called before each reply."""
    cuts = list(cut)

    def resource(request):
        name, value = ("Last-Modified", date) if date else ("ETag", ("W/" if weak else "") + tag(content))
        headers = {"Accept-Ranges": "bytes", name: value}
        begin = 0
        match = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
        if match and request.headers.get("If-Range", value) == value:
            begin = int(match[1])
        if dot:
            dot()
        if begin > len(content):
            request.answer(416)
            return
        rest = content[begin:]
        if begin:
            headers["Content-Range"] = f"bytes {begin}-{len(content) - 1}/{len(content)}"
        sent = rest[:cuts.pop(0)] if cuts else rest
        request.answer(206 if begin else 200, sent, headers, length=len(rest))
    return resource


class Server:
    """For one test: `with Server() as server`."""

    def __init__(self, certificate=None):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.block_on_close = False
        self.server.resources = self.resources = {}
        self.server.asked = self.asked = []
        self.scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
            self.scheme = "https"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def url(self, path=""):
        return f"{self.scheme}://127.0.0.1:{self.server.server_address[1]}{path}"


def certificate(directory):
    """A key and a certificate for 127.0.0.1 that nobody else has signed, in one file."""
    key, path = directory / "key.pem", directory / "certificate.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test", "-addext",
                    "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", path], check=True, stderr=subprocess.DEVNULL)
    both = directory / "both.pem"
    both.write_bytes(key.read_bytes() + path.read_bytes())
    return both, path
