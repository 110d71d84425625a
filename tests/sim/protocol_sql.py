"""The ledger's own statements (store/statements), prepared once on a scratch database; the simulation's time stands for now().

Parameters and answers are text, as libpq has them: no adapters, since a seed asks a thousand times.
"""

import os
import pathlib
import re
import uuid

import psycopg

SOURCE = pathlib.Path(os.environ.get("TEST_SOURCE_DIR", pathlib.Path(__file__).resolve().parents[2]))
STORE = SOURCE / "store"
EPOCH_S = 1893456000  # 2030-01-01: after every now() of what reads the real clock
SCHEMA_PREFIX = "user_"
WORLDS_A_TRUNCATE = 40
NAMES = (
    "bury claim claim_documents claim_jobs claim_lock dead dead_any due finish intend job_cancel_items job_control job_register "
    "job_retry job_unpark lapse lock release sweep_staged swept"
).split()
TABLES = (
    "processing_jobs documents job_items litter chunks staged_chunks staged_texts absorbed_events dead_letters tenant_settings "
    "millrace_actions early_removals"
).split()
# Two tenants whose chunks share a table, two with a schema of their own; of each kind one more that is no user at first.
SHARED = [uuid.uuid5(uuid.NAMESPACE_URL, f"shared {no}") for no in range(3)]
APART = [uuid.uuid5(uuid.NAMESPACE_URL, f"apart {no}") for no in range(3)]

OTHERS = """  -- leases that are of other attempts than these
select d.id, d.fence, d.leased_until from documents d join unnest($1::uuid[], $2::int8[]) e(doc, own) on d.id = e.doc
 where d.fence is distinct from e.own order by 1"""


def check_sabotage(rules):
    """Each still stands in what it breaks."""
    for name, (targets, old, _) in rules.items():
        for target in targets.split():
            path = next(STORE.glob(f"*/{target}.sql"))
            assert old in path.read_text(), f"{name} does not stand in {path.name} any more"


class Refused(Exception):
    """PostgreSQL refused a statement."""


def chunk_table(tenant):
    return "chunks" if tenant in SHARED else f"{SCHEMA_PREFIX}{tenant.hex}.chunks"


def document_id(name):
    return uuid.uuid5(uuid.NAMESPACE_URL, name)


def wall_ms(seconds):
    return 0 if seconds is None else int((EPOCH_S + seconds) * 1000)


def element(value):
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "t" if value else "f"
    text = str(value)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' if isinstance(value, str) else text


def literal(value):
    if value is None:
        return None
    if isinstance(value, list):
        return ("{" + ",".join(element(one) for one in value) + "}").encode()
    return element(value).strip('"').encode() if isinstance(value, bool) else str(value).encode()


class Database:
    """sabotage: None, or (names of statements or migrations, text, replacement)."""

    def __init__(self, url, sabotage=None):
        self.link = psycopg.connect(url, autocommit=True).pgconn
        self.sabotage, self.clocked, self.time, self.worlds = sabotage, set(), 0.0, 0
        self.questions = {}  # their names by their texts
        self.run(
            "set client_min_messages = warning; set synchronous_commit = off; set jit = off; "
            "set plan_cache_mode = force_generic_plan"
        )
        self.make_schema()
        for name in NAMES:
            self.prepare(name, self.source(f"statements/{name}.sql"))
        self.prepare("others", OTHERS)
        for tenant in SHARED[:1] + APART:
            known = self.source("statements/known.sql").replace("{chunks}", chunk_table(tenant))
            self.prepare(f"known {chunk_table(tenant)}", known)

    def source(self, path):
        text = (STORE / path).read_text()
        target, old, new = self.sabotage or (None, None, None)
        if target and pathlib.Path(path).stem in target.split():
            assert old in text, (path, old)
            text = text.replace(old, new)
        return text

    def make_schema(self):
        schemas = self.run(f"select nspname from pg_namespace where starts_with(nspname, '{SCHEMA_PREFIX}')")
        for name in ["public", *(row[0] for row in schemas)]:
            self.run(f"drop schema {name} cascade")
        self.run("create schema public")
        for path in sorted((STORE / "migrations").glob("0*.sql")):
            self.run(self.source(f"migrations/{path.name}"))
        given = {"schema_prefix": SCHEMA_PREFIX, "has_vectors": "off", "has_user_schemas": "off"}
        settings = "".join(f"select set_config('millrace.{name}', '{value}', true);" for name, value in given.items())
        self.run("begin;" + settings + self.source("migrations/settings.sql") + ";commit")
        for tenant in APART:
            self.run(f"insert into users (id) values ('{tenant}'); select millrace_tenant_schema('{tenant}')")

    def empty(self, users):
        """Deleting few rows is cheap; from time to time what is left of them goes, too."""
        tables = TABLES + ["users"] + [chunk_table(tenant) for tenant in APART]
        self.worlds += 1
        if self.worlds % WORLDS_A_TRUNCATE == 1:
            self.run("truncate " + ", ".join(tables))
        else:
            self.run(";".join(f"delete from {table}" for table in tables))
        self.run("insert into users (id) values " + ", ".join(f"('{tenant}')" for tenant in users))

    def prepare(self, name, text):
        text = re.sub(r"--.*", "", text)
        if "now()" in text:
            self.clocked.add(name)
            count = max((int(number) for number in re.findall(r"\$(\d+)", text)), default=0)
            text = text.replace("now()", f"to_timestamp({EPOCH_S} + ${count + 1}::float8)")
        self.check(self.link.prepare(name.encode(), text.encode()))

    def check(self, result):
        if result.status not in (psycopg.pq.ExecStatus.TUPLES_OK, psycopg.pq.ExecStatus.COMMAND_OK):
            raise Refused(result.error_message.decode())
        columns = range(result.nfields)
        return [[as_text(result.get_value(row, column)) for column in columns] for row in range(result.ntuples)]

    def given(self, name, values):
        given = [literal(value) for value in values]
        return [*given, repr(self.time).encode()] if name in self.clocked else given

    def ask(self, name, *values):
        """A prepared statement; its answer as rows of texts."""
        return self.check(self.link.exec_prepared(name.encode(), self.given(name, values)))

    def ask_all(self, asks):
        """Prepared statements, each a tuple of its name and values: one pipelined transaction, as the product has it."""
        self.link.enter_pipeline_mode()
        for name, *values in asks:
            self.link.send_query_prepared(name.encode(), self.given(name, values))
        self.link.pipeline_sync()
        results = []
        while True:  # each statement's result has a null behind it, but for that of the end
            result = self.link.get_result()
            if result and result.status == psycopg.pq.ExecStatus.PIPELINE_SYNC:
                break
            results += [result] if result else []
        self.link.exit_pipeline_mode()
        return [self.check(result) for result in results]

    def read(self, *texts):
        """Questions that are asked again and again, without values: the rows of each."""
        for text in texts:
            if text not in self.questions:
                self.questions[text] = f"question {len(self.questions)}"
                self.prepare(self.questions[text], text)
        return self.ask_all([(self.questions[text],) for text in texts])

    def run(self, text):
        """Some statements; the rows of the last."""
        return self.check(self.link.exec_(text.encode()))


def as_text(value):
    return None if value is None else value.decode()
