#include <cmath>
#include <cstdlib>

#include "lib/models/decoder_config.h"
#include "tests/fuzz/fuzz.h"

namespace {

// What any description that is read keeps to, whatever the file said.
void check(const r1::DecoderConfig& c) {
  const auto within = [](std::int64_t n, std::int64_t most) {
    if (n < 1 || n > most) std::abort();
  };
  within(c.layers, 512);
  within(c.width, 65'536);
  within(c.vocab, 2'097'152);
  within(c.context, 16'777'216);
  within(c.attention.heads, 1024);
  within(c.attention.kv_heads, c.attention.heads);
  within(c.attention.head_dim, 1024);
  if (!(c.eps > 0 && c.eps < 1) || c.attention.heads % c.attention.kv_heads != 0) std::abort();
  if (c.attention.window.size() != static_cast<std::size_t>(c.layers)) std::abort();
  for (const std::int64_t window : c.attention.window)
    if (window < 0 || window > 16'777'216) std::abort();
  if (c.rope.frequencies.size() != static_cast<std::size_t>(c.attention.head_dim / 2)) std::abort();
  for (const float f : c.rope.frequencies)
    if (!std::isfinite(f) || f <= 0) std::abort();
}

}  // namespace

// A config.json beside an embedding of 32 rows; the first byte says which other tensors are there.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return r1::test::fuzz(data, size, [](r1::ByteSpan bytes) {
    if (bytes.empty()) return;
    const auto there = std::to_integer<unsigned>(bytes[0]);
    std::vector<r1::NamedTensor> tensors = {{"model.embed_tokens.weight", {nullptr, {32, 16}}}};
    if (there & 1) tensors.push_back({"lm_head.weight", {nullptr, {32, 16}}});
    if (there & 2) tensors.push_back({"model.layers.0.self_attn.q_proj.bias", {nullptr, {16}}});
    if (there & 4) tensors.push_back({"model.layers.0.self_attn.o_proj.bias", {nullptr, {16}}});
    const std::string_view text = r1::as_text(bytes.subspan(1));
    check(r1::read_decoder_config(
        r1::ModelFiles::of_folder(r1::parse_json(text, "config.json"), std::move(tensors))));
  });
}
