/* attacks.c -- attacks called from Lua: an oracle made of a Lua model, and records as Lua tables.
 *
 * The attack loop is plain C and calls back into Lua through protected calls; an error in a
 * callback is kept, the loop gives its memory back and returns CJ_ECALL, and only then is the error
 * raised again. What callbacks need stands in a table of the registry, which a userdata gives back.
 */
#include "lua/binding.h"

#include <math.h>
#include <string.h>

#include "attacks/loop.h"
#include "attacks/plan_oracle.h"
#include "lua/plan.h"

/* Places in the job's table. */
enum { MODEL = 1, DIRECTION, WATCH, GRAD, LEAF, LOGITS };

typedef struct job {
  lua_State *L;
  int ref;
  const char *name; /* of the attack, for messages; the options table keeps it */
  int64_t rows;     /* samples in the last call of the direction */
  /* Arguments of the callback that is running. */
  const cj_tensor *in;
  cj_tensor *out;
  bool flag;
  int64_t step, count;
  const int64_t *list;
  cj_batch_oracle frames; /* of a plan with callbacks */
} job;

static const char job_key = 0; /* registry key of the metatable that gives jobs back */

/* What the model left on the tape, and the memory of a plan, go now. */
static void end_job(lua_State *L, job *j) {
  luaL_unref(L, LUA_REGISTRYINDEX, j->ref);
  j->ref = LUA_NOREF;
  cj_batch_oracle_drop(&j->frames);
}

static int l_job_gc(lua_State *L) {
  job *j = lua_touserdata(L, 1);
  end_job(L, j);
  return 0;
}

/* Runs a function of the job's table protected: f finds the job at index 1, its table at 2. */
static cj_status callback(job *j, lua_CFunction f, const char *what) {
  const bool was = cj_grad_enabled();
  const int failed = lua_cpcall(j->L, f, j);
  cj_grad_enable(was);
  return failed ? keep_error(j->L, what) : CJ_OK;
}

static job *enter(lua_State *L) {
  job *j = lua_touserdata(L, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, j->ref);
  return j;
}

/* --- the oracle --------------------------------------------------------------------------------
 */

static int run_logits(lua_State *L) {
  job *j = enter(L);
  cj_grad_enable(j->flag);
  lua_rawgeti(L, 2, MODEL);
  cj_tensor *x = push_tensor(L);
  cj_tensor_detach(x, j->in);
  tell_gc(L, x->storage->bytes);
  if (j->flag) check_status(L, cj_require_grad(x, true));
  lua_pushvalue(L, -1);
  lua_rawseti(L, 2, LEAF);
  const uint32_t version = j->in->storage->version;
  lua_call(L, 1, 1);
  if (j->in->storage->version != version)
    raise_error(L, "%s: the model changed its input in place; let it work on x:clone()", j->name);
  const cj_tensor *z = check_tensor(L, -1, j->name, "the model's result");
  check_status(L, cj_tensor_pack(j->out, z));
  if (!j->flag) lua_pushnil(L);
  lua_rawseti(L, 2, LOGITS);
  return 0;
}

static cj_status oracle_logits(void *self, const cj_tensor *x, bool pulls, cj_tensor *z) {
  job *j = self;
  j->in = x;
  j->out = z;
  j->flag = pulls;
  return callback(j, run_logits, "the model");
}

/* Leaves the gradient with the core alone: nothing else may look at it. */
static int run_pull(lua_State *L) {
  job *j = enter(L);
  lua_rawgeti(L, 2, LOGITS);
  lua_rawgeti(L, 2, LEAF);
  const cj_tensor *z = test_tensor(L, 3), *x = test_tensor(L, 4);
  if (!z->node) /* the logits do not depend on x */
    check_status(L, cj_tensor_zeros(j->out, x->dtype, x->ndim, x->size));
  else {
    lua_rawgeti(L, 2, GRAD);
    lua_pushvalue(L, 3);
    lua_createtable(L, 1, 0);
    lua_pushvalue(L, 4);
    lua_rawseti(L, -2, 1);
    cj_tensor_detach(push_tensor(L), j->in);
    lua_pushboolean(L, j->flag);
    lua_call(L, 4, 1);
    lua_rawgeti(L, -1, 1);
    cj_tensor *gx = check_tensor(L, -1, "attack", "the gradient");
    cj_tensor_detach(j->out, gx);
    cj_tensor_drop(gx);
  }
  if (j->flag) return 0;
  lua_pushnil(L);
  lua_rawseti(L, 2, LOGITS);
  lua_pushnil(L);
  lua_rawseti(L, 2, LEAF);
  return 0;
}

