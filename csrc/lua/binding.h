/* binding.h -- what the files of the binding share. Nothing outside csrc/lua sees a lua_State.
 *
 * Every function called from Lua goes: 1. read the arguments (may raise, owns nothing); 2. push the
 * owner of the result, empty; 3. call the core and check its status. Lua errors are longjmps: none
 * may pass over memory that no userdata owns. */
#ifndef CJ_BINDING_H
#define CJ_BINDING_H

#include "autograd/tape.h"
#include "autograd/trace.h"
#include "core/tensor.h"
#include "lua/compat.h"

/* --- errors (core.c) ------------------------------------------------------------------------- */

/* Raises the formatted text, naming the line of the first caller outside the package itself. Give
 * texts as "function: expected X for ARGUMENT, got Y". Does not return. */
int raise_error(lua_State *L, const char *format, ...)
    __attribute__((format(printf, 2, 3), noreturn));

/* Raises unless status is CJ_OK; also when the user asked to stop. */
void check_status(lua_State *L, cj_status status);
/* The same for functions of the core whose texts name no function: puts "FN: " in front. */
void check_call(lua_State *L, const char *fn, cj_status status);

/* Keeps the error value on top of the stack (and pops it) for the check_status of CJ_ECALL, and
 * leaves its text for cj_errmsg. For callbacks, which must not raise. */
cj_status keep_error(lua_State *L, const char *what);

/* What stands at stack index i, in words: "a table", "1.5", "an int64 tensor [2, 3]", "nothing". */
enum { GOT_TEXT = 256 };
const char *got(lua_State *L, int i, char text[GOT_TEXT]);

/* --- arguments (args.c): each raises "FN: expected ... for NAME, got ..." --------------------- */

double check_number(lua_State *L, int i, const char *fn, const char *name);
/* A whole number in low..high; 1.9 is not 1. */
int64_t check_integer(lua_State *L, int i, const char *fn, const char *name, int64_t low,
                      int64_t high);
/* A number of things, 0 or more. */
int64_t check_size(lua_State *L, int i, const char *fn, const char *name);
/* An index or dimension of a range of n, counted from 1, or from the end when negative; given back
 * 0-based. */
int64_t check_index(lua_State *L, int i, const char *fn, const char *name, int64_t n);
/* true or false, or what is given when there is nothing. */
bool opt_boolean(lua_State *L, int i, const char *fn, const char *name, bool otherwise);
/* A string; the length in *length unless NULL. */
const char *check_text(lua_State *L, int i, const char *fn, const char *name, size_t *length);
/* The name of an element type; float32 when there is nothing. */
cj_dtype opt_dtype(lua_State *L, int i, const char *fn);
/* A list of at most CJ_MAX_DIMS sizes, in a table or as the rest of the arguments; gives their
 * number. */
int check_sizes(lua_State *L, int i, const char *fn, int64_t size[CJ_MAX_DIMS]);

/* The same for field `name` of the table at index i. */
double field_number(lua_State *L, int i, const char *fn, const char *name);
int64_t field_integer(lua_State *L, int i, const char *fn, const char *name, int64_t low,
                      int64_t high);
/* Sets field `name` of the table on top of the stack. */
void set_number(lua_State *L, const char *name, double value);

/* --- tensors (tensor.c) ---------------------------------------------------------------------- */

/* The tensor at index i, or NULL if something else is there. A released one is given, empty. */
cj_tensor *test_tensor(lua_State *L, int i);
/* The tensor at index i, not released; borrowed: keep it on the stack. Raises otherwise. */
cj_tensor *check_tensor(lua_State *L, int i, const char *fn, const char *name);
/* As check_tensor, NULL for nil or nothing. */
cj_tensor *opt_tensor(lua_State *L, int i, const char *fn, const char *name);
/* Pushes a packed copy of the tensor [n] at index i and gives its elements; pushes nil and gives
 * NULL for nil or nothing. */
const void *push_list(lua_State *L, int i, const char *fn, const char *name, cj_dtype dtype,
                      int64_t n);
/* Pushes an empty tensor, whose __gc owns what is put into it. */
cj_tensor *push_tensor(lua_State *L);
/* Pushes a tensor of its own memory, undefined content; retries after a collection. fn is named
 * when there is no such tensor; push_new says "tensor". */
cj_tensor *push_result(lua_State *L, const char *fn, cj_dtype dtype, int ndim, const int64_t *size);
cj_tensor *push_new(lua_State *L, cj_dtype dtype, int ndim, const int64_t *size);
/* Pushes a tensor without dimensions. fn names the caller where value does not suit the type. */
cj_tensor *push_scalar(lua_State *L, const char *fn, cj_dtype dtype, double value);
/* Raises unless t may be written to in place now; then counts the write. */
void check_writable(lua_State *L, const cj_tensor *t, const char *fn);
/* Somebody is about to look at elements of t, or does what `format` says: raises while a function
 * is being traced for a plan, which could not do that again. */
void check_look(lua_State *L, const cj_tensor *t);
void refuse_trace(lua_State *L, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Raises unless the value can be an element of that type exactly (fractions in integers). */
void check_element(lua_State *L, const char *fn, cj_dtype dtype, double value);

/* --- memory (system.c) ----------------------------------------------------------------------- */

/* Tells the collector of native bytes that it cannot see. After the result has its owner. */
void tell_gc(lua_State *L, size_t bytes);
/* Collects everything and gives recycled blocks back: before the second try after CJ_EMEM. */
void collect_all(lua_State *L);

/* status of call; on CJ_EMEM a collection and one more try. call is written once, may run twice. */
#define RETRY(L, status, call)                                                                     \
  do {                                                                                             \
    (status) = (call);                                                                             \
    if ((status) == CJ_EMEM) {                                                                     \
      collect_all(L);                                                                              \
      (status) = (call);                                                                           \
    }                                                                                              \
  } while (0)

/* --- the rest -------------------------------------------------------------------------------- */

/* Clears the wish to stop and raises "interrupted" (interrupt.c). */
int interrupt_raise(lua_State *L);

/* Gives the closures of dropped custom calls back to Lua (autograd.c); cheap when there are none.
 */
void custom_sweep(lua_State *L);

/* The next key of the global generator, a whole number below 2^53 (random.c). */
double random_next(const char *purpose);
/* The generator's seed and counter. */
void random_save(uint64_t state[2]);
void random_restore(const uint64_t state[2]);

/* Each adds its functions to the module table on top of the stack. */
void open_tensor(lua_State *L);
void open_nested(lua_State *L);
void open_ops(lua_State *L);
void open_catalog(lua_State *L);
void open_autograd(lua_State *L);
void open_flat(lua_State *L);
void open_random(lua_State *L);
void open_system(lua_State *L);
void open_interrupt(lua_State *L);
void open_io(lua_State *L);
void open_attacks(lua_State *L);
void open_attack_parts(lua_State *L);
void open_packet(lua_State *L);
void open_packet_run(lua_State *L);
void open_packet_results(lua_State *L);
void open_packet_matrix(lua_State *L);
void open_pencil(lua_State *L);
void open_plan(lua_State *L);
void open_quadrature(lua_State *L);
void open_fourier(lua_State *L);

#endif
