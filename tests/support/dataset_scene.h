// What tests of datasets share. Samples are shown as `render_sample` shows them: what is not
// trained stands in ⟦ ⟧.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/json.h"
#include "lib/train/dataset.h"
#include "tests/support/byte_tokenizer.h"
#include "tests/support/fails.h"
#include "tests/support/temp_dir.h"

namespace r1::test {

using Shown = std::vector<std::string>;
using Lines = std::vector<std::string>;

inline const std::vector<std::string> kMarkers = {"<s>",
                                                  "</s>",
                                                  "<|fim_prefix|>",
                                                  "<|fim_suffix|>",
                                                  "<|fim_middle|>",
                                                  "<|im_start|>",
                                                  "<|im_end|>",
                                                  "<｜begin▁of▁sentence｜>",
                                                  "<｜User｜>",
                                                  "<｜Assistant｜>",
                                                  "<｜end▁of▁sentence｜>"};

template <typename T = ByteTokenizer>
T r1_tokenizer(bool leading_space = false) {
  T t(kMarkers, leading_space);
  t.set_bos("<s>", true);
  t.set_eos("</s>");
  return t;
}

// What a family without BOS and with one order has.
inline ByteTokenizer qwen_tokenizer() {
  ByteTokenizer t({"<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|fim_prefix|>",
                   "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>"});
  t.set_eos("<|endoftext|>");
  return t;
}

inline const ChatTemplate kChatml = ChatTemplate::recognise("<|im_start|>");

// A tokenizer, a chat template, and files that are read with them.
struct Scene {
  ByteTokenizer own = r1_tokenizer();
  const Tokenizer* tokenizer = &own;
  DatasetOptions options;
  const ChatTemplate* chat = &kChatml;
  bool fills_in = true;
  TempDir dir;

  Dataset read(const Lines& lines, const std::string& name = "data.jsonl") const {
    std::string text;
    for (const std::string& line : lines) text += line + "\n";
    return read_bytes(text, name);
  }
  Dataset read_bytes(std::string_view text, const std::string& name = "data.jsonl") const {
    write_bytes(dir / name, text);
    return read_files({dir / name});
  }
  Dataset read_files(const std::vector<std::filesystem::path>& files) const {
    const auto fim = FimForm::find(*tokenizer);
    return read_dataset(files, {*tokenizer, fim && fills_in ? &*fim : nullptr, chat}, options);
  }
  Shown shown(const Lines& lines) const { return shown(read(lines)); }
  Shown shown(const Dataset& data) const {
    Shown out;
    for (const TrainingSample& sample : data.samples)
      out.push_back(render_sample(sample, *tokenizer));
    return out;
  }
  // What reading these lines fails with, without the folder.
  std::string why(const Lines& lines) const {
    std::string text = failure([&] { read(lines); });
    const std::string folder = dir.path().string() + "/";
    if (const std::size_t at = text.find(folder); at != std::string::npos)
      text.erase(at, folder.size());
    return text;
  }
};

inline std::string text_line(std::string_view text) {
  return JsonWriter().begin_object().key("text").string(text).end_object().text();
}

inline const std::string kTwoAnswers =
    R"({"messages":[{"role":"system","content":"s"},{"role":"user","content":"q"},)"
    R"({"role":"assistant","content":"a"},{"role":"user","content":"r"},)"
    R"({"role":"assistant","content":"b"},{"role":"user","content":"thanks"}]})";

}  // namespace r1::test
