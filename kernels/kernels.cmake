# Kernels of every backend. The sources of kernels/cpu/isa are compiled once per instruction set.
add_library(r1_kernels STATIC)
r1_sources(r1_kernels kernels kernels/ref kernels/cpu)
target_link_libraries(r1_kernels PUBLIC r1_core)
