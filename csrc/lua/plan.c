/* plan.c -- plans as userdata: compiled from Lua functions, run on batches of any size. */
#include "lua/plan.h"

#include <string.h>

#include "core/memory.h"
#include "lua/tracing.h"

/* An int64 input that an operator takes as indices: what infer checks when it is called is checked
 * before every run of a plan. */
typedef struct index_check {
  const cj_op *op;
  int input, place, count; /* of the plan; among the operator's tensors */
  cj_tensor in[4];         /* sizes and types, no data */
  double num[4];
  int numbers;
} index_check;

/* A tensor of the function's surroundings: the plan reads its memory, so it must stay there. */
typedef struct kept {
  const cj_tensor *t; /* a userdata in the plan's environment */
  const cj_storage *storage;
  const void *data;
  const cj_node *node; /* holds the gradient: matters to training */
} kept;

typedef struct box {
  uint64_t mark;
  cj_crew *crew;   /* NULL: released */
  cj_frame *frame; /* of a training plan */
  bool train, pulls;
  bool ran;           /* the frame holds a forward pass */
  uint64_t signature; /* of the trace */
  size_t told;        /* bytes the collector knows of */
  int kept_count, check_count;
  kept *kept;
  index_check *checks;
} box;

enum { MOST_CHECKS = 16 };
static const uint64_t MARK = UINT64_C(0x636f6e6a706c616e);
static const char metatable_key = 0;

static box *test_box(lua_State *L, int i) {
  if (lua_type(L, i) != LUA_TUSERDATA || lua_objlen(L, i) != sizeof(box)) return NULL;
  box *b = lua_touserdata(L, i);
  return b->mark == MARK ? b : NULL;
}

static bool in_place(const box *b) {
  for (int i = 0; i < b->kept_count; i++) {
    const kept *k = &b->kept[i];
    if (k->t->storage != k->storage || k->t->data != k->data) return false;
    if (b->train && k->t->node != k->node) return false;
  }
  return true;
}

static void check_kept(lua_State *L, const box *b) {
  if (!in_place(b))
    raise_error(L, "plan: a tensor that it reads was released or moved since it was compiled; "
                   "compile again");
}

static box *check_box(lua_State *L, int i) {
  char text[GOT_TEXT];
  box *b = test_box(L, i);
  if (!b) raise_error(L, "plan: expected a plan, got %s", got(L, i, text));
  if (!b->crew) raise_error(L, "plan: it was released");
  check_kept(L, b);
  return b;
}

cj_crew *check_crew(lua_State *L, int i) {
  box *b = check_box(L, i);
  if (b->train) raise_error(L, "plan: expected a plan for evaluation, got one for training");
  return b->crew;
}

cj_crew *check_pulls(lua_State *L, int i) {
  cj_crew *crew = check_crew(L, i);
  if (!test_box(L, i)->pulls)
    raise_error(L, "plan: it was compiled without gradients; leave gradients = false out");
  return crew;
}

static void drop(box *b) {
  cj_frame_drop(b->frame);
  cj_crew_drop(b->crew);
  cj_free(b->kept);
  cj_free(b->checks);
  const uint64_t mark = b->mark;
  memset(b, 0, sizeof *b);
  b->mark = mark;
}

static int l_gc(lua_State *L) {
  box *b = test_box(L, 1);
  if (b) drop(b);
  return 0;
}

/* release(plan): gives its memory back now. Twice is harmless. */
static int l_release(lua_State *L) {
  char text[GOT_TEXT];
  box *b = test_box(L, 1);
  if (!b) raise_error(L, "plan: expected a plan, got %s", got(L, 1, text));
  drop(b);
  return 0;
}

static box *push_box(lua_State *L) {
  box *b = lua_newuserdata(L, sizeof *b);
  memset(b, 0, sizeof *b);
  b->mark = MARK;
  lua_pushlightuserdata(L, (void *)&metatable_key);
  lua_rawget(L, LUA_REGISTRYINDEX);
  lua_setmetatable(L, -2);
  return b;
}