static cj_status oracle_pull(void *self, const cj_tensor *gz, bool keep, cj_tensor *gx) {
  job *j = self;
  j->in = gz;
  j->out = gx;
  j->flag = keep;
  return callback(j, run_pull, "the model's gradient");
}

/* --- directions and watchers -------------------------------------------------------------------
 */

/* Pushes the list of places, counted from 1; nil when the samples are those of the call before. */
static void push_places(lua_State *L, const job *j) {
  bool same = j->step == 0 || j->count == j->rows;
  for (int64_t k = 0; same && j->step > 0 && k < j->count; k++) same = j->list[k] == k;
  if (same) {
    lua_pushnil(L);
    return;
  }
  cj_tensor *t = push_new(L, CJ_I64, 1, &j->count);
  for (int64_t k = 0; k < j->count; k++) ((int64_t *)t->data)[k] = j->list[k] + 1;
}

/* direction(g, step, places): step counts from 0; places as above. */
static int run_direct(lua_State *L) {
  job *j = enter(L);
  char want[CJ_SHAPE_TEXT], text[GOT_TEXT];
  lua_rawgeti(L, 2, DIRECTION);
  cj_tensor *g = push_tensor(L);
  cj_tensor_share(g, j->in);
  tell_gc(L, g->storage->bytes);
  lua_pushnumber(L, (double)j->step);
  push_places(L, j);
  j->rows = j->count;
  lua_call(L, 3, 1);
  const cj_tensor *d = test_tensor(L, -1);
  if (!d || !d->storage || d->dtype != j->in->dtype || !cj_same_shape(d, j->in))
    raise_error(L, "%s: expected a %s tensor %s, like the gradient, for the direction, got %s",
                j->name, cj_dtype_name(j->in->dtype), cj_shape_text(want, j->in), got(L, -1, text));
  check_status(L, cj_tensor_pack(j->out, d));
  return 0;
}

static cj_status direct(void *self, int64_t step, int64_t rows, const int64_t *from,
                        const cj_tensor *g, cj_tensor *d) {
  job *j = self;
  j->in = g;
  j->out = d;
  j->step = step;
  j->count = rows;
  j->list = from;
  return callback(j, run_direct, "the direction");
}

/* watch(step, x, rows): rows int64 [B], counted from 1, of the attacked tensor. */
static int run_watch(lua_State *L) {
  job *j = enter(L);
  lua_rawgeti(L, 2, WATCH);
  lua_pushnumber(L, (double)j->step);
  cj_tensor *x = push_tensor(L);
  cj_tensor_detach(x, j->in);
  tell_gc(L, x->storage->bytes);
  cj_tensor *rows = push_new(L, CJ_I64, 1, &j->count);
  for (int64_t k = 0; k < j->count; k++) ((int64_t *)rows->data)[k] = j->list[k] + 1;
  lua_call(L, 3, 0);
  return 0;
}

static cj_status watch(void *self, int64_t step, int64_t rows, const int64_t *sample,
                       const cj_tensor *x) {
  job *j = self;
  j->in = x;
  j->step = step;
  j->count = rows;
  j->list = sample;
  return callback(j, run_watch, "the watcher");
}

/* --- options -----------------------------------------------------------------------------------
 */

enum { OPTIONS = 6 };

static double option_number(lua_State *L, const char *name) {
  lua_getfield(L, OPTIONS, name);
  const double value = check_number(L, -1, "attack", name);
  lua_pop(L, 1);
  return value;
}

static int64_t option_count(lua_State *L, const char *name, int64_t low, int64_t high) {
  lua_getfield(L, OPTIONS, name);
  const int64_t value = check_integer(L, -1, "attack", name, low, high);
  lua_pop(L, 1);
  return value;
}

static bool option_flag(lua_State *L, const char *name) {
  lua_getfield(L, OPTIONS, name);
  const bool value = opt_boolean(L, -1, "attack", name, false);
  lua_pop(L, 1);
  return value;
}

/* A string that the options table keeps alive; otherwise when it is absent. */
static const char *option_text(lua_State *L, const char *name, const char *otherwise) {
  lua_getfield(L, OPTIONS, name);
  const char *value = lua_isnil(L, -1) ? otherwise : check_text(L, -1, "attack", name, NULL);
  lua_pop(L, 1);
  return value;
}

