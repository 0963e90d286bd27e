# SPDX-License-Identifier: Apache-2.0
"""Reads the text format of Prometheus, version 0.0.4, strictly and without knowing who wrote it."""
import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"'
SAMPLE = re.compile(r"^(%s)(?:\{(%s(?:,%s)*)\})? (\S+)$" % (NAME, LABEL, LABEL))


class Wrong(AssertionError):
    pass


class Page:
    """`samples`: {(name, ((label, value), ...)): number}; `kinds`: {metric: kind}."""

    def __init__(self, text):
        self.samples, self.kinds, self.helped, self.closed = {}, {}, set(), set()
        current = None
        if not text.endswith("\n"):
            raise Wrong("the last line has no end")
        for line in text[:-1].split("\n"):
            if line.startswith("# "):
                current = self.read_head(line, current)
            else:
                self.read_sample(line, current)
        for metric, kind in self.kinds.items():
            if kind == "histogram":
                self.check_histogram(metric)

    def read_head(self, line, current):
        found = re.match(r"^# (HELP|TYPE) (%s) (.+)$" % NAME, line)
        if not found:
            raise Wrong(line)
        word, metric, rest = found.groups()
        if metric != current:
            if metric in self.closed:
                raise Wrong("in two pieces: " + metric)
            self.closed.add(metric)
        if word == "HELP":
            if metric in self.helped:
                raise Wrong(line)
            self.helped.add(metric)
        else:
            if metric in self.kinds or rest not in ("counter", "gauge", "histogram", "summary", "untyped"):
                raise Wrong(line)
            self.kinds[metric] = rest
        return metric

    def read_sample(self, line, current):
        found = SAMPLE.match(line)
        if not found:
            raise Wrong("no sample: %r" % line)
        name, labels, value = found.group(1), found.group(2) or "", found.group(found.lastindex)
        kind = self.kinds.get(current)
        suffixes = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
        if current is None or name not in [current + suffix for suffix in suffixes]:
            raise Wrong("%s stands below %s" % (name, current))
        key = (name, tuple(re.findall(LABEL, labels)))
        if key in self.samples:
            raise Wrong("twice: %r" % line)
        number = float(value)
        if kind == "counter" and (not name.endswith("_total") or number < 0):
            raise Wrong("no counter: %r" % line)
        self.samples[key] = number

    def check_histogram(self, metric):
        buckets = [(float(dict(labels)["le"]), value) for (name, labels), value in self.samples.items()
                   if name == metric + "_bucket"]
        bounds = [bound for bound, _ in buckets]
        counts = [count for _, count in buckets]
        if bounds != sorted(set(bounds)) or bounds[-1] != float("inf") or counts != sorted(counts):
            raise Wrong("no histogram: %s" % metric)
        if counts[-1] != self.samples[(metric + "_count", ())] or (metric + "_sum", ()) not in self.samples:
            raise Wrong("a histogram whose ends do not meet: %s" % metric)

    def value(self, name, **labels):
        return self.samples.get((name, tuple(sorted(labels.items()))), 0.0)

    def names(self):
        return set(self.kinds) | {name for name, _ in self.samples}

    def counters(self):
        return {key: value for key, value in self.samples.items()
                if self.kinds.get(key[0]) == "counter" or key[0].endswith(("_bucket", "_count", "_sum"))}
