/* compare.c -- comparisons of two broadcast operands (1 or 0, uint8), logic on such results, and
 * choice by them. As in IEEE 754, NaN is not equal, below or above anything, itself included. */
#include "ops/binary.h"

CJ_BINARY_FORWARD(eq_forward, eq_run, uint8_t, x == z)
CJ_BINARY_FORWARD(ne_forward, ne_run, uint8_t, x != z)
CJ_BINARY_FORWARD(lt_forward, lt_run, uint8_t, x < z)
CJ_BINARY_FORWARD(le_forward, le_run, uint8_t, x <= z)
CJ_BINARY_FORWARD(gt_forward, gt_run, uint8_t, x > z)
CJ_BINARY_FORWARD(ge_forward, ge_run, uint8_t, x >= z)
#if defined(CJ_TYPE_u8)
CJ_BINARY_FORWARD(and_forward, and_run, uint8_t, (x != 0) & (z != 0))
CJ_BINARY_FORWARD(or_forward, or_run, uint8_t, (x != 0) | (z != 0))
CJ_BINARY_FORWARD(xor_forward, xor_run, uint8_t, (x != 0) ^ (z != 0))
#endif

static cj_status compare_infer(cj_args *a, cj_tensor *y) {
  CJ_TRY(cj_infer_broadcast(a, y));
  y->dtype = CJ_U8;
  return CJ_OK;
}

/* --- where ------------------------------------------------------------------------------------ */

/* Inputs: x, z, and the condition (uint8), which broadcasts with both. */
typedef struct choice {
  const real *x, *z;
  const uint8_t *condition;
  const real *g; /* backward: the result's gradient */
  bool first;    /* backward: of x? */
  real *out;     /* element number `start` of the result */
  int64_t start;
  const cj_walk *walk;
} choice;

static cj_status where_infer(cj_args *a, cj_tensor *y) {
  CJ_TRY(cj_expect_dtype(a->in[2], "the condition", CJ_U8));
  CJ_TRY(cj_infer_broadcast(a, y));
  cj_tensor condition = *a->in[2]; /* for its sizes */
  condition.dtype = y->dtype;
  const cj_tensor both = *y, *const in[2] = {&both, &condition};
  cj_args sizes = {.count = 2, .in = in};
  return cj_infer_broadcast(&sizes, y);
}

static void where_run(const void *context, const cj_run *r) {
  const choice *c = context;
  real *out = c->out + (r->at - c->start);
  const real *x = c->x + r->offset[0], *z = c->z + r->offset[1];
  const uint8_t *condition = c->condition + r->offset[2];
  const int64_t sx = r->step[0], sz = r->step[1], sc = r->step[2];
  if (sx == 1 && sz == 1 && sc == 1) {
    CJ_EACH(i, r->n) {
      const real first = x[i], second = z[i]; /* both, so that no branch is needed */
      out[i] = condition[i] ? first : second;
    }
  } else {
    CJ_EACH(i, r->n) {
      const real first = x[i * sx], second = z[i * sz];
      out[i] = condition[i * sc] ? first : second;
    }
  }
}

static void where_forward(const cj_args *a, cj_tensor *y) {
  const cj_walk walk = cj_walk_over(y, 3, a->in);
  const choice c = {
      .x = a->in[0]->data, .z = a->in[1]->data, .condition = a->in[2]->data, .out = y->data};
  cj_walk_all(&walk, where_run, &c);
}

#if CJ_IS_FLOAT
static void pass_run(const void *context, const cj_run *r) {
  const choice *c = context;
  real *out = c->out + (r->at - c->start);
  const real *g = c->g + r->at;
  const uint8_t *condition = c->condition + r->offset[2];
  const int64_t step = r->step[2];
  CJ_EACH(i, r->n) out[i] = (condition[i * step] != 0) == c->first ? g[i] : 0;
}

static void where_take(const void *context, int64_t at, int64_t n, real *buffer) {
  choice c = *(const choice *)context;
  c.out = buffer;
  c.start = at;
  cj_walk_part(c.walk, at, at + n, pass_run, &c);
}

static void where_backward(const cj_args *a, const cj_tensor *y, const cj_tensor *gy,
                           cj_tensor *const *gx) {
  (void)y;
  const cj_walk walk = cj_walk_over(gy, 3, a->in);
  choice c = {.condition = a->in[2]->data, .g = gy->data, .walk = &walk};
  for (int i = 0; i < 2; i++) {
    if (!gx[i]) continue;
    c.first = i == 0;
    const fold_source source = {NULL, where_take, &c};
    fold_broadcast(gx[i], gy, source);
  }
}
#define IF_FLOAT(function) function
#else
#define IF_FLOAT(function) NULL
#endif

#define COMPARE 2, 0, compare_infer
enum { PAIR = CJ_STRIDED | CJ_ELEMENTWISE };

CJ_OPS(compare) = {
    {"eq", COMPARE, eq_forward, NULL, PAIR, NULL},
    {"ne", COMPARE, ne_forward, NULL, PAIR, NULL},
    {"lt", COMPARE, lt_forward, NULL, PAIR, NULL},
    {"le", COMPARE, le_forward, NULL, PAIR, NULL},
    {"gt", COMPARE, gt_forward, NULL, PAIR, NULL},
    {"ge", COMPARE, ge_forward, NULL, PAIR, NULL},
#if defined(CJ_TYPE_u8)
    {"logical_and", 2, 0, cj_infer_broadcast, and_forward, NULL, PAIR, NULL},
    {"logical_or", 2, 0, cj_infer_broadcast, or_forward, NULL, PAIR, NULL},
    {"logical_xor", 2, 0, cj_infer_broadcast, xor_forward, NULL, PAIR, NULL},
#endif
    {"where", 3, 0, where_infer, where_forward, IF_FLOAT(where_backward), PAIR, NULL},
    {0},
};
