#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a running hub has forbidden itself, as the kernel tells it, and what it says where the kernel cannot."""
import ctypes
import errno
import os
import platform
import struct
import subprocess

from lab import BIN, Skipped, expect, free_port, main

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
SYS_SECCOMP, LANDLOCK_CALLS = 317, (444, 445, 446)  # x86-64
LOAD_WORD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
RETURN_ALLOW, RETURN_ERRNO = 0x7FFF0000, 0x00050000


def is_sanitized():
    return "release" not in BIN


def status_of(pid, task=None):
    path = "/proc/%d/task/%s/status" % (pid, task) if task else "/proc/%d/status" % pid
    with open(path) as file:
        return dict(line.split(":", 1) for line in file.read().splitlines() if ":" in line)


def log_of(hub):
    with open(hub.log.name) as file:
        return file.read()


def line_of(log, event):
    return next((line for line in log.splitlines() if " %s " % event in line), "")


def a_running_hub_is_confined(lab):
    hub = lab.hub()
    founder = lab.found(hub)  # so that every thread it ever has is there
    pid = hub.process.pid
    with open("/proc/%d/limits" % pid) as file:
        limits = {line[:26].strip(): line[26:].split() for line in file}
    expect(limits["Max core file size"][:2] == ["0", "0"], "no core files: %s" % limits["Max core file size"])
    soft, hard = limits["Max open files"][:2]
    expect(soft == hard, "as many files as it may have: %s of %s" % (soft, hard))
    expect(status_of(pid)["NoNewPrivs"].strip() == "1", "no new privileges")
    expect(founder.sync()["up_to_date"], "and it serves")
    if is_sanitized():
        expect("not_confined landlock=0 seccomp=0" in log_of(hub), "a sanitizer's hub says that it is not")
        raise Skipped("a sanitizer's runtime needs what is forbidden otherwise")
    tasks = os.listdir("/proc/%d/task" % pid)
    expect(len(tasks) >= 3, "the loop, the commit thread and a worker: %s" % tasks)
    for task in tasks:
        status = status_of(pid, task)
        expect(status["Seccomp"].strip() == "2" and status["NoNewPrivs"].strip() == "1", "thread %s: %s" % (task, status))
    expect("seccomp=1" in log_of(hub), log_of(hub))
    # Whoever is not root may not look into it.
    expect(os.stat("/proc/%d/mem" % pid).st_uid == 0, "its memory belongs to root")


def without(*calls):
    """Makes these system calls fail as on a kernel that does not know them, from here on."""
    steps = [struct.pack("HBBI", LOAD_WORD, 0, 0, 0)]
    for at, call in enumerate(calls):
        steps.append(struct.pack("HBBI", JUMP_IF_EQUAL, len(calls) - at, 0, call))
    steps.append(struct.pack("HBBI", RETURN, 0, 0, RETURN_ALLOW))
    steps.append(struct.pack("HBBI", RETURN, 0, 0, RETURN_ERRNO | errno.ENOSYS))
    code = ctypes.create_string_buffer(b"".join(steps))
    libc = ctypes.CDLL(None, use_errno=True)

    def apply():
        program = struct.pack("HxxxxxxP", len(steps), ctypes.addressof(code))
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "no filter")

    return apply


def on_a_kernel_that_cannot_it_starts_and_says_so(lab):
    if platform.machine() != "x86_64":
        raise Skipped("the numbers of system calls are those of x86-64")
    if is_sanitized():
        raise Skipped("a sanitizer's hub is not confined anywhere")
    hub = lab.hub()
    founder = lab.found(hub)
    for calls, told in ((LANDLOCK_CALLS, "not_confined landlock=0 seccomp=1"),
                        ((SYS_SECCOMP,), "not_confined landlock="),
                        (LANDLOCK_CALLS + (SYS_SECCOMP,), "not_confined landlock=0 seccomp=0")):
        hub.kill()
        before = len(log_of(hub))
        hub.process = subprocess.Popen([BIN + "/kithd", "run", "--data", hub.data, "--listen",
                                        "127.0.0.1:%d" % hub.port], stdout=subprocess.PIPE, stderr=hub.log, text=True,
                                       preexec_fn=without(*calls))
        expect(hub.process.stdout.readline().startswith("listening "), "it starts: %s" % log_of(hub)[before:])
        expect(told in log_of(hub)[before:], "and says %r: %s" % (told, log_of(hub)[before:]))
        expect(founder.sync()["up_to_date"], "and serves")


def a_name_is_looked_up_before_the_files_are_out_of_reach(lab):
    folder, port = os.path.join(lab.folder, "named"), free_port()
    subprocess.run([BIN + "/kithd", "init", "--data", folder, "--listen", "localhost:%d" % port, "--user",
                    "root"], check=True, capture_output=True)
    hub = subprocess.Popen([BIN + "/kithd", "run", "--data", folder], stdout=subprocess.PIPE,
                           stderr=subprocess.DEVNULL, text=True)
    line = hub.stdout.readline()
    hub.kill()
    hub.wait()
    hub.stdout.close()
    expect(line.startswith("listening ") and line.strip().endswith(":%d" % port), line)


NOBODY = 65534


def root_becomes_the_owner_of_the_folder_or_does_not_serve(lab):
    if os.geteuid() != 0:
        raise Skipped("needs to be root")
    folder, port = os.path.join(lab.folder, "owned"), free_port()
    init = [BIN + "/kithd", "init", "--data", folder, "--listen", "127.0.0.1:%d" % port, "--json"]
    subprocess.run(init, check=True, capture_output=True)
    run = [BIN + "/kithd", "run", "--data", folder]
    refused = subprocess.run(run, capture_output=True, text=True)
    expect(refused.returncode == 1 and "root does not serve" in refused.stderr, "root's own folder: " + refused.stderr)
    refused = subprocess.run(run + ["--user", "nobody-of-this-name"], capture_output=True, text=True)
    expect(refused.returncode == 1 and "there is no user" in refused.stderr, refused.stderr)
    os.chmod(lab.folder, 0o711)
    for path in [folder] + [os.path.join(folder, name) for name in os.listdir(folder)]:
        os.chown(path, NOBODY, NOBODY)
    hub = subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        expect(hub.stdout.readline().startswith("listening "), "it serves somebody's folder")
        for task in os.listdir("/proc/%d/task" % hub.pid):
            status = status_of(hub.pid, task)
            expect(status["Uid"].split() == status["Gid"].split() == [str(NOBODY)] * 4, "as its owner: %s" % status)
            expect(status["Groups"].split() == [], "in no other group: %s" % status)
            for powers in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
                expect(int(status[powers], 16) == 0, "without powers: %s %s" % (powers, status[powers]))
        with open("/proc/%d/limits" % hub.pid) as file:
            expect("Max core file size        0                    0" in file.read(), "no core file after the change")
        expect(os.stat("/proc/%d/mem" % hub.pid).st_uid == 0, "nor to be looked into")
        expect({os.stat(os.path.join(folder, name)).st_uid for name in os.listdir(folder)} == {NOBODY},
               "what it made is the owner's")
    finally:
        hub.kill()
        hub.wait()
        hub.stdout.close()


if __name__ == "__main__":
    main([a_running_hub_is_confined, on_a_kernel_that_cannot_it_starts_and_says_so,
          a_name_is_looked_up_before_the_files_are_out_of_reach,
          root_becomes_the_owner_of_the_folder_or_does_not_serve])
