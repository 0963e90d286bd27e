#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each rule of tidy.py catches a planted fault, and a clean tree has no finding."""
import os
import subprocess
import sys
import tempfile

TIDY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tidy.py")
LICENCE = "/* SPDX-License-Identifier: Apache-2.0 */\n"
CLEAN_C = LICENCE + "int one(void)\n{\n    return 1;\n}\n"
CLEAN_H = LICENCE + "/* What it is. */\nint one(void);\n"

# name of the rule, the file it is planted in, its content, what the finding says
FAULTS = [
    ("an include against the arrows", "protocol/a.c", LICENCE + '#include "store/env.h"\n', "may not include"),
    ("the client includes the daemon", "client/a.c", LICENCE + '#include "daemon/hub.h"\n', "may not include"),
    ("a test includes a .c", "tests/unit/a.c", LICENCE + '#include "protocol/a.c"\n', "includes a .c"),
    ("a library through the wrong door", "store/a.c", LICENCE + "#include <uv.h>\n", "not for this file"),
    ("LMDB outside of its two files", "store/a.c", LICENCE + "#include <lmdb.h>\n", "not for this file"),
    ("a clock in protocol", "protocol/a.c", LICENCE + "#include <time.h>\n", "is pure"),
    ("a call that is forbidden", "store/a.c", LICENCE + "void a(char *b)\n{\n    strcpy(b, b);\n}\n", "strcpy"),
    ("memcmp beside secrets", "client/vault.c", LICENCE + "#include <sodium.h>\nint a = memcmp(b, c, 1);\n", "memcmp"),
    ("an unfinished place", "store/a.c", LICENCE + "/* TO" + "DO: more */\n", "unfinished"),
    ("code switched off", "store/a.c", LICENCE + "#if 0\n#endif\n", "switched off"),
    ("a tab", "store/a.c", LICENCE + "int\ta;\n", "a tab"),
    ("blanks at the end", "store/a.c", LICENCE + "int a; \n", "blanks"),
    ("a banner", "store/a.c", LICENCE + "/* ------ part ------ */\n", "banner"),
    ("a typedef of a struct", "store/a.c", LICENCE + "typedef struct a a_t;\n", "typedef"),
    ("a goto upwards", "store/a.c", LICENCE + "void a(void)\n{\nagain:\n    goto again;\n}\n", "goto upwards"),
    ("a macro that returns", "store/a.c", LICENCE + "#define A(x) do { return x; } while (0)\n", "a macro that"),
    ("no licence", "store/a.c", "int a;\n", "licence"),
    ("a header without a sentence", "store/a.h", LICENCE + "int a;\n", "first sentence"),
    ("an include in angles against the arrows", "store/a.c", LICENCE + "#include <daemon/hub.h>\n", "may not include"),
    ("a kernel header in protocol", "protocol/a.c", LICENCE + "#include <sys/mman.h>\n", "is pure"),
    ("a call between quote characters", "store/a.c", LICENCE + "void a(void)\n{\n    b('\"'); strcpy(c, d); e('\"');\n}\n",
     "strcpy"),
    ("a goto up to a label with a statement", "store/a.c",
     LICENCE + "void a(void)\n{\nagain: b();\n    goto again;\n}\n", "goto upwards"),
    ("code switched off in brackets", "store/a.c", LICENCE + "#if (0)\n#endif\n", "switched off"),
    ("a banner of stars", "store/a.c", LICENCE + "/*\n ********\n */\n", "banner"),
    ("a fault in a last line without end", "store/a.c", LICENCE + "int\ta;", "a tab"),
    ("a macro that jumps", "store/a.c", LICENCE + "#define A(x) do { goto out; } while (0)\n", "a macro that"),
    ("a script without licence", "deploy/a.sh", "#!/bin/sh", "no licence"),
    ("a very long line", "store/a.c", LICENCE + "int " + "a" * 100 + ";\n", "a line of"),
]


def run(files):
    with tempfile.TemporaryDirectory() as root:
        for path, content in files.items():
            os.makedirs(os.path.join(root, os.path.dirname(path)), exist_ok=True)
            with open(os.path.join(root, path), "w") as file:
                file.write(content)
        done = subprocess.run([sys.executable, TIDY, root], capture_output=True, text=True)
        return done.returncode, done.stdout


def main():
    failed = 0
    code, output = run({"protocol/a.c": CLEAN_C, "protocol/a.h": CLEAN_H, "tests/unit/b.c": CLEAN_C})
    cases = [("a clean tree has no finding", code == 0, output)]
    for name, path, content, says in FAULTS:
        code, output = run({path: content})
        cases.append((name + " is found", code == 1 and says in output, output))
    for name, is_right, output in cases:
        print("%-5s %s" % ("ok" if is_right else "FAIL", name))
        if not is_right:
            print(output)
            failed += 1
    sys.exit(1 if failed else 0)


main()