/* Tells the collector of memory that came since the last time. */
static void tell_growth(lua_State *L, box *b) {
  const cj_plan *p = b->crew->plan;
  const size_t frames = (size_t)(b->crew->count + (b->frame != NULL));
  const size_t now = frames * cj_plan_bytes(p) + cj_plan_weight_bytes(p);
  const size_t more = now > b->told ? now - b->told : 0;
  b->told = now;
  if (more) tell_gc(L, more);
}

/* --- compiling ---------------------------------------------------------------------------------
 */

static bool depends(const tracing *t, int64_t call, const cj_tensor *x) {
  for (int64_t i = 0; i < call; i++)
    if (t->trace.calls[i]->depends && t->trace.calls[i]->y.storage == x->storage) return true;
  return false;
}

static void note_check(box *b, const cj_traced *c, int place, int input) {
  index_check *check = &b->checks[b->check_count++];
  *check = (index_check){c->op, input, place, c->count, .numbers = c->numbers};
  for (int k = 0; k < c->count; k++) {
    cj_tensor_describe(&check->in[k], c->in[k].dtype, c->in[k].ndim, c->in[k].size);
  }
  for (int k = 0; k < c->numbers; k++) check->num[k] = c->num[k];
}

/* Lists what must be looked at before a run; indices that are computed on the way could not be. */
static cj_status note_checks(box *b, tracing *t) {
  b->checks = cj_alloc_zeroed(MOST_CHECKS * sizeof *b->checks);
  if (!b->checks) return cj_fail(CJ_EMEM, "out of memory: no room for a plan");
  for (int64_t i = 0; i < t->trace.count; i++) {
    const cj_traced *c = t->trace.calls[i];
    for (int k = 0; cj_reads_indices(c->op) && k < c->count; k++) {
      if (c->in[k].dtype != CJ_I64 || !c->in[k].storage) continue;
      int input = -1;
      for (int j = 0; j < t->inputs; j++)
        if (cj_same_view(&c->in[k], t->in[j])) input = j;
      const bool fits = c->count <= 4 && c->numbers <= 4 && b->check_count < MOST_CHECKS;
      if (input >= 0 && fits)
        note_check(b, c, k, input);
      else if (input >= 0 || depends(t, i, &c->in[k]))
        return cj_fail(CJ_EARG, "cannot be compiled: %s takes indices that are computed",
                       c->op->name);
    }
  }
  return CJ_OK;
}

/* The tensors of the list at index list as pointers, in a userdata pushed behind a table that holds
 * them. */
static const cj_tensor **push_known(lua_State *L, int list, int *count) {
  const int n = lua_istable(L, list) ? (int)lua_objlen(L, list) : 0;
  lua_createtable(L, n, 0);
  const cj_tensor **known = lua_newuserdata(L, (size_t)(n + 1) * sizeof *known);
  for (int i = 0; i < n; i++) {
    lua_rawgeti(L, list, i + 1);
    known[i] = check_tensor(L, lua_gettop(L), "compile", "a tensor to keep");
    lua_rawseti(L, -3, i + 1);
  }
  *count = n;
  return known;
}

/* Known tensors stay where they are, or the plan refuses to run. */
static cj_status keep_tensors(box *b, int count, const cj_tensor *const *known) {
  b->kept = cj_alloc((size_t)(count + 1) * sizeof *b->kept);
  if (!b->kept) return cj_fail(CJ_EMEM, "out of memory: no room for a plan");
  for (int i = 0; i < count; i++)
    b->kept[b->kept_count++] = (kept){known[i], known[i]->storage, known[i]->data, known[i]->node};
  return CJ_OK;
}

static bool option(lua_State *L, const char *name) {
  lua_getfield(L, 3, name);
  const bool value = opt_boolean(L, lua_gettop(L), "compile", name, false);
  lua_pop(L, 1);
  return value;
}

