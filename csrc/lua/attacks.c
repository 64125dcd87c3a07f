/* attacks.c -- attacks called from Lua: options into settings of the loop, records into tables. */
#include <math.h>
#include <string.h>

#include "attacks/trial.h"
#include "lua/attack_job.h"
#include "lua/plan.h"

/* --- options -----------------------------------------------------------------------------------
 */

enum { OPTIONS = 6 };

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
  a->method = option_text(L, "method", "ascent");
  a->norm = option_text(L, "norm", "linf");
  a->direction = option_text(L, "direction", NULL);
  a->ball.eps = field_number(L, OPTIONS, "attack", "eps");
  a->ball.lo = field_number(L, OPTIONS, "attack", "low");
  a->ball.hi = field_number(L, OPTIONS, "attack", "high");
  a->alpha = field_number(L, OPTIONS, "attack", "alpha");
  a->steps =
      field_integer(L, OPTIONS, "attack", "steps", 0, 1000000); /* each has a line in the trace */
  a->restarts = field_integer(L, OPTIONS, "attack", "restarts", 1, limit);
  a->batch = field_integer(L, OPTIONS, "attack", "batch", 1, limit);
  a->extras = field_integer(L, OPTIONS, "attack", "extras", 0, 1000000);
  a->seed = (uint64_t)field_integer(L, OPTIONS, "attack", "seed", 0, limit);
  a->random_start = option_flag(L, "random");
  a->every = option_flag(L, "every");
  a->best = option_flag(L, "best");
  a->early = option_flag(L, "early");
  a->goal = (cj_goal)option_choice(L, "goal", goals);
  a->scale = (cj_scale)option_choice(L, "scale", scales);
  check_status(L, cj_loss_parse(&a->loss, option_text(L, "loss", "ce")));
}

/* The method's numbers in the order of its names, from the option `numbers`, in a userdata that is
 * left on the stack. */
