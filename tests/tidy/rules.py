"""The house's rules as tables (ARCHITECTURE "Rules"): what a change of the layout has to touch."""

# ---- layers: a file may include those of its own number and below --------------------------------

LAYERS = ["core", "base", "model", "service", "pipeline", "commands"]
SERVICES = ["queue", "extract", "chunker", "embed", "store"]

# worker/base/ in the core library: no third-party code, so that the sandbox can link it.
CORE = ["arena", "buffer", "error", "list", "memory", "rng", "text"]

# worker/ is commands, but for the pipeline, whose files are named here with the services that each
# may see. Only a document's story (task; flow with flow_batch) and what opens and closes (app, a
# command's file) see all of them.
EVERY = SERVICES
PIPELINE = {
    "task": EVERY,
    "task_private": EVERY,
    "task_end": ["store"],
    "judge": ["store"],
    "flow": EVERY,
    "flow_batch": ["embed", "store"],
    "outcome": ["queue", "store"],
    "journal": ["queue", "store"],
    "intake": ["queue", "store"],
    "parcel": ["queue", "store"],
    "pipeline": ["chunker", "extract"],
    "control": ["store"],
    "lease": ["store"],
    "spool": [],
    "conductor": [],
    "retry": [],
    "route": [],
    "seats": [],
    "slabs": [],
}

# Commands see app.h and whatever service they need; the pipeline only these, since `search`,
# `status`, `submit` and the like never link the conductor. "dev" stands for dev_*.c too.
COMMANDS_WITH_PIPELINE = ["running", "cmd_work", "cmd_dev", "dev", "beat", "ops", "ops_private", "ops_status", "page"]

# What millrace-extract is made of: it may not drag curl or OpenSSL into the sandbox.
HELPER = [
    "block", "charset", "clean", "columns", "document", "fonts", "format", "furniture", "heading",
    "helper_child", "helper_main", "inflate", "joined", "layout", "markup", "markup_html",
    "markup_markdown", "notes", "office", "office_docx", "office_odt", "office_xml", "paragraph", "pdf",
    "pdf_forms", "pdf_outline", "pdf_page", "pdf_private", "plain", "prose", "range", "reader",
    "sandbox", "selftest", "sniff", "syntax", "table", "transcript", "vocabulary", "wire",
    "wire_marks", "xref", "zip",
]  # fmt: skip
HELPER_ALSO = ["worker/model/chunk.h"]  # types alone

# Only the folder itself includes these.
PRIVATE_HEADERS = ["*_internal.h", "*_private.h"]

# ---- vendor headers: each belongs to one family of .c files, and to no header --------------------

VENDORS = {
    "librdkafka/*": ["queue/kafka*.c"],
    "libpq-fe.h": ["store/pg*.c"],
    "curl/*": ["worker/base/http.c", "worker/base/http_*.c"],
    "microhttpd.h": ["worker/base/httpd*.c"],
    "jansson.h": ["worker/base/json*.c"],
    "openssl/*": ["worker/base/crypto*.c"],
    "lz4.h": ["worker/base/packer.c"],
    "zlib.h": ["extract/inflate*.c", "extract/zip.c"],
    "expat.h": ["queue/s3*.c", "extract/office*.c"],
    "iconv.h": ["extract/charset.c"],
    "libxml/*": ["extract/markup*.c"],
    "md4c.h": ["extract/markup*.c"],
    "uchardet/*": ["extract/charset.c"],
    "poppler.h": ["extract/pdf*.c"],
    "glib*": ["extract/pdf*.c"],
    "seccomp.h": ["extract/sandbox*.c"],
    "utf8proc.h": ["extract/clean*.c", "chunker/boundary*.c", "chunker/tokens*.c"],
    # where a loop's handle lives
    "uv.h": ["worker/base/*.c", "worker/dev*.c"] + [f"{service}/*.c" for service in SERVICES],
}

SYSTEM = """
    assert.h ctype.h errno.h float.h inttypes.h limits.h locale.h math.h signal.h stdalign.h
    stdarg.h stdatomic.h stdbool.h stddef.h stdint.h stdio.h stdlib.h
    stdnoreturn.h string.h strings.h time.h
    uchar.h wchar.h
    arpa/inet.h dirent.h dlfcn.h elf.h endian.h execinfo.h fcntl.h fnmatch.h ftw.h getopt.h glob.h
    grp.h langinfo.h libgen.h malloc.h net/if.h netdb.h netinet/in.h netinet/tcp.h poll.h pthread.h
    pwd.h sched.h search.h spawn.h syslog.h termios.h ucontext.h unistd.h
    linux/*.h sys/*.h
""".split()

# ---- functions that are banned outside worker/base/ ----------------------------------------------

BANNED = {
    "malloc calloc realloc reallocarray free strdup strndup alloca": "use xalloc, arena or buffer",
    "snprintf sprintf vsnprintf vsprintf asprintf vasprintf": "use text_format or buffer_format",
    "strcpy strncpy stpcpy strcat strncat strtok strtok_r gets": "use struct text",
    "atoi atol atoll atof": "use text_parse_*",
    "getenv secure_getenv setenv putenv": "use the configuration's environment",
    "time gettimeofday clock_gettime localtime gmtime": "use the loop's clock",
    "rand random srand srandom drand48": "use the loop's rng",
    "exit quick_exit": "return from main",
    "printf fprintf dprintf vprintf vfprintf puts perror": "use the log, or a command's output",
    "sleep usleep nanosleep": "use a timer",
    "system popen": "use posix_spawn",
}

# (files, functions, why)
MAY_CALL = [
    (
        ["worker/main.c", "worker/cmd_*.c", "worker/term.c", "worker/dev_view.c", "worker/dlq*.c", "worker/job_show.c"],
        "printf fprintf puts",
        "a command's results go to stdout and its talk to stderr",
    ),
    (["worker/dev_state.c"], "free", "realpath(3) allocates"),
    (["worker/dev_cluster.c"], "nanosleep", "at start-up, before there is a loop"),
    (["queue/file.c"], "nanosleep", "on a work thread, for less than a tick of the file system"),
    (["queue/beneath.c"], "clock_gettime", "the age of a file, asked on a work thread"),
    (
        ["chunker/data/make_tables.c"],
        "fprintf exit",
        "a program of the build, not of ours",
    ),
    (["worker/base/*"], " ".join(BANNED), "wraps them"),
]

# ---- who makes tenants (DESIGN, invariant 7): from a verified key, or from a user's id -----------

TENANT_CALLS = {
    "tenant_from_key": ["worker/task.c", "worker/dev_file.c", "worker/sources.c", "worker/cmd_*.c"],
    "tenant_from_user_id": ["worker/control.c", "worker/dev_feed.c", "worker/document_look.c", "worker/cmd_*.c"],
}

# ---- sizes, in lines -----------------------------------------------------------------------------

LINES_MAX = {".c": 500, ".h": 120}
FUNCTION_LINES_MAX = 60

# What is larger at present, and may not grow beyond this: each row is a debt.
LARGER = {
    "store/ledger.h": 240,  # the protocol's statements, most of it comments
    "store/ledger_internal.h": 140,
    "store/pg_internal.h": 170,
    "store/pg.h": 140,
    "extract/wire.h": 150,
    "tests/contract/queue_bench.h": 220,
    "tests/contract/test_extract.c": 610,
    "tests/contract/test_objects.c": 700,
    "tests/contract/test_pg.c": 650,
    "tests/contract/test_vectors.c": 530,
    "tests/unit/chunk_check.h": 200,
}
