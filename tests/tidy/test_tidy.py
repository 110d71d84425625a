"""tidy.py finds what is wrong in deliberately bad files, and nothing in good ones."""

import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import tidy  # noqa: E402

# (path, content, part of the one finding; None: nothing may be found)
INCLUDES = [
    ("worker/base/text.c", '#include "worker/base/list.h"', None),
    ("worker/base/text.c", '#include "worker/base/json.h"', "core may not include base"),
    ("worker/base/http.c", '#include "worker/model/tenant.h"', "base may not include model"),
    ("worker/model/tenant.c", '#include "queue/queue.h"', "model may not include service"),
    ("queue/kafka.c", '#include "worker/model/tenant.h"', None),
    ("queue/kafka.c", '#include "worker/task.h"', "service may not include pipeline"),
    ("queue/kafka.c", '#include "store/pg.h"', "services may not include each other"),
    ("store/pg.c", '#include "store/pg_internal.h"', None),
    ("worker/control.c", '#include "store/pg_internal.h"', "private to store/"),
    ("worker/control.c", '#include "store/vectors.h"', None),
    ("worker/control.c", '#include "embed/embed.h"', "may not see embed/"),
    ("worker/task.c", '#include "extract/extract.h"', None),
    ("worker/task.c", '#include "worker/app.h"', "pipeline may not include commands"),
    ("worker/cmd_search.c", '#include "store/vectors.h"\n#include "worker/app.h"', None),
    ("worker/cmd_search.c", '#include "worker/conductor.h"', "without a pipeline"),
    ("worker/cmd_work.c", '#include "worker/conductor.h"', None),
    ("worker/dev_feed.c", '#include "worker/conductor.h"', None),
    ("worker/app.c", '#include "tests/unit/test.h"', "outside of the layers"),
    ("extract/sandbox.c", '#include "worker/base/buffer.h"', None),
    ("extract/sandbox.c", '#include "worker/base/loop.h"', "core only"),
    ("extract/extract.c", '#include "worker/base/loop.h"', None),
    ("queue/kafka_topic.c", "#include <librdkafka/rdkafka.h>", None),
    ("queue/offsets.c", "#include <librdkafka/rdkafka.h>", "belongs to queue/kafka*.c"),
    ("worker/base/http_easy.c", "#include <curl/curl.h>", None),
    ("worker/base/httpd.c", "#include <curl/curl.h>", "belongs to worker/base/http.c"),
    ("worker/base/http.h", "#include <curl/curl.h>", "header of ours may not include"),
    ("worker/base/loop.h", "#include <uv.h>", "header of ours may not include"),
    ("worker/task.c", "#include <uv.h>", "belongs to"),
    ("store/pg.c", "#include <boost/any.hpp>", "in no table"),
    ("store/pg.c", "#include <sys/socket.h>\n#include <string.h>", None),
]

CALLS = [
    ("worker/task.c", "void *p = malloc(1);", "malloc() is banned"),
    ("worker/task.c", "p->free(p); a.time(b); my_exit(1); xfree(p);", None),
    ("worker/task.c", '/* malloc(1) */ f("getenv(x)"); // rand()', None),
    ("worker/task.c", "f(time (NULL));", "time() is banned"),
    ("worker/base/memory.c", "return malloc(bytes);", None),
    ("worker/cmd_status.c", 'printf("x");', None),
    ("worker/control.c", 'printf("x");', "printf() is banned"),
    ("store/pg.c", "char *at = strtok(a, b);", "strtok() is banned"),
    ("worker/task.h", "void time(int);", None),
    ("worker/task.c", "tenant_from_key(key, &tenant, err);", None),
    ("store/users.c", "tenant_from_user_id(id);", "makes tenants in"),
    ("worker/model/tenant.c", "tenant_from_user_id(id);", None),
    ("worker/task.c", "int a; /* TODO: later */", "finish it"),
]


def function_of(line_count):
    return "void f(void)\n{\n" + "    g();\n" * line_count + "}\n"


SIZES = [
    ("queue/event.c", "\n" * 500, None),
    ("queue/event.c", "\n" * 501, "501 lines, 500 are allowed"),
    ("queue/event.h", "\n" * 121, "121 lines, 120 are allowed"),
    ("queue/event.c", function_of(60), None),
    ("queue/event.c", function_of(61), "a function of 61 lines"),
    ("queue/event.c", "int a[] = {\n" + "    1,\n" * 80 + "};\n", None),
    ("tests/unit/test_event.c", "\n" * 501, "501 lines, 500 are allowed"),
    ("tests/unit/test_event.c", "void *p = malloc(1); /* tests may */", None),
]


class Tidy(unittest.TestCase):
    def findings_in(self, path, content):
        with tempfile.TemporaryDirectory() as root:
            file = pathlib.Path(root) / path
            file.parent.mkdir(parents=True)
            file.write_text(content)
            return tidy.check_tree(pathlib.Path(root))

    def check(self, samples):
        for path, content, expected in samples:
            with self.subTest(path=path, content=content[:60]):
                findings = self.findings_in(path, content)
                if expected is None:
                    self.assertEqual(findings, [])
                else:
                    self.assertEqual(len(findings), 1, findings)
                    self.assertIn(expected, findings[0])
                    self.assertTrue(findings[0].startswith(path + ":"), findings[0])

    def test_holds_the_layers_and_the_families_of_vendor_headers(self):
        self.check(INCLUDES)

    def test_finds_banned_calls_and_no_words_that_look_like_them(self):
        self.check(CALLS)

    def test_measures_files_and_functions(self):
        self.check(SIZES)

    def test_names_the_line(self):
        content = '/* a\n comment */\n#include "queue/queue.h"\nint a = "\\"";\nrand();\n'
        findings = self.findings_in("store/pg.c", content)
        self.assertEqual([finding.split(":")[1] for finding in findings], ["3", "5"])


if __name__ == "__main__":
    unittest.main()