static int give_reason(lua_State *L, const char *reason) {
  static const char front[] = "cannot be compiled: ";
  if (strncmp(reason, front, sizeof front - 1) == 0) reason += sizeof front - 1;
  lua_pushnil(L);
  lua_pushstring(L, reason);
  return 2;
}

static cj_status compile(lua_State *L, box *b, tracing *t, const cj_plan_options *o) {
  cj_plan *plan = NULL;
  cj_status status;
  RETRY(L, status, cj_plan_compile(&plan, &t->trace, o, t->inputs, t->in, t->outputs, t->out));
  CJ_TRY(status);
  CJ_TRY(cj_crew_new(&b->crew, plan));
  return note_checks(b, t);
}

static cj_slopes slopes(const cj_plan_options *o) {
  return o->train ? CJ_SLOPES_PARAMETERS : o->pulls ? CJ_SLOPES_INPUTS : CJ_SLOPES_NONE;
}

/* Places on the stack of the two functions below: behind their arguments the tensors to keep, as
 * given, and the table that holds them. */
enum { PLAN = 4, KEEP, HOLDER };

static cj_plan_options check_options(lua_State *L) {
  luaL_checkany(L, 1);
  refuse_trace(L, "it compiles a function");
  luaL_checktype(L, 2, LUA_TTABLE);
  luaL_checktype(L, 3, LUA_TTABLE);
  lua_settop(L, PLAN);
  lua_getfield(L, 3, "keep");
  return (cj_plan_options){option(L, "train"), option(L, "exact"), option(L, "pulls")};
}

/* plan_compile(f, { example, ... }, { train, exact, pulls, keep = { tensor, ... } })
 * -> plan, or nil and the reason why there is none */
static int l_compile(lua_State *L) {
  int count;
  const cj_plan_options o = check_options(L);
  const cj_tensor *const *known = push_known(L, KEEP, &count);
  tracing *t = push_tracing(L);
  trace_call(L, t, 1, 2, slopes(&o));
  if (t->trace.refused[0]) return give_reason(L, t->trace.refused);
  box *b = push_box(L);
  lua_pushvalue(L, HOLDER);
  lua_setfenv(L, -2);
  b->train = o.train;
  b->pulls = o.pulls;
  b->signature = trace_signature(t, count, known);
  const cj_status status = compile(L, b, t, &o);
  if (status == CJ_EARG) return give_reason(L, cj_errmsg());
  check_call(L, "compile", status);
  check_call(L, "compile", keep_tensors(b, count, known));
  tell_growth(L, b);
  drop_tracing(t);
  return 1;
}

/* plan_repeats(f, { example, ... }, the options of plan_compile, plan) -> does f still do what was
 * compiled? */
static int l_repeats(lua_State *L) {
  int count;
  const box *b = check_box(L, PLAN);
  const cj_plan_options o = check_options(L);
  const cj_tensor *const *known = push_known(L, KEEP, &count);
  tracing *t = push_tracing(L);
  trace_call(L, t, 1, 2, slopes(&o));
  lua_pushboolean(L, !t->trace.refused[0] && trace_signature(t, count, known) == b->signature);
  drop_tracing(t);
  return 1;
}

/* --- running -----------------------------------------------------------------------------------
 */

const cj_tensor *check_batch(lua_State *L, int i, const cj_plan *p) {
  char want[CJ_SHAPE_TEXT], text[GOT_TEXT];
  const cj_tensor *x = check_tensor(L, i, "plan", "x"), *like = cj_plan_input(p, 0);
  bool fits = x->dtype == like->dtype && x->ndim == like->ndim;
  for (int d = 1; fits && d < x->ndim; d++) fits = x->size[d] == like->size[d];
  if (!fits)
    raise_error(L, "plan: expected a %s tensor like %s, with any number of rows, for x, got %s",
                cj_dtype_name(like->dtype), cj_shape_text(want, like), got(L, i, text));
  check_look(L, x);
  return x;
}

