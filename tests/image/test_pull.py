"""Boxes from a server, by name and by URL; servers that fail in each way."""
import contextlib
import hashlib
import json
import random
import subprocess
import time
import unittest

import lab
import server as web
from lab import MIB


def catalog(*versions):
    return json.dumps({"name": "acme/windows", "versions": list(versions)}).encode()


def version(number, url, content=None, kind="sha256", **fields):
    provider = {"name": "libvirt", "url": url, **fields}
    if content is not None:
        provider |= {"checksum_type": kind, "checksum": hashlib.new(kind, content).hexdigest()}
    return {"version": number, "status": "active", "providers": [{"name": "virtualbox", "url": "/nothing"}, provider]}


class PullTest(lab.ImageTest):
    def setUp(self):
        super().setUp()
        self.server = web.Server()
        self.server.__enter__()
        self.addCleanup(self.server.__exit__)
        self.content = self.good_box().read_bytes()
        self.raw_disk = self.raw()

    def serve(self, path, resource):
        self.server.resources[path] = resource
        return self.server.url(path)

    def pull(self, what, *words):
        return self.make("pull", what, "--output", self.output, *words)

    def pull_refused(self, text, what, *words, code=lab.UNAVAILABLE):
        return self.refused(text, "pull", what, "--output", self.output, *words, code=code)

    def leftovers(self):
        return sorted(path.name for path in self.room.iterdir())

    def ranges(self):
        return [headers.get("Range") for _, headers in self.server.asked]


PART = [".windows.qcow2.casement-part", ".windows.qcow2.casement-part.json"]


class GoodTest(PullTest):
    def test_url(self):
        text = self.pull(self.serve("/w.box", web.proper(self.content)))
        self.good_image(self.raw_disk)
        self.assertIn("made of", text)

    def test_disk(self):
        """It need not be a box."""
        self.pull(self.serve("/w.qcow2", web.proper(self.disk()[0].read_bytes())))
        self.good_image(self.raw_disk)

    def test_catalog_by_name(self):
        box = self.serve("/w.box", web.proper(self.content))
        self.serve("/boxes/acme/windows", web.plain(catalog(version("1.9", "http://127.0.0.1:1/"), version("1.10", box, self.content))))
        for option in (["--catalog", self.server.url("/boxes")], ["--catalog", self.server.url("/boxes/")]):
            text = self.pull("acme/windows", *option)
            self.good_image(self.raw_disk)
            self.assertIn("version 1.10", text)
            self.output.unlink()
        self.config.write_text(f"[guest]\ncatalog = {self.server.url('/boxes')}\n", encoding="utf-8")
        self.pull("acme/windows")
        self.good_image(self.raw_disk)

    def test_catalog_by_environment(self):
        box = self.serve("/w.box", web.proper(self.content))
        self.serve("/acme/windows", web.plain(catalog(version("1", box, self.content))))
        self.make("pull", "acme/windows", "--output", self.output, env=lab.environment(CASEMENT_GUEST_CATALOG=self.server.url()))
        self.good_image(self.raw_disk)

    def test_catalog_by_url(self):
        """What is there is seen by its first byte; and a box may be named relative to its catalogue."""
        self.serve("/a/w.box", web.proper(self.content))
        self.pull(self.serve("/a/catalog", web.plain(catalog(version("2.0", "w.box", self.content)))))
        self.good_image(self.raw_disk)

    def test_version(self):
        old = self.serve("/old.box", web.proper(self.content))
        url = self.serve("/c", web.plain(catalog(version("1.0.0", old, self.content), version("2.0", "http://127.0.0.1:1/"))))
        self.pull(url, "--version", "1.0")
        self.good_image(self.raw_disk)

    def test_checksums(self):
        box = self.serve("/w.box", web.proper(self.content))
        for kind in ("md5", "sha1", "sha256", "sha384", "sha512"):
            with self.subTest(kind=kind):
                self.pull(self.serve("/c", web.plain(catalog(version("1", box, self.content, kind)))))
                self.output.unlink()
                self.pull_refused("the checksum is not the one in the catalogue", self.serve("/c", web.plain(catalog(
                    version("1", box, self.content + b"x", kind)))))

    def test_no_checksum(self):
        box = self.serve("/w.box", web.proper(self.content))
        text = self.pull(self.serve("/c", web.plain(catalog(version("1", box)))))
        self.assertIn("warning image:", text)
        self.assertIn("has no checksum for version 1", text)

    def test_redirects(self):
        self.serve("/w.box", web.proper(self.content))
        for n in range(9):
            self.serve(f"/r{n + 1}", web.status(302, Location=f"/r{n}"))
        self.serve("/r0", web.status(301, Location="/w.box"))
        self.pull(self.server.url("/r9"))
        self.good_image(self.raw_disk)

    def test_https(self):
        both, public = web.certificate(self.directory)
        with web.Server(both) as secure:
            secure.resources["/w.box"] = web.proper(self.content)
            self.pull_refused("the server's certificate is not trusted", secure.url("/w.box"))
            self.pull(secure.url("/w.box"), "--ca", public)
            self.good_image(self.raw_disk)
            # From HTTPS to HTTP nothing leads.
            self.output.unlink()
            secure.resources["/down"] = web.status(302, Location=self.serve("/w.box", web.proper(self.content)))
            self.pull_refused("from HTTPS to HTTP", secure.url("/down"), "--ca", public)

    def test_secrets_are_not_told(self):
        url = self.serve("/w.box", web.proper(self.content)).replace("http://", "http://user:hunter2@")
        self.serve("/w.box?token=hunter3", web.proper(self.content))
        text = self.pull(url + "?token=hunter3", )
        self.output.unlink()
        text += self.pull_refused("does not have it", url.replace("w.box", "x.box") + "?token=hunter3")
        self.assertNotIn("hunter", text)