static const cj_method *push_numbers(lua_State *L, cj_attack *a, cj_dtype type) {
  const cj_method *m = cj_method_find(a->method, type);
  int count = 0;
  if (!m) raise_error(L, "attack: unknown method \"%s\"", a->method);
  while (m->numbers[count]) count++;
  double *numbers = lua_newuserdata(L, (size_t)(count + 1) * sizeof *numbers);
  lua_getfield(L, OPTIONS, "numbers");
  for (int i = 0; i < count; i++) {
    if (lua_istable(L, -1))
      lua_getfield(L, -1, m->numbers[i]);
    else
      lua_pushnil(L);
    numbers[i] = check_number(L, -1, "attack", m->numbers[i]);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  a->numbers = numbers;
  return m;
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

/* One table a step, from step 0: { samples =, correct =, zeros =, loss = } (sums). */
static void push_trace(lua_State *L, const cj_step_sums *trace, int64_t count) {
  lua_createtable(L, (int)count, 0);
  for (int64_t s = 0; s < count; s++) {
    lua_createtable(L, 0, 4);
    set_number(L, "samples", (double)trace[s].samples);
    set_number(L, "correct", (double)trace[s].correct);
    set_number(L, "zeros", (double)trace[s].zeros);
    set_number(L, "loss", trace[s].loss);
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

/* Numbers 0..n-1 where no sample numbers were given. */
static const int64_t *push_index(lua_State *L, int i, int64_t n) {
  const int64_t *given = push_list(L, i, "attack", "index", CJ_I64, n);
  if (given) return given;
  cj_tensor *t = push_new(L, CJ_I64, 1, &n);
  for (int64_t k = 0; k < n; k++) ((int64_t *)t->data)[k] = k;
  return t->data;
}

/* What the loop fills, in userdata and tensors that are left on the stack. */
static cj_findings push_findings(lua_State *L, const cj_attack *a, const cj_tensor *x,
                                 bool traced) {
  const int64_t n = x->size[0], size[2] = {n, a->extras};
  cj_findings f = {.records = lua_newuserdata(L, ((size_t)n + 1) * sizeof *f.records)};
  if (traced) {
    f.sums = lua_newuserdata(L, ((size_t)a->steps + 1) * sizeof *f.sums);
    memset(f.sums, 0, ((size_t)a->steps + 1) * sizeof *f.sums);
  }
  if (a->extras) f.extra = push_new(L, CJ_F64, 2, size)->data;
  f.x_adv = push_new(L, x->dtype, x->ndim, x->size);
  return f;
}

/* Runs the loop: piece by piece on a plan where nothing has to be called back, else in chunks. */
static void run_loop(lua_State *L, cj_attack *a, cj_crew *crew, const cj_samples *in,
                     cj_findings *out, int64_t passes[2]) {
  const attack_places at = {1, 7, 8, lua_upvalueindex(1)};
  attack_job *j = push_attack_job(L, &at);
  cj_status status;
  j->name = option_text(L, "name", "attack");
  a->direct_self = a->watch_self = j;
  if (crew && !a->direct && !a->watch)
    status = cj_attack_run_planned(a, crew, in, out, passes);
  else {
    cj_oracle oracle = crew ? cj_batch_oracle_open(&j->frames, crew) : attack_job_oracle(j);
    status = cj_attack_run(a, &oracle, in, out);
    passes[0] = oracle.forwards;
    passes[1] = oracle.backwards;
  }
  end_attack_job(L, j);
  if (status == CJ_EARG || status == CJ_ESHAPE || status == CJ_EDTYPE)
    raise_error(L, "%s: %s", j->name, cj_errmsg());
  check_status(L, status);
  lua_pop(L, 1);
}

static void push_report(lua_State *L, const cj_report *report, const int64_t passes[2],
                        bool planned) {
  lua_createtable(L, 0, 6);
  set_number(L, "classes", (double)report->classes);
  set_number(L, "probabilities", (double)report->probabilities);
  set_number(L, "forwards", (double)passes[0]);
  set_number(L, "backwards", (double)passes[1]);
  lua_pushboolean(L, planned);
  lua_setfield(L, -2, "planned");
  lua_pushboolean(L, flushes_to_zero());
  lua_setfield(L, -2, "flush_to_zero");
}

static cj_samples push_samples(lua_State *L, const cj_attack *a, const cj_tensor *x) {
  const int64_t n = x->size[0];
  cj_samples in = {.y = push_list(L, 3, "attack", "y", CJ_I64, n),
                   .targets = push_list(L, 4, "attack", "targets", CJ_I64, n)};
  if (!in.y) raise_error(L, "attack: expected an int64 tensor [%lld] for y, got nil", (long long)n);
  if (a->goal == CJ_GOAL_GIVEN && !in.targets) raise_error(L, "attack: expected targets, got nil");
  in.index = push_index(L, 5, n);
  in.radii = push_list(L, 10, "attack", "radii", CJ_F64, n);
  cj_tensor *packed = push_tensor(L);
  check_status(L, cj_tensor_pack(packed, x));
  in.x = packed;
  return in;
}

/* attack_run(model, x, y, targets, index, options, direction, watch, plan, radii)
 *   -> x_adv, columns, trace or nil, { classes, probabilities, forwards, backwards (samples),
 *   planned, flush_to_zero }, extra [N, extras] or nil
 * y, targets, index: int64 [N], radii: float64 [N]; all but y may be nil, so may direction and
 * watch. plan: the model compiled, or nil. */
static int l_run(lua_State *L) {
  cj_attack a = {0};
  char text[GOT_TEXT];
  lua_settop(L, 10);
  const cj_tensor *x = check_tensor(L, 2, "attack", "x");
  luaL_checktype(L, OPTIONS, LUA_TTABLE);
  if (!cj_dtype_float(x->dtype) || x->ndim < 2)
    raise_error(L, "attack: expected a float tensor [N, ...] for x, got %s", got(L, 2, text));
  check_look(L, x);
  cj_crew *crew = lua_isnil(L, 9) ? NULL : check_pulls(L, 9);
  if (crew) check_batch(L, 2, crew->plan);
  read_options(L, &a);
  if (!lua_isnil(L, 7)) a.direct = attack_job_direct;
  if (!lua_isnil(L, 8)) a.watch = attack_job_watch;
  const cj_method *method = push_numbers(L, &a, x->dtype);
  const cj_samples in = push_samples(L, &a, x);
  const int extra = lua_gettop(L) + (method->traced ? 3 : 2); /* where push_findings leaves it */
  cj_findings out = push_findings(L, &a, x, method->traced);
  const int x_adv = lua_gettop(L);
  int64_t passes[2] = {0, 0};
  run_loop(L, &a, crew, &in, &out, passes);
  lua_pushvalue(L, x_adv);
  push_records(L, out.records, x->size[0]);
  if (out.sums)
    push_trace(L, out.sums, a.steps + 1);
  else
    lua_pushnil(L);
  push_report(L, &out.report, passes, crew != NULL);
  if (out.extra)
    lua_pushvalue(L, extra);
  else
    lua_pushnil(L);
  return 5;
}

void open_attacks(lua_State *L) {
  open_attack_jobs(L);
  open_attack_parts(L);
  lua_getfield(L, -1, "grad");
  lua_pushcclosure(L, l_run, 1);
  lua_setfield(L, -2, "attack_run");
}