/* The contiguous form of the batch at index i, pushed; n: its images. */
static const cj_tensor *push_batch(lua_State *L, int i, const cj_plan *p, int64_t *n) {
  const cj_tensor *x = check_batch(L, i, p);
  cj_status status;
  cj_tensor *packed = push_tensor(L);
  RETRY(L, status, cj_tensor_pack(packed, x));
  check_call(L, "plan", status);
  *n = x->size[0];
  return packed;
}

/* Pushes a tensor like t, of n rows. */
static cj_tensor *push_rows(lua_State *L, const cj_tensor *t, int64_t n) {
  int64_t size[CJ_MAX_DIMS];
  memcpy(size, t->size, sizeof size);
  size[0] = n;
  return push_result(L, "plan", t->dtype, t->ndim, size);
}

static void run(lua_State *L, box *b, int64_t n, const void *x, void *const *out,
                const void *const *gy, void *gx) {
  cj_status status;
  RETRY(L, status, cj_crew_run(b->crew, n, x, out, gy, gx));
  check_call(L, "plan", status);
  tell_growth(L, b);
}

/* plan_run(plan, x) -> results */
static int l_run(lua_State *L) {
  lua_settop(L, 2);
  box *b = check_box(L, 1);
  const cj_plan *p = check_crew(L, 1)->plan;
  void *out[CJ_MOST_RESULTS];
  int64_t n;
  const cj_tensor *x = push_batch(L, 2, p, &n);
  const int outputs = cj_plan_outputs(p);
  for (int i = 0; i < outputs; i++) out[i] = push_rows(L, cj_plan_output(p, i), n)->data;
  run(L, b, n, x->data, out, NULL, NULL);
  return outputs;
}

/* The gradient of result i at the top of the stack, packed and pushed; NULL for nil and false. */
static const void *push_gradient(lua_State *L, const cj_tensor *like, int64_t n) {
  char want[CJ_SHAPE_TEXT], text[GOT_TEXT];
  cj_status status;
  if (!lua_toboolean(L, -1)) return NULL;
  cj_tensor wanted = {0};
  int64_t size[CJ_MAX_DIMS];
  memcpy(size, like->size, sizeof size);
  size[0] = n;
  check_call(L, "gradient", cj_tensor_describe(&wanted, like->dtype, like->ndim, size));
  const cj_tensor *g = check_tensor(L, lua_gettop(L), "gradient", "gz");
  if (g->dtype != like->dtype || !cj_same_shape(g, &wanted))
    raise_error(L, "gradient: expected a %s tensor %s for gz, got %s", cj_dtype_name(like->dtype),
                cj_shape_text(want, &wanted), got(L, lua_gettop(L), text));
  cj_tensor *packed = push_tensor(L);
  RETRY(L, status, cj_tensor_pack(packed, g));
  check_call(L, "gradient", status);
  return packed->data;
}

/* plan_gradient(plan, x, { gz or false, ... }) -> gx, results */
static int l_gradient(lua_State *L) {
  lua_settop(L, 3);
  box *b = check_box(L, 1);
  const cj_plan *p = check_pulls(L, 1)->plan;
  luaL_checktype(L, 3, LUA_TTABLE);
  const void *gy[CJ_MOST_RESULTS];
  void *out[CJ_MOST_RESULTS];
  int64_t n;
  const cj_tensor *x = push_batch(L, 2, p, &n);
  const int outputs = cj_plan_outputs(p);
  for (int i = 0; i < outputs; i++) {
    lua_rawgeti(L, 3, i + 1);
    gy[i] = push_gradient(L, cj_plan_output(p, i), n);
  }
  cj_tensor *gx = push_rows(L, cj_plan_input(p, 0), n);
  for (int i = 0; i < outputs; i++) out[i] = push_rows(L, cj_plan_output(p, i), n)->data;
  run(L, b, n, x->data, out, gy, gx->data);
  return 1 + outputs;
}

