/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's commands. In the background it is this program once more, in a session of its own. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/agent/agent.h"
#include "client/agent/unlock.h"
#include "client/cli/commands.h"
#include "client/cli/json.h"
#include "client/cli/unlock.h"

#define START_TRIES 100
#define START_NS    50000000L

static void say(const char *line)
{
    (void)fprintf(stderr, "kith agent: %s\n", line);
}

static void agent_show(const struct cli *cli, enum agent_state state, const char *sentence)
{
    struct json json = json_to(stdout);

    if (!cli->is_json) {
        (void)fprintf(cli->show.out, "%s\n", sentence);
        return;
    }
    json_object(&json, NULL);
    json_text(&json, "agent", agent_state_word(state));
    json_end(&json);
}

/* Someone is there to give the passphrase, or has given it in a file; else it waits for an unlock.
 */
static bool may_unlock(const struct cli *cli)
{
    return cli->passphrase_file || isatty(STDIN_FILENO);
}

static enum exit_code run_here(const struct cli *cli, bool is_metered)
{
    const struct agent_options options = {.home = cli->home, .is_metered = is_metered, .say = say};
    enum kith_err err = agent_run(&options);

    if (err == KITH_EXISTS)
        return cli_refuse((int)err, "an agent runs for this home already: `kith agent stop`");
    return err ? cli_refuse((int)err, "the agent could not start: %s", kith_error_text((int)err))
               : EXIT_DONE;
}

static int spawn_quietly(const char *const *arguments)
{
    extern char **environ;
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    pid_t child;

    if (posix_spawn_file_actions_init(&files))
        return ENOMEM;
    if (posix_spawnattr_init(&attributes)) {
        (void)posix_spawn_file_actions_destroy(&files);
        return ENOMEM;
    }
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        (void)posix_spawn_file_actions_addopen(&files, fd, "/dev/null", O_RDWR, 0);
    (void)posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
    (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
    int code =
        posix_spawn(&child, "/proc/self/exe", &files, &attributes,
                    (char *const *)(uintptr_t)arguments, /* NOLINT(performance-no-int-to-ptr) */
                    environ);
    (void)posix_spawnattr_destroy(&attributes);
    (void)posix_spawn_file_actions_destroy(&files);
    return code;
}

static enum exit_code run_behind(const struct cli *cli, bool is_metered)
{
    const char *const arguments[] = {"kith",  "--home",       cli->home,
                                     "agent", "--foreground", is_metered ? "--metered" : NULL,
                                     NULL};
    const struct timespec pause = {.tv_nsec = START_NS};
    enum agent_state state = AGENT_NONE;
    enum kith_err err = agent_state(cli->home, &state);

    if (!err && state != AGENT_NONE) {
        agent_show(cli, state, "An agent runs already. `kith agent stop` ends it.");
        return EXIT_DONE;
    }
    (void)unsetenv("KITH_PASSPHRASE_FILE"); /* it has its key from the holder alone */
    int code = spawn_quietly(arguments);
    if (code)
        return cli_refuse(KITH_MEMORY, "the agent could not start: %s", strerror(code));
    for (int i = 0; i < START_TRIES && !err && state == AGENT_NONE; i++) {
        (void)nanosleep(&pause, NULL);
        err = agent_state(cli->home, &state);
    }
    if (err || state == AGENT_NONE)
        return cli_refuse(KITH_IO, "the agent did not start; `kith agent --foreground` says why");
    agent_show(cli, state,
               "The agent keeps this home in step with the hub. `kith agent stop` ends it.");
    return EXIT_DONE;
}

enum exit_code agent_start(struct cli *cli, const struct arguments *arguments)
{
    bool is_metered = arguments_option(arguments, "--metered") != NULL;
    bool is_foreground = arguments_option(arguments, "--foreground") != NULL;
    uint32_t minutes;
    bool is_new;
    enum exit_code done = EXIT_DONE;

    if (!is_foreground || may_unlock(cli))
        done = unlock_home(cli, arguments, &minutes, &is_new);
    if (done)
        return done;
    return is_foreground ? run_here(cli, is_metered) : run_behind(cli, is_metered);
}

enum exit_code agent_stop(struct cli *cli, const struct arguments *arguments)
{
    enum kith_err err = agent_end(cli->home);

    (void)arguments;
    if (err)
        return cli_fail(cli, (int)err);
    agent_show(cli, AGENT_NONE, "No agent runs for this home.");
    return EXIT_DONE;
}
