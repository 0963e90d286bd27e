#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The manual pages and the completions say what --help says, and shells take them."""
import os
import re
import shutil
import subprocess

from lab import BIN, Skipped, expect, main

MAN = os.path.join(BIN, "man")
PAGES = ("kith.1", "kithd.1", "kithd.conf.5")
SHELLS = ("bash", "zsh", "fish")


def output_of(*command, text=None):
    return subprocess.run(command, capture_output=True, text=True, input=text, timeout=120)


def content(name):
    with open(os.path.join(MAN, name)) as file:
        return file.read()


def plain(name):
    """A page as it reads: without fonts, and with every sign as itself."""
    text = re.sub(r"\\f[BIR]", "", content(name))
    for roff, sign in ((r"\-", "-"), (r"\(aq", "'"), (r"\(ti", "~"), (r"\(ga", "`"), (r"\(ha", "^"), (r"\&", "")):
        text = text.replace(roff, sign)
    return text.replace(r"\e", "\\")


def usages(program):
    """[(words, arguments, sentence)] of --help."""
    shown = output_of(os.path.join(BIN, program), "--help").stdout
    found = re.findall(r"^  %s ((?:[a-zT][\w-]*|TYPE)(?: [a-z]+)*)((?: .*)?)\n      (.*)" % program, shown, re.M)
    expect(len(found) == shown.count("\n  %s " % program) - shown.count("--help | --version"),
           "%s: all of --help is read" % program)
    return found


def types():
    shown = output_of(os.path.join(BIN, "kith"), "--help").stdout
    return re.search(r"^TYPE is one of: (.*)", shown, re.M).group(1).split()


def options(arguments):
    return re.findall(r"--[a-z-]+", arguments)


def pages_have_every_command_and_sentence_of_help(_):
    for program, least in (("kith", 50), ("kithd", 7)):
        page, found = plain(program + ".1"), usages(program)
        expect(len(found) >= least, "%s: %d commands" % (program, len(found)))
        for words, arguments, sentence in found:
            expect("\n.TP\n%s%s\n%s.\n" % (words, arguments, sentence) in page, "%s %s" % (program, words))
        shown = output_of(os.path.join(BIN, program), "--help").stdout
        for option in options(shown):
            expect(option in page, "%s: %s" % (program, option))
    for name in types():
        expect(re.search(r"^%s[,.]$" % name, plain("kith.1"), re.M), name)


def the_page_of_settings_has_every_setting_of_help(_):
    shown, page = output_of(os.path.join(BIN, "kithd"), "--help").stdout, plain("kithd.conf.5")
    settings = re.findall(r"^# (.*?) \((?:(\d+) to (\d+) (.*); )?(reload|restart)\)\n(\w+) = (.*)$", shown, re.M)
    expect(len(settings) >= 19, "%d settings" % len(settings))
    for sentence, least, most, unit, change, key, preset in settings:
        says = "From %s to %s %s; without it: %s" % (least, most, unit, preset) if least else \
            "Without it: %s" % (preset or "empty")
        says += "; reload changes it" if change == "reload" else "; a restart changes it"
        expect("\n.B %s\n%s.\n%s.\n" % (key, sentence, says) in page, key)


def the_sample_of_settings_is_read_with_each_line_switched_on(lab):
    hub, sample = os.path.join(lab.folder, "sample-hub"), os.path.join(lab.folder, "kithd.conf")
    kithd = os.path.join(BIN, "kithd")
    expect(output_of(kithd, "init", "--data", hub, "--listen", "127.0.0.1:1").returncode == 0, "made")
    expect(not re.search(r"^[^#\n]", content("kithd.conf"), re.M), "nothing is set in the sample")
    with open(sample, "w") as file:
        file.write(re.sub(r"^#(?=\w)", "", content("kithd.conf"), flags=re.M))
        file.write("a_key_that_is_none = 1\n")
    refused = output_of(kithd, "run", "--data", hub, "--config", sample)
    expect(refused.returncode == 1 and "a_key_that_is_none" in refused.stderr, "up to the last line: " + refused.stderr)


def pages_are_laid_out_without_a_warning(_):
    tools = {"mandoc": ["-Tlint", "-Wwarning"], "groff": ["-man", "-ww", "-Tutf8"]}
    there = [name for name in tools if shutil.which(name)]
    if not there:
        raise Skipped("needs the package mandoc or groff-base")
    for name in there:
        for page in PAGES:
            done = output_of(name, *tools[name], os.path.join(MAN, page))
            said = done.stderr + (done.stdout if name == "mandoc" else "")
            expect(done.returncode == 0 and not said, "%s %s: %s" % (name, page, said))