class ResumeTest(PullTest):
    def interrupted(self, resource, **options):
        """A download that the server broke off for good; a part is left."""
        url = self.serve("/w.box", resource)
        code, text = self.run_image("pull", url, "--output", self.output, **options)
        self.assertEqual(code, lab.UNAVAILABLE, text)
        self.assertIn("before the end of the file: run it again to go on", text)
        self.assertEqual(self.leftovers(), PART)
        return url

    def test_half_a_body(self):
        """A server that breaks off again and again is asked again as long as something comes."""
        url = self.serve("/w.box", web.proper(self.content, cut=[1000, 2000, 3000]))
        text = self.pull(url)
        self.good_image(self.raw_disk)
        self.assertEqual(self.ranges(), [None, "bytes=1000-", "bytes=3000-", "bytes=6000-"])
        self.assertEqual(self.server.asked[1][1]["If-Range"], web.tag(self.content))
        self.assertIn("trying again", text)

    def test_resume(self):
        url = self.interrupted(web.proper(self.content, cut=[100_000, 0, 0, 0]))
        self.serve("/w.box", web.proper(self.content))
        self.server.asked.clear()
        self.pull(url)
        self.good_image(self.raw_disk)
        self.assertEqual(self.ranges(), ["bytes=100000-"])

    def test_resume_with_a_checksum(self):
        """What is there is part of the sum."""
        self.serve("/c", web.plain(catalog(version("1", self.server.url("/w.box"), self.content))))
        self.serve("/w.box", web.proper(self.content, cut=[100_000, 0, 0, 0]))
        code, text = self.run_image("pull", self.server.url("/c"), "--output", self.output)
        self.assertEqual(code, lab.UNAVAILABLE, text)
        self.serve("/w.box", web.proper(self.content))
        self.pull(self.server.url("/w.box"))
        self.good_image(self.raw_disk)

    def test_resume_by_date(self):
        date = "Wed, 25 Nov 2026 10:00:00 GMT"
        url = self.interrupted(web.proper(self.content, cut=[100_000, 0, 0, 0], date=date))
        self.serve("/w.box", web.proper(self.content, date=date))
        self.pull(url)
        self.good_image(self.raw_disk)
        self.assertEqual(self.server.asked[-1][1]["If-Range"], date)

    def test_changed_on_the_server(self):
        url = self.interrupted(web.proper(b"\x1f\x8b\x08" + bytes(200_000), cut=[100_000, 0, 0, 0]))
        self.serve("/w.box", web.proper(self.content))
        text = self.pull(url)
        self.good_image(self.raw_disk)
        self.assertIn("has changed on the server since a part of it was downloaded", text)

    def test_changed_on_a_server_that_does_not_say_so(self):
        """It knows no If-Range, and gives the rest of another file."""
        other = b"\x1f\x8b\x08" + bytes(200_000)
        url = self.interrupted(web.proper(other, cut=[100_000, 0, 0, 0]))

        def careless(request):
            begin = int(request.headers["Range"][6:-1])
            request.answer(206, self.content[begin:], {"Content-Range": f"bytes {begin}-{len(self.content) - 1}/{len(self.content)}",
                                                       "ETag": web.tag(self.content)})
        self.serve("/w.box", careless)
        code, text = self.run_image("pull", url, "--output", self.output)
        self.assertEqual(code, lab.UNAVAILABLE, text)
        self.assertIn("that part is thrown away", text)
        self.assertEqual(self.leftovers(), [])

    def test_no_validator(self):
        """Nobody knows what a part belongs to, so there is none."""
        short = len(self.content) // 2

        def careless(request):
            request.answer(200, self.content[:short], length=len(self.content))
        self.pull_refused("before the end of the file", self.serve("/w.box", careless))

    def test_weak_tag(self):
        self.pull_refused("before the end of the file", self.serve("/w.box", web.proper(self.content, cut=[9, 9, 9, 9, 9, 9], weak=True)))

    def test_another_url(self):
        self.interrupted(web.proper(bytes(200_000), cut=[100_000, 0, 0, 0]))
        self.pull(self.serve("/other.box", web.proper(self.content)))
        self.good_image(self.raw_disk)
        self.assertIsNone(self.ranges()[-1])

    def test_damaged_note(self):
        url = self.interrupted(web.proper(self.content, cut=[100_000, 0, 0, 0]))
        for note in (b"", b"{", b"[]", b'{"url": 7}', json.dumps({"url": url, "validator": "x\r\nEvil: y", "total": 9}).encode(),
                     json.dumps({"url": url, "validator": "x" * 600, "total": -1}).encode()):
            with self.subTest(note=note):
                (self.room / PART[1]).write_bytes(note)
                (self.room / PART[0]).write_bytes(b"x" * 1000)
                self.serve("/w.box", web.proper(self.content))
                self.pull(url)
                self.good_image(self.raw_disk)
                self.output.unlink()

    def test_two_at_once(self):
        """The second one is refused and harms nothing."""
        begun = lab.threading.Event()
        go_on = lab.threading.Event()
        self.addCleanup(go_on.set)

        def wait():
            begun.set()
            go_on.wait(lab.SOON)
        url = self.serve("/w.box", web.proper(self.content, dot=wait))
        first = self.start("pull", url, "--output", self.output)
        self.assertTrue(begun.wait(lab.SOON))
        code, text = self.run_image("pull", url, "--output", self.output)
        self.assertEqual(code, lab.UNAVAILABLE, text)
        self.assertIn("another casement-image downloads to it", text)
        go_on.set()
        text, _ = first.communicate(timeout=lab.SOON)
        self.assertEqual(first.returncode, 0, text)
        self.good_image(self.raw_disk)

    def test_stopped(self):
        """SIGTERM keeps the part, and is heard while nothing comes."""
        begun = lab.threading.Event()
        over = lab.threading.Event()
        self.addCleanup(over.set)

        def slow(request):
            request.send_response(200)
            request.send_header("ETag", web.tag(self.content))
            request.send_header("Content-Length", str(len(self.content)))
            request.end_headers()
            request.wfile.write(self.content[:300_000])
            request.wfile.flush()
            begun.set()
            over.wait(lab.SOON)
        url = self.serve("/w.box", slow)
        process = self.start("pull", url, "--output", self.output)
        self.assertTrue(begun.wait(lab.SOON))
        self.until("a part", lambda: (self.room / PART[0]).exists() and (self.room / PART[0]).stat().st_size)
        code, text = self.stop(process)
        self.assertEqual(code, 143, text)
        self.assertEqual(self.leftovers(), PART)
        self.serve("/w.box", web.proper(self.content))
        self.pull(url)
        self.good_image(self.raw_disk)
        self.assertIsNotNone(self.ranges()[-1])

    def test_killed_at_any_moment(self):
        """The next run goes on with what is there, and the image is a good one."""
        chance = random.Random(20261126)
        url = self.serve("/w.box", web.proper(self.content))
        self.serve("/c", web.plain(catalog(version("1", url, self.content))))
        for what in (url, self.server.url("/c")):
            begin = time.monotonic()
            self.pull(what)
            duration = time.monotonic() - begin
            self.output.unlink()
            for turn in range(15):
                process = self.start("pull", what, "--output", self.output)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(chance.uniform(0.1, 1) * duration)
                process.kill()
                process.communicate()
                with self.subTest(what=what, turn=turn):
                    if not self.output.exists():
                        self.pull(what)
                    lab.tool("qemu-img", "compare", "-f", "raw", "-F", "qcow2", self.raw_disk, self.output)
                self.output.unlink()
            self.pull(what)
            self.good_image(self.raw_disk)
            self.output.unlink()


