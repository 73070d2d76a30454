#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lib/text/tokenizer.h"

namespace r1 {

struct ExtraFile {
  std::string name, text;
};

// A family's fill-in-the-middle form, recognised from the markers in its vocabulary.
class FimForm {
 public:
  static std::optional<FimForm> find(const Tokenizer& tokenizer);

  // How the markers and the two texts stand: prefix P suffix S middle; suffix S prefix P middle;
  // prefix suffix S middle P.
  enum class Order : std::uint8_t { prefix_first, suffix_first, prefix_last };

  std::vector<TokenId> encode(const Tokenizer& tokenizer, std::string_view prefix,
                              std::string_view suffix, std::span<const ExtraFile> extra) const;
  // The markers around the tokens of the two texts, up to where the middle begins; without BOS.
  std::vector<TokenId> arrange(Order order, std::span<const TokenId> prefix,
                               std::span<const TokenId> suffix) const;
  Order order() const { return order_; }  // of a prompt
  // Has the family learnt prefix_first and prefix_last, half and half?
  bool has_both_orders() const { return has_both_orders_; }
  std::optional<TokenId> end() const { return end_; }  // what ends a middle
  std::string_view family() const { return family_; }
  TokenId prefix() const { return prefix_; }
  TokenId suffix() const { return suffix_; }
  // None: the prompt ends with the prefix.
  std::optional<TokenId> middle() const { return middle_; }

 private:
  std::string_view family_;
  Order order_ = Order::prefix_first;
  bool has_both_orders_ = false;
  TokenId prefix_ = 0, suffix_ = 0;
  std::optional<TokenId> middle_, end_;
  std::optional<TokenId> file_sep_;  // none: other files stand before the prefix as text
};

// Is this the text of a token that only we may write: a marker of some family's FIM or chat form?
bool is_marker_text(std::string_view text);

// Every token at which generation ends whatever was asked: EOS, end-of-turn tokens, FIM markers,
// pads and separators, each if the vocabulary has it, and `more` from the files.
std::vector<TokenId> stop_tokens(const Tokenizer& tokenizer, const std::vector<TokenId>& more);

}  // namespace r1
