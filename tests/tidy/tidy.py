#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The rules of the tree that a script can hold. Usage: tidy.py [ROOT]

Prints a line `path:line: what` for each finding and ends with 1 if there is one. Lists the ten longest functions and
files, which are aims and no rules.
"""
import fnmatch
import glob
import os
import re
import sys

FOLDERS = ("protocol", "store", "daemon", "client", "tests")
# Includes go one way. tests/ may include anything but a .c.
MAY_INCLUDE = {
    "protocol": ("protocol",),
    "store": ("protocol", "store"),
    "daemon": ("protocol", "store", "daemon"),
    "client": ("protocol", "store", "client"),
}
# One library, few doors.
DOORS = {
    "uv.h": ("daemon/*", "client/net.c", "client/agent/*", "client/web/*", "tests/*"),
    "lmdb.h": ("store/env.c", "store/txn.c", "tests/*"),
    "msgpack.h": ("protocol/wire.c",),
    "zstd.h": ("protocol/compress.c", "tests/*"),
    "zdict.h": ("deploy/dictionary/train.c",),
    "qrencode.h": ("client/cli/*",),
    "wslay/wslay.h": ("protocol/websocket.c",),
    "http_parser.h": ("protocol/http.h",),
    "openssl/evp.h": ("protocol/websocket.c", "tests/*"),
    "openssl/ssl.h": ("client/tls.c",),
    "openssl/err.h": ("client/tls.c",),
    "openssl/x509v3.h": ("client/tls.c",),
    "seccomp.h": ("daemon/sandbox.c",),
    "sodium.h": ("protocol/noise*.c", "protocol/noise*.h", "protocol/seal.c", "store/sealed.c", "client/vault.c",
                 "client/kith.c", "client/agent/*", "daemon/main.c", "tests/*"),
}
NOT_IN_PROTOCOL = ("stdio.h", "time.h", "unistd.h", "fcntl.h", "pthread.h", "threads.h", "signal.h", "sys/*",
                   "netinet/*", "arpa/*", "netdb.h", "dirent.h", "poll.h")
# zstd's contexts are too dear to make for each text: a thread keeps its own.
PURE_BUT_FOR = {"protocol/compress.c": ("threads.h",)}
FORBIDDEN = ("strcpy", "strcat", "sprintf", "vsprintf", "strtok", "atoi", "atol", "gets", "alloca", "rand", "srand")
FUNCTION_AIM, FILE_AIM = 70, 600


def strip(text):
    """The code without comments and strings, line by line as it was."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', blank, text, flags=re.S)


def check_includes(path, lines, code):
    folder = path.split("/")[0]
    for number, line in enumerate(lines, 1):
        found = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if not found:
            continue
        kind, name = found.groups()
        if name.endswith(".c"):
            yield number, "includes a .c"
        target = name.split("/")[0]
        is_ours = kind == '"' and "/" in name or target in FOLDERS
        if is_ours and folder in MAY_INCLUDE and target not in MAY_INCLUDE[folder]:
            yield number, "%s/ may not include %s" % (folder, name)
        if name in DOORS and not any(fnmatch.fnmatch(path, door) for door in DOORS[name]):
            yield number, "<%s> is not for this file" % name
        if folder == "protocol" and name not in PURE_BUT_FOR.get(path, ()) and any(
                fnmatch.fnmatch(name, pattern) for pattern in NOT_IN_PROTOCOL):
            yield number, "protocol/ is pure: no <%s>" % name


def check_calls(path, lines, code):
    has_secrets = any(re.match(r"\s*#\s*include\s*<sodium.h>", line) for line in lines)
    words = FORBIDDEN + (("memcmp",) if has_secrets and not path.startswith("tests/") else ())
    for number, line in enumerate(code, 1):
        for word in words:
            if re.search(r"(?<![\w>.])%s\s*\(" % word, line):
                yield number, "%s is not used here" % word


