# One file a tool; tools/common is shared by all of them.
execute_process(COMMAND git -C ${CMAKE_CURRENT_SOURCE_DIR} rev-parse --short=8 HEAD
  OUTPUT_VARIABLE R1_COMMIT OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT R1_COMMIT)
  set(R1_COMMIT unknown)
endif()
execute_process(COMMAND git -C ${CMAKE_CURRENT_SOURCE_DIR} rev-parse --path-format=absolute --git-path logs/HEAD
  OUTPUT_VARIABLE moves OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(EXISTS "${moves}")  # a new commit is noticed
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${moves})
endif()

add_library(r1_tools STATIC)
r1_sources(r1_tools tools/common tools/complete tools/bench tools/quantize tools/finetune)
target_link_libraries(r1_tools PUBLIC r1_tasks)
r1_precompile(r1_tools)
# What is fast enough without much optimization compiles in less time. The last option wins.
target_compile_options(r1_tools PRIVATE $<$<CONFIG:Release>:-O1>)
if(R1_SANITIZE)
  target_compile_options(r1_tools PRIVATE -O0)
  target_compile_options(r1_tasks PRIVATE -O0)
endif()
get_property(levels GLOBAL PROPERTY R1_CPU_LEVELS)
list(JOIN levels "," levels)
set_source_files_properties(tools/common/program.cpp PROPERTIES COMPILE_DEFINITIONS
  "R1_VERSION=\"${PROJECT_VERSION}\";R1_COMMIT=\"${R1_COMMIT}\";R1_CPU_LEVELS=\"${levels}\"")

# The prose of the man page travels in the tool, so that --generate man needs no file.
function(r1_tool name)
  string(REPLACE "-" "_" source ${name})
  file(READ man/${name}.1.in MANUAL)
  configure_file(tools/common/manual.h.in ${CMAKE_BINARY_DIR}/generated/${name}/tools/manual.h @ONLY)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS man/${name}.1.in)
  add_executable(${name} tools/${source}.cpp)
  target_link_libraries(${name} PRIVATE r1_tools)
  target_include_directories(${name} PRIVATE ${CMAKE_BINARY_DIR}/generated/${name})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
endfunction()

set(R1_TOOLS r1-complete r1-bench r1-quantize r1-finetune)
foreach(tool IN LISTS R1_TOOLS)
  r1_tool(${tool})
endforeach()
