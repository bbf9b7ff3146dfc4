/* observing.h - the stage of a change that looks at what exists. Private to provision, placing. */
#pragma once

#include "daemon/job.h"

/* Fills job->observed: as it was recorded, or (of an entry that is new to us) assumed, where nothing speaks against that; else the
 * IMAP server is asked. */
bool observing_observe(Job *job, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Asks the IMAP server, with `folders` also for those of a person. */
bool observing_look(Job *job, bool folders, GError **error) G_GNUC_WARN_UNUSED_RESULT;
