/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/log.h"

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* A sanitizer's runtime reads /proc, forks and traces itself: it would be stopped first. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define IS_SANITIZED true
#endif
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED false
#endif

void sandbox_begin(void)
{
    const struct rlimit no_core = {0, 0};

    (void)umask(077);
    (void)setrlimit(RLIMIT_CORE, &no_core);
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static enum kith_err find_user(const char *user, const char *folder, uid_t *uid, gid_t *gid)
{
    struct stat found;
    const struct passwd *entry = *user ? getpwnam(user) : NULL;

    if (entry) {
        *uid = entry->pw_uid;
        *gid = entry->pw_gid;
        return KITH_OK;
    }
    if (*user || stat(folder, &found) < 0)
        return KITH_NOT_FOUND;
    *uid = found.st_uid;
    *gid = found.st_gid;
    return *uid == 0 ? KITH_PERMISSION : KITH_OK;
}

/* Root without its powers owns its files like anybody; nobody has them to give up. */
static bool drop_powers(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct none[2] = {{0}};

    return syscall(SYS_capset, &header, none) == 0;
}

/* A change of user makes a process dumpable again. */
enum kith_err sandbox_become(const char *user, const char *folder)
{
    uid_t uid;
    gid_t gid;

    if (geteuid() != 0)
        return KITH_OK;
    enum kith_err err = find_user(user, folder, &uid, &gid);
    if (err)
        return err;
    for (int power = 0; prctl(PR_CAPBSET_READ, power, 0, 0, 0) >= 0; power++)
        (void)prctl(PR_CAPBSET_DROP, power, 0, 0, 0);
    if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0 ||
        !drop_powers())
        return KITH_PERMISSION;
    sandbox_begin();
    return KITH_OK;
}

/* Landlock's numbers: those of the kernel, whose headers may be older than what runs. */
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule       445
#define SYS_landlock_restrict_self  446
#endif
#define LANDLOCK_VERSION 1u /* the flag that asks for it */
#define LANDLOCK_PATH    1
#define MAY_WRITE_FILE   (UINT64_C(1) << 1)
#define MAY_READ_FILE    (UINT64_C(1) << 2)
#define MAY_READ_FOLDER  (UINT64_C(1) << 3)
#define MAY_REMOVE_FILE  (UINT64_C(1) << 5)
#define MAY_MAKE_FILE    (UINT64_C(1) << 8)
#define MAY_MAKE_SOCKET  (UINT64_C(1) << 9)
#define MAY_TRUNCATE     (UINT64_C(1) << 14)
#define MAY_IN_DATA                                                                                \
    (MAY_WRITE_FILE | MAY_READ_FILE | MAY_READ_FOLDER | MAY_REMOVE_FILE | MAY_MAKE_FILE |          \
     MAY_MAKE_SOCKET | MAY_TRUNCATE)
#define TO_CONNECT          (UINT64_C(1) << 1)
#define TO_ABSTRACT_SOCKETS UINT64_C(1)
#define TO_SIGNAL_OTHERS    UINT64_C(2)

struct landlock_rules {
    uint64_t files;
    uint64_t net;
    uint64_t scoped;
};

struct landlock_path {
    uint64_t allowed;
    int32_t folder;
} __attribute__((packed));

/* All that this version of the interface can forbid of files, connecting, and other processes. */
static struct landlock_rules handled_by(long version, size_t *bytes)
{
    static const uint8_t file_rights[] = {0, 13, 14, 15, 15, 16};
    size_t known =
        (size_t)version < COUNT_OF(file_rights) ? (size_t)version : COUNT_OF(file_rights) - 1;
    const struct landlock_rules rules = {
        .files = (UINT64_C(1) << file_rights[known]) - 1,
        .net = TO_CONNECT,
        .scoped = TO_ABSTRACT_SOCKETS | TO_SIGNAL_OTHERS,
    };

