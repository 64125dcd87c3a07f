/* tables.h -- the list of operator tables that the build writes to tables.c:
 * [instruction set][element type], each NULL-ended. */
#ifndef CJ_TABLES_H
#define CJ_TABLES_H

#include "ops/op.h"

extern const cj_op *const *const cj_ops_tables[3][4];

#endif
