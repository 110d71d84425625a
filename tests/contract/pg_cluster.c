#include "tests/contract/pg_cluster.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_BYTES_MAX (1024 * 1024)
#define READY_TRIES_MAX 600 /* of 50 ms */

struct pg_cluster {
    char bin[256];
    char dir[64];
    char url[256];
    char database_url[256];
    int port;
    bool is_root;
    struct passwd user; /* whom the server runs as, when we are root: it refuses that */
    pid_t pid;
    int pooler_port;
    pid_t pooler_pid; /* 0: none */
    char *answer;
};

static void die(const char *what)
{
    fprintf(stderr, "pg_cluster: %s\n", what);
    exit(1);
}

static void skip_program(const char *why)
{
    printf("SKIPPED: %s\n", why);
    exit(77);
}

/* ---- processes ------------------------------------------------------------------------------- */

static void become_server_user(const struct pg_cluster *cluster)
{
    if (!cluster->is_root)
        return;
    if (setgroups(0, NULL) != 0 || setgid(cluster->user.pw_gid) != 0 ||
        setuid(cluster->user.pw_uid) != 0)
        _exit(126);
}

/* In the child: the server's user, output to fd, dead when we are. */
static void prepare_child(const struct pg_cluster *cluster, int out_fd, int death_signal)
{
    pid_t parent = getppid();
    become_server_user(cluster);
    prctl(PR_SET_PDEATHSIG, death_signal); /* after setuid, which clears it */
    if (getppid() != parent || chdir("/") != 0)
        _exit(126);
    dup2(out_fd, STDOUT_FILENO);
    dup2(out_fd, STDERR_FILENO);
    setenv("PGOPTIONS", "-c client_min_messages=warning", 1);
}

static pid_t spawn(const struct pg_cluster *cluster, char *const *arguments, int out_fd,
                   int death_signal)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        die("fork");
    if (pid == 0) {
        prepare_child(cluster, out_fd, death_signal);
        execv(arguments[0], arguments);
        _exit(127);
    }
    return pid;
}

static int wait_for(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/* Runs to the end; its output is in cluster->answer. */
static int run(struct pg_cluster *cluster, char *const *arguments)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        die("pipe");
    pid_t pid = spawn(cluster, arguments, ends[1], SIGKILL);
    close(ends[1]);
    size_t bytes = 0;
    for (ssize_t got; bytes < ANSWER_BYTES_MAX &&
                      (got = read(ends[0], cluster->answer + bytes, ANSWER_BYTES_MAX - bytes)) > 0;)
        bytes += (size_t)got;
    close(ends[0]);
    cluster->answer[bytes] = '\0';
    if (bytes && cluster->answer[bytes - 1] == '\n')
        cluster->answer[bytes - 1] = '\0';
    return wait_for(pid);
}

/* ---- the server ------------------------------------------------------------------------------ */

static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, bytes) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &bytes) != 0)
        die("no free port");
    close(fd);
    return ntohs(address.sin_port);
}

static void find_bin(struct pg_cluster *cluster)
{
    glob_t found;
    if (glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &found) != 0)
        skip_program("no PostgreSQL server here (apt-get install postgresql)");
    struct text path = text_from(found.gl_pathv[found.gl_pathc - 1]);
    (void)text_format(cluster->bin, sizeof(cluster->bin), "%.*s",
                      (int)(path.bytes - strlen("/initdb")), path.start);
    globfree(&found);
}

static void make_dir(struct pg_cluster *cluster)
{
    (void)text_format(cluster->dir, sizeof(cluster->dir), "%s", "/tmp/millrace-pg-XXXXXX");
    if (!mkdtemp(cluster->dir))
        die("mkdtemp");
    cluster->is_root = geteuid() == 0;
    if (!cluster->is_root)
        return;
    const struct passwd *user = getpwnam("postgres");
    if (!user)
        skip_program("no user postgres to run the server as");
    cluster->user = *user;
    if (chown(cluster->dir, user->pw_uid, user->pw_gid) != 0)
        die("chown");
}