/* The place of an option's value in a NULL-ended list of names. */
static int option_choice(lua_State *L, const char *name, const char *const *list) {
  const char *value = option_text(L, name, list[0]);
  for (int i = 0; list[i]; i++)
    if (strcmp(list[i], value) == 0) return i;
  raise_error(L, "attack: unknown value \"%s\" for %s", value, name);
}

static void read_options(lua_State *L, cj_attack *a) {
  static const char *const goals[] = {"away", "given", "least", "second", "random", "label", NULL};
  static const char *const scales[] = {"none", "linf", "l2", NULL};
  const int64_t limit = INT64_C(1) << 53;
  a->norm = option_text(L, "norm", "linf");
  a->direction = option_text(L, "direction", NULL);
  a->ball.eps = option_number(L, "eps");
  a->ball.lo = option_number(L, "low");
  a->ball.hi = option_number(L, "high");
  a->alpha = option_number(L, "alpha");
  a->steps = option_count(L, "steps", 0, 1000000); /* each has a line in the trace */
  a->restarts = option_count(L, "restarts", 1, limit);
  a->batch = option_count(L, "batch", 1, limit);
  a->seed = (uint64_t)option_count(L, "seed", 0, limit);
  a->random_start = option_flag(L, "random");
  a->every = option_flag(L, "every");
  a->best = option_flag(L, "best");
  a->early = option_flag(L, "early");
  a->goal = (cj_goal)option_choice(L, "goal", goals);
  a->scale = (cj_scale)option_choice(L, "scale", scales);
  check_status(L, cj_loss_parse(&a->loss, option_text(L, "loss", "ce")));
}

/* --- records -----------------------------------------------------------------------------------
 */

typedef enum column {
  STATUS,
  PRED_CLEAN,
  PRED_ADV,
  TARGET,
  ITERS,
  FORWARDS,
  BACKWARDS,
  ZEROS,
  BROKEN,
  LOSS_FIRST,
  LOSS_BEST,
  LOSS_ADV,
  L0,
  L1,
  L2,
  LINF,
  COLUMNS
} column;

static const char *const column_names[COLUMNS] = {
    "status", "pred_clean", "pred_adv",  "target",   "iters", "forwards", "backwards", "zeros",
    "broken", "loss_first", "loss_best", "loss_adv", "l0",    "l1",       "l2",        "linf"};

static double column_value(const cj_record *r, column c) {
  switch (c) {
  case PRED_CLEAN:
    return (double)r->pred_clean;
  case PRED_ADV:
    return (double)r->pred_adv;
  case TARGET:
    return (double)r->target;
  case ITERS:
    return (double)r->iters;
  case FORWARDS:
    return (double)r->forwards;
  case BACKWARDS:
    return (double)r->backwards;
  case ZEROS:
    return (double)r->zeros;
  case LOSS_FIRST:
    return r->loss_first;
  case LOSS_BEST:
    return r->loss_best;
  case LOSS_ADV:
    return r->loss_adv;
  case L0:
    return r->l0;
  case L1:
    return r->l1;
  case L2:
    return r->l2;
  case LINF:
    return r->linf;
  default:
    return NAN;
  }
}

static void push_records(lua_State *L, const cj_record *records, int64_t n) {
  lua_createtable(L, 0, COLUMNS);
  for (int c = 0; c < COLUMNS; c++) {
    lua_createtable(L, (int)n, 0);
    for (int64_t i = 0; i < n; i++) {
      if (c == STATUS)
        lua_pushstring(L, cj_verdict_name(records[i].verdict));
      else if (c == BROKEN)
        lua_pushboolean(L, records[i].broken);
      else
        lua_pushnumber(L, column_value(&records[i], (column)c));
      lua_rawseti(L, -2, (int)i + 1);
    }
    lua_setfield(L, -2, column_names[c]);
  }
}

static void set_count(lua_State *L, const char *name, double value) {
  lua_pushnumber(L, value);
  lua_setfield(L, -2, name);
}

