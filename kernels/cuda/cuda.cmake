# libr1_cuda.so: the CUDA backend as a module, which `kernels/open_cuda` loads at run time. It brings the
# CUDA runtime with it, needs no driver to be built or loaded, and exports one function.
file(GLOB kernel_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/kernels/cuda/*.cu)
file(GLOB host_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/kernels/cuda/*.cpp)

# A library of its own: the C++ compiler's warnings are not nvcc's.
add_library(r1_cuda_kernels OBJECT ${kernel_sources})
target_include_directories(r1_cuda_kernels PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
target_compile_options(r1_cuda_kernels PRIVATE --extended-lambda --expt-relaxed-constexpr
  -Werror=all-warnings -Xcompiler=-Wall,-Wextra,-Wno-missing-field-initializers,-Werror -Xptxas=-v
  --compress-mode=size)
set(launcher ${CMAKE_CURRENT_SOURCE_DIR}/cmake/nvcc_report)
if(CCACHE)
  list(APPEND launcher ${CCACHE})
endif()
set_target_properties(r1_cuda_kernels PROPERTIES CUDA_STANDARD 20 CUDA_VISIBILITY_PRESET hidden
  VISIBILITY_INLINES_HIDDEN ON
  CUDA_COMPILER_LAUNCHER "${launcher}")

add_library(r1_cuda MODULE ${host_sources} $<TARGET_OBJECTS:r1_cuda_kernels>)
target_link_libraries(r1_cuda PRIVATE r1_core CUDA::cudart_static)
target_compile_definitions(r1_cuda PRIVATE R1_CONTRACT="${R1_CONTRACT}")
target_link_options(r1_cuda PRIVATE
  -Wl,--version-script=${CMAKE_CURRENT_SOURCE_DIR}/kernels/cuda/module.map -Wl,--no-undefined)
set_target_properties(r1_cuda PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib
  LINK_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/kernels/cuda/module.map LINKER_LANGUAGE CXX)
install(TARGETS r1_cuda LIBRARY DESTINATION lib)  # where open_cuda looks: not lib/x86_64-linux-gnu
