/* hangup.h - whether the process shall outlive its terminal: nohup(1) started it. */
#pragma once

bool hangup_is_ignored(void);
