/* step_command.h - the IMAP command that carries out a step. Pure, private to this folder. */
#pragma once

#include "imap/command.h"
#include "imap/namespace.h"
#include "plan/step.h"

#include <glib.h>

/* The command of a step whose actor is on this side, but for STEP_DELETE_MAILBOX. `special_use`: the server knows special
 * uses. Owned by the caller. */
ImapCommand *step_command(const Step *step, const Namespace *admin, const Namespace *user, bool special_use);
