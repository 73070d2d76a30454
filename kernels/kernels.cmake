# Kernels of every backend. The sources of kernels/cpu/isa are compiled once per instruction set, in
# a namespace of its own; kernels/cpu chooses among them when it starts.
add_library(r1_kernels STATIC)
r1_sources(r1_kernels kernels kernels/ref kernels/cpu)
target_link_libraries(r1_kernels PUBLIC r1_core)

file(GLOB isa_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/kernels/cpu/isa/*.cpp)
function(r1_isa name)
  add_library(r1_kernels_${name} OBJECT ${isa_sources})
  target_link_libraries(r1_kernels_${name} PRIVATE r1_flags)
  # Vectors of 64 bytes are split where registers are shorter: none crosses a call. Products and sums
  # are one rounding only where multiply_add says so: the same bits in every kernel shape.
  target_compile_options(r1_kernels_${name} PRIVATE -Wno-psabi -ffp-contract=off ${ARGN})
  target_compile_definitions(r1_kernels_${name} PRIVATE R1_ISA=${name} R1_ISA_NAME="${name}")
  target_sources(r1_kernels PRIVATE $<TARGET_OBJECTS:r1_kernels_${name}>)
  target_compile_definitions(r1_kernels PRIVATE R1_HAS_${name}=1)
endfunction()

r1_isa(baseline)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  r1_isa(avx2 -mavx2 -mfma -mf16c)  # no processor has AVX2 without F16C
  r1_isa(avx512 -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni -mavx512bf16 -mfma
    -mprefer-vector-width=512)
endif()
