/* tracing.h -- calls a Lua function once to write down what it does. */
#ifndef CJ_TRACING_H
#define CJ_TRACING_H

#include "lua/binding.h"
#include "plan/crew.h"

enum { CJ_MOST_INPUTS = 8, CJ_MOST_RESULTS = CJ_MOST_OUTPUTS };

/* One traced call. A userdata owns it: push_tracing before, everything is given back with it. */
typedef struct tracing {
  cj_trace trace;
  int inputs, outputs;
  cj_tensor in_own[CJ_MOST_INPUTS], out_own[CJ_MOST_RESULTS];
  const cj_tensor *in[CJ_MOST_INPUTS], *out[CJ_MOST_RESULTS];
} tracing;

tracing *push_tracing(lua_State *L);
/* Gives everything back now. */
void drop_tracing(tracing *t);

/* Calls the function at index f with the tensors of the list at index list, recording on, for a dry
 * trace. Which gradients will be asked for: of nothing, of the inputs, or of parameters. The
 * generator of random numbers is left as it was. Errors of the function are raised; a trace without
 * a plan has its reason in t->trace.refused. */
typedef enum cj_slopes { CJ_SLOPES_NONE, CJ_SLOPES_INPUTS, CJ_SLOPES_PARAMETERS } cj_slopes;
void trace_call(lua_State *L, tracing *t, int f, int list, cj_slopes of);

/* What the calls were: operators, numbers, sizes, and the elements of small constants, but not of
 * the `count` tensors of `known`, which are read where they are. Two traces of a function that does
 * the same each time have the same. */
uint64_t trace_signature(const tracing *t, int count, const cj_tensor *const *known);

#endif
