/* partition.h - partitions that a server turned out not to have. Private to this folder; thread-safe. */
#pragma once

/* Logs that the server at `uri` has no such partition, once for the process. */
void partition_warn(const char *uri, const char *partition);
