#include "daemon/hangup.h"

#include <signal.h>
#include <stddef.h>

bool hangup_is_ignored(void)
{
    struct sigaction action;

    return sigaction(SIGHUP, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}
