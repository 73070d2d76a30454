#pragma once

#include <algorithm>
#include <deque>
#include <string>
#include <vector>

#include "lib/backend/open_backend.h"
#include "lib/io/weights.h"
#include "tests/support/fails.h"
#include "tests/support/run_network.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tiny.h"

namespace r1::test {

// A copy of a tiny checkpoint with something changed.
class EditedModel {
 public:
  explicit EditedModel(const std::string& name)
      : files_(ModelFiles::open(kTiny / name)),
        config_(files_.config().object(name)),
        tensors_(files_.tensors()) {}

  // A member of config.json; `json` is its text.
  EditedModel& set(const std::string& key, const std::string& json) {
    drop(key);
    config_.emplace_back(key, parse_json(json, key));
    return *this;
  }
  EditedModel& drop(const std::string& key) {
    std::erase_if(config_, [&](const Json::Member& m) { return m.first == key; });
    return *this;
  }
  EditedModel& drop_tensor(const std::string& name) {
    std::erase_if(tensors_, [&](const NamedTensor& t) { return t.name == name; });
    return *this;
  }
  // A tensor of ones, in place of any of that name.
  EditedModel& add_tensor(const std::string& name, const Shape& shape, DType dtype = DType::f32) {
    drop_tensor(name);
    Tensor t{nullptr, shape, dtype};
    t.data = memory_.emplace_back(t.bytes()).data();
    if (dtype == DType::f32) std::fill_n(t.as<float>(), shape.elements(), 1.0f);
    tensors_.push_back({name, t});
    return *this;
  }

  // Written as a folder, and where.
  std::filesystem::path written() const {
    JsonWriter json;
    json.value(Json(config_));
    write_bytes(dir_ / "config.json", json.text());
    const auto out = open_file(dir_ / "model.safetensors");
    write_safetensors(*out, tensors_, {});
    out->close();
    return dir_.path();
  }
  // What loading it on `ref` fails with: "E_MODEL: …", or "nothing".
  std::string failure() const {
    return test::failure([&] { Runner(open_backend("ref"), written()); });
  }

 private:
  ModelFiles files_;
  Json::Object config_;
  std::vector<NamedTensor> tensors_;
  std::deque<std::vector<std::byte>> memory_;
  TempDir dir_;
};

}  // namespace r1::test
