"""Writes the dashboards beside it: python3 make.py [FOLDER]. A panel is a line here and forty in
Grafana's JSON; a test compares the two.
"""

import json
import pathlib
import sys

METRICS = {"type": "prometheus", "uid": "${metrics}"}
DATABASE = {"type": "grafana-postgresql-datasource", "uid": "${database}"}
HERE = 'namespace=~"$namespace"'
WIDTH = 24


def rate(metric, by="", more=""):
    selector = HERE + ("," + more if more else "")
    return f"sum{f' by ({by})' if by else ''} (rate({metric}{{{selector}}}[$__rate_interval]))"


def gauge(metric, by="", how="sum"):
    return f"{how}{f' by ({by})' if by else ''} ({metric}{{{HERE}}})"


def quantile(q, metric, by=""):
    inner = f"sum by ({'le,' + by if by else 'le'}) (rate({metric}_bucket{{{HERE}}}[$__rate_interval]))"
    return f"histogram_quantile({q}, {inner})"


def prometheus(panel_queries):
    return [
        {"datasource": METRICS, "refId": chr(65 + i), "expr": expr, "legendFormat": legend}
        for i, (legend, expr) in enumerate(panel_queries)
    ]


def sql(statement, form="table"):
    return [
        {
            "datasource": DATABASE,
            "refId": "A",
            "format": form,
            "rawQuery": True,
            "editorMode": "code",
            "rawSql": statement,
        }
    ]


def panel(kind, title, targets, width=8, height=7, unit="short", help="", **defaults):
    return {
        "type": kind,
        "title": title,
        "description": help,
        "datasource": targets[0]["datasource"],
        "targets": targets,
        "gridPos": {"w": width, "h": height, "x": 0, "y": 0},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0, **defaults}, "overrides": []},
        "options": {},
    }


def lines(title, unit, queries, **more):
    return panel("timeseries", title, prometheus(queries), unit=unit, **more)


def number(title, unit, expr, **more):
    return panel("stat", title, prometheus([("", expr)]), width=4, height=4, unit=unit, **more)


def table(title, statement, **more):
    return panel("table", title, sql(statement), **more)


def row(title):
    return {"type": "row", "title": title, "gridPos": {"w": WIDTH, "h": 1, "x": 0, "y": 0}, "panels": []}


def place(panels):
    """From left to right, in rows as high as their highest."""
    x = y = height = 0
    for number_, each in enumerate(panels, 1):
        at = each["gridPos"]
        if x + at["w"] > WIDTH:
            x, y, height = 0, y + height, 0
        at["x"], at["y"], each["id"] = x, y, number_
        x, height = x + at["w"], max(height, at["h"])
    return panels


def source(name, label, kind):
    return {"type": "datasource", "name": name, "label": label, "query": kind, "hide": 0, "multi": False}


NAMESPACE = {
    "type": "query",
    "name": "namespace",
    "label": "Namespace",
    "datasource": METRICS,
    "query": "label_values(millrace_tasks, namespace)",
    "refresh": 2,
    "includeAll": True,
    "allValue": ".*",
    "multi": False,
    "current": {"text": "All", "value": "$__all"},
}
TENANT = {
    "type": "textbox",
    "name": "tenant",
    "label": "Tenant (part of the id or address)",
    "query": "",
    "current": {"text": "", "value": ""},
}


