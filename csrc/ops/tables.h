/* tables.h -- the lists that the build writes to tables.c: [instruction set][element type]. */
#ifndef CJ_TABLES_H
#define CJ_TABLES_H

#include "attacks/attack.h"
#include "ops/op.h"

extern const cj_op *const *const cj_ops_tables[3][4];
extern const cj_direction *const *const cj_directions_tables[3][4];

#endif
