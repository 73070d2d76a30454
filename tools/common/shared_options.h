#pragma once

#include "tools/common/options.h"

namespace r1 {

// Options that mean the same in several tools, each described once. The value's place outlives the
// table. `group` is their heading.
Option model_path_option(std::string& into, const std::string& group);
Option list_models_option(bool& into, const std::string& group);
Option adapter_option(std::string& into, const std::string& group);
Option device_option(std::string& into, const std::string& group);
Option dtype_option(std::string& into, const std::string& group);
Option kv_type_option(std::string& into, const std::string& group);
Option threads_option(std::int64_t& into, const std::string& group);
// `none`: what 0 means, "no limit".
Option max_memory_option(std::int64_t& into, const std::string& group, const std::string& none);
Option gpu_memory_option(std::int64_t& into, const std::string& group);
Option no_mmap_option(bool& into, const std::string& group);
Option force_option(bool& into, const std::string& group);
Option cpu_isa_option(std::string& into, const std::string& group);

}  // namespace r1