/* One table a step, from step 0: { samples =, correct =, zeros =, loss = } (sums). */
static void push_trace(lua_State *L, const cj_step_sums *trace, int64_t count) {
  lua_createtable(L, (int)count, 0);
  for (int64_t s = 0; s < count; s++) {
    lua_createtable(L, 0, 4);
    set_count(L, "samples", (double)trace[s].samples);
    set_count(L, "correct", (double)trace[s].correct);
    set_count(L, "zeros", (double)trace[s].zeros);
    set_count(L, "loss", trace[s].loss);
    lua_rawseti(L, -2, (int)s + 1);
  }
}

/* --- the call ----------------------------------------------------------------------------------
 */

/* Does this thread round tiny numbers to 0? Then signs of tiny gradients are lost. */
static bool flushes_to_zero(void) {
  volatile float tiny = 1e-38F;
  return tiny * 0.01F == 0;
}

/* A contiguous int64 list of n numbers from the tensor at index i, pushed; NULL for nil. */
static const int64_t *push_list(lua_State *L, int i, const char *name, int64_t n) {
  char text[GOT_TEXT];
  const cj_tensor *t = opt_tensor(L, i, "attack", name);
  if (!t) {
    lua_pushnil(L);
    return NULL;
  }
  if (t->dtype != CJ_I64 || t->ndim != 1 || t->size[0] != n)
    raise_error(L, "attack: expected an int64 tensor [%lld] for %s, got %s", (long long)n, name,
                got(L, i, text));
  cj_tensor *packed = push_tensor(L);
  check_status(L, cj_tensor_pack(packed, t));
  return packed->data;
}

/* Numbers 0..n-1 where no sample numbers were given. */
static const int64_t *push_index(lua_State *L, int i, int64_t n) {
  const int64_t *given = push_list(L, i, "index", n);
  if (given) return given;
  cj_tensor *t = push_new(L, CJ_I64, 1, &n);
  for (int64_t k = 0; k < n; k++) ((int64_t *)t->data)[k] = k;
  return t->data;
}

/* The job with its table { model, direction, watch, grad }, on top of the stack. */
static job *push_job(lua_State *L) {
  job *j = lua_newuserdata(L, sizeof *j);
  memset(j, 0, sizeof *j);
  j->L = L;
  j->ref = LUA_NOREF;
  lua_pushlightuserdata(L, (void *)&job_key);
  lua_rawget(L, LUA_REGISTRYINDEX);
  lua_setmetatable(L, -2);
  lua_createtable(L, 6, 0);
  lua_pushvalue(L, 1);
  lua_rawseti(L, -2, MODEL);
  lua_pushvalue(L, 7);
  lua_rawseti(L, -2, DIRECTION);
  lua_pushvalue(L, 8);
  lua_rawseti(L, -2, WATCH);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_rawseti(L, -2, GRAD);
  j->ref = luaL_ref(L, LUA_REGISTRYINDEX);
  return j;
}

/* attack_run(model, x, y, targets, index, options, direction, watch, plan)
 *   -> x_adv, columns, trace, { classes, probabilities, forwards, backwards (samples), planned,
 *   flush_to_zero }
 * y, targets, index: int64 [N]; targets and index may be nil, so may direction and watch. plan: the
 * model compiled, or nil. */
