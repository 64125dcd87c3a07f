/* status.h -- how the core says that something went wrong: a code and one line of text. */
#ifndef CJ_STATUS_H
#define CJ_STATUS_H

typedef enum cj_status {
  CJ_OK = 0,
  CJ_EMEM,   /* no memory */
  CJ_ESHAPE, /* sizes that do not fit together */
  CJ_EDTYPE, /* an element type the function does not take */
  CJ_EARG,   /* any other wrong argument */
  CJ_EIO,    /* the outside world: missing, damaged or unwritable files */
  CJ_ESTOP,  /* interrupted by the user */
  CJ_ECALL   /* a callback failed; its text is the message */
} cj_status;

/* Keeps the formatted line for cj_errmsg() and returns code. Any thread. */
cj_status cj_fail(cj_status code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The line left by this thread's last cj_fail; "" before the first. Borrowed. */
const char *cj_errmsg(void);

/* Leaves the calling function with the status of call unless it is CJ_OK. */
#define CJ_TRY(call)                                                                               \
  do {                                                                                             \
    const cj_status cj_status_ = (call);                                                           \
    if (cj_status_ != CJ_OK) return cj_status_;                                                    \
  } while (0)

#endif