    *bytes = version >= 6 ? sizeof rules : version >= 4 ? 16 : 8;
    return rules;
}

static bool allow_below(long rules, uint64_t handled, const char *folder, uint64_t allowed)
{
    struct landlock_path path = {.allowed = allowed & handled,
                                 .folder = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC)};
    bool is_done = path.folder >= 0 &&
                   syscall(SYS_landlock_add_rule, (int)rules, LANDLOCK_PATH, &path, 0) == 0;

    if (path.folder >= 0)
        (void)close(path.folder);
    return is_done;
}

static void folder_of(const char *file, char folder[static 4096])
{
    (void)snprintf(folder, 4096, "%s", file);
    char *slash = strrchr(folder, '/');
    if (!slash)
        (void)snprintf(folder, 4096, ".");
    else
        slash[slash == folder] = '\0';
}

/* Folders may be opened anywhere: libuv does, to have a descriptor to spare when there are no more.
 * They cannot be listed: see `calls`. */
static bool restrict_files(long version, const char *folder, const char *settings,
                           const char *socket)
{
    char beside[4096];
    size_t bytes;
    const struct landlock_rules handled = handled_by(version, &bytes);
    long rules = syscall(SYS_landlock_create_ruleset, &handled, bytes, 0);

    if (rules < 0)
        return false;
    bool is_done = allow_below(rules, handled.files, folder, MAY_IN_DATA) &&
                   allow_below(rules, handled.files, "/", MAY_READ_FOLDER);
    if (is_done && settings) {
        folder_of(settings, beside);
        is_done = allow_below(rules, handled.files, beside, MAY_READ_FILE);
    }
    if (is_done && socket) {
        folder_of(socket, beside);
        is_done = allow_below(rules, handled.files, beside, MAY_MAKE_SOCKET | MAY_REMOVE_FILE);
    }
    is_done = is_done && syscall(SYS_landlock_restrict_self, (int)rules, 0) == 0;
    (void)close((int)rules);
    return is_done;
}

void sandbox_files(struct sandbox *sandbox, const char *folder, const char *settings,
                   const char *socket)
{
    long version =
        IS_SANITIZED ? 0 : syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_VERSION);

    if (version > 0 && restrict_files(version, folder, settings, socket))
        sandbox->landlock = (uint32_t)version;
}

/* What libuv, LMDB, libsodium and the C library call for a hub that listens already. */
static const int calls[] = {
    /* connections */
    SCMP_SYS(accept),
    SCMP_SYS(accept4),
    SCMP_SYS(getsockname),
    SCMP_SYS(getpeername),
    SCMP_SYS(getsockopt),
    SCMP_SYS(setsockopt),
    SCMP_SYS(shutdown),
    SCMP_SYS(read),
    SCMP_SYS(readv),
    SCMP_SYS(recvfrom),
    SCMP_SYS(recvmsg),
    SCMP_SYS(write),
    SCMP_SYS(writev),
    SCMP_SYS(sendto),
    SCMP_SYS(sendmsg),
    SCMP_SYS(close),
    /* the loop */
    SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(eventfd2),
    SCMP_SYS(pipe2),
    /* files */
    SCMP_SYS(open),
    SCMP_SYS(openat),
    SCMP_SYS(stat),
    SCMP_SYS(fstat),
    SCMP_SYS(lstat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(statx),
    SCMP_SYS(access),
    SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2),
    SCMP_SYS(lseek),
    SCMP_SYS(pread64),
    SCMP_SYS(preadv),
    SCMP_SYS(pwrite64),
    SCMP_SYS(pwritev),
    SCMP_SYS(fcntl),
    SCMP_SYS(flock),
    SCMP_SYS(ftruncate),
    SCMP_SYS(fallocate),
    SCMP_SYS(fsync),
    SCMP_SYS(fdatasync),
    SCMP_SYS(fstatfs),
    SCMP_SYS(rename),
    SCMP_SYS(renameat),
    SCMP_SYS(renameat2),
    SCMP_SYS(unlink),
    SCMP_SYS(unlinkat),
    /* memory */
    SCMP_SYS(brk),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(msync),
    SCMP_SYS(mlock),
    SCMP_SYS(munlock),
    /* threads */
    SCMP_SYS(futex),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(rseq),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(membarrier),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(restart_syscall),
    /* signals */
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sigaltstack),
    /* clocks, chance, and who this is */
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_getres),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(getrandom),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getegid),
    SCMP_SYS(uname),
    SCMP_SYS(sysinfo),
    SCMP_SYS(getrusage),
    SCMP_SYS(getrlimit),
};