def completions_have_every_command_and_option_of_help(_):
    for shell in SHELLS:
        for program in ("kith", "kithd"):
            text = content("%s.%s" % (program, shell))
            for words, arguments, _sentence in usages(program):
                for name in [re.sub("^TYPE", kind, words) for kind in types()] if words.startswith("TYPE") else [words]:
                    *before, last = name.split()
                    path = "".join(word + " " for word in before)
                    offered = re.findall(r'^    "%s"\) next="(.*)" ;;$' % path, text, re.M) if shell != "fish" else \
                        re.findall(r"__%s_at \"%s\"' -a '([\w-]+)'" % (program, path), text)
                    expect(last in " ".join(offered).split(), "%s: %s %s" % (shell, program, name))
                    for option in options(arguments):
                        there = r'^    "%s "\*\) options="[^"]*%s\b' % (name, option) if shell != "fish" else \
                            r"__%s_in \"%s \"' -l %s\b" % (program, name, option[2:])
                        expect(re.search(there, text, re.M), "%s: %s %s" % (shell, name, option))


# What stands on the line, and what must come and must not come of it.
LINES = (
    (["kith", "pers"], {"person"}, {"list"}),
    (["kith", "person", ""], {"list"}, {"person"}),
    (["kith", "--home", "/nowhere", "dev"], {"device"}, {"person"}),
    (["kith", "visit", "add", "pla"], {"place="}, {"date="}),
    (["kith", "export", "billing", "--"], {"--to-file", "--again", "--json"}, {"--qr"}),
    (["kith", "agent", ""], {"stop"}, {"found"}),
    (["kithd", "ba"], {"backup"}, {"bundle"}),
    (["kithd", "audit", "--"], {"--since", "--data"}, {"--listen"}),
)


def completed_in(shell, line):
    program, last = line[0], len(line) - 1
    path = os.path.join(MAN, program + "." + shell)
    if shell == "bash":
        script = 'source "$1"; shift; compopt() { :; }; COMP_WORDS=("$@"); COMP_CWORD=%d; _%s\n' \
            'printf "%%s\\n" "${COMPREPLY[@]}"' % (last, program)
        done = output_of("bash", "-c", script, "bash", path, *line)
    elif shell == "zsh":
        script = 'compadd() { while [[ $1 != -- ]]; do shift; done; shift; offered+=("$@") }; _files() { : }\n' \
            'compset() { : }; offered=(); file=$1; shift; words=("$@"); CURRENT=%d; source $file\n' \
            'print -l -- ${(M)offered:#${words[CURRENT]}*}' % (last + 1)
        done = output_of("zsh", "-fc", script, "zsh", path, *line)
    else:
        done = output_of("fish", "--no-config", "-c", "source %s; complete -C'%s'" % (path, " ".join(line)))
    expect(done.returncode == 0 and not done.stderr, "%s %s: %s" % (shell, line, done.stderr))
    return {entry.split("\t")[0] for entry in done.stdout.splitlines()}


def completes(shell):
    def test(_):
        if not shutil.which(shell):
            raise Skipped("needs the package " + shell)
        for line, wanted, unwanted in LINES:
            got = completed_in(shell, line)
            expect(wanted <= got and not unwanted & got, "%s: %s" % (" ".join(line), sorted(got)))
    test.__name__ = shell + "_completes"
    return test


def bash_completes_the_choices_of_a_field_and_the_names_of_files(lab):
    open(os.path.join(lab.folder, "ana.kith"), "w").close()
    for line in (["kith", "visit", "add", "place", "="], ["kith", "visit", "add", "place", "=", "sh"]):
        got = completed_in("bash", line)
        expect("shelter" in got and ("home" in got) == (line[-1] == "="), "%s: %s" % (line, sorted(got)))
    for line in (["kith", "bundle", "read"], ["kith", "export", "fhir", "--to-file"], ["kithd", "backup", "--to"]):
        got = completed_in("bash", line + [lab.folder + "/an"])
        expect(got == {lab.folder + "/ana.kith"}, "%s: %s" % (line, sorted(got)))


if __name__ == "__main__":
    main([pages_have_every_command_and_sentence_of_help, the_page_of_settings_has_every_setting_of_help,
          the_sample_of_settings_is_read_with_each_line_switched_on, pages_are_laid_out_without_a_warning,
          completions_have_every_command_and_option_of_help, completes("bash"), completes("zsh"), completes("fish"),
          bash_completes_the_choices_of_a_field_and_the_names_of_files])