/* --- training ----------------------------------------------------------------------------------
 */

static box *check_training(lua_State *L, int i) {
  box *b = check_box(L, i);
  if (!b->train) raise_error(L, "plan: expected a plan for training, got one for evaluation");
  return b;
}

/* What the operators that take indices would say about them. */
static void check_indices(lua_State *L, const box *b, const cj_tensor *const *given) {
  for (int i = 0; i < b->check_count; i++) {
    index_check c = b->checks[i];
    const cj_tensor *in[4];
    for (int k = 0; k < c.count; k++) in[k] = k == c.place ? given[c.input] : &c.in[k];
    cj_args a = {.count = c.count, .in = in, .numbers = c.numbers, .num = c.num};
    cj_tensor y = {.dtype = in[0]->dtype};
    const cj_status status = c.op->infer(&a, &y);
    cj_tensor_drop(&y);
    check_call(L, c.op->name, status);
  }
}

/* plan_forward(plan, { x, ... }) -> results: of a training plan */
static int l_forward(lua_State *L) {
  lua_settop(L, 2);
  box *b = check_training(L, 1);
  cj_plan *p = b->crew->plan;
  const cj_tensor *given[CJ_MOST_INPUTS];
  const void *in[CJ_MOST_INPUTS];
  void *out[CJ_MOST_RESULTS];
  char want[CJ_SHAPE_TEXT], text[GOT_TEXT];
  cj_status status;
  luaL_checktype(L, 2, LUA_TTABLE);
  refuse_trace(L, "it runs a plan");
  for (int i = 0; i < cj_plan_inputs(p); i++) {
    const cj_tensor *like = cj_plan_input(p, i);
    lua_rawgeti(L, 2, i + 1);
    const cj_tensor *t = check_tensor(L, lua_gettop(L), "plan", "an input");
    if (t->dtype != like->dtype || !cj_same_shape(t, like))
      raise_error(L, "plan: expected a %s tensor %s for input %d, got %s",
                  cj_dtype_name(like->dtype), cj_shape_text(want, like), i + 1,
                  got(L, lua_gettop(L), text));
    cj_tensor *packed = push_tensor(L);
    RETRY(L, status, cj_tensor_pack(packed, t));
    check_call(L, "plan", status);
    given[i] = packed;
    in[i] = packed->data;
  }
  check_indices(L, b, given);
  const int outputs = cj_plan_outputs(p);
  for (int i = 0; i < outputs; i++) {
    const cj_tensor *like = cj_plan_output(p, i);
    out[i] = push_result(L, "plan", like->dtype, like->ndim, like->size)->data;
  }
  if (!b->frame) {
    RETRY(L, status, cj_frame_new(&b->frame, p));
    check_call(L, "plan", status);
    tell_growth(L, b);
  }
  b->ran = false;
  check_call(L, "plan", cj_plan_refresh(p, random_next));
  cj_frame_forward(b->frame, cj_plan_rows(p), in, out);
  check_status(L, CJ_OK); /* raises when interrupted */
  b->ran = true;
  return outputs;
}

/* plan_in_place(plan) -> are the tensors it was told to keep where they were, and their gradients
 * wanted as then? */
static int l_in_place(lua_State *L) {
  const box *b = test_box(L, 1);
  lua_pushboolean(L, b && b->crew && in_place(b));
  return 1;
}

/* The gradient of the first result at index i, packed and pushed; NULL where it is one number. */
static const void *push_seed(lua_State *L, int i, const cj_tensor *y) {
  if (lua_isnoneornil(L, i) && cj_numel(y) == 1) return NULL;
  lua_pushvalue(L, i);
  if (!lua_toboolean(L, -1))
    raise_error(L, "backward: the first result has %lld elements: give its gradient",
                (long long)cj_numel(y));
  return push_gradient(L, y, y->ndim > 0 ? y->size[0] : 0);
}

