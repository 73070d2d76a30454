#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/bytes.h"
#include "lib/base/output.h"
#include "lib/tensor/tensor.h"

namespace r1 {

// A tensor of a file: a label on the file's own bytes, valid while they are.
struct NamedTensor {
  std::string name;
  Tensor tensor;
};

struct SafetensorsFile {
  std::vector<NamedTensor> tensors;  // by place in the file; unaligned ones point into `copies`
  std::map<std::string, std::string> metadata;
  std::vector<std::vector<std::byte>> copies;
};

// Reads a .safetensors file strictly: no gap, no overlap, no byte left over. Fails with truncated,
// decode, limit. `name` stands in messages.
SafetensorsFile parse_safetensors(ByteSpan file, std::string_view name);

// What stands before the bytes of tensors of these names, types and shapes, one behind the other.
// Types without a name in the format fail with `format`.
std::string safetensors_header(const std::vector<NamedTensor>& tensors,
                               const std::map<std::string, std::string>& metadata);
// Writes tensors in the order given, behind their header.
void write_safetensors(Output& out, const std::vector<NamedTensor>& tensors,
                       const std::map<std::string, std::string>& metadata);

}  // namespace r1