class BadTest(PullTest):
    def test_statuses(self):
        for code, text in ((404, "the server does not have it (404)"), (410, "does not have it"), (403, "does not hand it out (403)"),
                           (401, "does not hand it out"), (500, "the server answered with 500"), (503, "the server answered with 503"),
                           (418, "the server answered with 418"), (204, "the server answered with 204")):
            with self.subTest(code=code):
                self.pull_refused(text, self.serve("/w.box", web.status(code)))
                self.serve("/acme/windows", web.status(code))
                self.pull_refused(text, "acme/windows", "--catalog", self.server.url())

    def test_temporary_error(self):
        answers = [web.status(503), web.status(500), web.proper(self.content)]
        self.pull(self.serve("/w.box", lambda request: answers.pop(0)(request)))
        self.good_image(self.raw_disk)

    def test_endless_redirects(self):
        self.pull_refused("more than 10 redirects", self.serve("/w.box", web.status(302, Location="/w.box")))

    def test_redirects_to_files(self):
        self.file("secret", self.content)
        self.pull_refused("leads to something else than HTTP",
                          self.serve("/w.box", web.status(302, Location=f"file://{self.directory}/secret")))
        self.pull_refused("is none that can be fetched", self.serve("/c", web.plain(catalog(version("1", f"file://{self.directory}/secret")))),
                          code=lab.CONFIG)

    def test_no_server(self):
        self.pull_refused("cannot be downloaded: ", "http://127.0.0.1:1/w.box")

    def test_silence(self):
        over = lab.threading.Event()
        self.addCleanup(over.set)

        def silent(request):
            request.send_response(200)
            request.send_header("Content-Length", "1000")
            request.end_headers()
            request.wfile.write(b"x")
            request.wfile.flush()
            over.wait(lab.SOON)
        begin = time.monotonic()
        self.pull_refused("the server sent nothing for 1 s", self.serve("/w.box", silent), "--patience", "1")
        self.assertLess(time.monotonic() - begin, lab.SOON)

    def test_nothing(self):
        self.pull_refused("the server sent nothing: look at the URL", self.serve("/w.box", web.plain(b"")))

    def test_what_comes_is_no_box(self):
        """An error page with status 200, a box that is a trap: the import's own messages, and nothing is kept."""
        self.pull_refused("is neither a disk image nor", self.serve("/w.box", web.plain(b"<html>".ljust(1024))), code=lab.CONFIG)
        box = self.box(lab.metadata(provider="virtualbox"), name="v.box").read_bytes()
        self.pull_refused("is a box for virtualbox", self.serve("/w.box", web.proper(box)), code=lab.CONFIG)

    def test_bad_catalogs(self):
        for content, text in ((b"{", "is not JSON"), (b"{}", "lists no versions"), (b'{"versions": []}', "no version of this box"),
                              (catalog({"version": "1", "providers": [{"name": "vmware_desktop", "url": "x"}]}), "no version of this box")):
            with self.subTest(content=content):
                self.pull_refused(text, self.serve("/c", web.plain(content)), code=lab.CONFIG)
        url = self.serve("/c", web.plain(catalog(version("1", "x"))))
        self.pull_refused("there is no version 7; there are: 1", url, "--version", "7", code=lab.CONFIG)
        self.pull_refused("of type crc32, is none that is known", self.serve("/c", web.plain(catalog(
            version("1", "x", checksum_type="crc32", checksum="00")))), code=lab.CONFIG)
        self.pull_refused("larger than 16 MiB", self.serve("/c", web.plain(b"{" + b" " * (17 * MIB))), code=lab.CONFIG)

    def test_bad_names(self):
        self.pull_refused("is neither a URL nor the name of a box", "windows", code=lab.USAGE)
        self.pull_refused("is neither a URL nor the name of a box", "ftp://127.0.0.1/x", code=lab.USAGE)
        self.pull_refused("is neither a URL nor the name of a box", "a/..", "--catalog", self.server.url(), code=lab.USAGE)
        self.pull_refused("no catalogue is known to look it up in", "acme/windows", code=lab.USAGE)
        self.pull_refused("no catalogue is known", "acme/windows", "--catalog", "file:///etc", code=lab.USAGE)

    def test_place_is_taken(self):
        """Nothing is downloaded for it."""
        self.output.write_bytes(b"precious")
        self.pull_refused("exists already", self.serve("/w.box", web.proper(self.content)), code=lab.CONFIG)
        self.assertEqual(self.server.asked, [])


if __name__ == "__main__":
    unittest.main()
