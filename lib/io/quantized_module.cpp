#include "lib/io/quantized_module.h"

#include <charconv>

namespace r1 {
namespace {

// "128x128", as earlier writers of compressed-tensors have it; none where it is something else.
QuantizationConfig::Block pair_in(std::string_view text) {
  QuantizationConfig::Block block;
  const char* const end = text.data() + text.size();
  const auto [middle, error] = std::from_chars(text.data(), end, block.rows);
  if (error != std::errc() || middle == end || *middle != 'x') return {};
  const auto [last, other] = std::from_chars(middle + 1, end, block.cols);
  return other == std::errc() && last == end ? block : QuantizationConfig::Block();
}

QuantizationConfig::Block pair_of(const Json::Array& list, const std::string& where) {
  if (list.size() != 2) return {};
  return {list[0].integer(where), list[1].integer(where)};
}

}  // namespace

const Tensor* QuantizedModule::find(std::string_view part) const {
  const auto found = tensors_.by_name.find(of(part));
  return found == tensors_.by_name.end() ? nullptr : &found->second;
}

const Tensor& QuantizedModule::take(std::string_view part) {
  const Tensor* tensor = find(part);
  if (tensor == nullptr) fail(ErrorKind::model, "{} is missing", shown(part));
  if (tensors_.taken.insert(of(part)).second)
    taken_.push_back({static_cast<const std::byte*>(tensor->data), tensor->bytes()});
  return *tensor;
}

const std::int32_t* QuantizedModule::take_words(std::string_view part, const Shape& shape) {
  const Tensor& t = take(part);
  if (t.dtype != DType::i32 || t.shape != shape)
    fail(ErrorKind::model, "{} is {} of {}, not {} of i32", shown(part), to_string(t.shape),
         to_string(t.dtype), to_string(shape));
  return t.as<std::int32_t>();
}

const Tensor& QuantizedModule::take_floats(std::string_view part) {
  const Tensor& t = take(part);
  if (t.dtype != DType::f32 && t.dtype != DType::f16 && t.dtype != DType::bf16)
    fail(ErrorKind::model, "{} is of {}, not of f32, f16 or bf16", shown(part), to_string(t.dtype));
  return t;
}

const Tensor& QuantizedModule::take_floats(std::string_view part, const Shape& shape) {
  const Tensor& t = take_floats(part);
  if (t.shape != shape)
    fail(ErrorKind::model, "{} is {}, not {}", shown(part), to_string(t.shape), to_string(shape));
  return t;
}

GroupedIntegers grouped(const QuantizedModule& module, std::string_view part, std::int64_t rows,
                        std::int64_t cols, std::int64_t group_size) {
  const std::int64_t size = group_size == -1 ? cols : group_size;
  if (rows < 1 || cols < 1) fail(ErrorKind::model, "{} holds no weight", module.shown(part));
  if (size < 1 || cols % size != 0)
    fail(ErrorKind::model, "{} has rows of {}, which groups of {} do not divide",
         module.shown(part), cols, size);
  GroupedIntegers w;
  w.rows = rows;
  w.cols = cols;
  w.group_size = size;
  return w;
}

const std::int32_t* take_group_index(QuantizedModule& module, std::string_view part,
                                     const GroupedIntegers& w) {
  if (module.find(part) == nullptr) return nullptr;
  const std::int32_t* group_of = module.take_words(part, {w.cols});
  for (std::int64_t k = 0; k < w.cols; ++k)
    if (group_of[k] < 0 || group_of[k] >= w.groups())
      fail(ErrorKind::model, "{} puts column {} into group {} of {}", module.shown(part), k,
           group_of[k], w.groups());
  return group_of;
}

QuantizedWeight as_weight(const QuantizedModule& module, const GroupedIntegers& w) {
  const DType dtype = w.plain_type();
  return {module.of("weight"), {w.rows, w.cols}, dtype, [w, dtype](void* plain) {
            w.unpack(plain, dtype);
          }};
}

QuantizationConfig::Block QuantizationConfig::block(std::string_view key) const {
  const Json* value = find(key);
  if (value == nullptr) return {};
  const Block block = value->is_string() ? pair_in(value->string(where(key)))
                                         : pair_of(value->array(where(key)), where(key));
  if (block.rows == 0 && block.cols == 0)
    fail(ErrorKind::model, "{} is no pair of numbers", where(key));
  constexpr std::int64_t kMost = std::int64_t{1} << 31;  // so that sums stay numbers
  if (block.rows < 1 || block.cols < 1 || block.rows > kMost || block.cols > kMost)
    fail(ErrorKind::model, "{} is {} by {}", where(key), block.rows, block.cols);
  return block;
}

}  // namespace r1
