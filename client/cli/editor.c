/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/editor.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define EDITED_MAX (1024 * 1024)

static const char *editor_name(void)
{
    const char *visual = getenv("VISUAL");
    const char *editor = getenv("EDITOR");

    if (visual && *visual)
        return visual;
    return editor && *editor ? editor : NULL;
}

bool editor_is_named(void)
{
    return editor_name() != NULL;
}

/* Memory before disk. */
static bool folder_make(const char *home, char folder[static PATH_MAX])
{
    const char *const places[] = {getenv("XDG_RUNTIME_DIR"), "/dev/shm", home};

    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (!places[i] || !*places[i])
            continue;
        int len = snprintf(folder, PATH_MAX, "%s/kith-edit-XXXXXX", places[i]);
        if (len < PATH_MAX - NAME_MAX && mkdtemp(folder))
            return true;
    }
    return false;
}

/* Editors leave copies of the file beside it. */
static void folder_remove(const char *folder)
{
    DIR *entries = opendir(folder);

    for (struct dirent *entry = entries ? readdir(entries) : NULL; entry; entry = readdir(entries))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            (void)unlinkat(dirfd(entries), entry->d_name, 0);
    if (entries)
        (void)closedir(entries);
    (void)rmdir(folder);
}

static enum kith_err file_write(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");

    if (!file) {
        if (fd >= 0)
            (void)close(fd);
        return KITH_IO;
    }
    bool has_failed = fputs(text, file) < 0;
    has_failed = fclose(file) || has_failed;
    return has_failed ? KITH_FULL : KITH_OK;
}

static enum kith_err file_read(const char *path, char **text)
{
    FILE *file = fopen(path, "re");

    if (!file)
        return KITH_NOT_FOUND;
    enum kith_err err = KITH_OK;
    *text = malloc(EDITED_MAX + 1);
    size_t len = *text ? fread(*text, 1, EDITED_MAX + 1, file) : 0;
    if (!*text)
        err = KITH_MEMORY;
    else if (ferror(file))
        err = KITH_IO;
    else if (len > EDITED_MAX)
        err = KITH_TOO_LARGE;
    (void)fclose(file);
    if (err) {
        free(*text);
        *text = NULL;
    } else {
        (*text)[len] = '\0';
    }
    return err;
}

static _Noreturn void editor_exec(const char *path)
{
    const char *name = editor_name();
    char command[] = "command -v editor >/dev/null && exec editor \"$1\"; exec vi \"$1\"";
    char shell[] = "sh";
    char flag[] = "-c";
    char *named = NULL;
    char *file = strdup(path);

    /* The name may have words behind it, which is why a shell reads it. */
    if (name && asprintf(&named, "exec %s \"$1\"", name) < 0)
        _exit(127);
    char *const words[] = {shell, flag, named ? named : command, shell, file, NULL};
    (void)execv("/bin/sh", words);
    _exit(127);
}

/* Ctrl-C in the editor is the editor's business. */
static enum kith_err editor_wait(const char *path)
{
    void (*interrupt)(int) = signal(SIGINT, SIG_IGN);
    void (*quit)(int) = signal(SIGQUIT, SIG_IGN);
    pid_t child = fork();
    int status = -1;

    if (child == 0) {
        (void)signal(SIGINT, interrupt);
        (void)signal(SIGQUIT, quit);
        editor_exec(path);
    }
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    (void)signal(SIGINT, interrupt);
    (void)signal(SIGQUIT, quit);
    return child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? KITH_OK : KITH_NOT_FOUND;
}

enum kith_err editor_run(const char *home, const char *name, const char *text, char **edited)
{
    char folder[PATH_MAX];
    char path[PATH_MAX];

    *edited = NULL;
    if (!folder_make(home, folder))
        return KITH_IO;
    int len = snprintf(path, sizeof path, "%s/%.64s.txt", folder, name);
    enum kith_err err = len < PATH_MAX ? file_write(path, text) : KITH_IO;
    if (!err)
        err = editor_wait(path);
    if (!err)
        err = file_read(path, edited);
    folder_remove(folder);
    return err;
}