def check_text(path, lines, code):
    for number, line in enumerate(lines, 1):
        if re.search(r"\b(TODO|FIXME|XXX)\b(?!X)", line) and "XXXXXX" not in line:
            yield number, "unfinished by its own words"
        if re.match(r"\s*#\s*if\s*\(?\s*0\b", line):
            yield number, "code that is switched off"
        if "\t" in line:
            yield number, "a tab"
        if line != line.rstrip():
            yield number, "blanks at the end"
        if re.search(r"/\*\s*[-=*]{4,}|^\s*\*{4,}", line):
            yield number, "a comment banner"
        if re.match(r"\s*typedef\s+(?:const\s+)?struct\b", line):
            yield number, "a typedef of a struct"
        if len(line) > 100:
            yield number, "a line of %d characters" % len(line)


def check_gotos(path, lines, code):
    labels = {}
    for number, line in enumerate(code, 1):
        if re.match(r"^\}", line):
            labels = {}
        label = re.match(r"^\s*(\w+)\s*:(?!:)", line)
        if label and label.group(1) != "default":
            labels[label.group(1)] = number
        jump = re.search(r"\bgoto\s+(\w+)", line)
        if jump and jump.group(1) in labels:
            yield number, "a goto upwards"


def check_macros(path, lines, code):
    number = 0
    while number < len(code):
        start = number
        if re.match(r"\s*#\s*define\b", code[number]):
            body = code[number]
            while lines[number].endswith("\\") and number + 1 < len(code):
                number += 1
                body += code[number]
            # An X-macro's row may be a case of a switch: it returns where the reader sees the switch.
            if re.search(r"\b(return|goto)\b", body) and not re.search(r"\bcase\b", body):
                yield start + 1, "a macro that returns or jumps"
        number += 1


def check_head(path, lines, code):
    if not lines or lines[0] != "/* SPDX-License-Identifier: Apache-2.0 */":
        yield 1, "the first line is not the licence"
    if path.endswith(".h") and not (len(lines) > 1 and lines[1].startswith("/*")):
        yield 2, "a header without a first sentence"


CHECKS = (check_includes, check_calls, check_text, check_gotos, check_macros, check_head)


def functions(path, code):
    """(length, name) of each function: from its opening brace in the first column to its closing one."""
    start, name = None, ""
    for number, line in enumerate(code, 1):
        if line.startswith("{"):
            start = number
        elif line.startswith("}") and start and not line.startswith("};"):
            yield number - start + 1, "%s %s" % (path, name)
            start = None
        elif re.match(r"^\w.*\b(\w+)\(", line) and not line.rstrip().endswith(";"):
            name = re.match(r"^\w[^(]*?(\w+)\(", line).group(1)


def findings(root):
    sizes, lengths, found = [], [], []
    paths = [path for folder in FOLDERS for kind in ("c", "h")
             for path in glob.glob(os.path.join(root, folder, "**", "*." + kind), recursive=True)]
    for full in sorted(paths):
        path = os.path.relpath(full, root)
        with open(full, encoding="utf-8", errors="replace", newline="\n") as file:
            text = file.read()
        lines, code = text.splitlines(), strip(text).splitlines()
        sizes.append((len(lines), path))
        lengths += functions(path, code)
        for check in CHECKS:
            found += ["%s:%d: %s" % (path, number, what) for number, what in check(path, lines, code)]
    for full in sorted(glob.glob(os.path.join(root, "**", "*"), recursive=True)):
        path = os.path.relpath(full, root)
        if path.startswith("build" + os.sep) or not full.endswith((".py", ".sh")):
            continue
        with open(full, encoding="utf-8", errors="replace") as file:
            head = file.read(200).split("\n") + [""]
        if not head[0].startswith("#!") and "SPDX" not in head[0] or head[0].startswith("#!") and "SPDX" not in head[1]:
            found.append("%s:1: no licence line" % path)
    return sizes, lengths, found


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else "."
    sizes, lengths, found = findings(root)
    for title, rows, aim in (("functions", lengths, FUNCTION_AIM), ("files", sizes, FILE_AIM)):
        print("the longest %s (aim: at most %d lines)" % (title, aim))
        for length, name in sorted(rows, reverse=True)[:10]:
            print("  %5d  %s" % (length, name))
    for line in found:
        print(line)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
