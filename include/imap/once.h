/* once.h - what is to be told of a server once and not again and again. Private to this folder; thread-safe. */
#pragma once

#include <stdbool.h>

/* True the first time in this process that it is asked for these two: a server's URI or name, and what is to be told. */
bool once_of(const char *server, const char *what);
