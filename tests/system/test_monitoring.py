#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What deploy/monitoring watches is there: every metric and label that an alert or a panel names is on the hub's page, and
Prometheus' own tool reads page, rules and settings where it is installed."""
import json
import os
import re
import shutil
import subprocess

from lab import BIN, Skipped, expect, main
from prometheus import Page
from test_metrics import get, scrape, watched_hub

FOLDER = "deploy/monitoring"
# Words of the query language that are no metric.
WORDS = set("""and or unless by without on ignoring offset bool group_left group_right sum avg min max count rate irate
increase changes time predict_linear histogram_quantile avg_over_time min_over_time max_over_time label_values""".split())


def rules():
    """(alert, expression, section) of each rule."""
    with open(os.path.join(FOLDER, "kithd.rules.yml")) as file:
        text = file.read()
    found = re.findall(r"- alert: (\w+)\n +expr: (.+)\n(?:.+\n)*? +section: (.+)\n?", text)
    expect(len(found) == text.count("alert:") == text.count("expr:"), "every rule was read")
    return found


def panels():
    with open(os.path.join(FOLDER, "kithd.dashboard.json")) as file:
        board = json.load(file)
    return [panel for panel in board["panels"] if panel["type"] != "row"], board


def named(expression):
    """The metrics, and the labels, that an expression names."""
    labels = set(re.findall(r"(\w+) *(?:=~|!~|!=|=) *\"", expression))
    for group in re.findall(r"\b(?:by|without) *\(([^)]*)\)", expression):
        labels |= {label.strip() for label in group.split(",")}
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\b(?:by|without) *\([^)]*\)|\"[^\"]*\"", " ", expression)
    words = set(re.findall(r"(?<![\w.$])[a-zA-Z_:][\w:]*", bare))
    return words - WORDS, labels


def page_of_a_hub(lab):
    """With at least one sample of each metric that has labels."""
    hub = watched_hub(lab)
    founder = lab.found(hub)
    code = founder.json("invite", "--person", "Ana Silva", "--role", "specialist")["code"]
    lab.laptop("ana").ok("join", code)
    lab.laptop("late").run("join", code)
    founder.sync()
    return scrape(hub)


def what_is_named_is_there(lab):
    page = page_of_a_hub(lab)
    labels_of = {}
    for name, labels in page.samples:
        labels_of.setdefault(name, set()).update(label for label, _ in labels)
    shown, board = panels()
    expressions = [(panel["title"], target["expr"]) for panel in shown for target in panel["targets"]]
    expressions += [(alert, expression) for alert, expression, _ in rules()]
    expect(len(expressions) > 40, "they were read")
    for title, expression in expressions:
        metrics, labels = named(expression)
        expect(metrics, "%s names no metric" % title)
        for metric in metrics:
            expect(metric == "up" or metric in page.names(), "%s: there is no metric %s" % (title, metric))
        known = set().union({"job", "instance"}, *[labels_of.get(metric, set()) for metric in metrics])
        if not any(metric.endswith("_total") and not labels_of.get(metric) for metric in metrics):
            expect(labels <= known | {"reason", "result"}, "%s: %s" % (title, labels - known))
    query = board["templating"]["list"][1]["query"]["query"]
    expect(named(query)[0] == {"kithd_build_info", "instance"}, query)


def a_metric_that_is_not_there_would_be_found(lab):
    metrics, labels = named('sum by (reason) (rate(kithd_nothing_total{mode="a b"}[5m])) / kithd_sessions > 3 * 60')
    expect(metrics == {"kithd_nothing_total", "kithd_sessions"} and labels == {"reason", "mode"}, (metrics, labels))


def panels_are_laid_out(_):
    shown, board = panels()
    expect(len({panel["id"] for panel in board["panels"]}) == len(board["panels"]), "one number each")
    cells = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        covered = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        expect(not covered & cells and at["x"] + at["w"] <= 24, "%s lies on another" % panel["title"])
        cells |= covered
    expect(len(shown) >= 20, "panels were read")


def promtool(*arguments, **options):
    if not shutil.which("promtool"):
        raise Skipped("needs promtool (package prometheus)")
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, **options)
    expect(done.returncode == 0, "promtool %s: %s%s" % (" ".join(arguments), done.stdout, done.stderr))
    return done.stdout + done.stderr


def prometheus_reads_rules_and_settings(_):
    expect("SUCCESS: %d rules found" % len(rules()) in promtool("check", "rules", FOLDER + "/kithd.rules.yml"), "rules")
    promtool("check", "config", FOLDER + "/prometheus.yml")


def prometheus_reads_the_page(lab):
    hub = watched_hub(lab)
    lab.found(hub)
    expect(promtool("check", "metrics", input=get(hub, "/metrics")[2]).strip() == "", "without a remark")


def a_backup_is_seen(lab):
    hub = watched_hub(lab)
    expect(scrape(hub).value("kithd_backup_timestamp_seconds") == 0, "never")
    subprocess.run([BIN + "/kithd", "backup", "--data", hub.data, "--to", os.path.join(lab.folder, "b")], check=True,
                   capture_output=True)
    made = scrape(hub).value("kithd_backup_timestamp_seconds")
    expect(abs(made - os.stat(os.path.join(lab.folder, "b")).st_mtime) < 5, "just now")


if __name__ == "__main__":
    main([what_is_named_is_there,
          a_metric_that_is_not_there_would_be_found,
          panels_are_laid_out,
          prometheus_reads_rules_and_settings,
          prometheus_reads_the_page,
          a_backup_is_seen])
