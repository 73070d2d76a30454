# The tests mirror the tree they test: tests/lib/io/gguf_test.cpp tests lib/io/gguf.
find_package(GTest REQUIRED)
include(GoogleTest)
include(tests/support/cuda_host/cuda_host.cmake)  # r1_cuda_host
include(tests/support/other_encoding/other_encoding.cmake)  # r1_other_encoding

# One executable a folder, so that a change to one room builds and runs that room's tests.
function(r1_test name)
  set(sources)
  foreach(folder IN LISTS ARGN)
    file(GLOB found CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*_test.cpp)
    list(APPEND sources ${found})
  endforeach()
  if(NOT sources)
    return()
  endif()
  add_executable(${name} ${sources})
  target_link_libraries(${name} PRIVATE r1_tasks r1 r1_kernels r1_cuda_host
    r1_other_encoding r1_core GTest::gtest_main)
  target_compile_definitions(${name} PRIVATE
    R1_TEST_DATA="${R1_TEST_DATA}" R1_SOURCE_DIR="${CMAKE_CURRENT_SOURCE_DIR}")
  # Tests take longer to compile than to run. The last option wins.
  target_compile_options(${name} PRIVATE $<IF:$<BOOL:${R1_SANITIZE}>,-O0,-O1>)
  if(name STREQUAL base_tests)
    target_precompile_headers(base_tests PRIVATE <gtest/gtest.h> <fmt/format.h> <algorithm> <cmath>
      <filesystem> <fstream> <functional> <map> <random> <sstream> <string> <thread> <vector>)
  else()
    target_precompile_headers(${name} REUSE_FROM base_tests)
  endif()
  # Beside lib, where the CUDA module lies.
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60)
endfunction()

r1_test(base_tests tests/lib/base tests/lib/tensor tests/lib/backend)
r1_test(io_tests tests/lib/io)
r1_test(text_tests tests/lib/text)
r1_test(kernel_tests tests/kernels)
r1_test(nn_tests tests/lib/nn)
r1_test(model_tests tests/models)
r1_test(decode_tests tests/lib/decode tests/lib/tasks)
r1_test(quant_tests tests/lib/quant)
r1_test(train_tests tests/lib/train)
r1_test(tools_tests tests/tools)
target_link_libraries(tools_tests PRIVATE r1_tools)

add_test(NAME layers COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/scripts/check_layers.py
  WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})

# Documentation is what the tools generate, its examples run, and a fresh prefix is enough to use the
# library. Once: the sanitizers see all of this in the tests of the tools.
if(NOT R1_SANITIZE)
  add_test(NAME docs COMMAND ${CMAKE_COMMAND} -E env R1_BIN=${CMAKE_BINARY_DIR}/bin
    ${CMAKE_CURRENT_SOURCE_DIR}/scripts/docs --check)
  add_test(NAME readme COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/tests/readme_test.sh
    ${CMAKE_BINARY_DIR}/bin ${CMAKE_CURRENT_SOURCE_DIR}/README.md)
  foreach(tool IN LISTS R1_TOOLS)
    add_test(NAME man_examples.${tool}
      COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/tests/man_examples_test.sh ${CMAKE_BINARY_DIR}/bin
      ${CMAKE_CURRENT_SOURCE_DIR}/man/${tool}.1.in)
  endforeach()
  add_test(NAME install COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/tests/install_test.sh
    ${CMAKE_BINARY_DIR} ${CMAKE_CURRENT_SOURCE_DIR} ${CMAKE_BINARY_DIR}/tiny.gguf)
  set_tests_properties(install PROPERTIES TIMEOUT 300 FIXTURES_REQUIRED tiny_model)
endif()