/* What nothing here ever calls, and what an intruder needs to become something else. */
static const int deadly_calls[] = {
    SCMP_SYS(execve),
    SCMP_SYS(execveat),
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(bpf),
    SCMP_SYS(mount),
    SCMP_SYS(pivot_root),
    SCMP_SYS(chroot),
    SCMP_SYS(setns),
    SCMP_SYS(unshare),
    SCMP_SYS(init_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(kexec_load),
    SCMP_SYS(keyctl),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(setuid),
    SCMP_SYS(setresuid),
    SCMP_SYS(memfd_create),
};

/* Calls that are allowed for some arguments: no memory that can be run, threads but no processes,
 * reading a limit, a signal to itself. */
static const struct {
    int call;
    struct scmp_arg_cmp arg;
} some_calls[] = {
    {SCMP_SYS(mmap), {2, SCMP_CMP_MASKED_EQ, 0x4 /* PROT_EXEC */, 0}},
    {SCMP_SYS(mprotect), {2, SCMP_CMP_MASKED_EQ, 0x4, 0}},
    {SCMP_SYS(clone), {0, SCMP_CMP_MASKED_EQ, 0x10000 /* CLONE_THREAD */, 0x10000}},
    {SCMP_SYS(prlimit64), {2, SCMP_CMP_EQ, 0, 0}},
    {SCMP_SYS(ioctl), {1, SCMP_CMP_EQ, FIONBIO, 0}},
    {SCMP_SYS(ioctl), {1, SCMP_CMP_EQ, FIOCLEX, 0}},
    {SCMP_SYS(ioctl), {1, SCMP_CMP_EQ, FIONREAD, 0}},
    {SCMP_SYS(prctl), {0, SCMP_CMP_EQ, PR_SET_NAME, 0}},
};

/* clone3 hides its flags from a filter; the C library goes back to clone when there is none. */
static int add_calls(scmp_filter_ctx filter)
{
    const struct scmp_arg_cmp to_itself = {0, SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0};
    int failed = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);

    for (size_t i = 0; i < COUNT_OF(calls); i++)
        failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
    for (size_t i = 0; i < COUNT_OF(some_calls); i++)
        failed |= seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, some_calls[i].call, 1,
                                         &some_calls[i].arg);
    failed |= seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, &to_itself);
    for (size_t i = 0; i < COUNT_OF(deadly_calls); i++)
        failed |= seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, deadly_calls[i], 0);
    return failed;
}

void sandbox_calls(struct sandbox *sandbox)
{
    scmp_filter_ctx filter = IS_SANITIZED ? NULL : seccomp_init(SCMP_ACT_ERRNO(EPERM));

    if (!filter)
        return;
    sandbox->has_calls =
        seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1) == 0 &&
        seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) == 0 &&
        add_calls(filter) == 0 && seccomp_load(filter) == 0;
    seccomp_release(filter);
}

void sandbox_tell(const struct sandbox *sandbox)
{
    bool is_whole = sandbox->landlock > 0 && sandbox->has_calls;

    log_event(is_whole ? LOG_CONFINED : LOG_NOT_CONFINED, sandbox->landlock, sandbox->has_calls,
              KITH_OK);
}
