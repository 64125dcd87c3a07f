/* status.c -- one line of error text per thread. */
#include "core/status.h"

#include <stdarg.h>
#include <stdio.h>

static _Thread_local char line[512];

cj_status cj_fail(cj_status code, const char *format, ...) {
  va_list values;
  va_start(values, format);
  vsnprintf(line, sizeof line, format, values);
  va_end(values);
  return code;
}

const char *cj_errmsg(void) {
  return line;
}