def dashboard(uid, title, description, variables, panels, span):
    return {
        "uid": uid,
        "title": title,
        "description": description,
        "tags": ["millrace"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": f"now-{span}", "to": "now"},
        "timezone": "browser",
        "templating": {"list": variables},
        "annotations": {"list": []},
        "links": [],
        "panels": place(panels),
    }


def operator():
    return dashboard(
        "millrace-operator",
        "Millrace: workers",
        "What workers do, and what holds them up.",
        [source("metrics", "Prometheus", "prometheus"), NAMESPACE],
        [
            number("Oldest message", "s", gauge("millrace_kafka_oldest_seconds", how="max")),
            number("Lag", "short", gauge("millrace_kafka_lag")),
            number("Documents a minute", "short", "60 * " + rate("millrace_documents_total")),
            number("Workers", "short", f"count(millrace_resident_bytes{{{HERE}}})"),
            number(
                "Failed of 1 h",
                "percentunit",
                f'sum(increase(millrace_documents_total{{{HERE},outcome="failed"}}[1h]))'
                f" / sum(increase(millrace_documents_total{{{HERE}}}[1h]))",
            ),
            number(
                "Dead letters of 24 h",
                "short",
                f"sum(increase(millrace_dead_letters_total{{{HERE}}}[24h]))",
            ),
            row("Documents"),
            lines("Documents by outcome", "ops", [("{{outcome}}", rate("millrace_documents_total", "outcome"))]),
            lines("Events by outcome", "ops", [("{{outcome}}", rate("millrace_events_total", "outcome"))]),
            lines(
                "From event to final state",
                "s",
                [(f"p{q}", quantile(q / 100, "millrace_document_seconds")) for q in (50, 95, 99)],
            ),
            lines("Time by stage (p95)", "s", [("{{stage}}", quantile(0.95, "millrace_stage_seconds", "stage"))]),
            lines("Failures by code", "ops", [("{{code}}", rate("millrace_failures_total", "code") + " > 0")]),
            lines("Tries again by code", "ops", [("{{code}}", rate("millrace_retries_total", "code") + " > 0")]),
            row("What waits"),
            lines(
                "Messages",
                "short",
                [("lag", gauge("millrace_kafka_lag")), ("events waiting", gauge("millrace_events_waiting"))],
            ),
            lines("Age of the oldest message", "s", [("{{instance}}", gauge("millrace_kafka_oldest_seconds", "instance", "max"))]),
            lines("Tasks by stage", "short", [("{{stage}}", gauge("millrace_tasks", "stage"))]),
            row("Reading, embedding, storing"),
            lines("Pages", "ops", [("pages", rate("millrace_pages_total"))]),
            lines(
                "Extraction children",
                "short",
                [("busy", gauge("millrace_extract_slots_busy")), ("limit", gauge("millrace_extract_slots_limit"))],
            ),
            lines("Children by result", "ops", [("{{result}}", rate("millrace_extract_children_total", "result"))]),
            lines("Tokens billed", "ops", [("tokens", rate("millrace_embedding_tokens_total"))]),
            lines(
                "Chunks whose vector was known",
                "percentunit",
                [("share", rate("millrace_chunks_known_total") + " / " + rate("millrace_chunks_total"))],
            ),
            lines("Requests by lane", "reqps", [("{{lane}}", rate("millrace_http_requests_total", "lane"))]),
            lines("Requests without a good answer", "reqps", [("{{lane}}", rate("millrace_http_failures_total", "lane"))]),
            lines(
                "Requests at once",
                "short",
                [
                    ("{{lane}}", gauge("millrace_http_in_flight", "lane")),
                    ("{{lane}}: allowed", gauge("millrace_lane_limit", "lane")),
                ],
            ),
            lines("Lanes that wait for a person", "short", [("{{lane}}", gauge("millrace_lane_parked", "lane", "max"))]),
            lines("Requests waiting in a lane", "short", [("{{lane}}", gauge("millrace_lane_waiting", "lane"))]),
            row("Kafka and PostgreSQL"),
            lines("Partitions by worker", "short", [("{{instance}}", gauge("millrace_kafka_partitions", "instance"))]),
            lines("Commits", "ops", [("{{result}}", rate("millrace_kafka_commits_total", "result"))]),
            lines("Changes of the group", "short", [("{{instance}}", f"increase(millrace_kafka_rebalances_total{{{HERE}}}[$__rate_interval])")]),
            lines("Batches", "ops", [("{{result}}", rate("millrace_database_batches_total", "result"))]),
            lines("Waiting for the database", "short", [("{{instance}}", gauge("millrace_database_waiting", "instance"))]),
            lines(
                "Rows that must go",
                "short",
                [
                    ("litter", gauge("millrace_litter_rows", how="max")),
                    ("parked", gauge("millrace_items_parked", how="max")),
                ],
            ),
            row("Processes"),
            lines("Resident memory", "bytes", [("{{instance}}", gauge("millrace_resident_bytes", "instance"))]),
            lines("Lag of the loop", "s", [("{{instance}}", gauge("millrace_loop_lag_seconds", "instance", "max"))]),
            lines("Open descriptors", "short", [("{{instance}}", gauge("millrace_open_fds", "instance"))]),
            lines(
                "Bytes of bodies",
                "bytes",
                [("reserved", gauge("millrace_bytes_reserved")), ("limit", gauge("millrace_bytes_limit"))],
            ),
        ],
        "3h",
    )


# ${tenant:sqlstring} is quoted by Grafana; empty: everybody.
OF_TENANT = "(user_id::text ilike '%' || ${tenant:sqlstring} || '%')"
USAGE_OF_TENANT = (
    "(user_id::text ilike '%' || ${tenant:sqlstring} || '%' or email ilike '%' || ${tenant:sqlstring} || '%')"
)


def jobs():
    series = "select minute as time, {} from throughput where $__timeFilter(minute) order by minute"
    return dashboard(
        "millrace-jobs",
        "Millrace: jobs and tenants",
        "What was asked for, how far it is, whose it is and what it costs; from the tables' views.",
        [source("database", "PostgreSQL", "grafana-postgresql-datasource"), TENANT],
        [
            panel(
                "timeseries",
                "Documents a minute",
                sql(series.format("succeeded, failed, documents - succeeded - failed as other"), "time_series"),
                width=12,
            ),
            panel(
                "timeseries",
                "Pages and chunks a minute",
                sql(series.format("pages, chunks"), "time_series"),
                width=12,
            ),
            table(
                "Jobs under way",
                "select job_id, user_id, job_type, status, control, percent_done, total_documents, processed_count,"
                " failed_count, pages_done, chunks_done, seconds_left, created_at from job_progress"
                f" where completed_at is null and {OF_TENANT} order by created_at desc limit 200",
                width=WIDTH,
                height=9,
            ),
            table(
                "Jobs that ended",
                "select job_id, user_id, job_type, status, total_documents, processed_count, failed_count,"
                " cancelled_count, pages_done, chunks_done, tokens_done, price, seconds, completed_at from job_progress"
                f" where $__timeFilter(completed_at) and {OF_TENANT} order by completed_at desc limit 200",
                width=WIDTH,
                height=9,
            ),
            table(
                "Tenants by usage",
                "select user_id, email, total_documents, pages, chunks, total_vectors, total_storage_bytes, failed,"
                f" waiting, tokens_billed, price from tenant_usage where {USAGE_OF_TENANT}"
                " order by total_vectors desc limit 200",
                width=WIDTH,
                height=9,
            ),
            table(
                "Failures by reason",
                "select error_code, documents, tenants, example, latest_at from failures_by_reason order by documents desc",
                width=12,
                height=8,
            ),
            table(
                "Dead letters by reason",
                "select code, unresolved, letters, example, latest_at from dead_letters_by_reason order by unresolved desc",
                width=12,
                height=8,
            ),
        ],
        "24h",
    )


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent)
    for each in (operator(), jobs()):
        name = each["uid"].removeprefix("millrace-") + ".json"
        (folder / name).write_text(json.dumps(each, indent=1) + "\n")


if __name__ == "__main__":
    main()
