# One source, several instruction sets and element types: every file of csrc/ops and csrc/kernels
# is compiled once per pair, and tables.c lists the tables they define.

set(CJ_ISAS "base;avx2;avx512" CACHE STRING "Instruction sets to compile")
set(flags_base "")
set(flags_avx2 -mavx2 -mfma -mf16c -mbmi2)
set(flags_avx512 -mavx2 -mfma -mf16c -mbmi2 -mavx512f -mavx512dq -mavx512bw -mavx512vl
  -mprefer-vector-width=512)
if(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(CJ_ISAS base)
endif()

# How a library of one instruction set and type is compiled.
function(isa_compile library isa type)
  target_link_libraries(${library} PUBLIC cj_options)
  target_compile_definitions(${library} PRIVATE CJ_ISA=${isa} CJ_TYPE=${type} CJ_TYPE_${type}=1
    CJ_ISA_${isa}=1)
  target_compile_options(${library} PRIVATE -O3 -fno-trapping-math ${flags_${isa}})
endfunction()

# Operators: all four types in ops/any, floats in ops. Parts of attacks and steps of plans: floats.
file(GLOB any_files CONFIGURE_DEPENDS csrc/ops/any/*.c)
file(GLOB float_files CONFIGURE_DEPENDS csrc/ops/*.c csrc/kernels/*.c)
file(GLOB method_files CONFIGURE_DEPENDS csrc/attacks/methods/*.c)
file(GLOB direction_files CONFIGURE_DEPENDS csrc/attacks/directions/*.c)
file(GLOB projection_files CONFIGURE_DEPENDS csrc/attacks/projections/*.c)
file(GLOB step_files CONFIGURE_DEPENDS csrc/plan/steps/*.c)
file(GLOB term_files CONFIGURE_DEPENDS csrc/packet/terms/*.c)
file(GLOB table_files CONFIGURE_DEPENDS csrc/ops/*.c)
# This is compiled once, with the core.
set(single_files ${CMAKE_SOURCE_DIR}/csrc/ops/op.c)
list(REMOVE_ITEM float_files ${single_files})
list(REMOVE_ITEM table_files ${single_files})

set(isa_objects "")
set(isa_definitions "")
foreach(isa IN LISTS CJ_ISAS)
  string(TOUPPER ${isa} upper)
  list(APPEND isa_definitions CJ_HAS_${upper}=1)
  foreach(type f32 f64 i64 u8)
    set(sources ${any_files})
    if(type MATCHES "^f")
      list(APPEND sources ${float_files} ${method_files} ${direction_files}
        ${projection_files} ${step_files} ${term_files})
    endif()
    if(sources)
      add_library(ops_${isa}_${type} OBJECT ${sources})
      isa_compile(ops_${isa}_${type} ${isa} ${type})
      list(APPEND isa_objects ops_${isa}_${type})
    endif()
  endforeach()
endforeach()

# tables.c: extern declarations and, per instruction set and type, a NULL-ended list of tables.
function(list_tables prefix struct files types out)
  set(externs "")
  set(rows "")
  foreach(isa IN ITEMS base avx2 avx512)
    string(APPEND rows "  {")
    foreach(type f32 f64 i64 u8)
      set(entries "")
      if(isa IN_LIST CJ_ISAS)
        foreach(path IN LISTS ${files})
          get_filename_component(name ${path} NAME_WE)
          get_filename_component(folder ${path} DIRECTORY)
          if(type IN_LIST types OR folder MATCHES "/any$")
            string(APPEND externs "extern const ${struct} ${prefix}_${name}_${isa}_${type}[];\n")
            string(APPEND entries "${prefix}_${name}_${isa}_${type}, ")
          endif()
        endforeach()
      endif()
      string(APPEND rows "(const ${struct} *const[]){${entries}NULL}, ")
    endforeach()
    string(APPEND rows "},\n")
  endforeach()
  set(${out} "${externs}\nconst ${struct} *const *const ${prefix}_tables[3][4] = {\n${rows}};\n"
    PARENT_SCOPE)
endfunction()

set(all_table_files ${any_files} ${table_files})
list_tables(cj_ops cj_op all_table_files "f32;f64" op_tables)
list_tables(cj_methods cj_method method_files "f32;f64" method_tables)
list_tables(cj_directions cj_direction direction_files "f32;f64" direction_tables)
list_tables(cj_projections cj_projection projection_files "f32;f64" projection_tables)
list_tables(cj_steps cj_step_kind step_files "f32;f64" step_tables)
list_tables(cj_term_sets cj_term_set term_files "f32;f64" term_tables)
set(content "/* Written by cmake/isa.cmake. */\n#include \"attacks/trial.h\"\n#include \"ops/op.h\"\n\
#include \"ops/tables.h\"\n#include \"packet/terms.h\"\n#include \"plan/graph.h\"\n\n${op_tables}\n${method_tables}\n${direction_tables}\n${projection_tables}\n${step_tables}\n${term_tables}")
file(GENERATE OUTPUT ${CMAKE_BINARY_DIR}/tables.c CONTENT "${content}")