static bool is_ready(struct pg_cluster *cluster)
{
    char program[300], port[16];
    (void)text_format(program, sizeof(program), "%s/pg_isready", cluster->bin);
    (void)text_format(port, sizeof(port), "%d", cluster->port);
    char *arguments[] = {program, "-q", "-h", cluster->dir, "-p", port, NULL};
    return run(cluster, arguments) == 0;
}

void pg_cluster_resume(struct pg_cluster *cluster)
{
    char program[300], data[100], port[16], log[100];
    (void)text_format(program, sizeof(program), "%s/postgres", cluster->bin);
    (void)text_format(data, sizeof(data), "%s/data", cluster->dir);
    (void)text_format(log, sizeof(log), "%s/log", cluster->dir);
    (void)text_format(port, sizeof(port), "%d", cluster->port);
    char *arguments[] = {program, "-D",        data, "-k", cluster->dir,         "-p", port,
                         "-h",    "127.0.0.1", "-F", "-c", "max_connections=40", NULL};
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    cluster->pid = spawn(cluster, arguments, fd, SIGQUIT);
    close(fd);
    const struct timespec pause = {.tv_nsec = 50 * 1000 * 1000};
    for (int i = 0; i < READY_TRIES_MAX; i++) {
        if (is_ready(cluster))
            return;
        if (waitpid(cluster->pid, NULL, WNOHANG) != 0)
            die("the server ended; see its log");
        nanosleep(&pause, NULL);
    }
    die("the server does not get ready");
}

void pg_cluster_halt(struct pg_cluster *cluster)
{
    kill(cluster->pid, SIGQUIT);
    wait_for(cluster->pid);
    cluster->pid = 0;
}

struct pg_cluster *pg_cluster_start(void)
{
    struct pg_cluster *cluster = calloc(1, sizeof(*cluster));
    cluster->answer = malloc(ANSWER_BYTES_MAX + 1);
    find_bin(cluster);
    make_dir(cluster);
    char program[300], data[100];
    (void)text_format(program, sizeof(program), "%s/initdb", cluster->bin);
    (void)text_format(data, sizeof(data), "%s/data", cluster->dir);
    char *arguments[] = {
        program, "-D",   data, "-A", "trust", "-U", "postgres", "--no-sync", "--locale=C.UTF-8",
        "-E",    "UTF8", NULL};
    if (run(cluster, arguments) != 0)
        die(cluster->answer);
    cluster->port = free_port();
    (void)text_format(cluster->url, sizeof(cluster->url), "%s",
                      pg_cluster_database_url(cluster, "postgres"));
    pg_cluster_resume(cluster);
    return cluster;
}

void pg_cluster_stop(struct pg_cluster *cluster)
{
    if (cluster->pooler_pid) {
        kill(cluster->pooler_pid, SIGKILL);
        wait_for(cluster->pooler_pid);
    }
    if (cluster->pid)
        pg_cluster_halt(cluster);
    char *arguments[] = {"/bin/rm", "-rf", cluster->dir, NULL};
    if (run(cluster, arguments) != 0)
        die(cluster->answer);
    rmdir(cluster->dir); /* its parent may be ours alone to write */
    free(cluster->answer);
    free(cluster);
}

/* ---- PgBouncer ------------------------------------------------------------------------------- */

