"""The fakes over HTTP: python3 tests/fakes/server.py [--port 0] [--dimension 3072]. The first line
on stdout is the port.

POST /v1/embeddings the embeddings endpoint (also without /v1) POST /vectors/upsert, /query, …
Pinecone's vectors data plane GET /_state[?brief] what is stored, counted and broken POST
/_faults {"embed": {"429": 0.1, "delay": 0.05, "script": ["500", "ok"]}, "store": {…}} replaces
all faults POST /_reset forgets vectors, counts, violations and faults
"""

import argparse
import http.server
import pathlib
import socket
import sys
import threading
import time

if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from fakes import control, embeddings, pinecone  # noqa: E402
from fakes.reply import Refused, Reply, parse  # noqa: E402

MODELS = {
    "object": "list",
    "data": [{"id": "text-embedding-3-large", "object": "model", "created": 0, "owned_by": "fake"}],
}
EMBED_PATHS = ("/v1/embeddings", "/embeddings")


def items_in(raw):
    """How many texts or vectors a request brings, whatever becomes of it."""
    try:
        request = parse(raw)
    except ValueError:
        return 0
    found = isinstance(request, dict) and (request.get("input") or request.get("vectors"))
    return len(found) if isinstance(found, list) else 0


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # a reply of two packets would wait 40 ms for an acknowledgement
    wbufsize = -1  # head and body leave in one packet
    server_version = "fake"

    def log_message(self, *args):
        pass

    def do_GET(self):
        self.handle_request(b"")

    def do_POST(self):
        if self.headers.get("Transfer-Encoding") or self.headers.get("Content-Encoding"):
            self.server.record.violate(
                f"{self.path}: a body must come with its length and uncompressed"
            )
            self.close_connection = True
            return self.send(embeddings.error(411, "Length Required"))
        if self.headers.get("Expect"):
            self.server.record.count("expect_continue")
        return self.handle_request(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    def handle_request(self, raw):
        path = self.path.partition("?")[0]
        if path.startswith("/_"):
            return self.send(self.control(path, raw))
        if path == "/v1/models":
            return self.send(Reply(200, MODELS))
        lane = "embed" if path in EMBED_PATHS else "store"
        self.server.record.enter(lane)
        try:
            return self.serve(lane, path, raw)
        finally:
            self.server.record.leave(lane)

    def control(self, path, raw):
        server = self.server
        if path == "/_faults":
            try:
                server.faults.set(parse(raw))
            except (ValueError, AttributeError) as why:
                return Reply(400, {"error": str(why)})
        elif path == "/_reset":
            server.reset()
        elif path == "/_state":
            names = {} if self.path.endswith("?brief") else {"namespaces": server.pinecone.dump()}
            return Reply(
                200, {**server.record.snapshot(), **names, "dimension": server.pinecone.dimension}
            )
        else:
            return Reply(404, {"error": f"no {path}"})
        return Reply(200, {})

    def serve(self, lane, path, raw):
        self.server.record.count(f"{lane}_sent", items_in(raw))
        kind, delay = self.server.faults.roll(lane)
        if delay:
            time.sleep(delay)
        if kind:
            self.server.record.count(f"{lane}_fault_{kind}")
        early = (embeddings if lane == "embed" else pinecone).early_fault(kind)
        if kind == "drop":
            return self.drop()
        if early:
            return self.send(early, lane)
        try:
            if lane == "embed":
                if self.command != "POST":
                    return self.send(
                        embeddings.error(405, "Not allowed to GET on /v1/embeddings"), lane
                    )
                reply = self.server.embeddings.answer(self.headers, raw, kind)
            else:
                reply = self.server.pinecone.answer(
                    self.command, self.path, self.headers, raw, kind
                )
        except Refused as refused:
            return self.send(refused.reply, lane)
        return self.act(lane, kind, reply)

    def act(self, lane, kind, reply):
        """Makes the effect happen now, later, and with the answer lost, as the fault wants."""
        if kind == "late":
            if reply.act:
                timer = threading.Timer(self.server.faults.lateness(lane), reply.act)
                timer.daemon = True
                timer.start()
            return self.drop()
        if reply.act:
            reply.act()
        if kind == "swallow":
            return self.drop()
        if kind == "truncate":
            return self.send(reply, lane, len(reply.body) // 2)
        return self.send(reply, lane)

    def drop(self):
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the client was faster

    def send(self, reply, lane=None, bytes_sent=None):
        if lane:
            self.server.record.count(f"{lane}_status_{reply.status}")
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(reply.body)))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body[:bytes_sent])
        if bytes_sent is not None:
            self.wfile.flush()
            self.drop()


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, port=0, dimension=3072, seed=1):
        super().__init__(("127.0.0.1", port), Handler)
        self.record, self.faults, self.registry = control.Record(), control.Faults(seed), {}
        self.embeddings = embeddings.Embeddings(self.record, dimension, self.registry)
        self.pinecone = pinecone.Pinecone(self.record, dimension, self.registry)

    def server_bind(self):
        """Without the base class's look-up of our own name, which may ask a name server."""
        http.server.socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]

    def handle_error(self, request, client_address):
        if not isinstance(
            sys.exc_info()[1], OSError
        ):  # a client that went away is no error of ours
            super().handle_error(request, client_address)

    def reset(self):
        self.record.reset()
        self.faults.set({})
        self.pinecone.reset()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


def main():
    parser = argparse.ArgumentParser(
        description="strict fakes of an embeddings endpoint and of Pinecone's vectors data plane"
    )
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--dimension", type=int, default=3072)
    parser.add_argument("--seed", type=int, default=1, help="of the faults' dice")
    options = parser.parse_args()
    server = Server(options.port, options.dimension, options.seed)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
