"""A real world whose workers reach every service over a wire that can misbehave; the tests' own
clients go straight to the services. And the people who use it: tenants that put, overwrite and delete.
"""

import pdf

import harness
from services.proxy import Proxy

# What each wire can be asked to do, and how hard. No `flip` but for the object store: there the body
# has a checksum; the other protocols leave it to TLS, so that a flipped bit may be a good answer.
FAULTS = {
    "delay": 0.2,
    "throttle": 30_000,
    "reset": 0.3,
    "half_open": 1,
    "truncate": 0.3,
    "swallow": 0.3,
    "refuse": 1,
}
PEERS = ("kafka", "s3", "postgres", "embed", "store")
PAIRS = [(peer, fault) for peer in PEERS for fault in FAULTS] + [("s3", "flip")]


class WiredWorld(harness.RealWorld):
    def __init__(self, **settings):
        super().__init__(**settings)
        self.wires = {peer: Proxy(peer) for peer in PEERS}
        for wire in self.wires.values():
            wire.start()
        self.stack.kafka.wire = self.wires["kafka"]

    def prepare(self):
        ports = {
            "s3": self.stack.minio.port,
            "postgres": self.stack.postgres.port,
            "embed": self.stack.fakes.port,
            "store": self.stack.fakes.port,
        }
        for peer, port in ports.items():
            self.wires[peer].target = port
        at = {peer: f"127.0.0.1:{wire.port}" for peer, wire in self.wires.items()}
        self.settings = {
            "KAFKA_BROKERS": at["kafka"],
            "S3_ENDPOINT": f"http://{at['s3']}",
            "DATABASE_URL": f"postgresql://postgres@{at['postgres']}/millrace",
            "OPENAI_BASE_URL": f"http://{at['embed']}/v1",
            "PINECONE_INDEX_HOST": f"http://{at['store']}",
            **self.settings,
        }
        super().prepare()

    def disturb(self, peer, fault):
        self.wires[peer].set(fault, 0.02 if fault == "flip" else FAULTS[fault])

    def heal(self):
        for wire in self.wires.values():
            wire.heal()
        self.break_services()

    def __exit__(self, *exc):
        super().__exit__(*exc)
        for wire in self.wires.values():
            wire.stop()


class Users:
    """Tenants at work on a bucket, with a seed: what they did can be done again."""

    def __init__(self, world, source, tenants):
        self.world, self.source = world, source
        for _ in range(tenants):
            world.add_tenant()
        self.keys, self.count = [], 0

    def body(self):
        self.count += 1
        words = pdf.vocabulary(self.source, 200)
        pages = [
            [f"# Number {self.count}, page {page}", *pdf.paragraphs(self.source, words, 150)]
            for page in range(self.source.randint(1, 6))
        ]
        return pdf.document(pages, f"number {self.count}")

    def put(self):
        tenant = self.source.randrange(len(self.world.tenants))
        self.keys.append(self.world.key(tenant, f"file {self.count + 1}.pdf"))
        self.world.put(self.keys[-1], self.body())

    def overwrite(self):
        if self.keys:
            self.world.put(self.source.choice(self.keys), self.body())

    def delete(self):
        if self.keys:
            self.world.delete(self.keys.pop(self.source.randrange(len(self.keys))))

    def do_something(self, times):
        for _ in range(times):
            self.source.choices((self.put, self.overwrite, self.delete), (5, 3, 1))[0]()
