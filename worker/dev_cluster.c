#include "worker/dev_cluster.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "worker/base/child.h"
#include "worker/base/memory.h"

#define START_MS 30000
#define STOP_MS 10000
#define LOOK_MS 20
#define DATA "postgres/data"
#define DATA_DRAFT "postgres/draft"
#define SOCKET_NAME ".s.PGSQL.5432"

struct identity {
    bool has_user;
    uid_t user_id;
    gid_t group_id;
};

/* The newest of the distribution's versions: /usr/lib/postgresql/<version>/bin. */
static bool find_binaries(char ret_folder[256], struct error *err)
{
    glob_t found;
    unsigned long best = 0;
    if (glob("/usr/lib/postgresql/*/bin/postgres", 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++) {
            struct text path = text_from(found.gl_pathv[i]);
            unsigned long version = strtoul(path.start + strlen("/usr/lib/postgresql/"), NULL, 10);
            path.bytes -= strlen("/postgres");
            if (version > best && text_format(ret_folder, 256, "%.*s", TEXT_ARGS(path)))
                best = version;
        }
        globfree(&found);
    }
    if (best)
        return true;
    return error_set(err, ERR_CONFIG, "PostgreSQL is not installed (apt-get install postgresql)");
}

static bool find_identity(struct identity *ret_identity, struct error *err)
{
    *ret_identity = (struct identity){0};
    if (geteuid() != 0)
        return true;
    const struct passwd *user = getpwnam("postgres");
    if (!user)
        user = getpwnam("nobody");
    if (!user)
        return error_set(err, ERR_CONFIG,
                         "PostgreSQL refuses to run as root, and there is no user "
                         "`postgres` to run it as");
    *ret_identity = (struct identity){true, user->pw_uid, user->pw_gid};
    return true;
}

static bool make_folder(const char *path, const struct identity *identity, struct error *err)
{
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return error_set_errno(err, ERR_IO, errno, path);
    if (identity->has_user && chown(path, identity->user_id, identity->group_id) != 0)
        return error_set_errno(err, ERR_IO, errno, path);
    return true;
}

struct places {
    char binaries[256];
    char run[STATE_PATH_BYTES], data[STATE_PATH_BYTES], draft[STATE_PATH_BYTES];
    char version[STATE_PATH_BYTES + 16];
    char log[STATE_PATH_BYTES], socket[STATE_PATH_BYTES + 32];
    struct identity identity;
};

static bool find_places(const struct dev_state *state, struct places *places, struct error *err)
{
    if (!find_binaries(places->binaries, err) || !find_identity(&places->identity, err) ||
        !dev_state_path(state, "postgres", places->run, err) ||
        !dev_state_path(state, DATA, places->data, err) ||
        !dev_state_path(state, DATA_DRAFT, places->draft, err) ||
        !dev_state_path(state, "postgres.log", places->log, err))
        return false;
    bool fits =
        text_format(places->socket, sizeof(places->socket), "%s/" SOCKET_NAME, places->run) &&
        text_format(places->version, sizeof(places->version), "%s/PG_VERSION", places->data);
    if (!fits || strlen(places->socket) >= sizeof(((struct sockaddr_un *)0)->sun_path))
        return error_set(err, ERR_CONFIG,
                         "%s is too long for a socket: set XDG_STATE_HOME to a shorter path",
                         places->run);
    return make_folder(places->run, &places->identity, err);
}

static struct child_options options_of(const struct places *places, const char *const *argv)
{
    return (struct child_options){
        .argv = argv,
        .log_path = places->log,
        .has_user = places->identity.has_user,
        .user_id = places->identity.user_id,
        .group_id = places->identity.group_id,
        .death_signal = SIGQUIT, /* immediate shutdown */
    };
}

/* Made aside and put in place whole: a killed initdb leaves what no server starts on. */
static bool make_cluster(const struct dev_state *state, const struct places *places,
                         struct error *err)
{
    char program[300];
    const char *const argv[] = {program, "-D",   places->draft, "-A",
                                "trust", "-U",   "millrace",    "--locale=C.UTF-8",
                                "-E",    "UTF8", "--no-sync",   NULL};
    struct child_options options = options_of(places, argv);
    if (access(places->version, F_OK) == 0)
        return true;
    (void)text_format(program, sizeof(program), "%s/initdb", places->binaries);
    if (!dev_state_remove(state, DATA_DRAFT, err) || !dev_state_remove(state, DATA, err) ||
        !child_run(&options, err))
        return false;
    return rename(places->draft, places->data) == 0 ||
           error_set_errno(err, ERR_IO, errno, places->data);
}

