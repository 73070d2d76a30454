# The tests mirror the tree they test: tests/lib/io/gguf_test.cpp tests lib/io/gguf.
find_package(GTest REQUIRED)
include(GoogleTest)

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
  target_link_libraries(${name} PRIVATE r1_tasks r1 r1_kernels r1_core GTest::gtest_main)
  target_compile_definitions(${name} PRIVATE
    R1_TEST_DATA="${R1_TEST_DATA}" R1_SOURCE_DIR="${CMAKE_CURRENT_SOURCE_DIR}")
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60)
endfunction()

r1_test(base_tests tests/lib/base tests/lib/tensor tests/lib/backend)
r1_test(io_tests tests/lib/io)
r1_test(text_tests tests/lib/text)
r1_test(kernel_tests tests/kernels)
r1_test(nn_tests tests/lib/nn)
r1_test(model_tests tests/models)
r1_test(decode_tests tests/lib/decode tests/lib/tasks)
r1_test(tools_tests tests/tools)

add_test(NAME layers COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/scripts/check_layers.py
  WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
