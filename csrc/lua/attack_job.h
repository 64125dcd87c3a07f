/* attack_job.h -- what an attack calls back for: a Lua model as an oracle, directions, watchers.
 *
 * The attack loop is plain C and calls back into Lua through protected calls; an error in a
 * callback is kept, the loop gives its memory back and returns CJ_ECALL, and only then is the error
 * raised again. What callbacks need stands in a table of the registry, which a userdata gives back.
 */
#ifndef CJ_LUA_ATTACK_JOB_H
#define CJ_LUA_ATTACK_JOB_H

#include "attacks/loop.h"
#include "attacks/plan_oracle.h"
#include "lua/binding.h"

typedef struct attack_job {
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
  const cj_stand *at;
  const void *asked;      /* of callbacks of others */
  cj_batch_oracle frames; /* of a plan with callbacks */
} attack_job;

/* Where the call of Lua has what the job needs. grad: the function that takes gradients. */
typedef struct attack_places {
  int model, direction, watch, grad;
} attack_places;

/* The job in a userdata, on top of the stack. */
attack_job *push_attack_job(lua_State *L, const attack_places *at);
/* What the model left on the tape, and the memory of a plan, go now. */
void end_attack_job(lua_State *L, attack_job *j);

/* A Lua model as an oracle, and the callbacks of a cj_attack; self is the job. */
cj_oracle attack_job_oracle(attack_job *j);
cj_status attack_job_direct(void *self, const cj_stand *at, cj_tensor *d);
cj_status attack_job_watch(void *self, int64_t step, int64_t rows, const int64_t *sample,
                           const cj_tensor *x);

/* For callbacks of others: runs f protected; in f, attack_job_enter leaves the job at index 1 and
 * its table at 2, and attack_job_function pushes the function given as direction. */
cj_status attack_job_call(attack_job *j, lua_CFunction f, const char *what);
attack_job *attack_job_enter(lua_State *L);
void attack_job_function(lua_State *L);

/* The metatable that gives jobs back. */
void open_attack_jobs(lua_State *L);

#endif