# Not a test: scripts/bench drives it beside other programs.
add_executable(network_speed tests/speed/network_speed.cpp)
target_link_libraries(network_speed PRIVATE r1_tools)
set_target_properties(network_speed PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

# What a card's driver says of it, by a made-up one.
add_library(fake_management SHARED tests/support/fake_management.cpp)
set_target_properties(fake_management PROPERTIES OUTPUT_NAME nvidia-ml SOVERSION 1
  LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fake_management)
add_test(NAME management COMMAND kernel_tests --gtest_filter=Backends.ACardNamesItsDriverAndItsLink)
set_tests_properties(management PROPERTIES ENVIRONMENT
  "R1_FAKE_MANAGEMENT=1;LD_LIBRARY_PATH=${CMAKE_BINARY_DIR}/fake_management")

# What the table beside PyTorch is made of; cases as small as they get, because CI has no card.
add_test(NAME gpu_vs_torch COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/tests/gpu_vs_torch_test.py
  $<TARGET_FILE:r1-bench>)
set_tests_properties(gpu_vs_torch PROPERTIES TIMEOUT 300)

# The pool of threads under the thread sanitizer, which wants a build of its own.
if(NOT R1_SANITIZE)
  add_executable(parallel_races tests/support/parallel_races.cpp lib/base/parallel.cpp)
  target_include_directories(parallel_races PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  target_compile_options(parallel_races PRIVATE -fsanitize=thread -g -O1)
  target_link_options(parallel_races PRIVATE -fsanitize=thread)
  target_link_libraries(parallel_races PRIVATE Threads::Threads)
  add_test(NAME parallel_races COMMAND parallel_races)
endif()

# The tools as a user sees them.
add_executable(make_tiny_model tests/support/make_tiny_model.cpp)
target_link_libraries(make_tiny_model PRIVATE r1 r1_core)
add_test(NAME tiny_model COMMAND make_tiny_model ${CMAKE_BINARY_DIR}/tiny.gguf)
set_tests_properties(tiny_model PROPERTIES FIXTURES_SETUP tiny_model)

# Every record is strict JSON whatever a model writes. Before a release:
# strict_jsonl.py 10000000 random_records 10000000 1
add_executable(random_records tests/support/random_records.cpp)
target_link_libraries(random_records PRIVATE r1_tools)
add_test(NAME records_are_json COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/tests/cli/strict_jsonl.py 20000
  $<TARGET_FILE:random_records> 20000 1)
set_tests_properties(records_are_json PROPERTIES TIMEOUT 600)
# Before a release: --kills 1000, of training 200; --cuts 100.
add_test(NAME kills COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/tests/cli/kills.py $<TARGET_FILE:r1-complete>
  ${CMAKE_BINARY_DIR}/tiny.gguf)
set_tests_properties(kills PROPERTIES FIXTURES_REQUIRED tiny_model)
add_test(NAME training_kills COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/tests/cli/training_kills.py
  $<TARGET_FILE:r1-finetune> ${CMAKE_BINARY_DIR}/tiny.gguf)
set_tests_properties(training_kills PROPERTIES FIXTURES_REQUIRED tiny_model TIMEOUT 300)
add_test(NAME cuts COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/tests/cli/cuts.py $<TARGET_FILE:r1-complete>
  ${CMAKE_CURRENT_SOURCE_DIR}/models/r1-plus-mini.gguf)
file(GLOB cases CONFIGURE_DEPENDS RELATIVE ${CMAKE_CURRENT_SOURCE_DIR}/tests/cli tests/cli/*.sh)
list(REMOVE_ITEM cases run.sh)
if(R1_SANITIZE)  # every operation: OpCases runs them too
  list(REMOVE_ITEM cases bench_machine.sh)
endif()
foreach(case IN LISTS cases)
  string(REGEX REPLACE "\\.sh$" "" case ${case})
  add_test(NAME cli.${case} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/tests/cli/run.sh
    ${CMAKE_BINARY_DIR}/bin ${CMAKE_BINARY_DIR}/tiny.gguf ${case})
  set_tests_properties(cli.${case} PROPERTIES FIXTURES_REQUIRED tiny_model TIMEOUT 60
    SKIP_REGULAR_EXPRESSION "^skipped: ")
endforeach()
set_tests_properties(cli.finetune_scratch PROPERTIES TIMEOUT 180)  # a dozen runs
if(NOT R1_SANITIZE)
  set_tests_properties(cli.bench_machine PROPERTIES TIMEOUT 300)  # every operation
  add_test(NAME no_network COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/tests/no_network_test.sh
    ${CMAKE_BINARY_DIR}/bin ${CMAKE_BINARY_DIR}/tiny.gguf)
  set_tests_properties(no_network PROPERTIES
    FIXTURES_REQUIRED tiny_model TIMEOUT 600 SKIP_RETURN_CODE 77 COST 1000)  # begins first
endif()

# The CUDA module without a card.
if(R1_CUDA)
  add_test(NAME cuda_spills COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/tests/spills_test.py
    ${CMAKE_BINARY_DIR}/CMakeFiles/r1_cuda_kernels.dir/kernels/cuda)
  add_library(fake_driver SHARED tests/support/fake_driver.cpp)
  set_target_properties(fake_driver PROPERTIES OUTPUT_NAME cuda SOVERSION 1
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fake_driver)
  add_test(NAME cuda_module COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/tests/cuda_module_test.sh
    ${CMAKE_BINARY_DIR}/bin $<TARGET_FILE:r1_cuda> ${CMAKE_BINARY_DIR}/fake_driver
    ${CMAKE_BINARY_DIR}/tiny.gguf)
  set_tests_properties(cuda_module PROPERTIES FIXTURES_REQUIRED tiny_model TIMEOUT 120)
endif()