static int l_run(lua_State *L) {
  cj_attack a = {0};
  char text[GOT_TEXT];
  lua_settop(L, 9);
  const cj_tensor *x = check_tensor(L, 2, "attack", "x");
  luaL_checktype(L, OPTIONS, LUA_TTABLE);
  if (!cj_dtype_float(x->dtype) || x->ndim < 2)
    raise_error(L, "attack: expected a float tensor [N, ...] for x, got %s", got(L, 2, text));
  check_look(L, x);
  cj_crew *crew = lua_isnil(L, 9) ? NULL : check_pulls(L, 9);
  if (crew) check_batch(L, 2, crew->plan);
  const int64_t n = x->size[0];
  read_options(L, &a);
  if (!a.direction) a.direct = direct;
  if (!lua_isnil(L, 8)) a.watch = watch;
  const int64_t *y = push_list(L, 3, "y", n), *targets = push_list(L, 4, "targets", n);
  if (!y) raise_error(L, "attack: expected an int64 tensor [%lld] for y, got nil", (long long)n);
  if (a.goal == CJ_GOAL_GIVEN && !targets) raise_error(L, "attack: expected targets, got nil");
  const int64_t *index = push_index(L, 5, n);
  cj_tensor *packed = push_tensor(L);
  check_status(L, cj_tensor_pack(packed, x));
  cj_record *records = lua_newuserdata(L, ((size_t)n + 1) * sizeof *records);
  cj_step_sums *trace = lua_newuserdata(L, ((size_t)a.steps + 1) * sizeof *trace);
  memset(trace, 0, ((size_t)a.steps + 1) * sizeof *trace);
  job *j = push_job(L);
  j->name = option_text(L, "name", "attack");
  a.direct_self = a.watch_self = j;
  cj_report report = {0};
  int64_t passes[2] = {0, 0};
  cj_tensor *x_adv = push_new(L, x->dtype, x->ndim, x->size);
  cj_status status;
  if (crew && a.direction && !a.watch)
    status = cj_attack_run_planned(&a, crew, packed, y, targets, index, x_adv, records, trace,
                                   &report, passes);
  else {
    cj_oracle oracle = crew ? cj_batch_oracle_open(&j->frames, crew)
                            : (cj_oracle){j, oracle_logits, oracle_pull, 0, 0};
    status = cj_attack_run(&a, &oracle, packed, y, targets, index, x_adv, records, trace, &report);
    passes[0] = oracle.forwards;
    passes[1] = oracle.backwards;
  }
  end_job(L, j);
  const bool misuse = status == CJ_EARG || status == CJ_ESHAPE || status == CJ_EDTYPE;
  if (misuse) raise_error(L, "%s: %s", j->name, cj_errmsg());
  check_status(L, status);
  push_records(L, records, n);
  push_trace(L, trace, a.steps + 1);
  lua_createtable(L, 0, 4);
  set_count(L, "classes", (double)report.classes);
  set_count(L, "probabilities", (double)report.probabilities);
  set_count(L, "forwards", (double)passes[0]);
  set_count(L, "backwards", (double)passes[1]);
  lua_pushboolean(L, crew != NULL);
  lua_setfield(L, -2, "planned");
  lua_pushboolean(L, flushes_to_zero());
  lua_setfield(L, -2, "flush_to_zero");
  return 4;
}

/* --- parts, for tests and for other attacks -----------------------------------------------------
 */

/* attack_loss(kind, z, y, target or nil) -> value, { slope ... }: of one sample; z a list of K
 * logits, y and target labels from 0. */
static int l_loss(lua_State *L) {
  cj_loss kind;
  check_status(L, cj_loss_parse(&kind, check_text(L, 1, "attack_loss", "kind", NULL)));
  luaL_checktype(L, 2, LUA_TTABLE);
  const int64_t classes = (int64_t)lua_objlen(L, 2);
  if (classes < 2) raise_error(L, "attack_loss: expected at least 2 logits");
  const int64_t y = check_integer(L, 3, "attack_loss", "y", 0, classes - 1);
  const int64_t target =
      lua_isnoneornil(L, 4) ? -1 : check_integer(L, 4, "attack_loss", "target", 0, classes - 1);
  double *z = lua_newuserdata(L, (size_t)(2 * classes) * sizeof(double)), *slope = z + classes;
  for (int64_t k = 0; k < classes; k++) {
    lua_rawgeti(L, 2, (int)k + 1);
    z[k] = check_number(L, -1, "attack_loss", "a logit");
    lua_pop(L, 1);
  }
  lua_pushnumber(L, cj_loss_value(kind, classes, z, y, target, slope));
  lua_createtable(L, (int)classes, 0);
  for (int64_t k = 0; k < classes; k++) {
    lua_pushnumber(L, slope[k]);
    lua_rawseti(L, -2, (int)k + 1);
  }
  return 2;
}

/* attack_project(norm, x0, v, eps, low, high) -> the projection of x0 + v, for one sample (tensors
 * of any equal shape and float type). */
static int l_project(lua_State *L) {
  char text[GOT_TEXT];
  const char *norm = check_text(L, 1, "attack_project", "norm", NULL);
  const cj_tensor *x0 = check_tensor(L, 2, "attack_project", "x0");
  check_look(L, x0);
  const cj_tensor *v = check_tensor(L, 3, "attack_project", "v");
  const cj_ball ball = {check_number(L, 4, "attack_project", "eps"),
                        check_number(L, 5, "attack_project", "low"),
                        check_number(L, 6, "attack_project", "high")};
  const cj_projection *p = cj_projection_find(norm, x0->dtype);
  if (!p) raise_error(L, "attack_project: no projection \"%s\" for %s", norm, got(L, 2, text));
  if (v->dtype != x0->dtype || !cj_same_shape(v, x0))
    raise_error(L, "attack_project: expected v like x0, got %s", got(L, 3, text));
  cj_tensor *from = push_tensor(L), *step = push_tensor(L);
  check_status(L, cj_tensor_pack(from, x0));
  check_status(L, cj_tensor_pack(step, v));
  const int64_t n = cj_numel(x0);
  void *scratch = lua_newuserdata(L, (size_t)n * p->scratch + 64);
  cj_tensor *out = push_new(L, x0->dtype, x0->ndim, x0->size);
  p->move(&ball, n, 1, step->data, from->data, from->data, out->data, scratch);
  return 1;
}

