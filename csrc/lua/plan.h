/* plan.h -- plans of Lua, for the other files of the binding. */
#ifndef CJ_LUA_PLAN_H
#define CJ_LUA_PLAN_H

#include "lua/binding.h"
#include "plan/crew.h"

/* The evaluation plan at index i: raises when it was released, is for training, or reads tensors
 * that have moved. Borrowed: keep it on the stack. */
cj_crew *check_crew(lua_State *L, int i);
/* The same, and it must have been compiled for gradients. */
cj_crew *check_pulls(lua_State *L, int i);
/* Raises unless the tensor at index i is a batch for the plan. */
const cj_tensor *check_batch(lua_State *L, int i, const cj_plan *p);

#endif
