"""What the dashboards and alerts ask for."""

import json
import pathlib
import re

SOURCE = pathlib.Path(__file__).resolve().parents[2]
DASHBOARDS = SOURCE / "helm" / "dashboards"
ALERTS = SOURCE / "helm" / "alerts" / "millrace.yaml"
# What Grafana puts in, as a panel of the last hour would see it.
METRIC_MACROS = {"$namespace": ".*", "$__rate_interval": "1m"}
SQL_MACROS = [
    (r"\$__timeFilter\((\w+)\)", r"\1 between now() - interval '1 hour' and now()"),
    (r"\$\{tenant:sqlstring\}", "''"),
]


def targets(name):
    """[(panel, target)] of a dashboard."""
    board = json.loads((DASHBOARDS / f"{name}.json").read_text())
    return [(panel["title"], each) for panel in board["panels"] for each in panel.get("targets", [])]


def promql(target):
    expr = target["expr"]
    for macro, value in METRIC_MACROS.items():
        expr = expr.replace(macro, value)
    return expr


def sql(target):
    statement = target["rawSql"]
    for macro, value in SQL_MACROS:
        statement = re.sub(macro, value, statement)
    return statement


def known_metrics():
    """{name: kind} of metrics.def, with the names that a histogram is stored under."""
    text = (SOURCE / "worker/base/metrics.def").read_text()
    kinds = {name: kind for kind, name in re.findall(r'^X\((\w+), \w+, "(\w+)"', text, re.MULTILINE)}
    for name, kind in list(kinds.items()):
        if kind == "HISTOGRAM":
            kinds.update({f"{name}_{part}": kind for part in ("bucket", "sum", "count")})
    return kinds


def unknown_metrics(expr):
    return set(re.findall(r"\bmillrace_\w+", expr)) - set(known_metrics())