/* attack_rows(t, places) -> the slices of t's first dimension at the places (int64 [M], from 1), in
 * memory of their own. */
static int l_rows(lua_State *L) {
  char text[GOT_TEXT];
  const cj_tensor *t = check_tensor(L, 1, "attack_rows", "t");
  check_look(L, t);
  const int64_t *places = NULL;
  const cj_tensor *list = check_tensor(L, 2, "attack_rows", "places");
  if (t->ndim < 1)
    raise_error(L, "attack_rows: expected a tensor [N, ...], got %s", got(L, 1, text));
  if (list->ndim < 1) raise_error(L, "attack_rows: expected a list, got %s", got(L, 2, text));
  places = push_list(L, 2, "places", list->size[0]);
  cj_tensor *packed = push_tensor(L);
  check_status(L, cj_tensor_pack(packed, t));
  int64_t size[CJ_MAX_DIMS];
  memcpy(size, t->size, sizeof size);
  size[0] = list->size[0];
  cj_tensor *y = push_new(L, t->dtype, t->ndim, size);
  const size_t bytes =
      t->size[0] ? (size_t)(cj_numel(t) / t->size[0]) * cj_dtype_bytes(t->dtype) : 0;
  for (int64_t k = 0; k < size[0]; k++) {
    if (places[k] < 1 || places[k] > t->size[0])
      raise_error(L, "attack_rows: expected places in 1..%lld, got %lld", (long long)t->size[0],
                  (long long)places[k]);
    memcpy((char *)y->data + (size_t)k * bytes,
           (const char *)packed->data + (size_t)(places[k] - 1) * bytes, bytes);
  }
  return 1;
}

/* attack_direct(name, g) -> the direction of each row of g [B, ...]; without numbers and memory. */
static int l_direct(lua_State *L) {
  const char *name = check_text(L, 1, "attack_direct", "name", NULL);
  const cj_tensor *g = check_tensor(L, 2, "attack_direct", "g");
  check_look(L, g);
  const cj_direction *d = cj_direction_find(name, g->dtype);
  if (!d || d->states || d->numbers || g->ndim < 1 || g->size[0] < 1)
    raise_error(L, "attack_direct: no direction \"%s\" of a batch of gradients alone", name);
  cj_tensor *packed = push_tensor(L);
  check_status(L, cj_tensor_pack(packed, g));
  cj_tensor *y = push_new(L, g->dtype, g->ndim, g->size);
  const int64_t n = cj_numel(g) / g->size[0];
  const size_t bytes = (size_t)n * cj_dtype_bytes(g->dtype);
  for (int64_t k = 0; k < g->size[0]; k++)
    d->apply(NULL, n, (char *)packed->data + (size_t)k * bytes, NULL,
             (char *)y->data + (size_t)k * bytes);
  return 1;
}

/* attack_directions() -> the names of the directions the core knows. */
static int l_directions(lua_State *L) {
  const char *name;
  lua_newtable(L);
  for (int i = 0; (name = cj_direction_name(i)); i++) {
    lua_pushstring(L, name);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

static const luaL_Reg functions[] = {
    {"attack_loss", l_loss},     {"attack_project", l_project},       {"attack_rows", l_rows},
    {"attack_direct", l_direct}, {"attack_directions", l_directions}, {NULL, NULL}};

void open_attacks(lua_State *L) {
  lua_pushlightuserdata(L, (void *)&job_key);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, l_job_gc);
  lua_setfield(L, -2, "__gc");
  lua_rawset(L, LUA_REGISTRYINDEX);
  set_functions(L, functions);
  lua_getfield(L, -1, "grad");
  lua_pushcclosure(L, l_run, 1);
  lua_setfield(L, -2, "attack_run");
}
