/* conjugate.h -- the core's public C interface, in the order of the rooms. No Lua in it. */
#ifndef CONJUGATE_H
#define CONJUGATE_H

#include "core/cpu.h"
#include "core/memory.h"
#include "core/random.h"
#include "core/status.h"
#include "core/storage.h"
#include "core/tensor.h"
#include "core/threads.h"

#include "ops/op.h"

#include "autograd/tape.h"

#include "attacks/attack.h"
#include "attacks/loop.h"
#include "attacks/oracle.h"

#include "io/cifar.h"
#include "io/idx.h"
#include "io/npy.h"
#include "io/npz.h"
#include "io/png.h"
#include "io/safetensors.h"

#endif
