#include "imap/trust.h"

#include "model/fault.h"

#include <curl/curl.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <sys/stat.h>

typedef struct {
    X509_STORE *store;
    struct stat status; /* of the file, when it was read */
} Trust;

G_LOCK_DEFINE_STATIC(known);
static GHashTable *known; /* char* path -> Trust* */

static void trust_free(Trust *trust)
{
    X509_STORE_free(trust->store);
    g_free(trust);
}

static bool is_same_file(const struct stat *one, const struct stat *other)
{
    return one->st_dev == other->st_dev && one->st_ino == other->st_ino && one->st_size == other->st_size
        && one->st_mtim.tv_sec == other->st_mtim.tv_sec && one->st_mtim.tv_nsec == other->st_mtim.tv_nsec;
}

static void fail_unreadable(const char *path, const char *reason, GError **error)
{
    g_set_error(error, FAULT, FAULT_STOP, "cannot read certificates from the CA file %s: %s; check the CA file and who may read it", path,
                reason);
}

/* OpenSSL's last word about this thread's last call. */
static void fail_load(const char *path, GError **error)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = ERR_reason_error_string(code);

    fail_unreadable(path, ERR_SYSTEM_ERROR(code) ? g_strerror(ERR_GET_REASON(code)) : reason != NULL ? reason : "no certificate", error);
    ERR_clear_error();
}

/* The flags are those that libcurl sets: an intermediate authority in the file is trusted, too. */
static X509_STORE *load(const char *path, GError **error)
{
    X509_STORE *store = X509_STORE_new();

    ERR_clear_error();
    if (store != NULL && X509_STORE_load_file(store, path) == 1) {
        X509_STORE_set_flags(store, X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN);
        return store;
    }
    fail_load(path, error);
    X509_STORE_free(store);
    return NULL;
}

/* Under the lock. */
static X509_STORE *find_known(const char *path, const struct stat *status)
{
    const Trust *trust;

    if (known == NULL)
        known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)trust_free);
    trust = g_hash_table_lookup(known, path);
    return trust != NULL && is_same_file(&trust->status, status) ? trust->store : NULL;
}

/* Under the lock. */
static X509_STORE *learn(const char *path, const struct stat *status, GError **error)
{
    X509_STORE *store = load(path, error);
    Trust *trust;

    if (store == NULL)
        return NULL;
    trust = g_new0(Trust, 1);
    trust->store = store;
    trust->status = *status;
    g_hash_table_insert(known, g_strdup(path), trust);
    return store;
}

X509_STORE *trust_find(const char *ca_file, GError **error)
{
    const char *path = ca_file != NULL ? ca_file : curl_version_info(CURLVERSION_NOW)->cainfo;
    struct stat status;
    X509_STORE *store;

    if (path == NULL) {
        g_set_error(error, FAULT, FAULT_STOP, "libcurl knows no file with the system's authorities; set imap.ca_file");
        return NULL;
    }
    if (stat(path, &status) != 0) {
        fail_unreadable(path, g_strerror(errno), error);
        return NULL;
    }
    G_LOCK(known);
    store = find_known(path, &status);
    if (store == NULL)
        store = learn(path, &status, error);
    if (store != NULL)
        X509_STORE_up_ref(store);
    G_UNLOCK(known);
    return store;
}