static void write_file(const struct pg_cluster *cluster, const char *name, const char *content)
{
    char path[200];
    (void)text_format(path, sizeof(path), "%s/%s", cluster->dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    ssize_t bytes = (ssize_t)strlen(content);
    if (fd < 0 || write(fd, content, (size_t)bytes) != bytes)
        die(path);
    close(fd);
}

static bool accepts(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_open = connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
    close(fd);
    return is_open;
}

static void start_pooler(struct pg_cluster *cluster)
{
    char content[1000], ini[200], log[200];
    char *arguments[] = {"/usr/sbin/pgbouncer", "-q", ini, NULL};
    if (access(arguments[0], X_OK) != 0) {
        pg_cluster_stop(cluster);
        skip_program("no PgBouncer here (apt-get install pgbouncer)");
    }
    cluster->pooler_port = free_port();
    (void)text_format(content, sizeof(content),
                      "[databases]\n* = host=%s port=%d\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
                      "listen_port = %d\nunix_socket_dir =\nauth_type = trust\n"
                      "auth_file = %s/users\npool_mode = transaction\ndefault_pool_size = 2\n"
                      "server_login_retry = 1\n",
                      cluster->dir, cluster->port, cluster->pooler_port, cluster->dir);
    write_file(cluster, "pgbouncer.ini", content);
    write_file(cluster, "users", "\"postgres\" \"\"\n\"millrace_worker\" \"\"\n");
    (void)text_format(ini, sizeof(ini), "%s/pgbouncer.ini", cluster->dir);
    (void)text_format(log, sizeof(log), "%s/pgbouncer.log", cluster->dir);
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    cluster->pooler_pid = spawn(cluster, arguments, fd, SIGKILL);
    close(fd);
    const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
    for (int i = 0; i < READY_TRIES_MAX && !accepts(cluster->pooler_port); i++)
        nanosleep(&pause, NULL);
}

const char *pg_cluster_pooled_url(struct pg_cluster *cluster, const char *database,
                                  const char *role)
{
    if (!cluster->pooler_pid)
        start_pooler(cluster);
    (void)text_format(cluster->database_url, sizeof(cluster->database_url),
                      "host=127.0.0.1 port=%d user=%s dbname=%s", cluster->pooler_port, role,
                      database);
    return cluster->database_url;
}

/* ---- asking it ------------------------------------------------------------------------------- */

const char *pg_cluster_url(const struct pg_cluster *cluster)
{
    return cluster->url;
}

int pg_cluster_port(const struct pg_cluster *cluster)
{
    return cluster->port;
}

const char *pg_cluster_database_url(struct pg_cluster *cluster, const char *database)
{
    return pg_cluster_role_url(cluster, database, "postgres");
}

const char *pg_cluster_role_url(struct pg_cluster *cluster, const char *database, const char *role)
{
    (void)text_format(cluster->database_url, sizeof(cluster->database_url),
                      "host=%s port=%d user=%s dbname=%s", cluster->dir, cluster->port, role,
                      database);
    return cluster->database_url;
}

void pg_cluster_set_search_path(struct pg_cluster *cluster, const char *database,
                                const char *schema)
{
    char sql[200];
    (void)text_format(sql, sizeof(sql), "alter database %s set search_path = %s", database,
                      schema ? schema : "public");
    pg_cluster_sql(cluster, "postgres", sql);
}

bool pg_cluster_try_sql(struct pg_cluster *cluster, const char *database, const char *sql)
{
    return pg_cluster_try_sql_as(cluster, database, "postgres", sql);
}

bool pg_cluster_try_sql_as(struct pg_cluster *cluster, const char *database, const char *role,
                           const char *sql)
{
    char program[300], url[256];
    (void)text_format(program, sizeof(program), "%s/psql", cluster->bin);
    (void)text_format(url, sizeof(url), "%s", pg_cluster_role_url(cluster, database, role));
    char *arguments[] = {program,           "-X", "-q",        "-A", "-t", "-v",
                         "ON_ERROR_STOP=1", "-c", (char *)sql, url,  NULL};
    return run(cluster, arguments) == 0;
}

const char *pg_cluster_sql(struct pg_cluster *cluster, const char *database, const char *sql)
{
    if (!pg_cluster_try_sql(cluster, database, sql))
        fail_msg("%s: %s", sql, cluster->answer);
    return cluster->answer;
}

void pg_cluster_make_database(struct pg_cluster *cluster, const char *database)
{
    char sql[200];
    (void)text_format(sql, sizeof(sql), "drop database if exists %s with (force)", database);
    pg_cluster_sql(cluster, "postgres", sql);
    (void)text_format(sql, sizeof(sql), "create database %s", database);
    pg_cluster_sql(cluster, "postgres", sql);
}