static bool answers(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    AUTO_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)text_format(address.sun_path, sizeof(address.sun_path), "%s", path);
    return fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
}

static struct text read_lock_file(const struct places *places, char *buffer, size_t buffer_bytes)
{
    char path[STATE_PATH_BYTES + 32];
    (void)text_format(path, sizeof(path), "%s/postmaster.pid", places->data);
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t bytes = fd >= 0 ? read(fd, buffer, buffer_bytes) : 0;
    return bytes > 0 ? (struct text){buffer, (size_t)bytes} : TEXT_NONE;
}

/* A socket takes connections before the server lets anybody in; its lock file says when it does. */
static bool is_ready(const struct places *places)
{
    char content[1024];
    size_t at;
    return text_find(read_lock_file(places, content, sizeof(content)), TEXT("\nready"), &at);
}

static bool is_another_running(const struct places *places)
{
    char content[1024];
    struct text rest;
    uint64_t pid;
    struct text lock = read_lock_file(places, content, sizeof(content));
    return text_parse_u64(text_cut(lock, '\n', &rest), &pid) && pid <= INT32_MAX &&
           (kill((pid_t)pid, 0) == 0 || errno == EPERM);
}

/* A `dev` that was killed takes its server along, but not in an instant. */
static void wait_for_the_last_one(const struct places *places)
{
    const struct timespec look = {.tv_nsec = LOOK_MS * 1000000L};
    for (unsigned waited_ms = 0; waited_ms < STOP_MS && is_another_running(places);
         waited_ms += LOOK_MS)
        nanosleep(&look, NULL);
}

static bool wait_until_it_answers(struct dev_cluster *cluster, const struct places *places,
                                  struct error *err)
{
    const struct timespec look = {.tv_nsec = LOOK_MS * 1000000L};
    for (unsigned waited_ms = 0; waited_ms < START_MS; waited_ms += LOOK_MS) {
        if (answers(places->socket) && is_ready(places))
            return true;
        if (child_has_ended(cluster->pid, NULL)) {
            cluster->pid = 0;
            return error_set(err, ERR_IO, "PostgreSQL did not start; its log: %s", places->log);
        }
        nanosleep(&look, NULL);
    }
    return error_set(err, ERR_TIMEOUT, "PostgreSQL does not answer; its log: %s", places->log);
}

bool dev_cluster_start(struct dev_cluster *cluster, const struct dev_state *state,
                       struct error *err)
{
    struct places places;
    char program[300];
    *cluster = (struct dev_cluster){0};
    if (!find_places(state, &places, err) || !make_cluster(state, &places, err))
        return false;
    const char *const argv[] = {program,
                                "-D",
                                places.data,
                                "-c",
                                "listen_addresses=",
                                "-c",
                                "port=5432",
                                "-k",
                                places.run,
                                "-c",
                                "max_connections=40",
                                "-c",
                                "shared_buffers=64MB",
                                "-c",
                                "max_wal_size=512MB",
                                NULL};
    struct child_options options = options_of(&places, argv);
    if (!text_format(program, sizeof(program), "%s/postgres", places.binaries) ||
        !text_format(cluster->conninfo, sizeof(cluster->conninfo),
                     "host='%s' port=5432 user=millrace dbname=postgres", places.run))
        return error_set(err, ERR_CONFIG, "the path of the state folder is too long");
    wait_for_the_last_one(&places);
    if (!child_start(&options, &cluster->pid, err))
        return false;
    if (wait_until_it_answers(cluster, &places, err))
        return true;
    dev_cluster_stop(cluster);
    return false;
}

void dev_cluster_stop(struct dev_cluster *cluster)
{
    if (cluster->pid > 0)
        child_stop(cluster->pid, SIGINT, STOP_MS);
    cluster->pid = 0;
}
