#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "lib/text/tokenizer.h"

namespace r1::test {

// Each byte is its own token, and the markers follow from 256 on. A text that does not continue
// another one gets the id of a space first when `leading_space` is set, as in sentencepiece.
class ByteTokenizer : public Tokenizer {
 public:
  explicit ByteTokenizer(std::vector<std::string> markers, bool leading_space = false)
      : markers_(std::move(markers)), leading_space_(leading_space) {
    for (int b = 0; b < 256; ++b) bytes_ += static_cast<char>(b);
  }
  void set_bos(std::string_view marker, bool add) { bos_ = find(marker), add_bos_ = add; }
  void set_eos(std::string_view marker) { eos_ = find(marker); }

  std::vector<TokenId> encode(std::string_view text) const override {
    std::vector<TokenId> ids = encode_continued(text);
    if (leading_space_) ids.insert(ids.begin(), ' ');
    return ids;
  }
  std::vector<TokenId> encode_continued(std::string_view text) const override {
    std::vector<TokenId> ids;
    for (const char c : text) ids.push_back(static_cast<unsigned char>(c));
    return ids;
  }
  std::string_view bytes(TokenId id) const override {
    return id >= 0 && id < 256 ? std::string_view(bytes_).substr(static_cast<std::size_t>(id), 1)
                               : std::string_view();
  }
  std::int64_t size() const override { return 256 + static_cast<std::int64_t>(markers_.size()); }
  std::optional<TokenId> find(std::string_view token) const override {
    const auto at = std::find(markers_.begin(), markers_.end(), token);
    if (at == markers_.end()) return std::nullopt;
    return 256 + static_cast<TokenId>(at - markers_.begin());
  }
  bool is_marker(TokenId id) const override { return id >= 256; }
  std::string_view marker_text(TokenId id) const override {
    return is_marker(id) ? std::string_view(markers_[static_cast<std::size_t>(id - 256)])
                         : std::string_view();
  }

  // Ids as a text in which markers stand in ⟦ ⟧.
  std::string shown(const std::vector<TokenId>& ids) const {
    std::string out;
    for (const TokenId id : ids)
      out += is_marker(id) ? "⟦" + std::string(marker_text(id)) + "⟧" : std::string(bytes(id));
    return out;
  }

 private:
  std::vector<std::string> markers_;
  std::string bytes_;
  bool leading_space_;
};

}  // namespace r1::test
