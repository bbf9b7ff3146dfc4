/* config.h - the configuration file: YAML, read with libyaml, checked completely, immutable afterwards.
 *
 * All mistakes are reported in one run, each with file, line and column. */
#pragma once

#include "daemon/log.h"
#include "directory/directory.h"
#include "imap/session.h"
#include "policy/settings.h"

#include <glib.h>

/* Where the directory keeps its domain entries. */
typedef struct {
    char *base_dn; /* NULL: domains are those of the file only */
    char *filter;
    char *name_attribute;   /* names; that of the RDN is the domain's, the others are its aliases */
    char *base_attribute;   /* top of the domain's tree */
    char *status_attribute; /* "active" or absent: served */
} DiscoverySettings;

typedef struct {
    char *state_file;
    guint journal_days; /* 0: for ever */
    guint workers;
    gint64 sweep_interval_us; /* 0: only at start and after a lost watch */
    LogLevel log_level;
    DirectorySettings *directory;
    ImapSettings *imap;         /* the IMAP server of all domains that have none of their own: the first of imap_servers */
    GPtrArray *imap_servers;    /* of ImapSettings*, no two of them equal */
    GHashTable *imap_of_domain; /* char* name, lower case -> ImapSettings*, owned by imap_servers; see config_imap_of */
    DiscoverySettings discovery;
    GPtrArray *domains;       /* of DomainSettings*: those of the file */
    DomainSettings *defaults; /* the global settings: what a domain has that the file does not name */
} Config;

/* Reads and checks the file. On success *config is owned by the caller. FAULT_STOP: the message holds every
 * mistake, one a line: "FILE:LINE:COLUMN: what is wrong; what to do". Secrets are read from their files here; a
 * secret file that others can read is a mistake. Passwords are never part of a message. */
bool config_read(const char *path, Config **config, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The same for a text in memory. `name` stands for the file in messages. `read_files` false: no file is touched,
 * and secrets are empty (for tests). */
bool config_parse(const char *name, const char *data, gsize len, bool read_files, Config **config,
                  GError **error) G_GNUC_WARN_UNUSED_RESULT;
void config_free(Config *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Config, config_free)

/* A domain of the file by its name or an alias, without case. NULL when there is none; owned by the configuration. */
DomainSettings *config_find_domain(const Config *config, const char *name);

/* The IMAP server of a domain by its name, without case; one that the file does not name has the global one. Domains with equal
 * settings share one object: the same pointer is the same server. Never NULL; owned by the configuration. */
const ImapSettings *config_imap_of(const Config *config, const char *domain);
/* Its place among imap_servers. */
guint config_imap_at(const Config *config, const char *domain);
