# One target a parser. With R1_FUZZ (the preset `fuzz`, clang) each is a libFuzzer program that goes
# on for as long as it is let; in every other build it replays its corpus, so that ctest of any
# compiler runs what was once found.
file(GLOB entries CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/tests/fuzz/*_fuzz.cpp)
# Readers of the tools are compiled in, so that a target needs no kernel.
set(request_fuzz_reads tools/complete/requests.cpp tools/common/inputs.cpp
  tools/common/signals.cpp)
set(config_file_fuzz_reads tools/common/config_file.cpp tools/common/options.cpp
  tools/common/other_names.cpp)
set(adapter_fuzz_links r1_kernels)  # its weights go to a backend
foreach(entry IN LISTS entries)
  get_filename_component(name ${entry} NAME_WE)
  add_executable(${name} ${entry} ${${name}_reads})
  target_link_libraries(${name} PRIVATE r1 ${${name}_links} r1_core)
  target_compile_definitions(${name} PRIVATE
    R1_TEST_DATA="${R1_TEST_DATA}" R1_SOURCE_DIR="${CMAKE_CURRENT_SOURCE_DIR}")
  if(R1_FUZZ)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  else()
    target_sources(${name} PRIVATE tests/fuzz/replay.cpp)
    string(REPLACE _fuzz "" corpus ${name})
    add_test(NAME fuzz/${corpus}
      COMMAND ${name} ${CMAKE_CURRENT_SOURCE_DIR}/tests/fuzz/corpus/${corpus})
  endif()
endforeach()

# The same through the real tool: damaged models, each in a process of its own.
if(NOT R1_FUZZ)
  set(mutants --runs 40)
  if(R1_SANITIZE)
    set(mutants --runs 10 --slow 2000)
  endif()
  add_test(NAME fuzz/mutants COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/tests/fuzz/mutants.py
    $<TARGET_FILE:r1-complete> ${CMAKE_BINARY_DIR}/tiny.gguf ${mutants})
  set_tests_properties(fuzz/mutants PROPERTIES FIXTURES_REQUIRED tiny_model TIMEOUT 600)
endif()
