#include <libpq-fe.h>
#include <string.h>

#include "store/pg_internal.h"

struct row {
    const char *prefix; /* of the SQLSTATE; the first that fits */
    enum error_code code;
};

static const struct row ROWS[] = {
    {"40001", ERR_CONFLICT},    /* serialization_failure */
    {"40P01", ERR_CONFLICT},    /* deadlock_detected */
    {"55P03", ERR_CONFLICT},    /* lock_not_available: lock_timeout */
    {"57014", ERR_TIMEOUT},     /* query_canceled: statement_timeout */
    {"57P0", ERR_UNAVAILABLE},  /* admin_shutdown, crash_shutdown, cannot_connect_now, ... */
    {"53", ERR_UNAVAILABLE},    /* insufficient_resources: connections, disk, memory */
    {"25006", ERR_UNAVAILABLE}, /* read_only_sql_transaction: a standby after a failover */
    {"08", ERR_UNREACHABLE},    /* connection_exception */
    {"42501", ERR_DENIED},      /* insufficient_privilege */
    {"28", ERR_DENIED},         /* invalid_authorization_specification */
};

enum error_code pg_error_code(const char *sqlstate)
{
    for (size_t i = 0; i < COUNT_OF(ROWS); i++)
        if (text_starts_with(text_from(sqlstate), text_from(ROWS[i].prefix)))
            return ROWS[i].code;
    return ERR_DATABASE;
}

bool pg_is_fatal_for_link(const char *sqlstate)
{
    struct text state = text_from(sqlstate);
    return text_starts_with(state, TEXT("57P0")) || text_starts_with(state, TEXT("08")) ||
           text_equal(state, TEXT("25006"));
}

/* Only the primary message: the detail quotes values of rows. */
bool pg_error_of_result(const struct pg_result *result, char *sqlstate, struct error *err)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    if (!state) { /* libpq itself says so: the connection broke */
        (void)text_format(sqlstate, 6, "%s", "");
        return pg_error_of_connection(PQresultErrorMessage(result), err);
    }
    (void)text_format(sqlstate, 6, "%s", state);
    return error_set(err, pg_error_code(state), "PostgreSQL %s: %s", state,
                     message ? message : "no message");
}

/* ": 28P01: " as the verbose form of an error has it, in whatever language. Each state has a digit:
 * "FATAL", which stands before it, has none. */
static bool find_sqlstate(const char *message, char ret_state[6])
{
    for (const char *at = message; (at = strchr(at, ':')); at++) {
        const char *state = at + 1;
        while (*state == ' ')
            state++;
        if (strspn(state, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 5 && state[5] == ':' &&
            strcspn(state, "0123456789") < 5) {
            (void)text_format(ret_state, 6, "%.5s", state);
            return true;
        }
    }
    return false;
}

bool pg_error_of_connection(const char *message, struct error *err)
{
    char state[6];
    struct text rest, first = text_cut(text_trim(text_from(message)), '\n', &rest);
    if (!first.bytes)
        first = TEXT("the connection was lost");
    enum error_code code = find_sqlstate(message, state) ? pg_error_code(state) : ERR_UNREACHABLE;
    return error_set(err, code, "PostgreSQL: %.*s", TEXT_ARGS(first));
}
