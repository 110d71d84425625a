#include <libpq-fe.h>
#include <string.h>

#include "store/pg_internal.h"
#include "worker/base/memory.h"

/* What we want of every connection unless the URL says otherwise. A server that is silently gone is
 * noticed within about a minute when idle, and within half a minute when bytes are under way. */
static const struct {
    const char *keyword, *value;
} DEFAULTS[] = {
    {"client_encoding", "UTF8"},   {"keepalives", "1"},       {"keepalives_idle", "30"},
    {"keepalives_interval", "10"}, {"keepalives_count", "3"}, {"tcp_user_timeout", "30000"},
};

static void add_setting(struct pg_target *target, const char *keyword, const char *value)
{
    assert(target->setting_count < PG_SETTINGS_MAX);
    target->keywords[target->setting_count] = xstrdup(text_from(keyword));
    target->values[target->setting_count++] = xstrdup(text_from(value));
}

static bool has_setting(const struct pg_target *target, const char *keyword)
{
    for (size_t i = 0; i < target->setting_count; i++)
        if (strcmp(target->keywords[i], keyword) == 0)
            return true;
    return false;
}

/* A name has to be looked up; an empty host and a socket directory ('/', '@') do not. */
bool pg_host_needs_lookup(const char *host)
{
    return host[0] != '\0' && host[0] != '/' && host[0] != '@';
}

static bool add_hosts(struct pg_target *target, const char *hosts, const char *ports,
                      struct error *err)
{
    struct text host_rest = text_from(hosts), port_rest = text_from(ports);
    struct text port = TEXT(""), host;
    bool is_one_port = !ports || !strchr(ports, ',');
    if (ports && is_one_port)
        port = text_from(ports);
    do {
        host = text_cut(host_rest, ',', &host_rest);
        if (!is_one_port)
            port = text_cut(port_rest, ',', &port_rest);
        if (target->host_count == PG_HOSTS_MAX)
            return error_set(err, ERR_CONFIG, "the database URL names more than %d hosts",
                             PG_HOSTS_MAX);
        if (host.bytes > 1 && host.start[0] != '@' && memchr(host.start, '@', host.bytes))
            return error_set(err, ERR_CONFIG,
                             "the database URL has two '@': write %%40 for one in a password");
        target->hosts[target->host_count] = xstrdup(host);
        target->ports[target->host_count++] = xstrdup(port);
    } while (host_rest.bytes);
    return true;
}

static bool add_options(struct pg_target *target, const PQconninfoOption *options,
                        struct error *err)
{
    const char *hosts = NULL, *addresses = NULL, *ports = NULL;
    for (const PQconninfoOption *option = options; option->keyword; option++) {
        if (!option->val)
            continue;
        if (strcmp(option->keyword, "host") == 0)
            hosts = option->val;
        else if (strcmp(option->keyword, "hostaddr") == 0)
            addresses = option->val;
        else if (strcmp(option->keyword, "port") == 0)
            ports = option->val;
        else
            add_setting(target, option->keyword, option->val);
    }
    if (addresses) {
        target->fixed_host = hosts ? xstrdup(text_from(hosts)) : NULL;
        target->fixed_addresses = xstrdup(text_from(addresses));
        target->fixed_ports = ports ? xstrdup(text_from(ports)) : NULL;
        return true;
    }
    return add_hosts(target, hosts ? hosts : "", ports, err);
}

bool pg_target_parse(struct text url, struct text application_name, struct pg_target *ret_target,
                     struct error *err)
{
    AUTO_FREE char *copy = xstrdup(url);
    AUTO_FREE char *name = xstrdup(application_name);
    char *why = NULL;
    PQconninfoOption *options = PQconninfoParse(copy, &why);
    secret_wipe(copy, url.bytes);
    PQfreemem(why); /* it may quote a part of the password */
    if (!options)
        return error_set(err, ERR_CONFIG,
                         "the database URL is none: postgresql://USER:PASSWORD@HOST:PORT/DATABASE, "
                         "with %%XX for special characters");
    struct pg_target target = {0};
    bool is_good = add_options(&target, options, err);
    PQconninfoFree(options);
    if (!is_good) {
        pg_target_release(&target);
        return false;
    }
    /* Of several servers the one that is no standby. */
    bool has_several =
        target.host_count > 1 || (target.fixed_addresses && strchr(target.fixed_addresses, ','));
    if (has_several && !has_setting(&target, "target_session_attrs"))
        add_setting(&target, "target_session_attrs", "read-write");
    for (size_t i = 0; i < COUNT_OF(DEFAULTS); i++)
        if (!has_setting(&target, DEFAULTS[i].keyword))
            add_setting(&target, DEFAULTS[i].keyword, DEFAULTS[i].value);
    if (name[0] && !has_setting(&target, "application_name"))
        add_setting(&target, "application_name", name);
    *ret_target = target;
    return true;
}

static void free_secret(char *value)
{
    if (value)
        secret_wipe(value, strlen(value));
    xfree(value);
}

void pg_target_release(struct pg_target *target)
{
    for (size_t i = 0; i < target->setting_count; i++) {
        xfree(target->keywords[i]);
        free_secret(target->values[i]);
    }
    for (size_t i = 0; i < target->host_count; i++) {
        xfree(target->hosts[i]);
        xfree(target->ports[i]);
    }
    xfree(target->fixed_host);
    xfree(target->fixed_addresses);
    xfree(target->fixed_ports);
    *target = (struct pg_target){0};
}
