#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "lib/text/tokenizer.h"
#include "tests/support/temp_dir.h"

namespace r1::test {

inline const std::string kShare = std::string(R1_SOURCE_DIR) + "/share";

// A Hugging Face directory with no tensors in it.
class TokenizerFolder {
 public:
  TokenizerFolder() {
    write("config.json", R"({"bos_token_id":1,"eos_token_id":1})");
    write("model.safetensors", std::string("\x02\0\0\0\0\0\0\0{}", 10));
  }
  void write(std::string_view name, std::string_view bytes) const {
    write_bytes(dir_ / name, bytes);
  }
  ModelFiles open() const { return ModelFiles::open(dir_.path()); }
  std::unique_ptr<Tokenizer> load() const { return load_tokenizer(open(), kShare); }

 private:
  TempDir dir_;
};

}  // namespace r1::test
