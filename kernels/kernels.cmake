# Kernels of every backend. The sources of kernels/cpu/isa are compiled once per instruction set, in
# a namespace of its own; kernels/cpu chooses among them when it starts.
add_library(r1_kernels STATIC)
r1_sources(r1_kernels kernels kernels/ref kernels/cpu)
target_link_libraries(r1_kernels PUBLIC r1_core PRIVATE ${CMAKE_DL_LIBS})

# What the CUDA module and the program that loads it must agree on, to the byte.
set(contract lib/backend/activation.h lib/backend/backend.h lib/backend/dropout.h
  lib/backend/open_backend.h lib/backend/recording.h lib/backend/memory.h lib/tensor/tensor.h
  lib/tensor/dtype.h lib/base/error.h)
set(R1_CONTRACT)
foreach(header IN LISTS contract)
  file(SHA256 ${CMAKE_CURRENT_SOURCE_DIR}/${header} digest)
  string(SUBSTRING ${digest} 0 8 digest)
  string(APPEND R1_CONTRACT ${digest})
endforeach()
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${contract})
string(REGEX REPLACE "([0-9]+a?)(-real|-virtual)?" "sm_\\1" cards "${R1_CUDA_ARCHS}")
list(JOIN cards "," cards)
set_source_files_properties(kernels/open_cuda.cpp PROPERTIES COMPILE_DEFINITIONS
  "R1_CONTRACT=\"${R1_CONTRACT}\";R1_CUDA_CARDS=\"${cards}\"")
if(R1_CUDA)
  include(kernels/cuda/cuda.cmake)
endif()

file(GLOB isa_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/kernels/cpu/isa/*.cpp)
set_source_files_properties(${isa_sources} PROPERTIES COMPILE_OPTIONS "${R1_UNROLLED}")  # come last
# Objects of a level that calls itself `shown`, in the namespace `name`.
function(r1_isa_objects name shown)
  add_library(r1_kernels_${name} OBJECT ${isa_sources})
  target_link_libraries(r1_kernels_${name} PRIVATE r1_flags)
  # Vectors of 64 bytes are split where registers are shorter: none crosses a call. Products and sums
  # are one rounding only where multiply_add says so: the same bits in every kernel shape.
  target_compile_options(r1_kernels_${name} PRIVATE -Wno-psabi -ffp-contract=off ${ARGN})
  target_compile_definitions(r1_kernels_${name} PRIVATE R1_ISA=${name} R1_ISA_NAME="${shown}")
endfunction()
function(r1_isa name)
  r1_isa_objects(${name} ${name} ${ARGN})
  target_sources(r1_kernels PRIVATE $<TARGET_OBJECTS:r1_kernels_${name}>)
  target_compile_definitions(r1_kernels PRIVATE R1_HAS_${name}=1)
  set_property(GLOBAL APPEND PROPERTY R1_CPU_LEVELS ${name})
endfunction()

set(R1_AVX2 -mavx2 -mfma -mf16c)  # no processor has AVX2 without F16C
set(R1_AVX512 -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni -mfma
  -mprefer-vector-width=512)
r1_isa(baseline)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  r1_isa(avx2 ${R1_AVX2})
  r1_isa(avx2_vnni ${R1_AVX2} -DR1_VNNI_ENCODING="vex")
  r1_isa(avx512_vnni ${R1_AVX512})
  r1_isa(avx512_fp16 ${R1_AVX512} -mavx512fp16)
  r1_isa(avx512 ${R1_AVX512} -mavx512bf16)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  r1_isa(dotprod -march=armv8.2-a+dotprod)
endif()