/* plan_backward(plan, gradient of the first result or nil): adds to the gradients of the
 * parameters, after plan_forward, once. No second try without memory: some may have been added. */
static int l_backward(lua_State *L) {
  lua_settop(L, 2);
  box *b = check_training(L, 1);
  refuse_trace(L, "it asks for gradients");
  if (!b->ran) raise_error(L, "plan: expected a forward pass before the way back");
  const void *gy = push_seed(L, 2, cj_plan_output(b->crew->plan, 0));
  b->ran = false;
  check_call(L, "plan", cj_frame_backward(b->frame, gy));
  return 0;
}

/* --- what it does ------------------------------------------------------------------------------
 */

/* plan_about(plan) -> { rows, bytes (of a frame), weight_bytes, frames, inputs, outputs } */
static int l_about(lua_State *L) {
  const box *b = check_box(L, 1);
  const cj_plan *p = b->crew->plan;
  lua_createtable(L, 0, 8);
  set_number(L, "rows", (double)cj_plan_rows(p));
  set_number(L, "bytes", (double)cj_plan_bytes(p));
  set_number(L, "weight_bytes", (double)cj_plan_weight_bytes(p));
  set_number(L, "frames", b->crew->count + (b->frame != NULL));
  set_number(L, "inputs", cj_plan_inputs(p));
  set_number(L, "outputs", cj_plan_outputs(p));
  return 1;
}

/* plan_steps(plan) -> list of { what, how, flops, bytes, forward, backward } */
static int l_steps(lua_State *L) {
  const cj_plan *p = check_box(L, 1)->crew->plan;
  const int64_t n = cj_plan_steps(p);
  lua_createtable(L, (int)n, 0);
  for (int64_t i = 0; i < n; i++) {
    cj_plan_row row;
    memset(&row, 0, sizeof row);
    cj_plan_step_row(p, i, &row);
    lua_createtable(L, 0, 6);
    lua_pushstring(L, row.what);
    lua_setfield(L, -2, "what");
    lua_pushstring(L, row.how);
    lua_setfield(L, -2, "how");
    set_number(L, "flops", row.flops);
    set_number(L, "bytes", row.bytes);
    set_number(L, "forward", row.forward);
    set_number(L, "backward", row.backward);
    lua_rawseti(L, -2, (int)i + 1);
  }
  return 1;
}

/* plan_profile(plan, on): clocks every step from now on, or no longer. */
static int l_profile(lua_State *L) {
  box *b = check_box(L, 1);
  cj_plan_profile(b->crew->plan, opt_boolean(L, 2, "profile", "on", true));
  return 0;
}

static const luaL_Reg functions[] = {
    {"plan_compile", l_compile},   {"plan_run", l_run},           {"plan_gradient", l_gradient},
    {"plan_forward", l_forward},   {"plan_backward", l_backward}, {"plan_about", l_about},
    {"plan_steps", l_steps},       {"plan_profile", l_profile},   {"plan_release", l_release},
    {"plan_in_place", l_in_place}, {"plan_repeats", l_repeats},   {NULL, NULL}};

void open_plan(lua_State *L) {
  lua_pushlightuserdata(L, (void *)&metatable_key);
  lua_rawget(L, LUA_REGISTRYINDEX);
  if (lua_isnil(L, -1)) {
    lua_pushlightuserdata(L, (void *)&metatable_key);
    lua_createtable(L, 0, 2);
    lua_pushcfunction(L, l_gc);
    lua_setfield(L, -2, "__gc");
    lua_pushliteral(L, "conjugate.plan");
    lua_setfield(L, -2, "__metatable");
    lua_rawset(L, LUA_REGISTRYINDEX);
  }
  lua_pop(L, 1);
  set_functions(L, functions);
}
