# nvcc, where there is one: before any target, because a target takes its CUDA settings when it is made.
find_program(R1_NVCC nvcc HINTS /usr/local/cuda/bin DOC "The CUDA compiler")
if(R1_NVCC)
  option(R1_CUDA "Build the CUDA backend" ON)
endif()
if(NOT R1_NVCC OR R1_SANITIZE OR R1_FUZZ)  # sanitizers see the kernels through the shim of the tests
  set(R1_CUDA OFF)
endif()
set(cards "80;90a-real")
if(DEFINED ENV{CUDAARCHS})  # as CMake itself reads it
  set(cards "$ENV{CUDAARCHS}")
endif()
set(R1_CUDA_ARCHS "${cards}" CACHE STRING
  "Cards to build for: any of 80 86 89 90a 100 120; -real leaves out the PTX that later cards can use")
if(NOT R1_CUDA)
  message(STATUS "r1: no CUDA backend (R1_CUDA is off, nvcc is not there, or a sanitizer is on)")
  return()
endif()
set(CMAKE_CUDA_COMPILER ${R1_NVCC})
set(CMAKE_CUDA_ARCHITECTURES ${R1_CUDA_ARCHS})
enable_language(CUDA)
find_package(CUDAToolkit REQUIRED)
# CMake 3.25 does not know that nvcc takes C++20.
set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
message(STATUS "r1: CUDA backend for ${R1_CUDA_ARCHS}, by nvcc ${CMAKE_CUDA_COMPILER_VERSION}")
