# kernels/cuda compiled for this machine's processor by the C++ compiler, with a header of ours in the
# place of NVIDIA's <cuda_runtime.h>: README.md here. Each .cu is included by a file of two words,
# because CMake would give the source itself to nvcc in every target.
set(shim tests/support/cuda_host)
file(GLOB kernel_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/kernels/cuda/*.cu)
file(GLOB host_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/kernels/cuda/*.cpp)
list(FILTER host_sources EXCLUDE REGEX "/(module|blas_library)\\.cpp$")
set(kernel_files)
foreach(source IN LISTS kernel_sources)
  get_filename_component(name ${source} NAME_WE)
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/cuda_host/${name}.cpp
    CONTENT "#include \"kernels/cuda/${name}.cu\"\n")
  list(APPEND kernel_files ${CMAKE_BINARY_DIR}/cuda_host/${name}.cpp)
endforeach()
set(sources ${kernel_files} ${host_sources} ${shim}/engine.cpp ${shim}/fiber.cpp ${shim}/runtime.cpp
  ${shim}/blas_library.cpp ${shim}/open.cpp)
add_library(r1_cuda_host STATIC ${sources})
target_link_libraries(r1_cuda_host PUBLIC r1_core)
target_include_directories(r1_cuda_host BEFORE PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/${shim})
# As options of the sources these come last. CUDA's indices mix signed and unsigned numbers; #pragma
# unroll is nvcc's.
set_source_files_properties(${kernel_files} PROPERTIES COMPILE_OPTIONS
  "-Wno-sign-conversion;-Wno-unknown-pragmas;-Wno-pass-failed;${R1_UNROLLED}")
