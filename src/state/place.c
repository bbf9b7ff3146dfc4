#include "state/place.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

/* A file: by its inode, which nobody else gets while it is open. */
typedef struct {
    char *name;
    dev_t device;
    ino_t inode;
} Part;

struct Place {
    Part file;
    Part log;
    Part index; /* of the log */
    off_t size; /* these two of the file: in it we write at checkpoints only */
    struct timespec written;
};

typedef enum {
    PART_SAME,
    PART_ABSENT,
    PART_OTHER,
} PartFinding;

static PartFinding look(const Part *part, GStatBuf *status)
{
    if (g_stat(part->name, status) < 0)
        return errno == ENOENT || errno == ENOTDIR ? PART_ABSENT : PART_SAME;
    return status->st_dev == part->device && status->st_ino == part->inode ? PART_SAME : PART_OTHER;
}

static void remember(Part *part)
{
    GStatBuf status;

    if (g_stat(part->name, &status) < 0)
        return;
    part->device = status.st_dev;
    part->inode = status.st_ino;
}

Place *place_new(const char *path, sqlite3 *db)
{
    Place *place = g_new0(Place, 1);
    const char *opened = sqlite3_db_filename(db, "main"); /* symbolic links are resolved: there the log lies */

    place->file.name = g_strdup(path);
    place->log.name = g_strconcat(opened, "-wal", NULL);
    place->index.name = g_strconcat(opened, "-shm", NULL);
    remember(&place->file);
    remember(&place->log);
    remember(&place->index);
    place_settle(place);
    return place;
}

void place_free(Place *place)
{
    if (place == NULL)
        return;
    g_free(place->file.name);
    g_free(place->log.name);
    g_free(place->index.name);
    g_free(place);
}

static bool is_written(const Place *place, const GStatBuf *status)
{
    return status->st_size != place->size || status->st_mtim.tv_sec != place->written.tv_sec
        || status->st_mtim.tv_nsec != place->written.tv_nsec;
}

PlaceFinding place_look(const Place *place)
{
    GStatBuf status = {.st_size = place->size, .st_mtim = place->written};

    switch (look(&place->file, &status)) {
    case PART_ABSENT:
        return PLACE_REMOVED;
    case PART_OTHER:
        return PLACE_OTHER;
    case PART_SAME:
        break;
    }
    if (is_written(place, &status))
        return PLACE_WRITTEN;
    return place_has_log(place) ? PLACE_OURS : PLACE_REMOVED;
}

void place_settle(Place *place)
{
    GStatBuf status;

    if (g_stat(place->file.name, &status) < 0)
        return;
    place->size = status.st_size;
    place->written = status.st_mtim;
}

bool place_has_log(const Place *place)
{
    GStatBuf status;

    return look(&place->log, &status) == PART_SAME && look(&place->index, &status) == PART_SAME;
}

static void remove_part(const Part *part)
{
    GStatBuf status;

    if (look(part, &status) == PART_SAME)
        g_unlink(part->name);
}

void place_remove_log(const Place *place)
{
    remove_part(&place->log);
    remove_part(&place->index);
}
