#include "directory/connection.h"

/* A page of a paged search (RFC 2696): `cookie` goes in and out; an empty one is the last page. */
static bool send_page(Connection *connection, const DomainSettings *domain, const char *filter, const char *const *attributes,
                      struct berval *cookie, int *id, GError **error)
{
    LDAPControl *control = NULL;
    LDAPControl *controls[] = {NULL, NULL};
    int result = ldap_create_page_control(connection->ldap, (ber_int_t)connection->settings->page_size, cookie, 1, &control);
    bool sent;

    if (result != LDAP_SUCCESS)
        return connection_fail(connection, FAULT_RETRY, "make a paged search", result, error);
    controls[0] = control;
    sent = connection_send_search(connection, domain->base_dn, LDAP_SCOPE_SUBTREE, filter, attributes, controls, id,
                                  error);
    ldap_control_free(control);
    return sent;
}

static bool fail_incomplete(Connection *connection, const DomainSettings *domain, int result, GError **error)
{
    const char *advice = connection_advice(result);

    connection_fail(connection, FAULT_RETRY, "sweep", result, error);
    g_prefix_error(error, "domain %s: the read of \"%s\" is incomplete, so nothing is concluded from it: %s%s", domain->name,
                   domain->base_dn, advice != NULL ? advice : "", advice != NULL ? ": " : "");
    return false;
}

/* The end of a page: its result and the next cookie. */
static bool finish_page(Connection *connection, const DomainSettings *domain, LDAPMessage *message, struct berval *cookie,
                        GError **error)
{
    LDAPControl **controls = NULL;
    LDAPControl *page;
    int result, parsed;
    ber_int_t estimate;

    parsed = ldap_parse_result(connection->ldap, message, &result, NULL, NULL, NULL, &controls, 0);
    if (parsed != LDAP_SUCCESS || result != LDAP_SUCCESS) {
        ldap_controls_free(controls);
        return fail_incomplete(connection, domain, parsed != LDAP_SUCCESS ? parsed : result, error);
    }
    g_clear_pointer(&cookie->bv_val, ber_memfree);
    cookie->bv_len = 0;
    page = ldap_control_find(LDAP_CONTROL_PAGEDRESULTS, controls, NULL);
    if (page != NULL && ldap_parse_pageresponse_control(connection->ldap, page, &estimate, cookie) != LDAP_SUCCESS) {
        ldap_controls_free(controls);
        return fail_incomplete(connection, domain, LDAP_DECODING_ERROR, error);
    }
    ldap_controls_free(controls);
    return true;
}

static bool visit_message(Connection *connection, const DomainSettings *domain, EntryKind kind, LDAPMessage *message,
                          DirectoryVisit visit, gpointer user_data, GError **error)
{
    g_autoptr(Entry) entry = connection_make_entry(connection, message, domain->unique_id_attribute, kind, error);

    return entry != NULL && visit(entry, user_data, error);
}

/* Messages of one page, as they come. */
static bool read_page(Connection *connection, const DomainSettings *domain, EntryKind kind, int id, struct berval *cookie,
                      DirectoryVisit visit, gpointer user_data, GError **error)
{
    for (;;) {
        g_autoptr(LDAPMessage) message = NULL;

        if (!connection_wait(connection, id, LDAP_MSG_ONE, "sweep", &message, error)) {
            g_prefix_error(error, "domain %s: the read of \"%s\" broke off, so nothing is concluded from it (389-ds hangs up, too, "
                           "when nsTimeLimit of the bind DN is over): ", domain->name, domain->base_dn);
            return false;
        }
        switch (ldap_msgtype(message)) {
        case LDAP_RES_SEARCH_ENTRY:
            if (!visit_message(connection, domain, kind, message, visit, user_data, error))
                return false;
            break;
        case LDAP_RES_SEARCH_REFERENCE: /* a part of the tree is elsewhere: we do not see it all */
            return fail_incomplete(connection, domain, LDAP_REFERRAL, error);
        case LDAP_RES_SEARCH_RESULT:
            return finish_page(connection, domain, message, cookie, error);
        default: /* an int of the server, not an enum of ours */
            return fail_incomplete(connection, domain, LDAP_DECODING_ERROR, error);
        }
    }
}

bool connection_sweep(Connection *connection, const DomainSettings *domain, EntryKind kind, const char *const *attributes,
                      DirectoryVisit visit, gpointer user_data, GError **error)
{
    g_autofree char *filter = domain_settings_filter(domain, kind);
    struct berval cookie = {0};
    bool complete;
    int id;

    if (filter == NULL)
        return true;

    do
        complete = send_page(connection, domain, filter, attributes, &cookie, &id, error)
                && read_page(connection, domain, kind, id, &cookie, visit, user_data, error);
    while (complete && cookie.bv_len > 0);
    ber_memfree(cookie.bv_val);
    /* What is left of a page that was broken off would be taken for answers to what comes next. */
    if (!complete)
        connection_close(connection);
    return complete;
}
